"""One request on its way to an outcome, live or in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..errors import Kind
from ..records import ZERO, Request


@dataclass(slots=True)
class Pending:
    """One request on its way to an outcome.

    Attributes
    ----------
    position : int
        Position of its (first) row.
    fingerprint : bytes
        Key of the request in the journal.
    request : Request or None
        What is asked. None once a batch carries it: a hundred thousand bodies need not lie in memory, since a row makes
        its request again. Kept where it does not (a repair asks something else than its row).
    failures : tuple of str
        Kinds of the failures so far.
    attempts : int
        Calls sent so far, or batches travelled in.
    repairs : int
        Times it was asked again because the answer did not fit the schema.
    cost : Decimal or None
        US dollars paid so far; None once an answer had no known price.
    worst : Decimal
        US dollars that the call can cost at most; 0 where no budget asks.
    reserved : Decimal
        US dollars that the budget holds for the call under way.
    """

    position: int
    fingerprint: bytes
    request: Request | None
    failures: tuple[Kind, ...] = ()
    attempts: int = 0
    repairs: int = 0
    cost: Decimal | None = ZERO
    worst: Decimal = ZERO
    reserved: Decimal = ZERO

    @classmethod
    def of(cls, position: int, request: Request, *, repairs: int = 0) -> Pending:
        """Return a request that has not been sent yet."""
        return cls(position, request.fingerprint, request, repairs=repairs)

    @property
    def asked(self) -> Request:
        """The request; only while it is at hand."""
        assert self.request is not None, "the request was handed to a batch"
        return self.request

    def ask_instead(self, request: Request) -> None:
        """Ask for a better answer: the same row, another request."""
        self.request, self.fingerprint = request, request.fingerprint
        self.repairs += 1
