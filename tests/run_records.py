"""Records of runs that never were, for tests of reports and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claude_parallel.report.record import RunData
from claude_parallel.store.journal import Journal

RUN = "r-20261123-021320-7b1657"
BEGAN = 1_795_400_000.0
MODEL = "claude-sonnet-4-6"

ATTEMPT: Mapping[str, Any] = {
    "position": 0,
    "number": 1,
    "started": BEGAN,
    "ended": BEGAN + 1.0,
    "kind": None,
    "status": 200,
    "detail": None,
    "request_id": "req_1",
    "model": MODEL,
    "stop_reason": "end_turn",
    "input_tokens": 100,
    "output_tokens": 20,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 0,
    "cache_read_tokens": 0,
    "thinking_tokens": 0,
    "cost": 0.0006,
}
ROW: Mapping[str, Any] = {
    "position": 0,
    "source": "api",
    "kind": None,
    "error": None,
    "cost_usd": 0.0006,
    "attempts": 1,
}


def answered(position: int, start: float, seconds: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Return a call that was answered; times in seconds since the run's start."""
    times = {"started": BEGAN + start, "ended": BEGAN + start + seconds}
    return {**ATTEMPT, "position": position, "request_id": f"req_{position}", **times, **changes}


def failed(position: int, start: float, kind: str, seconds: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Return a call that failed."""
    nothing = {name: None for name in ATTEMPT if name.endswith("_tokens")}
    base = answered(position, start, seconds, model=None, stop_reason=None, cost=None, **nothing)
    return {**base, "kind": kind, "status": 529, "detail": f"{kind} happened", **changes}


def record(
    attempts: Sequence[Mapping[str, Any]] = (),
    rows: Sequence[Mapping[str, Any]] = (),
    waits: Sequence[tuple[float, float, str]] = (),
    *,
    ended: float | None = 10.0,
    totals: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    run: str = RUN,
) -> RunData:
    """Return a run in a journal in memory; `ended` and waits in seconds since its start."""
    journal = Journal.open(None)
    for one in attempts:
        values = tuple(None if value != value else value for value in {**ATTEMPT, **one}.values())
        journal.execute(f"INSERT INTO attempts VALUES ({', '.join('?' * 18)})", (run, *values))
    for number, one in enumerate(rows):
        row = {**ROW, "position": number, **one}
        values = (
            run,
            row["position"],
            None,
            *(row[name] for name in ("source", "kind", "error", "cost_usd", "attempts")),
        )
        journal.execute("INSERT OR REPLACE INTO run_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    for start, end, reason in waits:
        journal.execute("INSERT INTO waits VALUES (?, ?, ?, ?)", (run, BEGAN + start, BEGAN + end, reason))
    return RunData(
        run_id=run,
        started=BEGAN,
        ended=None if ended is None else BEGAN + ended,
        settings=settings if settings is not None else {"model": MODEL, "rows": len(rows)},
        totals=totals or {},
        ask=lambda sql, parameters: [journal.query(sql, parameters)],
    )


def busy_record(calls: int = 300) -> RunData:
    """Return a run with everything in it: failures, retries, pauses, cache, limits."""
    attempts = []
    for position in range(calls):
        start = position * 0.1
        if position % 20 == 3:
            attempts.append(failed(position, start, "overloaded", 0.2))
        number = 2 if position % 20 == 3 else 1
        wrote = {"cache_write_5m_tokens": 2_000} if position == 0 else {"cache_read_tokens": 2_000}
        attempts.append(answered(position, start + 0.5, 1.0 + position % 7, number=number, **wrote))
    rows: list[dict[str, Any]] = [{"position": position} for position in range(calls)]
    rows[5] = {"position": 5, "kind": "refusal", "error": "refusal: Claude refused; rephrase"}
    totals = {
        "rows": calls + 10,
        "errors": {"refusal": 1, "skipped": 2},
        "cost_usd": "1.25",
        "saved_usd": "0.50",
        "from_journal": 8,
        "duplicates": 2,
        "waited_seconds": {"requests per minute": 4.0, "an even pace": 9.5},
        "limits": {"requests": 1_000.0, "input": 2_000_000.0, "output": 400_000.0},
    }
    waits = [(4.0, 6.0, "requests per minute"), (8.0, 8.01, "output tokens per minute")]
    return record(attempts, rows, waits, ended=calls * 0.1 + 10.0, totals=totals)
