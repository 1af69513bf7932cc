"""What a run came to, what failed, what was slow and what it waited for, counted from its record.

Knows counts and rankings; money by kind of token is the business of ``spending``, series over time of ``timeline``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import numpy as np
import pandas as pd

from ..errors import HINTS, Kind
from .timeline import FloatArray, RunData, amounts, numbers

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
class FailureGroup:
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


def failure_groups(data: RunData) -> tuple[FailureGroup, ...]:
    """Return what went wrong by kind, most rows lost first."""
    calls = data.attempts
    failed = calls[calls["kind"].notna()]
    by_kind = Counter({str(kind): int(n) for kind, n in failed["kind"].value_counts().items()})
    lost = Counter({str(k): int(n) for k, n in (data.totals.get("errors") or _row_kinds(data.rows)).items()})
    details = _first_texts(failed, "detail")
    errors = {kind: _what_happened(kind, text) for kind, text in _first_texts(data.rows, "error").items()}
    found = (
        FailureGroup(
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
            "request_id": data.attempts["request_id"].astype(object),
        }
    ).dropna(subset=["position", "started", "ended"])
    if calls.empty:
        return ()
    rows = calls.groupby("position").agg(first=("started", "min"), last=("ended", "max"), calls=("started", "size"))
    rows["seconds"] = rows["last"] - rows["first"]
    top = rows.sort_values("seconds", ascending=False, kind="stable").head(most)
    latest = calls[calls["position"].isin(top.index)].sort_values("ended").groupby("position")["request_id"].last()
    return tuple(
        SlowRow(int(cast(float, position)), float(row["seconds"]), int(row["calls"]), _text(latest.get(position)))
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
    seconds: dict[str, float] = {}
    lengths = numbers(data.waits["ended"]) - numbers(data.waits["started"])
    for reason, length in zip(data.waits["reason"], np.nan_to_num(lengths), strict=True):
        seconds[str(reason)] = seconds.get(str(reason), 0.0) + float(length)
    for reason, waited in (data.totals.get("waited_seconds") or {}).items():
        seconds[str(reason)] = waited
    parts = (WaitPart(reason, float(waited)) for reason, waited in seconds.items() if waited > 0)
    return tuple(sorted(parts, key=lambda part: (-part.seconds, part.reason)))


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
        return "nothing: no row was lost to it"
    return HINTS.get(cast(Kind, kind), HINTS["unknown"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
