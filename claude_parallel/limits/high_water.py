"""The high-water mark of a bucket: the most that was owed when it accepted a call; so much it holds for certain.

It knows what one bucket accepted and what it refused; what follows for the belief is decided in ``burst``.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

PROVEN_FRACTION, CHECKED_FRACTION = 0.98, 1.02
"""A refusal below this fraction of what was accepted lately is not explained by our own use; the first holds while the
end of the bucket is still searched, the second once it is known. Calls overtake each other by less (sweep: reordering).
"""

MEMORY_SECONDS = 300.0
"""The mark sinks to nothing within so long: longer than a neighbour's visit (sweep: 20 s)."""

REMEMBERED = 16
"""Refused calls that are kept: as many are seldom under way when the first of them is heard of."""


@dataclass(slots=True)
class HighWater:
    """The most that was owed lately when a call was accepted.

    Attributes
    ----------
    seconds, at, sent_at : float
        How much, in seconds of refill, when that was known, and when that call was sent.
    uncounted : deque of tuples of float
        Charges of refused calls: when they were made and when they were taken back, and their seconds.
    """

    seconds: float = 0.0
    at: float = -math.inf
    sent_at: float = -math.inf
    uncounted: deque[tuple[float, float, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def lately(self, now: float) -> float:
        """Return the mark at `now`: the longer ago it was set, the less."""
        return self.seconds * max(0.0, 1.0 - (now - self.at) / MEMORY_SECONDS)

    def covers(self, owed: float, now: float, *, is_checked: bool) -> bool:
        """Say whether so much was accepted lately; `is_checked` where the end of the bucket is known."""
        return owed <= self.lately(now) * (CHECKED_FRACTION if is_checked else PROVEN_FRACTION)

    def note(self, owed: float, sent_at: float, now: float) -> None:
        """Take note that a call which was sent then was accepted while so much was owed."""
        self.seconds, self.at = self.lately(now), now
        if owed > self.seconds:
            self.seconds, self.sent_at = owed, sent_at

    def took_back(self, seconds: float, sent_at: float, now: float) -> None:
        """Take note that a charge of `seconds` was none: what was sent meanwhile seemed to owe it, too.

        Answers that were quicker than the refusal have raised the mark by then (sweep: answers of 0.1 s).
        """
        if sent_at < self.sent_at:
            self.seconds -= seconds
        self.uncounted.append((sent_at, now, seconds))

    def corrected(self, owed: float, sent_at: float) -> float:
        """Return what was really owed at `sent_at`, without the calls under way that were refused."""
        return owed - sum(seconds for sent, known, seconds in self.uncounted if sent <= sent_at < known)
