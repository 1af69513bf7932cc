"""What the journal writes: SQL, and parameters that SQLite can take whatever the API has sent.

Pure. Text may hold lone surrogates and numbers may be of any size; neither may keep a record, or those after it, from
the disk.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..api.answers import model_of, stop_reason_of, unreadable, usage_of
from ..records import Attempt, Failure, Outcome, Reply

INSERT_ANSWER = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)"
INSERT_ATTEMPT = f"INSERT INTO attempts VALUES ({', '.join('?' * 18)})"
INSERT_ROW = "INSERT OR REPLACE INTO run_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_RECALLED = "INSERT OR REPLACE INTO recalled_rows VALUES (?, ?, ?)"
INSERT_WAIT = "INSERT INTO waits VALUES (?, ?, ?, ?)"
INSERT_FOLLOW_UP = "INSERT OR REPLACE INTO follow_ups VALUES (?, ?, ?, ?)"

_DETAIL_LETTERS = 500
"""A proxy's page can be long; the first lines say what it is."""

_MOST_TOGETHER = 500
"""Recalled rows in one record. The view `row_outcomes` counts to it, once per record, so that it must not be larger."""
_FEWEST_TOGETHER = 32
"""Fewer rows are kept one by one: the view takes as long for a record of two rows as for one of 500."""

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row's fate, as the journal keeps it."""

    position: int
    fingerprint: bytes | None
    outcome: Outcome


def answer(fingerprint: bytes, host: str, reply: Reply, created: float) -> Statement:
    """Return the statement that keeps a paid answer.

    Inside JSON, the escape that stands for a lone surrogate is read back as the same. What JSON cannot hold again is
    kept as an answer that says so: it was paid, and must not be asked again silently.
    """
    try:
        message = json.dumps(reply.message, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, TypeError, ValueError) as error:
        message = json.dumps(unreadable(f"it cannot be written as JSON ({type(error).__name__})"))
    return INSERT_ANSWER, (fingerprint, host, storable(message), storable(reply.request_id), created)


def attempt(run: str, position: int, tried: Attempt, cost: Decimal | None) -> Statement:
    """Return the statement that keeps what one try was like."""
    result = tried.result
    head = (run, position, tried.number, tried.started, tried.ended)
    if isinstance(result, Failure):
        detail = storable(result.message[:_DETAIL_LETTERS])
        return INSERT_ATTEMPT, (*head, result.kind, result.status, detail, storable(result.request_id), *(None,) * 9)
    usage = usage_of(result.message)
    return INSERT_ATTEMPT, (
        *head,
        None,
        200,
        None,
        storable(result.request_id),
        storable(model_of(result.message)),
        storable(stop_reason_of(result.message)),
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.cache_read_tokens,
        usage.thinking_tokens,
        None if cost is None else str(cost),
    )


def run_rows(run: str, rows: Iterable[RunRow]) -> Iterator[Statement]:
    """Yield the statements that keep what became of rows.

    Neighbours whose answers were in the journal share one record: a run that only reads writes next to nothing.

    Parameters
    ----------
    run : str
        The run's name.
    rows : iterable of RunRow
        In the order of positions.
    """
    numbered = enumerate(rows)
    for (is_recalled, _), group in itertools.groupby(numbered, lambda item: _neighbourhood(*item)):
        members = (row for _, row in group)
        while chunk := list(itertools.islice(members, _MOST_TOGETHER)):
            if is_recalled and len(chunk) >= _FEWEST_TOGETHER:
                yield from _recalled_rows(run, chunk)
            else:
                yield from (_run_row(run, row) for row in chunk)


def _neighbourhood(number: int, row: RunRow) -> tuple[bool, int]:
    """Return what neighbours have in common: being recalled or not, and then how far position and number are apart."""
    outcome = row.outcome
    is_recalled = (
        outcome.source == "journal"
        and row.fingerprint is not None
        and outcome.kind is None
        and outcome.cost == 0
        and outcome.attempts == 0
    )
    return is_recalled, row.position - number if is_recalled else 0


def _recalled_rows(run: str, rows: Sequence[RunRow]) -> Iterator[Statement]:
    first, last = rows[0].position, rows[-1].position
    yield "DELETE FROM run_rows WHERE run = ? AND position BETWEEN ? AND ?", (run, first, last)
    yield INSERT_RECALLED, (run, first, b"".join(row.fingerprint or b"" for row in rows))


def _run_row(run: str, row: RunRow) -> Statement:
    outcome = row.outcome
    cost = None if outcome.cost is None else str(outcome.cost)
    return INSERT_ROW, (
        run,
        row.position,
        row.fingerprint,
        outcome.source,
        outcome.kind,
        storable(outcome.error),
        cost,
        outcome.attempts,
    )


def storable(text: str | None) -> str | None:
    """Return text that SQLite can take: lone surrogates as escapes."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()
