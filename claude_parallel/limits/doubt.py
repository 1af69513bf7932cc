"""A limit that only refusals tell: it may have risen since, and then nothing is refused that would tell it.

For gateways that drop the headers and hand on the API's message. A header ends all doubt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TRUSTED_SECONDS, LONGEST_TRUSTED_SECONDS = 8.0, 30.0
"""How long such a limit is trusted: twice as long each time that it was found to be the same (sweep: no headers, rise,
neighbour)."""

TRUSTED_CALLS = 30.0
"""And for no fewer calls, since each look costs two or three refusals (sweep: no headers, 50 requests a minute)."""

STEP, STEP_SECONDS = 2.0, 2.0
"""Then it is tried this many times as high, and so again after each of these times, until a refusal tells it anew: a
limit that rose tenfold is found in eight seconds (sweep: no headers, rise)."""


@dataclass(slots=True)
class Doubt:
    """How many times a limit is tried.

    Attributes
    ----------
    factor : float
        That many times.
    next_at : float
        When it will be more.
    seconds : float
        How long the limit is trusted once it is told.
    """

    factor: float = 1.0
    next_at: float = math.inf
    seconds: float = TRUSTED_SECONDS

    def end(self) -> None:
        """Trust the limit: each answer tells it."""
        self.factor, self.next_at = 1.0, math.inf

    def refused(self, call_seconds: float, now: float, *, is_same: bool) -> None:
        """Take note that a refusal told the limit, whether the same as before or not."""
        if not is_same:
            self.seconds = TRUSTED_SECONDS
        elif self.factor > 1.0:
            self.seconds = min(2.0 * self.seconds, LONGEST_TRUSTED_SECONDS)
        self.factor, self.next_at = 1.0, now + max(self.seconds, TRUSTED_CALLS * call_seconds)

    def grow(self, now: float) -> None:
        """Try more."""
        self.factor, self.next_at = STEP * self.factor, now + STEP_SECONDS
