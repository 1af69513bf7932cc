"""How much of a limit's rate is ours: all of it, until a refusal that our own use does not explain.

Others may use the account, or the server may be slower than it says. The share comes back by itself, slowly where it
was refused and quickly far from it, as CUBIC's window does (RFC 9438, section 4.2).
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
"""A single refusal never halves twice: a measurement over a moment may be far off."""

BELOW = 0.95
"""To begin a little below what was measured, so that what is owed to the bucket can be paid back."""

LEAST = 0.1
"""There is always something left for us; the pauses of 429s do the rest."""

MEASURED_SECONDS = 1.0
"""Over less than this, or over fewer calls than ``guess.MEASURED_CALLS``, a count says little about a rate."""

RECOVERY_SECONDS = 8.0
"""Until the whole rate is tried again: what a neighbour left is found within so long (sweep: 20 s of a neighbour)."""

RECOVERY_CALLS = 40.0
"""And no sooner than so many calls: each try costs a refusal, and 0.5 % of the calls may be refused."""


@dataclass(slots=True)
class Share:
    """Our share of a rate, between 0 and 1, and the pace that keeps it.

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
    """

    lost: float = 0.0
    cut_at: float = -math.inf
    recovery_seconds: float = RECOVERY_SECONDS
    next_at: float = -math.inf

    def at(self, now: float) -> float:
        """Return the share at `now`."""
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

    def cut(self, measured: float | None, call_seconds: float, now: float) -> None:
        """Give up a part of the rate.

        Parameters
        ----------
        measured : float or None
            The share that came through since the last refusal; None where that is too short ago.
        call_seconds : float
            What a call takes of the whole rate.
        now : float
            The present.
        """
        share = self.at(now)
        kept = CUT * share if measured is None else min(BELOW * share, max(measured, LEAST_CUT * share))
        self.lost = 1.0 - max(LEAST, BELOW * kept)
        self.cut_at = now
        self.recovery_seconds = max(RECOVERY_SECONDS, RECOVERY_CALLS * call_seconds)
