"""The hard cap in US dollars: reserve the worst case before a call, settle with the real cost after.

Knows only sums; what a call can cost at worst is computed in ``pricing``. Calls that go in batches may be reserved by
what others like them have cost, as :meth:`Budget.afford` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..records import ZERO
from ..text import format_usd

_RISK = 1e-3
"""How often more calls than were reserved in full may be dear: once in a thousand batches, and then the cap is passed
by the price of some calls. A tenth of it would make the batches a third smaller."""


_MOST_SHARES = 10_000
"""Of so many answers, the dearest say as much as those of all."""

_NOTHING = Decimal("1e-12")
"""US dollars: sums of 28 digits may miss nothing at all by less, and no call is reserved with less."""


@dataclass(slots=True)
class Budget:
    """Money of one run.

    Attributes
    ----------
    cap : Decimal or None
        US dollars that may be spent; None = no cap.
    spent : Decimal
        US dollars of all answers so far.
    reserved : Decimal
        Worst case of the calls in flight.
    prefix_tokens : int or None
        Tokens of the prefix that all requests share, once an answer has told them.
    perhaps : Decimal
        Worst case of calls whose answer was lost on the way: they may have been billed, so they count as spent here.
    shares : list of float
        What the first answers have cost, each as a share of its call's worst case.
    purse : Budget or None
        Whose money it is, where several runs share it; see :meth:`beside`.
    """

    cap: Decimal | None = None
    spent: Decimal = ZERO
    reserved: Decimal = ZERO
    perhaps: Decimal = ZERO
    prefix_tokens: int | None = None
    shares: list[float] = field(default_factory=list)
    purse: Budget | None = None

    def beside(self) -> Budget:
        """Return a budget for another run on the same money, which learns for itself what its calls cost.

        Another model, or another prompt, has answers and a prefix of another size: what one run has learnt would have
        the other reserve too little.
        """
        return Budget(cap=self.cap, purse=self.purse or self)

    @property
    def room(self) -> Decimal:
        """US dollars that are neither spent nor set aside."""
        money = self.purse or self
        return Decimal("Infinity") if self.cap is None else self.cap - money.spent - money.perhaps - money.reserved

    @property
    def left(self) -> str:
        """What is left in words, and what a reader would look for in vain: money for answers that were lost."""
        left, lost = f"{format_usd(max(ZERO, self.room))} of the budget is left", (self.purse or self).perhaps
        if not lost:
            return left
        return f"{left} (and {format_usd(lost)} kept for calls whose answer was lost, which may have been billed)"

    @property
    def has_calls_under_way(self) -> bool:
        """True while money is set aside for calls, also of others on the same money: their answers make room."""
        return (self.purse or self).reserved > _NOTHING

    @property
    def mean_share(self) -> Decimal:
        """What an answer has cost so far, on average, as a share of its call's worst case; 1 before the first."""
        return Decimal(repr(sum(self.shares) / len(self.shares))) if self.shares else Decimal(1)

    def learn(self, worst: Decimal, cost: Decimal) -> None:
        """Take note of what an answer has cost, whose call could have cost `worst`."""
        if worst > 0 and len(self.shares) < _MOST_SHARES:
            self.shares.append(min(1.0, float(cost / worst)))

    def afford(self, calls: int, mean_worst: Decimal, ceiling: Decimal = Decimal(1)) -> tuple[int, Decimal]:
        """Return how many of `calls` may go at once, and what to reserve of each, as a share of its worst case.

        Nothing can stop a batch, so what is sent at once has to fit whatever it costs. With no answer yet, the worst
        case of each call does. Later each call is reserved as one of the dearest so far, and as many in full as may be
        dearer still (see :func:`dear_calls`): 6 to 11 batches where worst cases alone would make 25 to 140.

        Parameters
        ----------
        calls : int
            Calls that wait, at least 1, in an order that says nothing about their price.
        mean_worst : Decimal
            Mean of their worst cases, US dollars.
        ceiling : Decimal
            What of it a call can really cost, as a share, where more is known now than when worst cases were computed.
        """
        dearest, most = sorted(self.shares, reverse=True), float(ceiling)
        low, high = 1, 2
        while high < calls and high * _share(dearest, high, most) * mean_worst <= self.room:
            low, high = high, 2 * high
        high = min(high, calls)
        while low < high:
            middle = (low + high + 1) // 2
            if middle * _share(dearest, middle, most) * mean_worst <= self.room:
                low = middle
            else:
                high = middle - 1
        return low, _share(dearest, low, most)

    def reserve(self, worst: Decimal) -> bool:
        """Set `worst` aside for a call about to be sent; False when the cap could be passed."""
        if worst > self.room:
            return False
        (self.purse or self).reserved += worst
        return True

    def settle(self, worst: Decimal, cost: Decimal) -> None:
        """Replace a reservation by the real cost of the answer."""
        money = self.purse or self
        money.reserved -= worst
        money.spent += cost

    def release(self, worst: Decimal, *, perhaps_billed: bool) -> None:
        """Give a reservation back after a failure, unless the call may have been billed all the same."""
        money = self.purse or self
        money.reserved -= worst
        if perhaps_billed:
            money.perhaps += worst


def _share(dearest: Sequence[float], calls: int, ceiling: float) -> Decimal:
    """Return what to reserve of each of `calls`, by the rank among the shares so far that makes it least.

    The dearest of all is not always the best: one answer cut at ``max_tokens`` would make every call a worst case.
    """
    least, rank = ceiling, 1
    while rank <= len(dearest):
        in_full = dear_calls(len(dearest), calls, rank) / calls
        least = min(least, in_full * ceiling + (1 - in_full) * dearest[rank - 1])
        rank *= 2
    return Decimal(repr(least))


def dear_calls(seen: int, calls: int, rank: int = 1) -> int:
    """Return how many of `calls` may be dearer than the `rank`-th dearest of `seen`, but for one time in a thousand.

    In an order that says nothing about prices, more than j of the new ones are that dear only where, of the
    ``j + rank`` dearest of all, fewer than `rank` are old ones. These are drawn without replacement from old and new,
    however prices are distributed, so the chance is hypergeometric.
    """
    if seen < rank:
        return calls
    low, high = 0, calls
    while low < high:
        middle = (low + high) // 2
        if _chance_of_fewer(rank, middle + rank, seen, calls) <= _RISK:
            high = middle
        else:
            low = middle + 1
    return low


def _chance_of_fewer(most: int, draws: int, old: int, new: int) -> float:
    """Return the chance of fewer than `most` old ones among so many, drawn from `old` and `new` ones."""
    ways = _log_factorials(1 << (old + new).bit_length())
    hits = np.arange(max(0, draws - new), min(most, old + 1, draws + 1))
    misses = draws - hits
    picked = ways[old] - ways[hits] - ways[old - hits] + ways[new] - ways[misses] - ways[new - misses]
    every = ways[old + new] - ways[draws] - ways[old + new - draws]
    return float(np.exp(picked - every).sum())


@lru_cache(maxsize=4)
def _log_factorials(count: int) -> npt.NDArray[np.float64]:
    """Return the logarithms of the factorials from 0 to `count`."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count + 1)))))
