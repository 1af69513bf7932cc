"""A journal file while it is open: one connection, and one queue of what is to be written.

Who shares it, and how long it stays open, is the business of ``sharing``.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakSet

from ..warning import warn_and_go_on
from . import forks
from .answer_keys import MOST_LEFT, MOST_RECENT, AnswerKeys
from .file import (
    ForeignFile,
    connect,
    empty_log,
    is_damage,
    open_again,
    open_or_set_aside,
    place_of,
    start_new_file,
    state_of,
    with_companions,
)
from .group_commit import GroupCommit
from .rescue import copy_records
from .statements import Statement
from .tables import NewerFile
from .transaction import NEVER_STORABLE, write_all, write_storable

T = TypeVar("T")


class OpenFile:
    """An open journal file, or one in memory.

    Parameters
    ----------
    connection : sqlite3.Connection
        An open journal file. It is closed with this object at the latest: one in memory stays readable until then.
    path : Path or None
        The file; None = in memory.

    Attributes
    ----------
    pending : deque of Statement
        What the next transaction writes; filled by the loops of runs, emptied by whoever writes.
    on_unused : callable
        Called with this file when its last user has left: closes it, where nobody says otherwise.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.path = path
        self._use(connection)
        self.pending: deque[Statement] = deque()
        self._users: WeakSet[object] = WeakSet()
        self._groups: WeakKeyDictionary[asyncio.AbstractEventLoop, GroupCommit] = WeakKeyDictionary()
        self._warned: set[str] = set()
        self.on_unused: Callable[[OpenFile], None] = OpenFile.close_alone
        self._left: tuple[object, ...] | None = None
        self._lock = threading.RLock()
        forks.watch(self)

    @classmethod
    def open(cls, path: Path | None, *, is_explicit: bool = False) -> OpenFile:
        """Open the journal at `path`, or one in memory for None; see ``file.open_or_set_aside``."""
        with forks.using_sqlite():
            if path is None:
                return cls(connect(None), None)
            # What a relative path means changes with the working folder, where the file lies does not.
            return cls(*open_or_set_aside(path.absolute(), is_explicit=is_explicit))

    def join(self, user: object) -> OpenFile:
        """Note who uses this file, and return it; what was told to others is told to them again."""
        with choosing():
            self._users.add(user)
            self._warned.clear()
        return self

    def leave(self, user: object) -> None:
        """Write what is left; after the last user comes `on_unused`, but one in memory stays readable."""
        self.flush()
        with choosing():
            self._users.discard(user)
        if not self.is_used and self.path is not None:
            self.on_unused(self)

    @property
    def is_used(self) -> bool:
        """True while somebody uses this file."""
        return bool(self._users)

    @property
    def is_open(self) -> bool:
        """False once the connection was closed."""
        return self._finalizer.alive

    def tidy(self) -> None:
        """Leave the file as others like it: keys in the index, and what the write-ahead log holds in the file itself.

        A copy of the one file has it all then; into another in its place SQLite would read what the log still holds.
        """
        self._index(MOST_LEFT)
        with self.in_place():
            with contextlib.suppress(sqlite3.Error):
                empty_log(self.connection)
            self._left = self._files()

    def is_as_left(self) -> bool:
        """Say whether nobody has put another file, or other content, in the place of this one since it was tidied.

        What this connection has read would be mixed with what is there now. Nor may the log beside it be gone: what is
        written into one without a name nobody else sees. Another process takes itself for the last and removes it where
        this one has lost its locks.
        """
        return self._left is not None and self._files() == self._left

    def _files(self) -> tuple[object, ...] | None:
        """Return what tells the file as it is now from any other, and which files lie beside it; None without it."""
        state = state_of(self.path)
        return None if state is None or self.path is None else (state, *map(place_of, with_companions(self.path)[1:]))

    def close_alone(self) -> None:
        """Close the connection when no other thread is inside it."""
        with self.alone():
            self.close()

    def close(self) -> None:
        """Close the connection, whoever uses it."""
        self._finalizer()

    def _use(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._place, self._log = place_of(self.path), self._place_of_log()
        self.keys = AnswerKeys(connection)
        self._finalizer = weakref.finalize(self, connection.close)
        self._finalizer.atexit = False  # other threads may still be inside it then

    def is_at(self, path: Path) -> bool:
        """Say whether this is still the file at `path`: that may have been moved or deleted."""
        return self._place is not None and place_of(path) == self._place

    def let_go(self) -> None:
        """Leave the file to the parent process, in a forked child: its own maps open it anew."""
        self._lock = threading.RLock()
        if self.path is not None:
            with contextlib.suppress(sqlite3.Error):
                self.close()
            self.path = None
            self._use(connect(None))
        self.pending = deque()
        self._groups = WeakKeyDictionary()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads from the connection, and from forking, for the length of a block."""
        with forks.using_sqlite(), self._lock:
            yield

    # -- writing -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Keep others out as :meth:`alone` does, and see to it that the file is where it was: what is written stays."""
        with self.alone():
            if self._place is not None and self.path is not None:
                if place_of(self.path) != self._place:
                    self._write_anew()
                elif self._log not in (None, log := self._place_of_log()):
                    self._open_again(self.path)
                else:
                    self._log = log
            yield

    async def written(self) -> None:
        """Wait until what is pending now is on disk.

        It is written beside the event loop, which goes on reading: a slow disk or a locked file costs no call in flight
        its time. All that arrives while one group is being written makes up the next.
        """
        loop = asyncio.get_running_loop()
        group = self._groups.get(loop)
        if group is None:
            group = self._groups[loop] = GroupCommit(self.flush)
        await asyncio.shield(group.next_commit(loop))

    def write(self, statements: Iterable[Statement], *, skips: bool) -> list[Exception]:
        """Run statements in one transaction; with `skips`, those that SQLite can never take are returned as errors."""
        every = list(statements)
        with self.in_place():
            try:
                write_all(self.connection, every)
            except NEVER_STORABLE:
                if not skips:
                    raise
                return write_storable(self.connection, every)
        return []

    def flush(self) -> None:
        """Commit what is pending.

        A full or read-only disk is told once; what could not be written is kept and tried again, and the run goes on.
        """
        with self.alone():
            records: list[Statement] = []
            while self.pending:
                records.append(self.pending.popleft())
            try:
                self._commit(records)
            except BaseException as error:
                self.pending.extendleft(reversed(records))
                if not isinstance(error, sqlite3.Error):
                    raise
                self.warn(
                    "write",
                    f"THE JOURNAL CANNOT BE WRITTEN ({error}). The answers stay in the returned frame: save it, "
                    "since a second run would pay for them again",
                )
            if records:
                self._index(MOST_RECENT)

    def _commit(self, records: list[Statement]) -> None:
        """Commit records; what can never be kept is told and left out."""
        if not records:
            return
        refused = self.mending(lambda: self.write(records, skips=True))
        if refused:
            self.warn("refused", f"{len(refused)} records cannot be kept in the journal ({refused[0]})")

    def _index(self, most: int) -> None:
        """Put the keys of answers into the index, where more than `most` wait for that; what fails can wait, too."""
        with self.alone(), contextlib.suppress(sqlite3.Error):
            if statements := self.keys.merging(most):
                self.write(statements, skips=False)

    # -- a file that breaks or goes ----------------------------------------------------------------------------------

    def mending(self, act: Callable[[], T]) -> T:
        """Use the connection; where the file turns out to be damaged, once more with that of the new one."""
        with self.in_place():
            try:
                return act()
            except sqlite3.Error as error:
                if not self._start_new_file(error):
                    raise
                return act()

    def _start_new_file(self, error: sqlite3.Error) -> bool:
        """Go on with a new file when the old one turns out to be damaged while in use; False when it is not that."""
        if self.path is None or not is_damage(error):
            return False
        self.close()
        connection, self.path = start_new_file(self.path, error, warn_and_go_on)
        self._use(connection)
        return True

    def _open_again(self, path: Path) -> None:
        """Open the file whose log is gone: nobody else would see what is written on, and another log would damage it.

        Another process takes itself for the last, puts the log into the file and removes it where this one has lost its
        locks: to read or copy the file in this process is enough (see "How To Corrupt An SQLite Database File", 2.2).
        """
        self.close()  # first: as long as anything is open, SQLite believes that the process has its locks
        connection, self.path = open_again(path, warn_and_go_on)
        self._use(connection)

    def _place_of_log(self) -> tuple[int, ...] | None:
        return None if self.path is None else place_of(with_companions(self.path)[1])

    def _write_anew(self) -> None:
        """Put the journal back where it was, when somebody has deleted or moved it while it is in use.

        The open connection still holds everything, answers of this run included; only the name is gone.
        """
        try:
            connection = connect(self.path)
            try:
                copy_records(self.connection, connection)
            except BaseException:
                connection.close()
                raise
        except (ForeignFile, NewerFile, sqlite3.Error, OSError) as error:
            self._place = None
            self.warn(
                "gone",
                f"the journal was deleted or moved, and cannot be written again ({error}). The answers stay in the "
                "returned frame: save it, since a second run would pay for them again",
            )
            return
        self.close()
        self._use(connection)
        self.warn("gone", "the journal was deleted or moved while a run used it; it was written anew")

    def warn(self, occasion: str, message: str) -> None:
        """Warn once for each occasion."""
        if occasion not in self._warned:
            self._warned.add(occasion)
            warn_and_go_on(f"{message} [{self.path}]")


_choice = threading.RLock()


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """Let one thread at a time choose, join or leave a file, and none fork meanwhile."""
    with forks.using_sqlite(), _choice:
        yield
