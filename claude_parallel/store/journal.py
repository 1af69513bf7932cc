"""The journal: every paid answer on disk before anyone judges it, and what each run did.

Decides when to write and what to do when that fails; what is written stands in ``statements``, the file in ``file``. A
journal belongs to one run at a time; several processes and threads share the *file*, each with its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import sqlite3
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..api.responses import parse_object
from ..bridge import off_loop
from ..records import Attempt, Reply, Usage
from . import forks, statements
from .file import ForeignFile, connect, is_damage, open_or_set_aside, place_of, start_new_file
from .rescue import copy_records
from .row_records import RunRow, row_records
from .statements import INSERT_FOLLOW_UP, INSERT_WAIT, Statement
from .tables import NewerFile

__all__ = ["Journal", "RunRow", "Statement"]

_LOG = logging.getLogger("claude_parallel")

_CHUNK = 500
"""Keys in one query; SQLite takes 999 parameters or more, by its version."""
_NOTHING_USED = Usage()
_RECORDS_AT_ONCE = 1_000
"""Records of rows in one transaction: 4 MB where rows share them, some 20 ms."""

_SELECT_ANSWERS = (
    "SELECT fingerprint, CAST(message AS BLOB), CAST(request_id AS BLOB) FROM answers WHERE fingerprint IN"
)
"""As bytes: text that is not UTF-8 any more would end the whole query, and not only its own answer."""

_NEVER_STORABLE = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)
"""What is raised for a record that SQLite cannot take, however often it is tried; a full disk is none of these."""


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
        self._pending: deque[Statement] = deque()  # filled by the run's loop, emptied by whoever writes
        self._committed: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._warned: set[str] = set()
        self._place = place_of(path)
        self._lock = threading.RLock()
        forks.watch(self)

    @classmethod
    def open(cls, path: Path | None, *, is_explicit: bool = False) -> Journal:
        """Open the journal at `path`, or one in memory for None; see ``file.open_or_set_aside``."""
        with forks.using_sqlite():
            if path is None:
                return cls(connect(None), None)
            return cls(*open_or_set_aside(path, is_explicit=is_explicit))

    @classmethod
    def open_existing(cls, path: Path | None, *, is_explicit: bool = False) -> Journal:
        """Open the journal at `path` to look into it; where there is none, an empty one in memory: no file is made."""
        return cls.open(path if path is not None and path.exists() else None, is_explicit=is_explicit)

    def __repr__(self) -> str:
        return f"<Journal {self.path or 'in memory'}>"

    def close(self) -> None:
        """Write what is left and close the connection; a journal in memory stays readable."""
        self._flush()
        if self.path is not None:
            with self._alone():
                self._connection.close()

    def let_go(self) -> None:
        """Leave the file to the parent process, in a forked child: its own maps open it anew."""
        self._lock = threading.RLock()
        if self.path is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection, self.path = connect(None), None
        self._pending, self._place = deque(), None
        self._committed = self._writing = None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads from the connection, and from forking, for the length of a block."""
        with forks.using_sqlite(), self._lock:
            yield

    # -- answers -----------------------------------------------------------------------------------------------------

    def recall(self, fingerprints: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the answers that are there already.

        Parameters
        ----------
        fingerprints : sequence of bytes
            Keys of requests; any number.
        """
        found: dict[bytes, Reply] = {}
        with self._alone():
            try:
                self._read_answers(fingerprints, found)
            except sqlite3.Error as error:
                if self._start_new_file(error):
                    with contextlib.suppress(sqlite3.Error):
                        self._read_answers(fingerprints, found)  # what could be rescued
                else:
                    self._warn("read", f"the journal cannot be read ({error}); rows may be asked again")
        return found

    def _read_answers(self, fingerprints: Sequence[bytes], found: dict[bytes, Reply]) -> None:
        """Fill in the answers that are there; one that is not whole is as good as none, and costs no other one."""
        for start in range(0, len(fingerprints), _CHUNK):
            keys = fingerprints[start : start + _CHUNK]
            query = f"{_SELECT_ANSWERS} ({', '.join('?' * len(keys))})"
            for key, message_bytes, id_bytes in self._connection.execute(query, keys):
                message = parse_object(message_bytes or b"")
                if message is not None:
                    request_id = None if id_bytes is None else id_bytes.decode("utf-8", "replace")
                    found[key] = Reply(message=message, request_id=request_id, rate_limits={})

    async def keep_answer(self, fingerprint: bytes, host: str, reply: Reply, ended: float) -> None:
        """Keep a paid answer; it is on disk when this returns, before anybody has looked at it.

        Answers are written beside the event loop, which goes on reading: a slow disk or a locked file costs no call in
        flight its time. All answers that arrive while one group is being written make up the next.
        """
        if self.path is None:
            return
        self._pending.append(statements.answer(fingerprint, host, reply, ended))
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            if self._writing is None:
                self._writing = loop.create_task(self._write_groups())
        await asyncio.shield(self._committed)

    async def _write_groups(self) -> None:
        """Write until nobody waits for a group any more."""
        try:
            while (waiting := self._committed) is not None:
                self._committed = None
                try:
                    await off_loop(self._flush)
                finally:
                    if not waiting.done():
                        waiting.set_result(None)
        finally:
            self._writing = None
            if self._committed is not None:  # after a failure nobody writes any more, and nobody is to wait for it
                self._committed.set_result(None)
                self._committed = None

    def keep_attempt(
        self, run: str, position: int, attempt: Attempt, usage: Usage | None = None, cost: Decimal | None = None
    ) -> None:
        """Keep what one try was like, and what its answer used and cost; written with the next answer."""
        self._pending.append(statements.attempt(run, position, attempt, usage or _NOTHING_USED, cost))

    def keep_follow_up(self, run: str, asked: bytes, number: int, fingerprint: bytes) -> None:
        """Keep the key of the `number`-th call that a row needs, counted from 1; `asked` is the key of the first."""
        self._pending.append((INSERT_FOLLOW_UP, (run, asked, number, fingerprint)))

    def keep_answers(self, rows: Iterable[tuple[bytes, str, Reply, float]]) -> None:
        """Commit answers that came together (batch results): fingerprint, host, reply, seconds since the epoch."""
        self._pending.extend(statements.answer(*row) for row in rows)
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
        """Keep what became of each row, some thousands at a time, since all of them together would fill the memory."""
        records = row_records(run, rows)
        while chunk := list(itertools.islice(records, _RECORDS_AT_ONCE)):
            self._pending.extend(chunk)
            self._flush()

    def keep_wait(self, run: str, started: float, ended: float, reason: str) -> None:
        """Keep that the run waited, seconds since the epoch; written with the next answer."""
        self._pending.append((INSERT_WAIT, (run, started, ended, reason)))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with self._alone():
            return self._connection.execute(sql, parameters).fetchall()

    def query_chunks(self, sql: str, parameters: Sequence[Any], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Give the rows of a SELECT in chunks, so that they are never all in memory as tuples."""
        with self._alone():
            fetch = self._connection.execute(sql, parameters).fetchmany
            yield from iter(lambda: fetch(size), [])

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement in a transaction of its own, and return the number of rows changed."""
        with self._alone():
            return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, statements: Iterable[Statement]) -> None:
        """Run statements in one transaction; raises when one of them fails, and then nothing is written."""
        self._write(statements, skips=False)

    def _write(self, statements: Iterable[Statement], *, skips: bool) -> list[Exception]:
        """Run statements in one transaction; with `skips`, those that SQLite can never take are returned as errors."""
        refused: list[Exception] = []
        with self._alone():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for sql, parameters in statements:
                    try:
                        self._connection.execute(sql, parameters)
                    except _NEVER_STORABLE as error:
                        if not skips:
                            raise
                        refused.append(error)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return refused

    def _flush(self) -> None:
        """Commit what is pending.

        A full or read-only disk is told once; what could not be written is kept and tried again, and the run goes on.
        """
        with self._alone():
            records: list[Statement] = []
            while self._pending:
                records.append(self._pending.popleft())
            try:
                self._commit(records)
            except BaseException as error:
                self._pending.extendleft(reversed(records))
                if not isinstance(error, sqlite3.Error):
                    raise
                self._warn(
                    "write",
                    f"THE JOURNAL CANNOT BE WRITTEN ({error}). The answers stay in the returned frame: save it, "
                    "since a second run would pay for them again",
                )

    def _commit(self, records: list[Statement]) -> None:
        """Commit records; what can never be kept is told and left out."""
        if not records:
            return
        if self._place is not None and place_of(self.path) != self._place:
            self._write_anew()
        try:
            refused = self._write(records, skips=True)
        except sqlite3.Error as error:
            if not self._start_new_file(error):
                raise
            refused = self._write(records, skips=True)
        if refused:
            self._warn("refused", f"{len(refused)} records cannot be kept in the journal ({refused[0]})")

    def _start_new_file(self, error: sqlite3.Error) -> bool:
        """Go on with a new file when the old one turns out to be damaged while in use; False when it is not that."""
        if self.path is None or not is_damage(error):
            return False
        self._connection.close()
        self._connection, self.path = start_new_file(self.path, error)
        self._place = place_of(self.path)
        return True

    def _write_anew(self) -> None:
        """Put the journal back where it was, when somebody has deleted or moved it while it is in use.

        The open connection still holds everything, answers of this run included; only the name is gone.
        """
        try:
            connection = connect(self.path)
            copy_records(self._connection, connection)
        except (ForeignFile, NewerFile, sqlite3.Error, OSError) as error:
            self._place = None
            self._warn(
                "gone",
                f"the journal was deleted or moved, and cannot be written again ({error}). The answers stay in the "
                "returned frame: save it, since a second run would pay for them again",
            )
            return
        self._connection.close()
        self._connection, self._place = connection, place_of(self.path)
        self._warn("gone", "the journal was deleted or moved while a run used it; it was written anew")

    def _warn(self, occasion: str, message: str) -> None:
        """Warn once for each occasion."""
        if occasion not in self._warned:
            self._warned.add(occasion)
            try:
                warnings.warn(f"{message} [{self.path}]", UserWarning, stacklevel=2)
            except UserWarning:  # made an error by a filter: no reason to lose what is paid and still on its way
                _LOG.warning("%s [%s]", message, self.path)
