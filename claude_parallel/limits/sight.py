"""When the server's ``remaining`` was true: as the request arrived, or as the answer left.

It knows sums of what we owe and what remains; what follows from them is decided in ``burst``.
"""

from __future__ import annotations

from dataclasses import dataclass

SIGHT_WEIGHT, CLEARLY = 0.1, 0.5
"""How fast it shows when ``remaining`` is made, and how much steadier one moment has to be than the other."""


@dataclass(slots=True)
class Sight:
    """When ``remaining`` was true: as the request arrived, or as the answer left.

    What we owe plus what remains is the capacity, which hardly changes; the moment at which that holds is the right
    one. Until that shows, both are possible.

    Attributes
    ----------
    then, now : float
        The last sums by either moment, in seconds.
    then_change, now_change : float
        How much they change from answer to answer, on average.
    """

    then: float = 0.0
    now: float = 0.0
    then_change: float = 0.0
    now_change: float = 0.0

    def bounds(self, owed_then: float, owed_now: float, remaining: float) -> tuple[float, float]:
        """Return the least and the most that the capacity may be, in seconds, offset included."""
        then, now = owed_then + remaining, owed_now + remaining
        self.then_change += SIGHT_WEIGHT * (abs(then - self.then) - self.then_change)
        self.now_change += SIGHT_WEIGHT * (abs(now - self.now) - self.now_change)
        self.then, self.now = then, now
        if self.now_change < CLEARLY * self.then_change:
            return now, now
        if self.then_change < CLEARLY * self.now_change:
            return then, then
        return min(then, now), max(then, now)
