"""The acceleration limit: how fast use may grow, once the API has said that it grew too fast.

It knows calls by the second; the limits per minute are in ``bucket``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

WINDOW_SECONDS = 10
"""Over how long use is counted: the server's own windows are about that long (case: acceleration limit)."""

GROWTH = 1.85
"""What the rate may grow by in that time: the API lets it double, and windows are not ours (sweep: acceleration limits,
a pause in whole seconds, after which a window is a tenth shorter than the next)."""

LEAD = GROWTH * math.log(GROWTH) / (GROWTH - 1.0)
"""The beginning of a rate that grows steadily and brings GROWTH times as many calls in its first ten seconds, in rates
of the ten before (its mean over them is (GROWTH - 1) / ln GROWTH times its beginning). These first ten go evenly,
though: the server's may have begun before, and what grew in a part of them would more than double in the next (sweep:
acceleration limits, no ``retry-after``)."""

UNNAMED_SECONDS = 2.1
"""The pause where a refusal names none: five looks at most, of a call each, until the ten seconds are over that were
too many. The next ones have begun up to a look before, and a fifth of them is what an even beginning forgives."""

TOLERANCE_SECONDS = 0.05
"""How far sends may run ahead: hides timer jitter, as in ``backoff``."""

ENDS_AT = 100.0
"""Forgotten once it is so many times what it began with, after 72 s; the limits per minute bind long before."""


@dataclass(slots=True)
class Ramp:
    """A rate that grows by a constant factor; without a refusal there is none.

    Attributes
    ----------
    rate, since : float
        Calls a second in the ten that were too many, and when sends resumed.
    refused_at : float
        When ten seconds were found to be too many.
    next_at : float
        When the next call is due.
    counts, second : list of int, int
        Calls by second, over the last ten, and the last of these seconds.
    """

    rate: float = math.inf
    since: float = 0.0
    refused_at: float = -math.inf
    next_at: float = -math.inf
    counts: list[int] = field(default_factory=lambda: [0] * WINDOW_SECONDS)
    second: int = 0

    def wait(self, now: float) -> float:
        """Return the seconds until the next call may go."""
        return self.next_at - TOLERANCE_SECONDS - now if self.rate != math.inf else 0.0

    def sent(self, now: float) -> None:
        """Count a call."""
        if now >= self.second + 1:
            self._turn(now)
        self.counts[self.second % WINDOW_SECONDS] += 1
        if self.rate != math.inf:
            windows = (now - self.since) / WINDOW_SECONDS
            grown = GROWTH if windows < 1.0 else LEAD * GROWTH**windows
            if grown > ENDS_AT:
                self.rate = math.inf
                return
            self.next_at = max(self.next_at, now - TOLERANCE_SECONDS) + 1.0 / (self.rate * grown)

    def refused(self, now: float, resumes_at: float) -> None:
        """Begin again from what the last ten seconds took; a call that was refused is not to be counted.

        Others that were under way are refused as well, and not to be counted either. Once sends have resumed, another
        refusal says nothing about the rate while those ten seconds still last: it was a look too early.
        """
        if now < self.since or now - self.refused_at >= WINDOW_SECONDS:
            self._turn(now)
            self.rate = max(1.0, sum(self.counts)) / WINDOW_SECONDS
            self.refused_at = now
        self.since = resumes_at
        self.next_at = resumes_at + TOLERANCE_SECONDS

    @property
    def calls_lately(self) -> int:
        """Calls of the last ten seconds in which any went."""
        return sum(self.counts)

    def take_back(self) -> None:
        """Take a refused call back, from the last second in which one went."""
        for second in range(self.second, self.second - WINDOW_SECONDS, -1):
            if self.counts[second % WINDOW_SECONDS]:
                self.counts[second % WINDOW_SECONDS] -= 1
                return

    def _turn(self, now: float) -> None:
        second = int(now)
        for each in range(max(self.second + 1, second - WINDOW_SECONDS + 1), second + 1):
            self.counts[each % WINDOW_SECONDS] = 0
        self.second = max(self.second, second)
