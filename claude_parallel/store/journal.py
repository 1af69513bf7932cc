"""The journal: every paid answer on disk before anyone judges it, and what each run did.

Knows what is written and read back. The file itself is the business of ``journal_file``; what a run's figures mean,
of ``runs``. A journal belongs to one run at a time; several processes and threads share the *file*, each with a
connection of its own.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..api.answers import usage_of
from ..api.responses import parse_object
from ..records import Attempt, Failure, Outcome, Reply
from .file import connect, is_damage, open_or_set_aside, start_new_file

_CHUNK = 500

_SELECT_ANSWERS = "SELECT fingerprint, message, request_id FROM answers WHERE fingerprint IN"
_INSERT_ANSWER = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)"
_INSERT_ATTEMPT = f"INSERT INTO attempts VALUES ({', '.join('?' * 18)})"
_INSERT_ROW = "INSERT OR REPLACE INTO run_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_WAIT = "INSERT INTO waits VALUES (?, ?, ?, ?)"

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row's fate, as the journal keeps it."""

    position: int
    fingerprint: bytes | None
    outcome: Outcome


class Journal:
    """Answers and runs in one SQLite file.

    Parameters
    ----------
    connection : sqlite3.Connection
        An open journal file.
    path : Path or None
        The file; None = in memory: then runs are kept, answers are not.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.path = path
        self._connection = connection
        self._pending: list[Statement] = []
        self._committed: asyncio.Future[None] | None = None
        self._warned: set[str] = set()

    @classmethod
    def open(cls, path: Path | None, *, is_explicit: bool = False) -> Journal:
        """Open the journal at `path`, or one in memory for None; see ``journal_file.open_or_set_aside``."""
        if path is None:
            return cls(connect(None), None)
        return cls(*open_or_set_aside(path, is_explicit=is_explicit))

    def __repr__(self) -> str:
        return f"<Journal {self.path or 'in memory'}>"

    def close(self) -> None:
        """Write what is left and close the connection; a journal in memory stays readable."""
        self._flush()
        if self.path is not None:
            self._connection.close()

    # -- answers -----------------------------------------------------------------------------------------------------

    def recall(self, fingerprints: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the answers that are there already.

        Parameters
        ----------
        fingerprints : sequence of bytes
            Keys of requests; any number.
        """
        found: dict[bytes, Reply] = {}
        try:
            for start in range(0, len(fingerprints), _CHUNK):
                keys = fingerprints[start : start + _CHUNK]
                query = f"{_SELECT_ANSWERS} ({', '.join('?' * len(keys))})"
                for key, text, request_id in self._connection.execute(query, keys):
                    message = _read_message(text)
                    if message is not None:
                        found[key] = Reply(message=message, request_id=request_id, rate_limits={})
        except sqlite3.Error as error:
            if not self._start_new_file(error):
                self._warn("read", f"the journal cannot be read ({error}); rows may be asked again")
        return found

    async def keep_answer(self, fingerprint: bytes, host: str, reply: Reply, ended: float) -> None:
        """Keep a paid answer; it is on disk when this returns, before anybody has looked at it.

        All answers that arrive in one turn of the event loop share a commit.
        """
        if self.path is None:
            return
        self._pending.append(_answer(fingerprint, host, reply, ended))
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_soon(self._flush)
        await asyncio.shield(self._committed)

    def keep_attempt(self, run: str, position: int, attempt: Attempt, cost: Decimal | None) -> None:
        """Keep what one try was like; written with the next answer, or at the end."""
        self._pending.append((_INSERT_ATTEMPT, _attempt_row(run, position, attempt, cost)))

    def keep_answers(self, rows: Iterable[tuple[bytes, str, Reply, float]]) -> None:
        """Commit answers that came together (batch results): fingerprint, host, reply, seconds since the epoch."""
        self._pending.extend(_answer(*row) for row in rows)
        self._flush()

    # -- runs --------------------------------------------------------------------------------------------------------

    def begin_run(self, run: str, started: float, host: str, settings: Mapping[str, Any]) -> None:
        """Keep that a run has begun; `settings` must be free of prompts and keys."""
        self._pending.append(
            (
                "INSERT INTO runs VALUES (?, ?, NULL, ?, ?, NULL)",
                (run, started, host, json.dumps(dict(settings), default=str)),
            )
        )
        self._flush()

    def end_run(self, run: str, ended: float, totals: Mapping[str, Any]) -> None:
        """Keep a run's totals."""
        self._pending.append(
            ("UPDATE runs SET ended = ?, totals = ? WHERE id = ?", (ended, json.dumps(dict(totals), default=str), run))
        )
        self._flush()

    def keep_rows(self, run: str, rows: Iterable[RunRow]) -> None:
        """Keep what became of each row."""
        self._pending.extend((_INSERT_ROW, _run_row(run, row)) for row in rows)
        self._flush()

    def keep_wait(self, run: str, started: float, ended: float, reason: str) -> None:
        """Keep that the run waited, seconds since the epoch; written with the next answer."""
        self._pending.append((_INSERT_WAIT, (run, started, ended, reason)))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        return self._connection.execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement in a transaction of its own, and return the number of rows changed."""
        return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, statements: Iterable[Statement]) -> None:
        """Run statements in one transaction; raises when that fails."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, parameters in statements:
                self._connection.execute(sql, parameters)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _flush(self) -> None:
        """Commit what is pending, and tell those who wait for it.

        A full or read-only disk is told once; what could not be written is kept and tried again, and the run goes on.
        """
        waiting, self._committed = self._committed, None
        try:
            self._commit()
        except (sqlite3.Error, ValueError, OverflowError) as error:
            self._warn(
                "write",
                f"THE JOURNAL CANNOT BE WRITTEN ({error}). The answers stay in the returned frame: save it, "
                "since a second run would pay for them again",
            )
        finally:
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    def _commit(self) -> None:
        """Commit what is pending; what fails stays pending."""
        if not self._pending:
            return
        try:
            self.execute_many(self._pending)
        except sqlite3.Error as error:
            if not self._start_new_file(error):
                raise
            self.execute_many(self._pending)
        self._pending = []

    def _start_new_file(self, error: sqlite3.Error) -> bool:
        """Go on with a new file when the old one turns out to be damaged while in use; False when it is not that."""
        if self.path is None or not is_damage(error):
            return False
        self._connection.close()
        self._connection, self.path = start_new_file(self.path, error)
        return True

    def _warn(self, occasion: str, message: str) -> None:
        """Warn once for each occasion."""
        if occasion not in self._warned:
            self._warned.add(occasion)
            warnings.warn(f"{message} [{self.path}]", UserWarning, stacklevel=2)


