"""A limit that nobody told: what came through between two refusals is what comes back.

For servers and gateways that send no limit headers. A limit that is told or given ends all guessing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .backoff import MEASURED_CALLS, MEASURED_SECONDS

CUT = 0.7
"""What is kept where nothing could be measured: CUBIC's factor (RFC 9438)."""

LONGEST_CALL_SECONDS = 60.0
"""No guess goes below a call a minute: the limits are per minute, so a lower one would allow nothing at all."""

STEP, GROWTH, GROWTH_SECONDS = 0.02, 1.5, 2.5
"""How a guess rises: by so much in its first period, and by this factor in so many seconds after it, so that a limit
that was raised is found: two percent cost a refusal in ten seconds at most, half as much again in the end finds a
tenfold one within half a minute (sweep: no headers, rise)."""

MOST_STEPS = 20.0
"""After so many of them it is three thousand times the guess, and any limit has been found."""

PERIOD_SECONDS, UNMEASURED_PERIOD_SECONDS = 10.0, 2.0
"""How long a guess is trusted: one that was measured, and a first one, which took what was in the bucket for a rate
(sweep: no headers)."""

LEAST_USED = 1.0
"""A request or a token: calls that a server counts as nothing measure nothing, and a rate of 0 is none."""

BURST_SECONDS = 0.2
"""How much may go at once under a guessed limit: no header would warn of more."""


@dataclass(slots=True)
class Guess:
    """A guessed rate per second; infinite while nobody has objected."""

    rate: float = math.inf
    since: float = 0.0
    is_measured: bool = False

    def at(self, now: float) -> float:
        """Return the rate to try at `now`."""
        period = PERIOD_SECONDS if self.is_measured else UNMEASURED_PERIOD_SECONDS
        passed = now - self.since
        grown: float = GROWTH ** max(0.0, min((passed - period) / GROWTH_SECONDS, MOST_STEPS))
        return self.rate * (1.0 + STEP * min(passed / period, 1.0)) * grown

    def refused(self, used: float, seconds: float, call: float, now: float, *, is_first: bool) -> None:
        """Guess anew.

        Parameters
        ----------
        used : float
            What came through since the last refusal, or since the beginning.
        seconds : float
            How long that is.
        call : float
            What one call takes.
        now : float
            The present.
        is_first : bool
            Whether this is the first refusal: what came through until now was in the bucket already.
        """
        if is_first:
            self.rate = max(1.0, call, used) / (seconds + 1.0)
        elif seconds > MEASURED_SECONDS and used >= max(MEASURED_CALLS * call, LEAST_USED):
            self.rate, self.is_measured = used / seconds, True
        else:
            self.rate = max(call, 1.0) / LONGEST_CALL_SECONDS + CUT * min(self.rate, self.at(now))
        self.since = now
