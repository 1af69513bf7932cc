"""The hard cap in US dollars: reserve the worst case before a call, settle with the real cost after.

Knows only sums; what a call can cost at worst is computed in ``pricing``. Calls that go in batches may be reserved by
what others like them have cost, as :meth:`Budget.afford` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from ..records import ZERO

_RISK = 1e-3
"""How often more calls than were reserved in full may be dear: once in a thousand batches, and then the cap is passed
by the price of some calls. A tenth of it would make the batches a third smaller."""


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
    answers : int
        How many answers have told their real cost.
    dearest : Decimal
        The highest cost of these, as a share of the call's worst case.
    """

    cap: Decimal | None = None
    spent: Decimal = ZERO
    reserved: Decimal = ZERO
    perhaps: Decimal = ZERO
    prefix_tokens: int | None = None
    answers: int = 0
    dearest: Decimal = ZERO

    @property
    def room(self) -> Decimal:
        """US dollars that are neither spent nor set aside."""
        return Decimal("Infinity") if self.cap is None else self.cap - self.spent - self.perhaps - self.reserved

    def learn(self, worst: Decimal, cost: Decimal) -> None:
        """Take note of what an answer has cost, whose call could have cost `worst`."""
        if worst > 0:
            self.answers += 1
            self.dearest = max(self.dearest, min(cost / worst, Decimal(1)))

    def afford(self, calls: int, mean_worst: Decimal) -> tuple[int, Decimal]:
        """Return how many of `calls` may go at once, and what to reserve of each, as a share of its worst case.

        Nothing can stop a batch, so what is sent at once has to fit whatever it costs. With no answer yet, the worst
        case of each call does. Later each call is reserved as the dearest so far, and as many in full as may be dearer
        still (see :func:`dear_calls`): 6 to 11 batches where worst cases alone would make 25 to 140.

        Parameters
        ----------
        calls : int
            Calls that wait, at least 1, in an order that says nothing about their price.
        mean_worst : Decimal
            Mean of their worst cases, US dollars.
        """
        low, high = 1, calls
        while low < high:
            middle = (low + high + 1) // 2
            if middle * self._share(middle) * mean_worst <= self.room:
                low = middle
            else:
                high = middle - 1
        return low, self._share(low)

    def _share(self, calls: int) -> Decimal:
        in_full = Decimal(dear_calls(self.answers, calls)) / calls
        return in_full + (1 - in_full) * self.dearest

    def reserve(self, worst: Decimal) -> bool:
        """Set `worst` aside for a call about to be sent; False when the cap could be passed."""
        if self.cap is not None and self.spent + self.perhaps + self.reserved + worst > self.cap:
            return False
        self.reserved += worst
        return True

    def settle(self, worst: Decimal, cost: Decimal) -> None:
        """Replace a reservation by the real cost of the answer."""
        self.reserved -= worst
        self.spent += cost

    def release(self, worst: Decimal, *, perhaps_billed: bool) -> None:
        """Give a reservation back after a failure, unless the call may have been billed all the same."""
        self.reserved -= worst
        if perhaps_billed:
            self.perhaps += worst


def dear_calls(seen: int, calls: int) -> int:
    """Return how many of `calls` may be dearer than the dearest of `seen`, but for one time in a thousand.

    In an order that says nothing about prices, the j dearest of all are among the new ones with a chance below
    ``(calls / (seen + calls)) ** j``, however prices are distributed.
    """
    if seen == 0:
        return calls
    return min(calls, math.ceil(math.log(_RISK) / math.log(calls / (seen + calls))) - 1)