def _read_message(text: str) -> Mapping[str, Any] | None:
    """Return a stored Message; None for one that is not whole, which costs only this answer."""
    return parse_object(text)


def _storable(text: str | None) -> str | None:
    """Return text that SQLite can take: lone surrogates as escapes."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _answer(fingerprint: bytes, host: str, reply: Reply, created: float) -> Statement:
    # Inside JSON, the escape that stands for a lone surrogate is read back as the same.
    message = _storable(json.dumps(reply.message, ensure_ascii=False, separators=(",", ":")))
    return _INSERT_ANSWER, (fingerprint, host, message, reply.request_id, created)


def _attempt_row(run: str, position: int, attempt: Attempt, cost: Decimal | None) -> tuple[Any, ...]:
    result = attempt.result
    head = (run, position, attempt.number, attempt.started, attempt.ended)
    if isinstance(result, Failure):
        return (*head, result.kind, result.status, _storable(result.message[:500]), result.request_id, *(None,) * 9)
    usage = usage_of(result.message)
    return (
        *head,
        None,
        200,
        None,
        result.request_id,
        result.message.get("model"),
        result.message.get("stop_reason"),
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.cache_read_tokens,
        usage.thinking_tokens,
        None if cost is None else str(cost),
    )


def _run_row(run: str, row: RunRow) -> tuple[Any, ...]:
    outcome = row.outcome
    cost = None if outcome.cost is None else str(outcome.cost)
    return (
        run,
        row.position,
        row.fingerprint,
        outcome.source,
        outcome.kind,
        _storable(outcome.error),
        cost,
        outcome.attempts,
    )
