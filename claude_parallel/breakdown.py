"""What a run cost, what failed and what was slow, counted from its record.

Knows sums and rankings; how things went over time is the business of ``timeline``, words and pictures of ``report``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import numpy as np
import pandas as pd

from .errors import HINTS, KINDS, Kind
from .pricing import PriceList, UnitPrices
from .timeline import FloatArray, RunData, amounts, numbers

ZERO = Decimal(0)
TOKEN_KINDS: tuple[tuple[str, str], ...] = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache write, 5 minutes", "cache_write_5m_tokens"),
    ("cache write, 1 hour", "cache_write_1h_tokens"),
    ("cache read", "cache_read_tokens"),
)
"""Kinds of token in the order of ``pricing.UnitPrices``, and their columns."""

_CACHE_KINDS = (2, 3, 4)
_LATENCY_BINS = 40


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a run.

    Attributes
    ----------
    rows, answered, skipped : int
        Rows of the frame, with an answer, and left out because a cell was missing.
    errors : mapping of str to int
        Rows by kind of error, skipped ones not among them.
    cost, saved : Decimal
        US dollars paid, and what answers from the journal would have cost.
    from_journal, duplicates, calls, retries : int
        Rows answered by the journal, by an identical row; calls sent, and those of them that were repeated.
    seconds : float
        How long it took.
    is_finished : bool
        False for a run that never came to its end.
    """

    rows: int
    answered: int
    skipped: int
    errors: Mapping[str, int]
    cost: Decimal
    saved: Decimal
    from_journal: int
    duplicates: int
    calls: int
    retries: int
    seconds: float
    is_finished: bool

    @property
    def rows_per_second(self) -> float:
        """Answered rows per second, whatever their source."""
        return self.answered / self.seconds if self.seconds > 0 else 0.0


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
class Trouble:
    """One kind of failure: failed calls, rows lost to it for good, an example, and what to do."""

    kind: str
    calls: int
    rows: int
    example: str
    advice: str


@dataclass(frozen=True, slots=True)
class SlowRow:
    """A row that took long, from its first call to its last answer, in seconds."""

    position: int
    seconds: float
    calls: int
    request_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Latency:
    """How long answered calls took, in seconds.

    Attributes
    ----------
    calls : int
        Answered calls.
    p50, p90, p99, longest : float
        Percentiles and the maximum.
    edges, counts : array
        A histogram; calls longer than its last edge count in its last bin.
    """

    calls: int
    p50: float
    p90: float
    p99: float
    longest: float
    edges: FloatArray
    counts: FloatArray


@dataclass(frozen=True, slots=True)
class WaitPart:
    """One reason to wait, and for how many seconds in all."""

    reason: str
    seconds: float


def summarize(data: RunData) -> Summary:
    """Return the totals of a run; what a run cut short left no record of is counted from its calls."""
    totals, calls = data.totals, data.attempts
    kinds = {str(kind): int(n) for kind, n in (totals.get("errors") or _row_kinds(data.rows)).items()}
    answered_positions = calls.loc[calls["kind"].isna(), "position"].nunique()
    rows = int(totals.get("rows") or len(data.rows) or data.settings.get("rows") or answered_positions)
    is_recorded = "rows" in totals or len(data.rows) > 0
    paid = totals.get("cost_usd")
    ends = [data.started, data.ended or data.started, *numbers(calls["ended"])]
    return Summary(
        rows=rows,
        answered=max(0, rows - sum(kinds.values())) if is_recorded else answered_positions,
        skipped=kinds.pop("skipped", 0),
        errors=kinds,
        cost=Decimal(str(paid)) if paid is not None else Decimal(repr(float(amounts(calls["cost_usd"]).sum()))),
        saved=Decimal(str(totals.get("saved_usd") or 0)),
        from_journal=int(totals.get("from_journal") or 0),
        duplicates=int(totals.get("duplicates") or 0),
        calls=len(calls),
        retries=int((amounts(calls["number"]) > 1).sum()),
        seconds=float(np.nanmax(ends)) - data.started,
        is_finished=data.ended is not None,
    )


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


