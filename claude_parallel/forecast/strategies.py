"""Four ways to send the same requests, live or in batches, with prompt caching or without: dollars and advice.

Knows prices times tokens, and the advice that follows from them. Tokens come from ``token_counts``, seconds from
``simulate``; how all of it is shown is decided in ``estimate``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..engine.seeding import SEED_TTL
from ..pricing import PriceList, RateCard, dearest_lifetime
from ..prompt.cache_breakpoints import TimeToLive, minimum_tokens
from ..records import Usage
from .hits import PROMISED_HITS
from .token_counts import Interval

FloatArray = npt.NDArray[np.float64]
Name = Literal["live", "live + caching", "batch", "batch + caching"]
NAMES: tuple[Name, ...] = ("live", "live + caching", "batch", "batch + caching")

BATCH_SECONDS = 3_600.0
"""Most batches end within an hour, all within 24. Source: Message Batches docs, read 2026-11-22."""

BATCH_QUEUE = 200_000
"""Requests that may wait in batches at once on the lowest tier. Source: rate limits, read 2026-11-22."""

_WORTH_USD = Decimal(5)
"""A saving for which one waits up to a day; less is not worth a second look."""
_LONG_SECONDS = 3_600.0
"""A live run of an hour takes as long as most batches do, so that half the price costs no time."""


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """What a workload weighs.

    Attributes
    ----------
    inputs : array
        Likely input tokens of each request.
    input_error : float
        Bound of the relative error of their sum.
    prefix : float
        Tokens of the prefix that all requests share.
    output : Interval
        Output tokens of one answer.
    """

    inputs: FloatArray
    input_error: float
    prefix: float
    output: Interval

    def total_output(self) -> tuple[float, float, float]:
        """Return all output tokens: low, likely, high."""
        count = len(self.inputs)
        return count * self.output.low, count * self.output.likely, count * self.output.high


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to send the requests.

    Attributes
    ----------
    name : str
        ``live``, ``live + caching``, ``batch`` or ``batch + caching``.
    usd : tuple of Decimal or None
        US dollars: low, likely, high; None where no price is known, and for batches where there are none.
    seconds : float
        Expected wall time; NaN for batches where there are none.
    when : str
        When it is the one to use.
    recommended : bool
        True for one of the four.
    """

    name: Name
    usd: tuple[Decimal, Decimal, Decimal] | None
    seconds: float
    when: str
    recommended: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Requests that go one way; `hit_shares` of them read the cache: low, likely, high."""

    card: RateCard | None
    inputs: FloatArray
    ttl: TimeToLive | None
    hit_shares: tuple[float, float, float]


def can_cache(tokens: Tokens, guessed_prefix: float, model: str) -> bool:
    """Say whether the shared prefix is long enough to be cached, both by the engine's guess and as counted."""
    return len(tokens.inputs) > 1 and min(tokens.prefix, guessed_prefix) >= minimum_tokens(model)


