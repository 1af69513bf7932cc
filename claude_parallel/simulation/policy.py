"""What servers do differently with the same limits: how full a bucket counts, when it is charged, what they tell of it.

It knows names and numbers; :mod:`limiter` carries them out. The API's documents leave each of these open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LimitChange:
    """From a moment on, every limit is another.

    Attributes
    ----------
    at : float
        Seconds on the server's clock.
    factor : float
        What the profile's limits are multiplied with from then on.
    """

    at: float
    factor: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another program on the same account, which takes an even share of every limit.

    Attributes
    ----------
    start, stop : float
        Seconds on the server's clock.
    share : float
        Of what comes back per second, between 0 and 1.
    """

    start: float
    stop: float
    share: float


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """How a server keeps its limits, and what it tells of them.

    Attributes
    ----------
    remaining_of : str
        What ``remaining`` speaks of: a ``minute`` less what is not refilled yet, or the bucket's own ``capacity``.
    headers_written : str
        When an answer's limit headers are made: at the request's ``arrival``, or at the ``end`` of the answer.
    rounded_to : int
        Step of the ``remaining`` of tokens.
    output_counted : str
        At the ``end`` of an answer, or ``reserved``: ``max_tokens`` at its arrival, settled at the end.
    has_headers : bool
        Whether there are limit headers at all.
    names_limit : bool
        Whether a refusal's message names the limit; a gateway's own does not.
    retry_after : str
        ``exact`` = to the millisecond, ``whole`` = rounded up to seconds, ``none`` = missing.
    changes : tuple of LimitChange
        Limits that change, in order of time.
    neighbours : tuple of Neighbour
        Other programs.
    """

    remaining_of: Literal["minute", "capacity"] = "minute"
    headers_written: Literal["arrival", "end"] = "arrival"
    rounded_to: int = 1_000
    output_counted: Literal["end", "reserved"] = "end"
    has_headers: bool = True
    names_limit: bool = True
    retry_after: Literal["exact", "whole", "none"] = "exact"
    changes: tuple[LimitChange, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()

    def factor(self, now: float) -> float:
        """Return what the limits are multiplied with at `now`."""
        factor = 1.0
        for change in self.changes:
            if change.at <= now:
                factor = change.factor
        return factor

    def taken(self, now: float) -> float:
        """Return the share that neighbours take at `now`."""
        return min(1.0, sum(each.share for each in self.neighbours if each.start <= now < each.stop))

    def turns(self) -> tuple[float, ...]:
        """Return the moments at which something changes, in order."""
        moments = [change.at for change in self.changes]
        moments += [moment for each in self.neighbours for moment in (each.start, each.stop)]
        return tuple(sorted(set(moments)))


PLAIN = LimitPolicy()
