"""Claims: which requests are on their way already, in this process or another one that uses the same journal.

A run claims a request before it is sent; another run that asks the same waits for the answer instead of paying for it
again. A claimant renews its lease while it lives, so that a dead process loses its claims within seconds. Who claims,
and when, is decided in ``engine``.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

from .file import BUSY_SECONDS
from .journal import Journal
from .statements import key_chunks

LEASE_SECONDS = 8.0
"""How long a claimant counts as alive after its last sign of life: four renewals, so that a busy machine loses none."""

_AHEAD_SECONDS = LEASE_SECONDS + 2 * BUSY_SECONDS
"""A lease that ends later is from before the clock was put back. One that ends a little later than a lease from now is
of a living run: who claims has read the clock before it waited for the file, and the other one has renewed meanwhile.
"""


class ClaimBook:
    """The claims of one run.

    Parameters
    ----------
    journal : Journal
        An open journal with a file.
    claimant : str
        Name of the run.
    """

    def __init__(self, journal: Journal, claimant: str) -> None:
        self._journal = journal
        self._claimant = claimant
        self._looked_at: float | None = None
        self._steady_since = -math.inf
        self._has_jumped = False

    def __repr__(self) -> str:
        return f"<ClaimBook of {self._claimant}>"

    def take(self, fingerprints: Sequence[bytes], now: float) -> set[bytes]:
        """Claim requests, and return those that nobody else has claimed.

        Writers of the file take turns, so of two runs that claim at once exactly one gets each request. Where the
        journal cannot be written everything is granted: a bad disk must not stop a run.

        Parameters
        ----------
        fingerprints : sequence of bytes
            Keys of requests.
        now : float
            Seconds since the epoch; claimants whose lease is over lose their claims.
        """
        earliest, latest = self._living(now)
        try:
            self._journal.execute_many(
                [
                    ("DELETE FROM claimants WHERE NOT until BETWEEN ? AND ?", (earliest, latest)),
                    ("DELETE FROM claims WHERE claimant NOT IN (SELECT id FROM claimants)", ()),
                    ("INSERT OR REPLACE INTO claimants VALUES (?, ?)", (self._claimant, now + LEASE_SECONDS)),
                    *(("INSERT OR IGNORE INTO claims VALUES (?, ?)", (key, self._claimant)) for key in fingerprints),
                ]
            )
            return self._mine(fingerprints)
        except sqlite3.Error:
            return set(fingerprints)

    def _living(self, now: float) -> tuple[float, float]:
        """Return between which times the lease of a living claimant ends, as far as the clock can be trusted.

        Where it has jumped since the last look (the machine slept, the clock was set), the leases of the living are out
        of date as well: they have a lease's time to renew them. Who looks for the first time has to wait as long before
        it takes a lease from the future for a dead one's.
        """
        if self._looked_at is None or not 0.0 <= now - self._looked_at <= LEASE_SECONDS:
            self._has_jumped, self._steady_since = self._looked_at is not None, now
        self._looked_at = now
        is_steady = now - self._steady_since >= LEASE_SECONDS
        earliest = now if is_steady or not self._has_jumped else -math.inf
        return earliest, now + _AHEAD_SECONDS if is_steady else math.inf

    def renew(self, now: float) -> bool:
        """Say that the claimant lives; False where another one has taken it for dead, and its claims with that.

        A process that does not run for longer than its lease is as good as dead to the others. Where the journal cannot
        be written, nobody can have taken anything.
        """
        statement = "UPDATE claimants SET until = ? WHERE id = ?"
        try:
            return self._journal.execute(statement, (now + LEASE_SECONDS, self._claimant)) > 0
        except sqlite3.Error:
            return True

    def release(self, fingerprints: Sequence[bytes]) -> None:
        """Give up claims: whoever waits for these answers has to ask by itself."""
        self._write(
            [
                ("DELETE FROM claims WHERE fingerprint = ? AND claimant = ?", (key, self._claimant))
                for key in fingerprints
            ]
        )

    def release_all(self) -> None:
        """Give up all claims, at the end of the run; what was answered is in the journal."""
        self._write(
            [
                ("DELETE FROM claims WHERE claimant = ?", (self._claimant,)),
                ("DELETE FROM claimants WHERE id = ?", (self._claimant,)),
            ]
        )

    def _mine(self, fingerprints: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for keys, marks in key_chunks(fingerprints):
            query = f"SELECT fingerprint FROM claims WHERE claimant = ? AND fingerprint IN {marks}"
            found.update(row[0] for row in self._journal.query(query, (self._claimant, *keys)))
        return found

    def _write(self, statements: list[tuple[str, tuple[object, ...]]]) -> None:
        """Write; a claim that cannot be written ends with its lease."""
        try:
            self._journal.execute_many(statements)
        except sqlite3.Error:
            return
