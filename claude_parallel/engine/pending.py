"""One request on its way to an outcome, live or in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import Kind
from ..prompt.template import Content
from ..records import ZERO, Request


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What a row asks after an answer that was paid and is not good enough.

    Attributes
    ----------
    request : Request
        The next call.
    text : str
        What the row's paid answers say so far; it stands where the next call brings none.
    paused : mapping or None
        The Message that it continues; None where it asks for a better answer.
    """

    request: Request
    text: str
    paused: Mapping[str, Any] | None = None


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
        What is asked. None before the journal was asked, and once a batch carries it: a hundred thousand bodies need
        not lie in memory, since a row makes its request again. Kept where it does not (a repair asks something else
        than its row).
    content : str, list or None
        What its row asks, until the request is made of it; None where the row has to say it again.
    failures : tuple of str
        Kinds of the failures so far.
    attempts : int
        Calls sent so far, or batches travelled in.
    repairs : int
        Times it was asked again because the answer did not fit the schema.
    turns : tuple of mapping
        Messages that were paused and are to be continued; the answer is all of them and the last one.
    follow_ups : int
        How often it has asked something else than its row.
    text : str or None
        What its paid answers say so far; None before the first.
    cost : Decimal or None
        US dollars paid so far; None once an answer had no known price.
    worst : Decimal
        US dollars that the call can cost at most; 0 where no budget asks.
    reserved : Decimal
        US dollars that the budget holds for the call under way.
    asked_first : bytes or None
        Key of what the row asked first, where it has asked something else since.
    is_marked : bool
        False where it goes in a batch too small to cache the prefix: that its answer read nothing says nothing.
    """

    position: int
    fingerprint: bytes
    request: Request | None = None
    content: Content | None = None
    failures: tuple[Kind, ...] = ()
    attempts: int = 0
    repairs: int = 0
    turns: tuple[Mapping[str, Any], ...] = ()
    follow_ups: int = 0
    text: str | None = None
    cost: Decimal | None = ZERO
    worst: Decimal = ZERO
    reserved: Decimal = ZERO
    asked_first: bytes | None = None
    is_marked: bool = True

    @classmethod
    def of(cls, position: int, request: Request) -> Pending:
        """Return a request that has not been sent yet."""
        return cls(position, request.fingerprint, request)

    @property
    def claim(self) -> bytes:
        """Key of what the row asked first: whoever holds it also continues and mends the answer, and no other does."""
        return self.asked_first or self.fingerprint

    @property
    def asked(self) -> Request:
        """The request; only while it is at hand."""
        assert self.request is not None, "the request is not made yet, or was handed to a batch"
        return self.request

    def let_go(self) -> None:
        """Forget the request where its row can make it again."""
        if self.asks_as_its_row:
            self.request = self.content = None

    @property
    def asks_as_its_row(self) -> bool:
        """False where it asks something else than its row, so that the row cannot make the request again."""
        return not self.follow_ups

    def ask_instead(self, follow_up: FollowUp) -> None:
        """Ask for the rest of an answer, or for a better one."""
        self.asked_first = self.claim
        self.request, self.fingerprint = follow_up.request, follow_up.request.fingerprint
        self.follow_ups, self.text = self.follow_ups + 1, follow_up.text
        if follow_up.paused is None:
            self.repairs, self.turns = self.repairs + 1, ()
        else:
            self.turns = (*self.turns, follow_up.paused)