def troubles(data: RunData) -> tuple[Trouble, ...]:
    """Return what went wrong by kind, most rows lost first."""
    calls = data.attempts
    failed = calls[calls["kind"].notna()]
    by_kind = Counter({str(kind): int(n) for kind, n in failed["kind"].value_counts().items()})
    lost = Counter({str(k): int(n) for k, n in (data.totals.get("errors") or _row_kinds(data.rows)).items()})
    details = _first_texts(failed, "detail")
    errors = {kind: _what_happened(kind, text) for kind, text in _first_texts(data.rows, "error").items()}
    found = (
        Trouble(
            kind=kind,
            calls=by_kind[kind],
            rows=lost[kind],
            example=details.get(kind) or errors.get(kind, ""),
            advice=_advice(kind, lost[kind]),
        )
        for kind in {*by_kind, *lost}
        if by_kind[kind] or lost[kind]
    )
    return tuple(sorted(found, key=lambda one: (-one.rows, -one.calls, one.kind)))


def slowest(data: RunData, most: int = 10) -> tuple[SlowRow, ...]:
    """Return the rows that took longest from their first call to the end of their last, retries and waits included."""
    calls = pd.DataFrame(
        {
            "position": numbers(data.attempts["position"]),
            "started": numbers(data.attempts["started"]),
            "ended": numbers(data.attempts["ended"]),
            "request_id": data.attempts["request_id"].to_numpy(dtype=object, na_value=None),
        }
    ).dropna(subset=["position", "started", "ended"])
    if calls.empty:
        return ()
    rows = calls.groupby("position").agg(first=("started", "min"), last=("ended", "max"), calls=("started", "size"))
    rows["seconds"] = rows["last"] - rows["first"]
    top = rows.sort_values("seconds", ascending=False, kind="stable").head(most)
    latest = calls[calls["position"].isin(top.index)].sort_values("ended").groupby("position")["request_id"].last()
    return tuple(
        SlowRow(int(cast(float, position)), float(row["seconds"]), int(row["calls"]), str(latest[position] or ""))
        for position, row in top.iterrows()
    )


def latency(data: RunData) -> Latency | None:
    """Return how long answered calls took; None without any."""
    calls = data.attempts[data.attempts["kind"].isna()]
    seconds = numbers(calls["ended"]) - numbers(calls["started"])
    seconds = np.maximum(seconds[np.isfinite(seconds)], 0.0)
    if not len(seconds):
        return None
    p50, p90, p99 = (float(value) for value in np.quantile(seconds, (0.5, 0.9, 0.99)))
    longest = float(seconds.max())
    # A few stragglers would squeeze all others into one bin.
    top = max(min(longest, 2.0 * p99), 1e-3)
    edges = np.linspace(0.0, top, max(1, min(_LATENCY_BINS, len(seconds))) + 1)
    counts = np.histogram(np.minimum(seconds, top), bins=edges)[0].astype(np.float64)
    return Latency(len(seconds), p50, p90, p99, longest, edges, counts)


def waits_by_reason(data: RunData) -> tuple[WaitPart, ...]:
    """Return for how long sending was held back, by reason, longest first."""
    seconds: Counter[str] = Counter()
    lengths = numbers(data.waits["ended"]) - numbers(data.waits["started"])
    for reason, length in zip(data.waits["reason"], np.nan_to_num(lengths), strict=True):
        seconds[str(reason)] += float(length)  # type: ignore[assignment]
    for reason, waited in (data.totals.get("waited_seconds") or {}).items():
        seconds[str(reason)] = waited
    parts = (WaitPart(reason, float(waited)) for reason, waited in seconds.items() if waited > 0)
    return tuple(sorted(parts, key=lambda part: (-part.seconds, part.reason)))


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
    models = calls["model"].to_numpy(dtype=object, na_value=None)
    models = np.where(models == None, str(data.settings.get("model", "")), models)  # noqa: E711
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


def _row_kinds(rows: pd.DataFrame) -> dict[Any, int]:
    return {kind: int(n) for kind, n in rows["kind"].value_counts().items()}


def _first_texts(frame: pd.DataFrame, column: str) -> dict[str, str]:
    """Return the first text of a column for each kind."""
    present = frame.loc[frame["kind"].notna() & frame[column].notna(), ["kind", column]].drop_duplicates("kind")
    return {str(kind): str(text) for kind, text in zip(present["kind"], present[column], strict=True)}


def _what_happened(kind: str, error: str) -> str:
    """Return an error column's text without its kind and its hint, which stand beside it."""
    hint = HINTS.get(cast(Kind, kind), "")
    return error.removeprefix(f"{kind}: ").removesuffix(f"; {hint}")


def _advice(kind: str, rows: int) -> str:
    if not rows:
        return "nothing to do: it was tried again, and no row was lost to it"
    return HINTS[cast(Kind, kind)] if kind in KINDS else HINTS["unknown"]
