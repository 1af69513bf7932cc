"""When the prompt cache pays in a batch: for how many requests the marks, and for how many a call that fills it first.

Pure. A run and its estimate decide by this one rule: by the calls that are to be sent, and by the hits that the API
promises. The call is made in ``batch.seeder``, its dollars are shown in ``forecast.strategies``. Source: Message
Batches docs, prompt caching, read 2026-11-22: 30 to 98 % of a batch's requests read the cache; cheapest is to let one
request write an entry of an hour before the others are submitted.
"""

from __future__ import annotations

import math
from decimal import Decimal

from ..pricing import PriceList
from ..prompt.cache_breakpoints import TimeToLive
from ..records import Usage

FEWEST_HITS = Decimal("0.3")
"""Share of a batch's requests that read the cache, the fewest that the API promises."""

SURE_HITS = Decimal("0.25")
"""Share by which is decided. At the fewest hits promised, a call and its marks would pay by a hair, and chance makes
that a loss as often as a gain. Decided by five hits in a hundred less, they then save a twentieth of the prefix."""

LEAST_CACHED = 8
"""Requests of an envelope that make the prompt cache worth its writes. With a quarter of hits, the first written for
1.25 and each other one paid 0.9625 on average add up to less than plain input from eight on."""

SEED_TTL: TimeToLive = "1h"
"""Lifetime of the entry that a seeding call writes: a batch may take longer than five minutes to begin. The requests of
the batch are marked for five minutes all the same: those that miss the entry write one for 1.25 and not for 2."""


def least_seeded(
    prices: PriceList,
    model: str,
    *,
    prefix_tokens: float,
    input_tokens: float,
    max_tokens: int,
    ttl: TimeToLive,
    is_fast: bool = False,
) -> int | None:
    """Return from how many requests on a seeding call is certain to be no dearer than no cache; None = it never is.

    Made live, the call costs twice as much as in the batch, and its entry twice the input price; at worst it uses all
    its `max_tokens`. The others pay that back with fewer hits than the API promises without any such call. More hits,
    which are likely, are the gain.

    Parameters
    ----------
    prices : PriceList
        The only source of prices.
    model : str
        Which model is asked.
    prefix_tokens, input_tokens : float
        Tokens of the shared prefix, and of a whole request.
    max_tokens : int
        Most output tokens of a call.
    ttl : "5m" or "1h"
        Lifetime of the marks in the batch.
    is_fast : bool
        True where live calls go at fast prices.
    """
    live, batch = prices.card(model, is_fast=is_fast), prices.card(model, is_batch=True)
    if live is None or batch is None:
        return None
    prefix, rest = round(prefix_tokens), round(max(0.0, input_tokens - prefix_tokens))
    seed = live.cost(Usage(rest, max_tokens, cache_write_1h_tokens=prefix))
    plain = batch.cost(Usage(rest + prefix, max_tokens))
    is_short = ttl == "5m"
    written = Usage(
        rest, 0, cache_write_5m_tokens=prefix if is_short else 0, cache_write_1h_tokens=0 if is_short else prefix
    )
    hit, miss = batch.cost(Usage(rest, 0, cache_read_tokens=prefix)), batch.cost(written)
    saved = batch.cost(Usage(rest + prefix, 0)) - SURE_HITS * hit - (1 - SURE_HITS) * miss
    return 1 + math.ceil((seed - plain) / saved) if saved > 0 else None
