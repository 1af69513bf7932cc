"""Notices that something on the way answers in the API's place: a proxy, a gateway, a network that wants a sign-in.

One such answer is an accident of its row. Where nothing else comes any more, no row can do better, and the run is to
stop. What such an answer looks like is known to ``api.responses``; what a row does after one, to ``retry``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..api.responses import is_foreign
from ..records import Failure

FOREIGN_IN_A_ROW = 10
"""So many answers in a row that are not the API's: where a fifth of all are, chance does that once in ten million
calls, and ten rows are few to lose where none gets through."""


@dataclass(slots=True)
class Interception:
    """Counts foreign answers between two of the API.

    Attributes
    ----------
    count : int
        Foreign answers since anything else came.
    witnesses : set
        Calls that were under way when the first of them came; while one of them is, it may still bring an answer: a
        page comes sooner than a Message.
    """

    count: int = 0
    witnesses: set[object] = field(default_factory=set)

    def answered(self) -> None:
        """Take note that the API has answered."""
        self.count = 0

    def is_certain(self, failure: Failure, under_way: Iterable[object]) -> bool:
        """Take note of a failure; True where the API is certainly not reached any more.

        Parameters
        ----------
        failure : Failure
            What came back; a connection that failed without a status says nothing.
        under_way : iterable
            The calls that are under way now, without this one.
        """
        if not is_foreign(failure):
            self.count = self.count if failure.status is None else 0
            return False
        self.count += 1
        self.witnesses = set(under_way) if self.count == 1 else self.witnesses.intersection(under_way)
        return self.count >= FOREIGN_IN_A_ROW and not self.witnesses
