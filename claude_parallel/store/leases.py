"""The file through which processes of one user on one machine divide an account: who wants how much, and who has it.

A small SQLite file in the home folder, opened for each question and closed again. It holds nothing that is worth
anything after three seconds, so it is never synced, and a damaged one is deleted. How much is granted is decided in
``limits.leases``.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from ..config import home
from ..limits.leases import LEASE_SECONDS, Grant, Lease, grant
from .file import is_damage, with_companions
from .forks import using_sqlite

FILE_NAME = "leases-1.sqlite3"
"""The number is that of its layout: versions of this package with another one use another file."""

_LOG = logging.getLogger("claude_parallel")

_BUSY_SECONDS = 0.5
"""How long to wait for another process that writes: it takes some 0.3 ms."""

_TABLE = """CREATE TABLE IF NOT EXISTS leases (
    account TEXT NOT NULL, holder TEXT NOT NULL, demand REAL NOT NULL, share REAL NOT NULL,
    until REAL NOT NULL, PRIMARY KEY (account, holder)
) WITHOUT ROWID"""


class LeaseBook:
    """The leases of one account, as one process sees them.

    Parameters
    ----------
    account : str
        Name of account and model group; a digest, never a key.
    holder : str
        Name of this process.
    path : Path, optional
        The file; None = in the home folder of the moment.
    """

    def __init__(self, account: str, holder: str, path: Path | None = None) -> None:
        self._account = account
        self._holder = holder
        self._path = path
        self._has_complained = False

    def __repr__(self) -> str:
        return f"<LeaseBook of {self._holder}>"

    def renew(self, demand: float, clock: Callable[[], float]) -> Grant | None:
        """Say that this process lives and what it could use, and return what it may use.

        Parameters
        ----------
        demand : float
            The share that it could use, from 0 to 1.
        clock : callable
            Seconds since the epoch: a clock that all processes share. It is read while nobody else writes: by an older
            time, the leases of the others would seem to be from the future.

        Returns
        -------
        Grant or None
            None where the file cannot be used: then nobody can know of others, and what was known is out of date.
        """
        try:
            with using_sqlite(), closing(self._connect()) as connection:
                return self._renew(connection, demand, clock)
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:  # the last two: a file that others have filled
            self._complain(error)
            return None

    def release(self) -> None:
        """Give the share back."""
        try:
            with using_sqlite(), closing(self._connect()) as connection:
                connection.execute("DELETE FROM leases WHERE account = ? AND holder = ?", (self._account, self._holder))
        except (sqlite3.Error, OSError) as error:
            self._complain(error)

    def _renew(self, connection: sqlite3.Connection, demand: float, clock: Callable[[], float]) -> Grant:
        """Read and write in one transaction: writers take turns, so no two processes are granted the same."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            now = clock()
            # A lease that ends later than any can was written before the clock was put back.
            connection.execute(
                "DELETE FROM leases WHERE NOT until BETWEEN ? AND ?", (now, now + LEASE_SECONDS + _BUSY_SECONDS)
            )
            rows = connection.execute(
                "SELECT holder, demand, share FROM leases WHERE account = ? AND holder != ?",
                (self._account, self._holder),
            )
            granted = grant(demand, {holder: Lease(wanted, share) for holder, wanted, share in rows})
            connection.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
                (self._account, self._holder, demand, granted.share, now + LEASE_SECONDS),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return granted

    def _connect(self) -> sqlite3.Connection:
        path = self._path or home() / FILE_NAME
        if not path.exists():
            path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(_TABLE)
        except sqlite3.Error as error:
            connection.close()
            if is_damage(error):
                for each in with_companions(path):
                    with suppress(OSError):
                        each.unlink()
            raise
        return connection

    def _complain(self, error: Exception) -> None:
        """Say once, to those who debug, that other processes are not seen; no run is worth less for it."""
        if not self._has_complained:
            self._has_complained = True
            _LOG.debug("the account is not divided with other processes: %s", error)
