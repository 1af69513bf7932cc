"""When the server's ``remaining`` was true: as the request arrived, or as the answer left.

It knows sums of what we owe and what remains; what follows from them is decided in ``burst``.
"""

from __future__ import annotations

from dataclasses import dataclass

SIGHT_WEIGHT, CLEARLY = 0.1, 0.5
"""How fast it shows when ``remaining`` is made, and how much steadier one moment has to be than the other."""


@dataclass(slots=True)
class Sum:
    """What we owe and what remains, at one moment: the capacity, where the moment is the right one."""

    value: float = 0.0
    mean: float | None = None
    deviation: float = 0.0

    def note(self, value: float) -> None:
        """Take note of a sum, in seconds."""
        self.value = value
        if self.mean is None:
            self.mean = value
        self.deviation += SIGHT_WEIGHT * (abs(value - self.mean) - self.deviation)
        self.mean += SIGHT_WEIGHT * (value - self.mean)


class Sight:
    """When ``remaining`` was true: as the request arrived, or as the answer left.

    What we owe plus what remains is the capacity, which hardly changes; the moment at which that holds is the right
    one. Until that shows, both are possible.
    """

    __slots__ = ("arrival", "end")

    def __init__(self) -> None:
        self.arrival, self.end = Sum(), Sum()

    def bounds(self, owed_then: float, owed_now: float, remaining: float) -> tuple[float, float]:
        """Return the least and the most that the capacity may be, in seconds, offset included."""
        self.arrival.note(owed_then + remaining)
        self.end.note(owed_now + remaining)
        if self.end.deviation < CLEARLY * self.arrival.deviation:
            return self.end.value, self.end.value
        if self.arrival.deviation < CLEARLY * self.end.deviation:
            return self.arrival.value, self.arrival.value
        return min(self.arrival.value, self.end.value), max(self.arrival.value, self.end.value)
