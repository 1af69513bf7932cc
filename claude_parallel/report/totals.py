"""What a run came to, what failed, what was slow and what it waited for, counted from its record.

Knows counts and rankings; money by kind of token is the business of ``token_costs``, series over time of ``timeline``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from ..errors import advice_of, count_fates, fate_of, what_happened
from .record import FloatArray, Rows, RunData

_LATENCY_BINS = 40
"""Bars of the histogram: each is some ten pixels wide, and a second peak still shows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a run.

    Attributes
    ----------
    rows, answered, failed, skipped, cancelled : int
        Rows of the frame, and what they came to; see ``errors.Fate``.
    errors : mapping of str to int
        Failed rows by kind of error.
    cost, saved : Decimal
        US dollars paid, and what answers from the journal would have cost.
    from_journal, duplicates, calls, retries : int
        Rows answered by the journal, by an identical row; calls sent, and those of them that were repeated.
    seconds : float
        How long it took.
    is_finished : bool
        False for a run that never came to its end.
    is_simulated : bool
        True when a simulator answered.
    """

    rows: int
    answered: int
    failed: int
    skipped: int
    cancelled: int
    errors: Mapping[str, int]
    cost: Decimal
    saved: Decimal
    from_journal: int
    duplicates: int
    calls: int
    retries: int
    seconds: float
    is_finished: bool
    is_simulated: bool

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
    since: float | None = None
    """When the first pause for it began, seconds since the epoch; None where no pause was kept."""


def summarize(data: RunData) -> Summary:
    """Return the totals of a run; what a run cut short left no record of is counted from its calls."""
    totals = data.totals
    sent = data.call_totals
    samples = _samples(data)
    kept = None if "rows" in totals else int(data.rows("count(*)")[0][0]) // samples
    kinds = {str(kind): int(n) for kind, n in (totals["errors"] if "errors" in totals else _row_kinds(data)).items()}
    is_recorded = kept is None or kept > 0
    answered = (
        0 if is_recorded else int(data.calls(f"count(DISTINCT position / {samples})", where="kind IS NULL")[0][0])
    )
    rows = int(totals.get("rows") or kept or data.settings.get("rows") or answered)
    fates = count_fates(kinds, rows if is_recorded else answered + sum(kinds.values()))
    paid = totals.get("cost_usd")
    return Summary(
        rows=rows,
        answered=fates.answered,
        failed=fates.failed,
        skipped=fates.skipped,
        cancelled=fates.cancelled,
        errors={kind: count for kind, count in kinds.items() if fate_of(kind) == "failed"},
        cost=Decimal(str(paid)) if paid is not None else Decimal(repr(float(sent.cost))),
        saved=Decimal(str(totals.get("saved_usd") or 0)),
        from_journal=int(totals.get("from_journal") or 0),
        duplicates=int(totals.get("duplicates") or 0),
        calls=sent.calls,
        retries=sent.retries,
        seconds=max(data.started, data.ended or data.started, sent.last_ended or data.started) - data.started,
        is_finished=data.ended is not None,
        is_simulated=data.is_simulated,
    )


def failure_groups(data: RunData) -> tuple[FailureGroup, ...]:
    """Return what went wrong by kind, most rows lost first."""
    # Of a bare column beside min(), SQLite gives the value of the row that has the minimum.
    failed = (
        data.calls("kind, count(*), detail, min(started)", where="kind IS NOT NULL", then="GROUP BY kind")
        if data.call_totals.failures
        else []
    )
    by_kind = Counter({str(kind): int(n) for kind, n, _detail, _first in failed})
    lost = Counter({str(k): int(n) for k, n in (data.totals.get("errors") or _row_kinds(data)).items()})
    errors = data.rows(
        "kind, error, min(position)", where="kind IS NOT NULL AND error IS NOT NULL", then="GROUP BY kind"
    )
    examples = {str(kind): what_happened(str(kind), str(text)) for kind, text, _first in errors}
    examples |= {str(kind): str(detail) for kind, _n, detail, _first in failed if detail}
    found = (
        FailureGroup(
            kind=kind,
            calls=by_kind[kind],
            rows=lost[kind],
            example=examples.get(kind, ""),
            advice=advice_of(kind) if lost[kind] else "nothing: no row was lost to it",
        )
        for kind in {*by_kind, *lost}
        if by_kind[kind] or lost[kind]
    )
    return tuple(sorted(found, key=lambda one: (-one.rows, -one.calls, one.kind)))


def slowest(data: RunData, most: int = 10) -> tuple[SlowRow, ...]:
    """Return the rows that took longest from their first call to the end of their last, retries and waits included."""
    # Rows asked once need no grouping, which would sort all calls; those asked again are few, and mostly none.
    again = "SELECT position FROM attempts WHERE run = ? AND number > 1"
    has_again = data.call_totals.retries > 0
    once = data.calls(
        "position, max(started, ended) - started AS seconds, 1, request_id",
        where=f"position NOT IN ({again})" if has_again else "",
        then=f"ORDER BY seconds DESC, position LIMIT {most}",
        more=(data.run_id,) if has_again else (),
    )
    often = _slowest_asked_again(data, again, most) if has_again else []
    ranked = sorted([*once, *often], key=lambda row: (-row[1], row[0]))[:most]
    samples = _samples(data)
    return tuple(
        SlowRow(int(position) // samples, float(seconds), int(calls), _text(request_id))
        for position, seconds, calls, request_id in ranked
    )


def _slowest_asked_again(data: RunData, positions: str, most: int) -> Rows:
    """Return position, seconds, number of calls and id of the last one of the slowest among some rows."""
    found = data.calls(
        "position, max(max(started, ended)) - min(started) AS seconds, count(*)",
        where=f"position IN ({positions})",
        then=f"GROUP BY position ORDER BY seconds DESC, position LIMIT {most}",
        more=(data.run_id,),
    )
    # Of a bare column beside max(), SQLite gives the value of the row that has the maximum.
    last = data.calls(
        "position, request_id, max(ended)",
        where=f"position IN ({', '.join('?' * len(found))})",
        then="GROUP BY position",
        more=[row[0] for row in found],
    )
    names = {position: request_id for position, request_id, _ended in last}
    return [(*row, names[row[0]]) for row in found]


def latency(data: RunData) -> Latency | None:
    """Return how long answered calls took; None without any."""
    calls = data.call_numbers
    seconds = (calls.ended - calls.started)[calls.is_answered]
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
    paused = data.waits("reason, sum(ended - started), min(started)", then="GROUP BY reason")
    seconds = {str(reason): float(length) for reason, length, _began in paused}
    since = {str(reason): float(began) for reason, _length, began in paused}
    for reason, waited in (data.totals.get("waited_seconds") or {}).items():
        seconds[str(reason)] = float(waited)
    parts = (WaitPart(reason, waited, since.get(reason)) for reason, waited in seconds.items() if waited > 0)
    return tuple(sorted(parts, key=lambda part: (-part.seconds, part.reason)))


def _row_kinds(data: RunData) -> dict[Any, int]:
    samples = _samples(data)
    rows = "count(*)" if samples == 1 else f"count(DISTINCT position / {samples})"
    return dict(data.rows(f"kind, {rows}", where="kind IS NOT NULL", then="GROUP BY kind"))


def _samples(data: RunData) -> int:
    """Return how many positions a row has."""
    return int(data.settings.get("sample") or 1)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
