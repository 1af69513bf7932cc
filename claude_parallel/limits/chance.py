"""Which refusals came by chance: a gateway on the way answers some calls with a 429 though the account has room.

A bucket that is empty refuses nearly all that come until its refill, so the calls beside a refused one are witnesses: a
refusal among many that came through is about no bucket. What a refusal is believed to say, ``bucket`` learns.
"""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from ..records import RateLimitStatus
from .blame import lacking
from .bucket import Bucket
from .burst import MINUTE
from .high_water import PROVEN_FRACTION
from .tickets import Ticket

CALLS_EACH = 10.0
"""So many calls that came through make up for a refusal: 3 % by chance stay far below, and a limit that nobody tells
refuses an eighth of the calls at most before it is believed."""

MOST_EXCESS = 4.0
"""So many refusals beyond that are borne: with 3 % by chance more come together once in 10,000 calls, while a bucket
that is empty refuses as many within milliseconds."""

FEW_CALLS = 20
"""With fewer calls in the last ten seconds a pause costs less than another refusal, so none is ignored (50 requests a
minute, limits that nobody tells)."""

SHORT_SECONDS = 2.0
"""Whoever asks for a longer wait means it: gateways that refuse by chance name none, or a second."""

CONTRADICTED_CALLS = 2_000
"""An account has refusals by chance while two in so many calls are contradicted by their own headers: one may be a
reading that was overtaken, and fewer than that cost too little to matter."""

REMEMBERED = 16
"""Refusals that are kept: enough to see that one call in eight is refused."""


class Verdict(Enum):
    """What to make of a refusal: nothing, a pause, or a pause and a lesson."""

    CHANCE = "chance"
    WARNING = "warning"
    BELIEVED = "believed"


@dataclass(slots=True)
class Chance:
    """How close together refusals come, among the calls in the order in which they were sent.

    A refusal comes sooner than an answer, so the calls beside a refused one that have not been refused came through.

    Attributes
    ----------
    refused : list of int
        Numbers of the calls that were refused last, in order.
    contradicted : deque of int
        Numbers of the last two whose refusal their own headers contradicted.
    """

    refused: list[int] = field(default_factory=list)
    contradicted: deque[int] = field(default_factory=lambda: deque(maxlen=2))

    def is_known(self, number: int) -> bool:
        """Say whether the account refuses by chance, by the time of the call with this `number`."""
        return len(self.contradicted) == 2 and number - self.contradicted[0] <= CONTRADICTED_CALLS

    def contradict(self, number: int) -> bool:
        """Take note of a refusal that its own headers contradict; True where that shows that there is chance."""
        was_known = self.is_known(number)
        self.contradicted.append(number)
        return not was_known and self.is_known(number)

    def judge(self, number: int, calls_lately: int) -> Verdict:
        """Judge a refusal that may have come by chance.

        Parameters
        ----------
        number : int
            The call's.
        calls_lately : int
            How many were sent in the last ten seconds.
        """
        excess = self._excess(number)
        most = MOST_EXCESS if calls_lately >= FEW_CALLS else 0.0
        return Verdict.CHANCE if excess <= most else Verdict.WARNING if excess <= most + 1.0 else Verdict.BELIEVED

    def _excess(self, number: int) -> float:
        """Return how many refusals come together with this one, less what the calls between them make up for."""
        numbers = self.refused
        numbers.insert(bisect(numbers, number), number)
        del numbers[:-REMEMBERED]
        heights = [rank - each / CALLS_EACH for rank, each in enumerate(numbers)]
        at = bisect_left(numbers, number)
        return 1.0 + max(heights[at:]) - min(heights[: at + 1])


def contradicts(
    bucket: Bucket, place: int, status: RateLimitStatus | None, ticket: Ticket, retry_after: float | None, now: float
) -> bool:
    """Say whether what a refusal's own headers tell of a bucket shows that the bucket had room.

    It had if it was full; or if more had been accepted lately than we owed and others can have taken: what we owe and
    what remains are the capacity, and others took what is missing of it.

    Parameters
    ----------
    bucket : Bucket
        The one that the refusal seems to be about.
    place : int
        Its place in a ticket.
    status : RateLimitStatus or None
        What the refusal tells of it.
    ticket : Ticket
        The call.
    retry_after : float or None
        When it would fit, as the server says, in seconds.
    now : float
        The present.
    """
    if status is None or status.remaining is None or status.limit != bucket.server_limit:
        return False
    if status.remaining >= status.limit and bucket.rounding <= 1.0:  # rounded tokens look full before they are
        return True
    if status.remaining <= bucket.rounding or ticket.sent_at < bucket.known_at:
        return False
    rate, owed = status.limit / MINUTE, ticket.owed[place]
    _least, taken = bucket.reported.taken(owed, status.remaining / rate)
    surely_there = bucket.high_water.lately(now) * PROVEN_FRACTION + lacking(retry_after, 0.0)
    return owed + taken + bucket.rounding / rate < surely_there
