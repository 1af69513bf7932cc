"""What a run cost by kind of token, and what prompt caching saved.

Knows sums of tokens times prices; the prices are the business of ``pricing``, words and pictures of ``report``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..pricing import PriceList, UnitPrices
from ..records import ZERO
from .record import RunData

TOKEN_KINDS: tuple[tuple[str, str], ...] = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache write, 5 minutes", "cache_write_5m_tokens"),
    ("cache write, 1 hour", "cache_write_1h_tokens"),
    ("cache read", "cache_read_tokens"),
)
"""Kinds of token in the order of ``pricing.UnitPrices``, and their columns."""

_CACHE_KINDS = (2, 3, 4)

_BILLED = "(cost IS NULL OR CAST(cost AS REAL) > 0)"
"""A refusal before any output counts tokens and costs nothing, so its tokens have no price."""


@dataclass(frozen=True, slots=True)
class CostPart:
    """What one kind of token cost; `cost` in US dollars."""

    kind: str
    tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run cost by kind of token.

    Attributes
    ----------
    parts : tuple of CostPart
        Kinds that were used.
    other : Decimal
        US dollars of the calls beyond their tokens at list price: web searches, US-only inference, fast mode.
    unpriced : int
        Answers of models without a known price.
    """

    parts: tuple[CostPart, ...]
    other: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What prompt caching did.

    Attributes
    ----------
    hits, misses : int
        Answers that read from the cache, and those that only wrote to it or left it aside.
    read_share : float
        Share of all input tokens that came from the cache.
    saved : Decimal
        US dollars saved against plain input tokens; negative where caching cost more.
    """

    hits: int
    misses: int
    read_share: float
    saved: Decimal

    @property
    def hit_rate(self) -> float:
        """Share of answers that read from the cache."""
        return self.hits / max(1, self.hits + self.misses)


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """Tokens of all answers that share their unit prices; `paid` in US dollars."""

    answers: int
    hits: int
    paid: float
    tokens: tuple[int, ...]
    prices: UnitPrices | None


def token_groups(data: RunData, prices: PriceList) -> list[TokenGroup]:
    """Return the answers' tokens by model, context and band of prices: sums of whole tokens, priced exactly."""
    asked = str(data.settings.get("model", ""))
    models = [str(name) for (name,) in data.calls("DISTINCT coalesce(model, ?)", where="kind IS NULL", more=[asked])]
    # Grouping by text sorts all calls on disk; most runs have one model, and need none.
    model, given = ("coalesce(model, ?)", asked) if len(models) > 1 else ("?", "".join(models))
    cards = {(name, batch): prices.card(name, is_batch=batch) for name in models for batch in (False, True)}
    starts = sorted({start for card in cards.values() if card for start, _ in card.bands if start})
    total = " + ".join(f"coalesce({column}, 0)" for _, column in TOKEN_KINDS if column != "output_tokens")
    band = " + ".join(["0", *(f"({total} > {start})" for start in starts)])
    sums = ", ".join(f"coalesce(sum({column}), 0)" for _, column in TOKEN_KINDS)
    has_batch = bool(data.rows("position", where="source = 'batch'", then="LIMIT 1"))
    in_batch = (
        "position IN (SELECT position FROM row_outcomes WHERE run = ? AND source = 'batch')" if has_batch else "0"
    )
    groups_by = [*(["name"] if len(models) > 1 else []), *(["in_batch"] if has_batch else []), "band"]
    found = data.calls(
        f"{model} AS name, {in_batch} AS in_batch, {band} AS band, count(*), sum(cache_read_tokens > 0), "
        f"coalesce(sum(CAST(cost AS REAL)), 0.0), {sums}",
        where=f"kind IS NULL AND {_BILLED}",
        then=f"GROUP BY {', '.join(groups_by)} ORDER BY {', '.join(groups_by)}",
        more=[given, *([data.run_id] if has_batch else [])],
    )
    groups = []
    for name, batch, number, answers, hits, paid, *tokens in found:
        card = cards[str(name), bool(batch)]
        above = starts[number - 1] + 1 if number else 0
        unit_prices = card.prices(above) if card else None
        groups.append(TokenGroup(int(answers), int(hits or 0), float(paid), tuple(map(int, tokens)), unit_prices))
    return groups


def cost_by_kind(groups: Sequence[TokenGroup]) -> Costs:
    """Return what each kind of token cost, by genai-prices; `groups` are those of :func:`token_groups`."""
    tokens, costs, unpriced, paid = [0] * len(TOKEN_KINDS), [ZERO] * len(TOKEN_KINDS), 0, 0.0
    for group in groups:
        unpriced += group.answers if group.prices is None else 0
        paid += group.paid
        for index, number in enumerate(group.tokens):
            tokens[index] += number
            costs[index] += number * group.prices[index] if group.prices else ZERO
    other = Decimal(repr(paid)) - sum(costs, ZERO)
    parts = (CostPart(name, n, cost) for (name, _), n, cost in zip(TOKEN_KINDS, tokens, costs, strict=True))
    is_other = other > Decimal(repr(paid)) / 1_000 and not unpriced
    return Costs(tuple(part for part in parts if part.tokens), other if is_other else ZERO, unpriced)


def cache_use(data: RunData, groups: Sequence[TokenGroup]) -> CacheUse | None:
    """Return what prompt caching did; None where no token was written to the cache or read from it.

    The run's own totals, where they are kept, go before what its calls tell.
    """
    recorded = data.totals.get("cache") or {}
    sums = [sum(group.tokens[kind] for group in groups) for kind in range(len(TOKEN_KINDS))]
    if not any(sums[kind] for kind in _CACHE_KINDS) and not recorded.get("hits"):
        return None
    saved = ZERO
    for group in groups:
        if group.prices:
            saved += sum((group.tokens[kind] * (group.prices[0] - group.prices[kind]) for kind in _CACHE_KINDS), ZERO)
    hits = int(recorded.get("hits", sum(group.hits for group in groups)))
    return CacheUse(
        hits=hits,
        misses=int(recorded.get("misses", sum(group.answers for group in groups) - hits)),
        read_share=sums[4] / max(1, sums[0] + sums[2] + sums[3] + sums[4]),
        saved=Decimal(str(recorded.get("saved_usd", saved))),
    )