def price_strategy(
    name: Name,
    tokens: Tokens,
    fields: Mapping[str, Any],
    prices: PriceList,
    ttl: TimeToLive | None,
    *,
    hits: Interval = PROMISED_HITS,
    is_seeded: bool = False,
) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return what all requests cost in one strategy, US dollars low, likely, high; None without a known price.

    Parameters
    ----------
    name : str
        The strategy.
    tokens : Tokens
        What the requests weigh.
    fields : mapping
        The wire body; model, speed, inference_geo and cache breakpoints of the user's own count: what these mark is
        cached in every strategy.
    prices : PriceList
        The only source of prices.
    ttl : "5m", "1h" or None
        Lifetime of the cache's entries; None = the prefix is not cached, whatever the strategy's name.
    hits : Interval
        Share of a batch's requests that read the cache.
    is_seeded : bool
        True where the first request of a batch goes live, to fill the cache for the others.
    """
    parts = list(_parts(name, tokens.inputs, fields, prices, ttl, hits, is_seeded=is_seeded))
    error, output = tokens.input_error, tokens.output
    totals = []
    for scale, outputs, bound in ((1 - error, output.low, 2), (1.0, output.likely, 1), (1 + error, output.high, 0)):
        total = Decimal(0)
        for part in parts:
            if part.card is None:
                return None
            for band, inputs in _bands(part.card, part.inputs * scale):
                total += _band_cost(band, inputs, tokens, outputs, part.hit_shares[bound], fields, part.ttl)
        totals.append(total * prices.factor)
    return totals[0], totals[1], totals[2]


def automatic_lifetime(fields: Mapping[str, Any]) -> TimeToLive | None:
    """Return the lifetime of what ``request={"cache_control": ...}`` has each request write behind the shared prefix.

    Its breakpoint is at the end of the request (source: prompt caching, "automatic caching"), which no other row has.
    """
    return dearest_lifetime({"cache_control": fields.get("cache_control")})


def batch_seconds(calls: int) -> float:
    """Return how long batches of so many requests usually take, in seconds; a full queue makes rounds."""
    return BATCH_SECONDS * -(-calls // BATCH_QUEUE)


def advise(
    usd: Mapping[Name, tuple[Decimal, Decimal, Decimal] | None],
    seconds: Mapping[Name, float],
    *,
    calls: int,
    caching: str | None,
    no_batches: str | None,
    read_price: float,
    is_seeded: bool = False,
) -> list[Strategy]:
    """Return the four strategies with their advice; one of them is recommended.

    Parameters
    ----------
    usd, seconds : mapping
        Dollars and wall time by strategy.
    calls : int
        Requests to be sent.
    caching : str or None
        Why caching does not apply; None where it does.
    no_batches : str or None
        Why batches do not apply; None where they do.
    read_price : float
        What a cached token costs, as a share of the price of an input token.
    is_seeded : bool
        True where one row goes live before a batch, to fill the cache for the others.
    """
    best = _recommended(usd, seconds, calls, is_cacheable=caching is None)
    shared = caching or f"where all rows share a long prompt: its cached part costs {read_price:g}x"
    seeded = "; one row goes live first and fills the cache" if is_seeded else ""
    when: dict[Name, str] = {
        "live": "where latency matters: answers come at once",
        "live + caching": shared,
        "batch": no_batches or "where it can wait: half the price, mostly within an hour, at most 24 hours",
        "batch + caching": no_batches or caching or f"{shared} of half the price, best effort{seeded}",
    }
    return [Strategy(name, usd[name], seconds[name], when[name], name == best) for name in NAMES]


def read_price(card: RateCard | None) -> float:
    """Return what a cached token costs as a share of the price of an input token."""
    if card is None or not card.bands[0][1][0]:
        return 0.1
    prices = card.bands[0][1]
    return float(prices[4] / prices[0])


def _recommended(
    usd: Mapping[Name, tuple[Decimal, Decimal, Decimal] | None],
    seconds: Mapping[Name, float],
    calls: int,
    *,
    is_cacheable: bool,
) -> Name:
    """Batch where that saves some dollars or a live run would take as long anyway; caching where it saves anything."""
    live = _cheaper("live", "live + caching", usd) if is_cacheable else "live"
    batch = _cheaper("batch", "batch + caching", usd) if is_cacheable else "batch"
    one, other = usd[live], usd[batch]
    if not calls or one is None or other is None:
        return live
    saved = one[1] - other[1]
    return batch if saved >= _WORTH_USD or (saved > 0 and seconds[live] >= _LONG_SECONDS) else live


def _cheaper(plain: Name, cached: Name, usd: Mapping[Name, tuple[Decimal, Decimal, Decimal] | None]) -> Name:
    one, other = usd[plain], usd[cached]
    return cached if one is not None and other is not None and other[1] < one[1] else plain


def _parts(
    name: Name,
    inputs: FloatArray,
    fields: Mapping[str, Any],
    prices: PriceList,
    ttl: TimeToLive | None,
    hits: Interval,
    *,
    is_seeded: bool,
) -> Iterator[_Part]:
    """Yield the requests at one price: live all but the first read the cache, in batches as many as luck gives."""
    best = max(0, len(inputs) - 1) / max(1, len(inputs))
    by_luck = (hits.low, hits.likely, hits.high)
    live = prices.card(fields["model"], is_fast=fields.get("speed") == "fast")
    batch = prices.card(fields["model"], is_batch=True)
    own = {place: fields.get(place) for place in ("tools", "system")}
    ttl = ttl and dearest_lifetime(own, ttl if name.endswith("caching") else None)
    if not name.startswith("batch"):
        yield _Part(live, inputs, ttl, (best, best, best))
    elif is_seeded and ttl:
        yield _Part(live, inputs[:1], SEED_TTL, (0.0, 0.0, 0.0))
        yield _Part(batch, inputs[1:], ttl, by_luck)
    else:
        low, likely, high = (min(share, best) for share in by_luck)
        yield _Part(batch, inputs, ttl, (low, likely, high))


def _bands(card: RateCard, inputs: FloatArray) -> Iterator[tuple[RateCard, FloatArray]]:
    """Yield the requests of each band of prices, with a card that holds for this band alone."""
    starts: Sequence[int] = [start for start, _ in card.bands]
    band = np.searchsorted(np.asarray(starts[1:], dtype=np.float64), inputs, side="left")
    for index, (_, prices) in enumerate(card.bands):
        chosen = inputs[band == index]
        if len(chosen):
            yield RateCard(((0, prices),), card.per_search), chosen


def _band_cost(
    card: RateCard,
    inputs: FloatArray,
    tokens: Tokens,
    outputs: float,
    hit_share: float,
    fields: Mapping[str, Any],
    ttl: TimeToLive | None,
) -> Decimal:
    count, total = len(inputs), float(inputs.sum())
    cached = min(tokens.prefix * count, total) if ttl else 0.0
    written = cached * (1 - hit_share)
    automatic = automatic_lifetime(fields)
    long = inputs[inputs >= minimum_tokens(str(fields["model"]))] if automatic else inputs[:0]
    own = float(np.maximum(long - (tokens.prefix if ttl else 0.0), 0.0).sum())
    writes = [(ttl, round(written)), (automatic, round(own))]
    return card.cost(
        Usage(
            input_tokens=round(total - cached - own),
            output_tokens=round(count * outputs),
            cache_write_5m_tokens=sum(tokens for lifetime, tokens in writes if lifetime == "5m"),
            cache_write_1h_tokens=sum(tokens for lifetime, tokens in writes if lifetime == "1h"),
            cache_read_tokens=round(cached) - round(written),
            inference_geo=fields.get("inference_geo"),
        )
    )
