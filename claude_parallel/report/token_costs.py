"""What a run cost by kind of token, and what prompt caching saved.

Knows sums of tokens times prices; the prices are the business of ``pricing``, words and pictures of ``report``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ..pricing import PriceList, UnitPrices
from ..records import ZERO
from .timeline import RunData, amounts

TOKEN_KINDS: tuple[tuple[str, str], ...] = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache write, 5 minutes", "cache_write_5m_tokens"),
    ("cache write, 1 hour", "cache_write_1h_tokens"),
    ("cache read", "cache_read_tokens"),
)
"""Kinds of token in the order of ``pricing.UnitPrices``, and their columns."""

_CACHE_KINDS = (2, 3, 4)


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


def cost_by_kind(data: RunData, prices: PriceList | None = None) -> Costs:
    """Return what each kind of token cost, by the prices of genai-prices.

    Parameters
    ----------
    data : RunData
        The run.
    prices : PriceList, optional
        Rate cards read already.
    """
    tokens, costs, unpriced = [0] * len(TOKEN_KINDS), [ZERO] * len(TOKEN_KINDS), 0
    for group in _groups(data, prices or PriceList()):
        unpriced += group.answers if group.prices is None else 0
        for index, number in enumerate(group.tokens):
            tokens[index] += number
            costs[index] += number * group.prices[index] if group.prices else ZERO
    paid = Decimal(repr(float(amounts(data.attempts["cost_usd"]).sum())))
    other = paid - sum(costs, ZERO)
    parts = (CostPart(name, n, cost) for (name, _), n, cost in zip(TOKEN_KINDS, tokens, costs, strict=True))
    is_other = other > paid / 1_000 and not unpriced
    return Costs(tuple(part for part in parts if part.tokens), other if is_other else ZERO, unpriced)


def cache_use(data: RunData, prices: PriceList | None = None) -> CacheUse | None:
    """Return what prompt caching did; None where no token was written to the cache or read from it.

    The run's own totals, where they are kept, go before what its calls tell.
    """
    calls = data.attempts[data.attempts["kind"].isna()]
    columns = [amounts(calls[column]) for _, column in TOKEN_KINDS]
    read, total = columns[4], columns[0] + columns[2] + columns[3] + columns[4]
    recorded = data.totals.get("cache") or {}
    if not (columns[2] + columns[3] + columns[4]).any() and not recorded.get("hits"):
        return None
    saved = ZERO
    for group in _groups(data, prices or PriceList()):
        if group.prices:
            saved += sum((group.tokens[kind] * (group.prices[0] - group.prices[kind]) for kind in _CACHE_KINDS), ZERO)
    hits = int(recorded.get("hits", (read > 0).sum()))
    return CacheUse(
        hits=hits,
        misses=int(recorded.get("misses", len(calls) - hits)),
        read_share=float(read.sum() / max(1.0, total.sum())),
        saved=Decimal(str(recorded.get("saved_usd", saved))),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Tokens of all answers that share their unit prices."""

    answers: int
    tokens: tuple[int, ...]
    prices: UnitPrices | None


def _groups(data: RunData, prices: PriceList) -> Iterator[_Group]:
    """Yield the answers' tokens by model, context and band of prices: sums of whole tokens, priced exactly."""
    calls = data.attempts[data.attempts["kind"].isna()]
    tokens = np.stack([amounts(calls[column]) for _, column in TOKEN_KINDS], axis=1)
    totals = tokens[:, 0] + tokens[:, 2:].sum(axis=1)
    models = calls["model"].astype(object).fillna(str(data.settings.get("model", ""))).to_numpy(dtype=object)
    batch = set(data.rows.loc[data.rows["source"] == "batch", "position"])
    is_batch = calls["position"].isin(batch).to_numpy(dtype=bool)
    for model, in_batch in sorted({(str(m), bool(b)) for m, b in zip(models, is_batch, strict=True)}):
        chosen = (models == model) & (is_batch == in_batch)
        card = prices.card(model, is_batch=in_batch)
        starts = [start for start, _ in card.bands] if card else [0]
        band = np.searchsorted(np.asarray(starts[1:], dtype=np.float64), totals, side="left")
        for index, start in enumerate(starts):
            inside = chosen & (band == index)
            if inside.any():
                sums = tuple(int(number) for number in tokens[inside].sum(axis=0))
                yield _Group(int(inside.sum()), sums, card.prices(start + 1) if card else None)
