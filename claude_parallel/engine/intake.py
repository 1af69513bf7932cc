"""Rows become requests, a chunk at a time: skipped, asked before, in the journal already, or to be sent.

Pulled by the engine as it has room, so that a frame of any length never lies in memory as requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ..api.answers import usage_of
from ..errors import row_error
from ..prompt.request import Shared, build
from ..prompt.template import Content, RowProblem, Skipped
from ..records import Answer, Outcome, Reply, Request
from ..store.journal import Journal
from .context import Pending
from .results import Results

ZERO = Decimal(0)


class Rows(Protocol):
    """Where rows come from: a frame, a series, a list."""

    rows_at_once: int
    """How many rows to prepare at a time: few where each brings a file, many where it is text."""

    def __len__(self) -> int: ...

    def contents(self, start: int, stop: int) -> list[Content | Skipped | RowProblem]:
        """Return what the rows from `start` to `stop` ask."""
        ...


@dataclass(frozen=True, slots=True)
class Intake:
    """Turns rows into requests that still have to be sent.

    Attributes
    ----------
    rows : Rows
        Where they come from.
    shared : Shared
        What all requests have in common.
    results : Results
        Gets the outcomes that need no call.
    journal : Journal
        Asked for answers first.
    read : callable
        Message -> Answer.
    price : callable
        (model, usage) -> US dollars, for what the journal saved.
    repair : callable
        (Pending, Answer) -> the request that asks again, or None.
    samples : int
        Independent answers per row.
    has_breakpoint : bool
        True when the shared prefix is to be cached.
    bypass_cache : frozenset of bytes
        Fingerprints to ask again although the journal has an answer (``retry`` of rows that were answered badly).
    """

    rows: Rows
    shared: Shared
    results: Results
    journal: Journal
    read: Callable[..., Answer]
    price: Callable[..., Decimal | None]
    repair: Callable[[Pending, Answer], Request | None]
    samples: int = 1
    has_breakpoint: bool = False
    bypass_cache: frozenset[bytes] = frozenset()

    def chunks(self) -> Iterator[list[Pending]]:
        """Yield what has to be sent, chunk by chunk; a chunk may be empty."""
        first_of: dict[bytes, int] = {}
        step = self.rows.rows_at_once
        for start in range(0, len(self.rows), step):
            stop = min(start + step, len(self.rows))
            yield self.unanswered(self._first_askers(start, stop, first_of))

    def _first_askers(self, start: int, stop: int, first_of: dict[bytes, int]) -> list[Pending]:
        """Return one pending request per distinct question of these rows; the others are told whom to follow."""
        found: list[Pending] = []
        for offset, content in enumerate(self.rows.contents(start, stop)):
            for sample in range(self.samples):
                position = (start + offset) * self.samples + sample
                if isinstance(content, Skipped | RowProblem):
                    self.results.deliver(position, _unsent(content))
                    continue
                request = build(self.shared, content, sample=sample, has_breakpoint=self.has_breakpoint)
                self.results.fingerprints[position] = request.fingerprint
                first = first_of.setdefault(request.fingerprint, position)
                if first == position:
                    found.append(Pending(position, request))
                else:
                    self.results.copy_from(position, first)
        return found

    def unanswered(self, pending: list[Pending]) -> list[Pending]:
        """Answer from the journal what it knows, and return the rest."""
        rest = [item for item in pending if item.request.fingerprint in self.bypass_cache]
        pending = [item for item in pending if item.request.fingerprint not in self.bypass_cache]
        while pending:
            known = self.journal.recall([item.request.fingerprint for item in pending])
            repairs: list[Pending] = []
            for item in pending:
                reply = known.get(item.request.fingerprint)
                again = self._recalled(item, reply) if reply is not None else None
                if reply is None:
                    rest.append(item)
                elif again is not None:
                    repairs.append(again)
            pending = repairs
        return sorted(rest, key=lambda item: item.position)

    def _recalled(self, item: Pending, reply: Reply) -> Pending | None:
        """Deliver a journal answer, or return the request that would mend it."""
        answer = self.read(reply.message)
        again = self.repair(item, answer) if answer.kind == "schema" else None
        model = str(reply.message.get("model"))
        self.results.stats.saved += self.price(model, usage_of(reply.message)) or ZERO
        if again is not None:
            return Pending(item.position, again, repairs=item.repairs + 1)
        error = row_error(answer.kind, answer.what) if answer.kind else None
        self.results.deliver(
            item.position,
            Outcome(answer.text, answer.values, answer.kind, error, ZERO, "journal", 0, reply.request_id),
        )
        return None


def _unsent(content: Skipped | RowProblem) -> Outcome:
    """Return the outcome of a row that cannot or need not be sent."""
    if isinstance(content, Skipped):
        return Outcome(None, None, "skipped", row_error("skipped", content.reason), ZERO, "none")
    return Outcome(None, None, "invalid", row_error("invalid", content.message), ZERO, "none")
