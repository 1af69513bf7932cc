"""When the server's ``remaining`` was true: as the request arrived, or as the answer left.

It knows sums of what we owe and what remains; what follows from them is decided in ``burst`` and ``output``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

READING_WEIGHT, CLEARLY = 0.1, 0.5
"""Weight of a reading in the averages: ten are remembered, a tenth of a second at most, since the first burst ends soon
after. And how much steadier one moment, or one account of output, has to be than the other: twice as steady is no
chance (sweep: headers at arrival and at the end, output reserved)."""

JITTER_SECONDS = 0.05
"""Once the moment is known, sums that move by less than timers are late say nothing against it: where sends and answers
are even, both are as steady as those (sweep: headers at the end, answers of 5 s, a fall)."""

LEAST_READINGS = 10
"""Before so many readings, as many as a mean remembers, nobody can say what the sum usually is."""


@dataclass(slots=True)
class Sum:
    """What we owe plus what remains, at one moment: the capacity, where the moment is the right one.

    Attributes
    ----------
    value, mean, most : float
        The last sum, the moving average of all, and the highest that this has been, in seconds of refill.
    deviation : float
        Moving average of how far a sum is from that average, in seconds.
    readings : int
        How many there were.
    """

    value: float = 0.0
    mean: float = math.nan
    most: float = -math.inf
    deviation: float = 0.0
    readings: int = 0

    def note(self, value: float) -> None:
        """Take note of a sum, in seconds."""
        self.value = value
        self.readings += 1
        if math.isnan(self.mean):
            self.mean = value
        self.deviation += READING_WEIGHT * (abs(value - self.mean) - self.deviation)
        self.mean += READING_WEIGHT * (value - self.mean)
        self.most = max(self.most, self.mean)


def is_steadier(one: float, other: float, rounding: float) -> bool:
    """Say whether a sum is clearly steadier than another, and the other moves by more than its rounding."""
    return one < CLEARLY * other and other > rounding


class ReportedRemaining:
    """When ``remaining`` was true: as the request arrived, or as the answer left.

    What we owe plus what remains is the capacity, which hardly changes; the moment at which that holds is the right
    one. Until that shows, both are possible.

    Attributes
    ----------
    arrival, end : Sum
        What we owe plus what remains, if that was true as the request arrived; the same for the end of the answer.
    moment : Sum or None
        The one of them that is right; None while that does not show.
    rounding : float
        By how much the last reading may be off, since it is rounded, in seconds.
    """

    __slots__ = ("arrival", "end", "moment", "rounding")

    def __init__(self) -> None:
        self.arrival, self.end = Sum(), Sum()
        self.moment: Sum | None = None
        self.rounding = 0.0

    @property
    def deviation(self) -> float:
        """How far the sums are from steady, in seconds, at the better moment."""
        return min(self.arrival.deviation, self.end.deviation)

    @property
    def is_arrival(self) -> bool:
        """True once ``remaining`` is known to be written as a request arrives."""
        return self.moment is self.arrival

    def bounds(
        self, owed_then: float, owed_now: float, remaining: float, rounding: float, *, is_empty: bool
    ) -> tuple[float, float]:
        """Return the least and the most that the capacity may be after one more reading, in seconds.

        Once the moment is known, the most is the mean less the deviation: a request that overtook others on its way
        saw more left than there is, and such a reading must not count for more than the others.

        Parameters
        ----------
        owed_then, owed_now : float
            What we owed when the request was sent, and what we owe now, in seconds of refill.
        remaining, rounding : float
            What the headers say remains, and by how much that may be off, in seconds of refill.
        is_empty : bool
            Whether nothing remains: then the reading says nothing about the moment, since a debt shows as 0 as well.
        """
        if is_empty:
            return min(owed_then, owed_now) + remaining, max(owed_then, owed_now) + remaining
        self.arrival.note(owed_then + remaining)
        self.end.note(owed_now + remaining)
        self.rounding = rounding
        moved = rounding if self.moment is None else max(rounding, JITTER_SECONDS)
        if is_steadier(self.end.deviation, self.arrival.deviation, moved):
            self.moment = self.end
        elif is_steadier(self.arrival.deviation, self.end.deviation, moved):
            self.moment = self.arrival
        if self.moment is not None:
            return self.moment.value, self.moment.mean - self.moment.deviation
        return min(self.arrival.value, self.end.value), max(self.arrival.value, self.end.value)

    def taken(self, owed: float, remaining: float) -> tuple[float, float]:
        """Return how much others have taken at least and at most: what is missing of the usual sum.

        Parameters
        ----------
        owed, remaining : float
            What we owe and what remains, in seconds of refill.
        """
        if self.end.readings < LEAST_READINGS:
            return -math.inf, math.inf
        usual, sum_now = (self.moment,) if self.moment is not None else (self.arrival, self.end), owed + remaining
        least = min(each.most - each.deviation for each in usual)
        return least - sum_now, max(each.most + each.deviation for each in usual) - sum_now
