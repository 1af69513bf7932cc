"""How calls go out before anything is known: gently, so that no answer can be a storm of 429s.

It knows the first calls only; what their answers tell is learnt in ``gate``.
"""

from __future__ import annotations

from dataclasses import dataclass

from .window import START

GAP_SECONDS, FIRST_GAP_SECONDS, GAP_STEP_SECONDS = 1 / 30, 0.1, 0.02
"""Calls go a thirtieth of a second apart, the very first ones further, so that an account of one call a second refuses
two of them at most before its first refusal is known (sweep: 50 requests a minute)."""

MOST_IN_FLIGHT = 200
"""The most in flight by then: a first answer takes seconds, seldom more than the six that these calls need to go
(sweep: answers of 5 s)."""


@dataclass(slots=True)
class BlindStart:
    """The first calls of a gate.

    Attributes
    ----------
    since : float or None
        When the first one went.
    next_at : float
        When the next one may go.
    is_over : bool
        True once an answer has come, or an earlier run has told what it would say.
    """

    since: float | None = None
    next_at: float = 0.0
    is_over: bool = False

    def wait(self, in_flight: int, now: float) -> float:
        """Return the seconds until the next call may go; below 0 where it is overdue."""
        if self.since is None:
            return 0.0
        seconds = self.next_at - now
        if in_flight >= min(MOST_IN_FLIGHT, START + (now - self.since) / GAP_SECONDS):
            return max(seconds, GAP_SECONDS)
        return seconds

    def sent(self, in_flight: int, now: float) -> None:
        """Take note of a call, while `in_flight` others are under way."""
        if self.since is None:
            self.since = now
        self.next_at = now + max(GAP_SECONDS, FIRST_GAP_SECONDS - GAP_STEP_SECONDS * in_flight)
