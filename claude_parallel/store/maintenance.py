"""``cp.journal``: where the journal lies, how large it is, and how to make it smaller.

Acts on the user's journal only when asked to; runs use ``journal`` directly.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from ..config import SIMULATED_FILE_NAME, home, journal_path, looked_into
from ..errors import InputError, JournalError
from .file import with_companions
from .journal import Journal
from .rescue import OF_RUNS

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class JournalKeeper:
    """The user's journal of paid answers.

    Parameters
    ----------
    path : Path, optional
        Another file than the default one.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> cp.journal.path.name
    'journal.sqlite3'
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def __repr__(self) -> str:
        name = "journal of the simulator" if self.path == home() / SIMULATED_FILE_NAME else "journal"
        if not self.path.exists():
            return f"<{name} {self.path}: nothing in it yet>"
        return f"<{name} {self.path}: {self.answers:,} answers, {self.size / 1e6:,.1f} MB>"

    def __call__(self, path: str | Path) -> JournalKeeper:
        """Return the keeper of another journal file: ``cp.journal("answers.sqlite3").prune(...)``."""
        return JournalKeeper(Path(path).expanduser())

    @property
    def path(self) -> Path:
        """The file that was configured, else that in ``CLAUDE_PARALLEL_HOME``; a simulator has its own beside it."""
        return self._path or journal_path(looked_into(True)) or Path()

    @property
    def size(self) -> int:
        """Bytes on disk, companions included; 0 where there is no file yet."""
        return sum(file.stat().st_size for file in with_companions(self.path) if file.exists())

    @property
    def answers(self) -> int:
        """How many answers it holds."""
        if not self.path.exists():
            return 0
        with self._open() as journal:
            return int(journal.query("SELECT count(*) FROM answers")[0][0])

    def clear(self, *, run: str | None = None, all: bool = False) -> int:
        """Delete the answers and the record of one run, or of all; returns how many answers were deleted. Labels stay.

        What is deleted will be paid for when it is asked again.

        Parameters
        ----------
        run : str, optional
            Id of a run: its answers and its record.
        all : bool, default False
            True = all answers and run records of this file. Inside ``with cp.simulator():``, unless a file was
            configured, it is the simulator's: answers that were paid are never in there.

        Raises
        ------
        InputError
            Without either.
        JournalError
            When the file cannot be opened or written.
        """
        if run is None and not all:
            raise InputError(
                f"clear() needs run='...', or all=True to delete all {self.answers:,} answers of {self.path}: what is "
                "deleted will be paid for when it is asked again"
            )
        if not self.path.exists():
            return 0
        with self._open() as journal:
            if run is None:
                deleted = journal.delete_answers()
                for table in OF_RUNS:
                    journal.execute(f"DELETE FROM {table}")
            else:
                its_keys = (
                    "SELECT fingerprint FROM row_outcomes WHERE run = ? "
                    "UNION SELECT fingerprint FROM follow_ups WHERE run = ?"
                )
                deleted = journal.delete_answers(f"fingerprint IN ({its_keys})", (run, run))
                _delete_records(journal, "= ?", (run,))
            journal.execute("VACUUM")
            return deleted

    def prune(self, *, older_than: str | float | timedelta) -> int:
        """Delete answers and run records older than an age; returns how many answers were deleted.

        Parameters
        ----------
        older_than : str, float or timedelta
            Such as ``"90d"``, ``"12h"``, seconds, or a timedelta.

        Raises
        ------
        InputError
            For an age that makes no sense.
        JournalError
            When the file cannot be opened or written.
        """
        before = time.time() - age_seconds(older_than, "older_than")
        if not self.path.exists():
            return 0
        with self._open() as journal:
            deleted = journal.delete_answers("created < ?", (before,))
            _delete_records(journal, "IN (SELECT id FROM runs WHERE started < ?)", (before,))
            journal.execute("VACUUM")
            return deleted

    @contextmanager
    def _open(self) -> Iterator[Journal]:
        is_named = self._path is not None or looked_into(True) is not True
        with closing(Journal.open(self.path, is_explicit=is_named)) as journal:
            if journal.path is None:
                raise JournalError(f"the journal {self.path} cannot be opened")
            try:
                yield journal
            except sqlite3.Error as error:
                raise JournalError(
                    f"the journal {self.path} cannot be read or changed ({error}); is it on a full or read-only disk, "
                    "or in long use by another program?"
                ) from error


def _delete_records(journal: Journal, condition: str, parameters: tuple[str | float, ...]) -> None:
    for table in reversed(OF_RUNS):  # the runs last: a condition may name them
        journal.execute(f"DELETE FROM {table} WHERE {'id' if table == 'runs' else 'run'} {condition}", parameters)


def age_seconds(age: str | float | timedelta, argument: str) -> float:
    """Return an age such as ``"90d"`` in seconds; `argument` is what the user calls it.

    Raises
    ------
    InputError
        For an age that makes no sense.
    """
    if isinstance(age, timedelta):
        age = age.total_seconds()
    if isinstance(age, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", age)
        if match is None:
            raise InputError(f"{argument}={age!r} is not an age; write such as '90d', '12h' or '30m'")
        age = float(match[1]) * _UNITS[match[2]]
    if isinstance(age, bool) or not isinstance(age, int | float) or not age >= 0:
        raise InputError(f"{argument}={age!r} is not an age; write such as '90d', or seconds")
    return float(age)


journal = JournalKeeper()
