"""The hard cap in US dollars: reserve the worst case before a call, settle with the real cost after.

Knows only sums; what a call can cost at worst is computed in ``pricing``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..records import ZERO


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
    """

    cap: Decimal | None = None
    spent: Decimal = ZERO
    reserved: Decimal = ZERO
    perhaps: Decimal = ZERO
    prefix_tokens: int | None = None

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
