"""How far we stay below a limit's rate, since others use the account or the server is slower than it says.

The whole rate is ours until a refusal that our own use does not explain; it comes back by itself, slowly where it was
refused and quickly far from it, as CUBIC's window does (RFC 9438, section 4.2). Which refusals those are is decided in
``bucket``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TOLERANCE_SECONDS = 0.05
"""How far a send may run ahead of the pace: hides timer jitter, is below the smallest bucket of the sweep (0.2 s)."""

CUT = 0.7
"""What is kept where nothing was measured: CUBIC's factor (RFC 9438), and enough below a neighbour of 30 % to be
refused no third time (sweep: 50 requests a minute, a neighbour)."""

LEAST_CUT = 0.5
"""A refusal leaves at least half of what we had: a measurement over a few calls may be far off (sweep: 50 requests a
minute, a neighbour: one call in a pause of three seconds was taken for two fifths of the rate)."""

BELOW = 0.95
"""To begin a little below what was measured, so that what is owed to the bucket can be paid back: at the very rate it
stays empty, and each call is near its end (sweep: a neighbour, 0.2 s)."""

LEAST = 0.1
"""A tenth of the rate is tried whatever was measured: else a run would stand still beside a neighbour who takes all.
The pauses of 429s do the rest (law: a lost share is back within ten seconds)."""

MEASURED_SECONDS, MEASURED_CALLS = 1.0, 5.0
"""Over less than this, or over fewer calls, a count says little about a rate: one call more or less is a fifth."""

RECOVERY_SECONDS = 8.0
"""Until the whole rate is tried again: what a neighbour left is found within so long (sweep: 20 s of a neighbour)."""

RECOVERY_CALLS = 40.0
"""And no sooner than so many calls: each try costs a refusal, and 0.5 % of the calls may be refused."""

AGAIN = 1.5
"""A second refusal that our own use does not explain is not chance within so many times the way back to the whole rate:
a neighbour who stays is met again once the whole rate is back (sweep: 20 s of a neighbour)."""


@dataclass(slots=True)
class Backoff:
    """The fraction of a rate that we use, and the pace that keeps to it.

    Attributes
    ----------
    lost : float
        What was lost at the last cut; 0 = nothing is missing.
    cut_at : float
        When that was.
    recovery_seconds : float
        How long it takes to come back.
    next_at : float
        When the next call is due.
    suspected_at : float
        When refusals last began that our own use does not explain.
    """

    lost: float = 0.0
    cut_at: float = -math.inf
    recovery_seconds: float = RECOVERY_SECONDS
    next_at: float = -math.inf
    suspected_at: float = -math.inf

    def is_shared(self, now: float) -> bool:
        """Say whether somebody else seems to use the account, or did a moment ago."""
        return bool(self.lost) or now - self.suspected_at < AGAIN * self.recovery_seconds

    def at(self, now: float) -> float:
        """Return the fraction at `now`, between 0 and 1."""
        if not self.lost:
            return 1.0
        passed = (now - self.cut_at) / self.recovery_seconds
        if passed >= 1.0:
            self.lost = 0.0
            return 1.0
        return 1.0 - self.lost * (1.0 - passed**3)

    def wait(self, now: float) -> float:
        """Return the seconds until the pace lets the next call go; below 0 where it is overdue."""
        return self.next_at - TOLERANCE_SECONDS - now if self.lost else 0.0

    def sent(self, seconds: float, now: float) -> None:
        """Take note of a call that takes `seconds` of the whole rate."""
        if self.lost:
            self.next_at = max(self.next_at, now) + seconds / self.at(now)

    def measured(self, used: float, call_seconds: float, since: float, now: float) -> float | None:
        """Return the fraction that came through, of `used` and `call_seconds` in seconds of the whole rate.

        None where that is too little to say, or where nobody else was suspected by then: all of it was ours.
        """
        seconds = now - since
        is_enough = MEASURED_SECONDS < seconds < math.inf and used > MEASURED_CALLS * call_seconds
        return used / seconds if is_enough and self.is_shared(now) else None

    def cut(self, measured: float | None, call_seconds: float, now: float) -> None:
        """Give up a part of the rate.

        Parameters
        ----------
        measured : float or None
            The fraction that came through since the last refusal; None where that is too short ago.
        call_seconds : float
            What a call takes of the whole rate.
        now : float
            The present.
        """
        had = self.at(now)
        kept = CUT * had if measured is None else min(BELOW * had, max(measured, LEAST_CUT * had))
        self.lost = 1.0 - max(LEAST, BELOW * kept)
        self.cut_at = now
        self.recovery_seconds = max(RECOVERY_SECONDS, RECOVERY_CALLS * call_seconds)
