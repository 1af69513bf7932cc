"""Probes a limit that only refusals tell: it may have risen since, and then nothing is refused that would tell it anew.

For gateways that drop the headers and hand on the API's message. Where a header tells the limit, nothing is probed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TRUSTED_SECONDS, TRUSTED_CALLS = 4.0, 30.0
"""How long such a limit is trusted at least, and for how many calls: each look costs two or three refusals (sweep: no
headers, rise, 50 requests a minute)."""

TRUSTED_PAUSES = 25.0
"""And so many times as long as the last refusal made everybody wait: a look costs a twenty-fifth of the time at most,
be ``Retry-After`` some milliseconds or rounded up to a second (sweep: no headers, buckets of 0.2 s)."""

STEP, STEP_SECONDS = 2.0, 1.0
"""Then it is tried this many times as high, and so again after each of these times, until a refusal tells it anew: a
limit that rose tenfold is found in four seconds (sweep: no headers, rise)."""


@dataclass(slots=True)
class LimitProbe:
    """When to try more than the limit that was told last, and how much more.

    Attributes
    ----------
    factor : float
        How many times the limit is tried now; 1 while it is trusted.
    next_at : float
        When more will be tried; infinite while each answer tells the limit.
    """

    factor: float = 1.0
    next_at: float = math.inf

    def end(self) -> None:
        """Probe no more: each answer tells the limit."""
        self.factor, self.next_at = 1.0, math.inf

    def told(self, call_seconds: float, now: float) -> None:
        """Take note that a refusal told the limit; `call_seconds` is what a call takes of it."""
        self.factor, self.next_at = 1.0, now + max(TRUSTED_SECONDS, TRUSTED_CALLS * call_seconds)

    def paused(self, seconds: float, now: float) -> None:
        """Take note of how long a refusal makes everybody wait."""
        self.next_at = max(self.next_at, now + TRUSTED_PAUSES * seconds)

    def grow(self, now: float) -> None:
        """Try more."""
        self.factor, self.next_at = STEP * self.factor, now + STEP_SECONDS
