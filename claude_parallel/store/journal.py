"""The journal: every paid answer on disk before anyone judges it, and what each run did.

What is written stands in ``statements``; when, and what happens when that fails, in ``open_file``. A journal belongs to
one run at a time. Runs of one process that use the same file share a connection, each other process has its own.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from ..api.json_text import parse_object
from ..records import Attempt, RateLimitStatuses, Reply, Usage
from . import statements
from .answer_keys import newest
from .open_file import OpenFile
from .row_records import RunRow, row_records
from .sharing import share
from .statements import INSERT_FOLLOW_UP, INSERT_WAIT, Statement

__all__ = ["Journal", "RunRow", "Statement"]

T = TypeVar("T")

_NOTHING_USED = Usage()
_NO_LIMITS: RateLimitStatuses = {}
_RECORDS_AT_ONCE = 1_000
"""Records of rows in one transaction: 4 MB where rows share them, some 20 ms."""

_SELECT_ANSWERS = (
    "SELECT fingerprint, CAST(message AS BLOB), CAST(request_id AS BLOB) FROM asked CROSS JOIN answers "
    f"ON id = {newest('key')}"
)
"""As bytes: text that is not UTF-8 any more would end the whole query, and not only its own answer. A join looks the
keys up as they come, in two thirds of the time of ``IN``, which sorts them first."""


class Journal:
    """Answers and runs in one SQLite file.

    Parameters
    ----------
    file : OpenFile
        The open file; in memory, runs are kept and answers are not.
    """

    def __init__(self, file: OpenFile) -> None:
        self._file = file.join(self)

    @classmethod
    def open(cls, path: Path | None, *, is_explicit: bool = False) -> Journal:
        """Open the journal at `path`, or one in memory for None; see ``file.open_or_set_aside``."""
        return cls(OpenFile.open(path, is_explicit=is_explicit))

    @classmethod
    def open_for_run(cls, path: Path | None, *, is_explicit: bool = False) -> Journal:
        """Open the journal at `path` as :meth:`open` does, together with the runs of this process that use it now."""
        return share(path, cls, is_explicit=is_explicit)

    @classmethod
    def open_existing(cls, path: Path | None, *, is_explicit: bool) -> Journal:
        """Open the journal at `path` to look into it; where there is none, an empty one in memory: no file is made.

        Whoever looks has to say whether the user has named the file: then one that is no journal is left as it is.
        """
        return cls.open(path if path is not None and path.exists() else None, is_explicit=is_explicit)

    def __repr__(self) -> str:
        return f"<Journal {self.path or 'in memory'}>"

    @property
    def path(self) -> Path | None:
        """The file; None = in memory."""
        return self._file.path

    @property
    def is_in_use(self) -> bool:
        """False once it was closed: nothing more is kept in it."""
        return self._file.is_used

    def close(self) -> None:
        """Write what is left and let the file be closed, if no other run uses it; one in memory stays readable."""
        self._file.leave(self)

    def tidy(self) -> None:
        """Leave everything in the one file, in the middle of its use; see ``open_file.OpenFile.tidy``."""
        self._file.tidy()

    # -- answers -----------------------------------------------------------------------------------------------------

    def recall(self, fingerprints: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the answers that are there already.

        Parameters
        ----------
        fingerprints : sequence of bytes
            Keys of requests; any number.
        """
        return dict(self.replies(fingerprints))

    def replies(self, fingerprints: Sequence[bytes]) -> Iterator[tuple[bytes, Reply]]:
        """Yield the answers that are there already, each with its key; what is read at once is taken apart one by one.

        Who is done with one before the next needs memory for one: that of a thousand is no longer in the processor's
        caches when it is looked at. An answer that is not whole is as good as none, and costs no other one.
        """
        kept: dict[bytes, tuple[bytes | None, bytes | None]] = {}
        self._reading(lambda: self._read_answers(fingerprints, kept), None)
        for key, (message_bytes, id_bytes) in kept.items():
            message = parse_object(message_bytes or b"")
            if message is not None:
                request_id = None if id_bytes is None else id_bytes.decode("utf-8", "replace")
                yield key, Reply(message, request_id, _NO_LIMITS)

    def look(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT in the middle of a run; none where the file cannot be read, which is told."""
        return self._reading(lambda: self._select(sql, parameters).fetchall(), [])

    def _reading(self, read: Callable[[], T], otherwise: T) -> T:
        """Return what is read; a file that cannot be read, or no more, ends no run."""
        try:
            return self._file.mending(read)
        except sqlite3.Error as error:
            self._file.warn("read", f"the journal cannot be read ({error}); rows may be asked again")
            return otherwise

    def _read_answers(
        self, fingerprints: Sequence[bytes], kept: dict[bytes, tuple[bytes | None, bytes | None]]
    ) -> None:
        """Fill in the Messages and ids of the answers that are there."""
        for keys, marks in statements.key_chunks(fingerprints):
            for key, message, request_id in self._select(
                f"WITH asked(key) AS {marks} {_SELECT_ANSWERS}", keys
            ).fetchall():
                kept[key] = message, request_id

    def _select(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        """Run a SELECT, which may use :func:`newest`."""
        self._file.keys.catch_up()
        return self._file.connection.execute(sql, parameters)

    async def keep_answer(self, fingerprint: bytes, host: str, reply: Reply, ended: float) -> None:
        """Keep a paid answer; it is on disk when this returns, before anybody has looked at it."""
        if self.path is not None:
            self._file.pending.append(statements.answer(fingerprint, host, reply, ended))
            await self._file.written()

    def keep_attempt(
        self, run: str, position: int, attempt: Attempt, usage: Usage | None = None, cost: Decimal | None = None
    ) -> None:
        """Keep what one try was like, and what its answer used and cost; written with the next answer."""
        self._file.pending.append(statements.attempt(run, position, attempt, usage or _NOTHING_USED, cost))

    def keep_follow_up(self, run: str, asked: bytes, number: int, fingerprint: bytes) -> None:
        """Keep the key of the `number`-th call that a row needs, counted from 1; `asked` is the key of the first."""
        self._file.pending.append((INSERT_FOLLOW_UP, (run, asked, number, fingerprint)))

    def keep_answers(self, rows: Iterable[tuple[bytes, str, Reply, float]]) -> None:
        """Commit answers that came together (batch results): fingerprint, host, reply, seconds since the epoch."""
        self._file.pending.extend(statements.answer(*row) for row in rows)
        self._file.flush()

    def delete_answers(self, condition: str = "true", parameters: Sequence[Any] = ()) -> int:
        """Delete the answers that a condition in SQL picks, and return how many."""
        deleted = self.execute(f"DELETE FROM answers WHERE {condition}", parameters)
        self.execute("DELETE FROM answer_keys WHERE id NOT IN (SELECT id FROM answers)")
        return deleted

    # -- runs --------------------------------------------------------------------------------------------------------

    def begin_run(self, run: str, started: float, host: str, settings: Mapping[str, Any]) -> None:
        """Keep that a run has begun; `settings` must be free of prompts and keys."""
        self._file.pending.append(
            (
                "INSERT INTO runs VALUES (?, ?, NULL, ?, ?, NULL)",
                (run, started, host, json.dumps(dict(settings), default=str)),
            )
        )
        self._file.flush()

    def end_run(self, run: str, ended: float, totals: Mapping[str, Any]) -> None:
        """Keep a run's totals."""
        self._file.pending.append(
            ("UPDATE runs SET ended = ?, totals = ? WHERE id = ?", (ended, json.dumps(dict(totals), default=str), run))
        )
        self._file.flush()

    def keep_rows(self, run: str, rows: Iterable[RunRow]) -> None:
        """Keep what became of each row, some thousands at a time, since all of them together would fill the memory."""
        records = row_records(run, rows)
        while chunk := list(itertools.islice(records, _RECORDS_AT_ONCE)):
            self._file.pending.extend(chunk)
            self._file.flush()

    def keep_wait(self, run: str, started: float, ended: float, reason: str) -> None:
        """Keep that the run waited, seconds since the epoch; written with the next answer."""
        self._file.pending.append((INSERT_WAIT, (run, started, ended, reason)))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with self._file.alone():
            return self._select(sql, parameters).fetchall()

    def query_chunks(self, sql: str, parameters: Sequence[Any], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Give the rows of a SELECT in chunks, so that they are never all in memory as tuples."""
        with self._file.alone():
            fetch = self._select(sql, parameters).fetchmany
            yield from iter(lambda: fetch(size), [])

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement in a transaction of its own, and return the number of rows changed."""
        with self._file.in_place():
            return self._file.connection.execute(sql, parameters).rowcount

    def execute_many(self, statements: Iterable[Statement]) -> None:
        """Run statements in one transaction; raises when one of them fails, and then nothing is written."""
        every = list(statements)
        self._file.mending(lambda: self._file.write(every, skips=False))
