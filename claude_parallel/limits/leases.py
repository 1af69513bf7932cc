"""How processes that use one account divide it: shares by demand, none above what the others leave.

After Doorman (Google, "global distributed client side rate limiting"). Knows numbers only: where demands are written
down stands in ``store.leases``, who asks for a lease in ``engine.neighbours``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEASE_SECONDS = 3.0
"""How long a share is kept for a process that gives no sign of life: so long a dead one costs the others."""

RENEW_SECONDS = 1.0
"""How often a lease is renewed by who is alone: two of three may come late before it is lost."""

JOIN_SECONDS = 0.25
"""The same among neighbours, or while the lease is young: who joins waits for the others to make room."""

YOUNG_SECONDS = 2.0
"""How long a lease is young: runs that begin together know of each other by then (test: four at once)."""

LEAST_SHARE = 0.02
"""What a process may send that nobody has made room for yet: its first calls teach it the limits meanwhile. Fifty
newcomers at once would be a whole account (test: who joins)."""

LEAST_DEMAND, LESS = 0.05, 0.8
"""A process that its share does not hold back demands a fifth less at each renewal, down to a twentieth: in three
seconds it has given up nine tenths, and one slow answer costs it little (test: processes that begin in turn)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What one process may use of an account.

    Attributes
    ----------
    demand : float
        The share that it could use, from 0 to 1.
    share : float
        The share that it has.
    """

    demand: float
    share: float


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a demand.

    Attributes
    ----------
    share : float
        What may be used from now on.
    fair : float
        What is ours once the others have made room; 1 where there are no others.
    """

    share: float
    fair: float

    @property
    def is_waiting(self) -> bool:
        """True while others still hold what is ours."""
        return self.share < 0.95 * self.fair


def demanded(share: float, *, is_held: bool) -> float:
    """Return what a process demands that has a share: all, where that holds its calls back, else less than it has."""
    return 1.0 if is_held else max(LEAST_DEMAND, LESS * share)


def grant(demand: float, others: Mapping[str, Lease]) -> Grant:
    """Return the share of a process that wants `demand`.

    All shares together never exceed 1, whatever the order in which processes ask: nobody gets more than the others
    have left free, and those who have more than is fair give it up when they ask next.

    Parameters
    ----------
    demand : float
        The share that it could use, from 0 to 1.
    others : mapping of str to Lease
        The other processes that live, by name.
    """
    if not others:
        return Grant(1.0, 1.0)
    fair = fair_shares([demand, *(lease.demand for lease in others.values())])[0]
    free = max(0.0, 1.0 - sum(lease.share for lease in others.values()))
    return Grant(min(fair, free), fair)


def fair_shares(demands: list[float]) -> list[float]:
    """Return max-min fair shares of 1: small demands are met, the large ones get equal parts of the rest.

    What nobody demands is divided equally, so that whoever needs more than it thought is not held back at once.

    Parameters
    ----------
    demands : list of float
        From 0 to 1 each.
    """
    shares = [0.0] * len(demands)
    left, waiting = 1.0, sorted(range(len(demands)), key=lambda at: demands[at])
    for served, at in enumerate(waiting):
        shares[at] = min(demands[at], left / (len(waiting) - served))
        left -= shares[at]
    return [share + max(0.0, left) / len(demands) for share in shares]
