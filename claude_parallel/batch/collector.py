"""The results of a batch become answers in the journal, and then outcomes of rows.

Every group of answers is on disk before anything looks at one of them, so a kill while they stream in costs nothing:
results can be read again for 29 days. When to collect, ``batches`` decides.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from ..api.answers import usage_of
from ..bridge import Control
from ..engine.budget import Budget
from ..engine.context import Pending, Rules
from ..errors import Kind, row_error
from ..progress.stats import RunStats
from ..records import Answer, Attempt, Failure, Outcome, Reply, Request
from ..retry import RetryPolicy
from ..store.journal import Journal
from .api import BatchDoor
from .envelope import MAX_BYTES, MAX_REQUESTS, read_custom_id
from .in_flight import Parcel, Ticket, judge_result
from .records import EnvelopeBook
from .responses import BatchResult

ZERO = Decimal(0)
GROUP_RESULTS = 500
"""Results that share a commit."""


@dataclass(frozen=True, slots=True)
class BatchRun:
    """Everything that a run of batches works with; compare :class:`~claude_parallel.engine.dispatcher.Run`.

    Attributes
    ----------
    run_id, host : str
        Names in the journal.
    door, journal, book : BatchDoor, Journal, EnvelopeBook
        The environment.
    rules, policy, budget : Rules, RetryPolicy, Budget
        The decisions; prices are those of batches.
    unanswered : callable
        Requests -> those that the journal cannot answer; the others are delivered.
    request_of : callable
        Position -> the row's request once more; None when the row asks nothing now.
    control, stats : Control, RunStats
        What the outside sets and sees.
    clock, wall_clock : callable
        Seconds, monotonic; seconds since the epoch.
    local_time : callable
        Seconds since the epoch -> time of day for people.
    rng : random.Random
        Ids of envelopes, jitter.
    settled : callable
        Called once everything that can be submitted now is, and at the end.
    goes_live : bool
        True to leave to live calls what a batch could not answer.
    stops_at_error : bool
        True for ``on_error="raise"``.
    max_requests, max_bytes : int
        Limits of one envelope.
    """

    run_id: str
    host: str
    door: BatchDoor
    journal: Journal
    book: EnvelopeBook
    rules: Rules
    policy: RetryPolicy
    budget: Budget
    unanswered: Callable[[list[Pending]], list[Pending]]
    request_of: Callable[[int], Request | None]
    control: Control
    stats: RunStats
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    local_time: Callable[[float], str]
    rng: random.Random
    settled: Callable[[], object]
    goes_live: bool = False
    stops_at_error: bool = False
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES


@dataclass(slots=True)
class Collector:
    """Reads the results of ended batches.

    Attributes
    ----------
    run : BatchRun
        The environment and rules.
    deliver : callable
        (position, outcome): gets every outcome.
    again : list of Ticket
        Requests to send once more, of batches that are done with.
    stop : (kind, message) or None
        Why nothing more can be sent: set by a result that concerns the whole account.
    """

    run: BatchRun
    deliver: Callable[[int, Outcome], None]
    again: list[Ticket] = field(default_factory=list)
    stop: tuple[Kind, str] | None = None

    async def collect(self, parcel: Parcel) -> Failure | None:
        """Read all results of an ended batch; the first failure on the way ends it, and it can be begun again."""
        assert parcel.batch is not None
        async with aclosing(_groups(self.run.door.results(parcel.batch))) as groups:
            async for group in groups:
                failure = next((item for item in group if isinstance(item, Failure)), None)
                self._take(parcel, [item for item in group if isinstance(item, BatchResult)])
                if failure is not None:
                    return failure
                if self.run.control.is_stopping:
                    return None
        self._miss(parcel)
        return None

    def _take(self, parcel: Parcel, results: list[BatchResult]) -> None:
        """Keep a group's answers on disk, then judge its results one by one."""
        run, now = self.run, self.run.wall_clock()
        fresh = {key: item.fate for item in results for key in _keys(item, parcel) if key not in parcel.told}
        answers = [(key, run.host, fate, now) for key, fate in fresh.items() if isinstance(fate, Reply)]
        if run.journal.path is not None:
            run.journal.keep_answers(answers)
        parcel.answers += len(answers)
        parcel.told.update(fresh)
        for key, fate in fresh.items():
            ticket = parcel.tickets.pop(key, None)
            if ticket is not None:
                ticket.attempts += 1
                self._judge(parcel, ticket, fate)

    def _miss(self, parcel: Parcel) -> None:
        """Send again what an ended batch says nothing about."""
        for ticket in parcel.tickets.values():
            ticket.attempts += 1
            self._judge(
                parcel, ticket, Failure(kind="server", message="the batch's results say nothing about this row")
            )
        parcel.tickets.clear()

    # -- judging -----------------------------------------------------------------------------------------------------

    def _judge(self, parcel: Parcel, ticket: Ticket, fate: Reply | Failure | Literal["canceled", "expired"]) -> None:
        if isinstance(fate, Reply):
            self._answered(parcel, ticket, fate)
        elif fate == "canceled":
            self.give_up(ticket, "cancelled", f"{parcel.name} was cancelled before this row's turn")
        else:
            self._failed(parcel, ticket, fate)

    def _answered(self, parcel: Parcel, ticket: Ticket, reply: Reply) -> None:
        run = self.run
        cost = run.rules.price(str(reply.message.get("model")), usage_of(reply.message))
        run.budget.settle(ticket.worst, ticket.worst if cost is None else cost)
        ticket.worst = ZERO
        self._keep_attempt(parcel, ticket, reply, cost)
        run.stats.cost += cost or ZERO
        run.stats.unpriced += cost is None
        ticket.cost = None if cost is None or ticket.cost is None else ticket.cost + cost
        answer = run.rules.read(reply.message)
        again = self._repair(ticket, answer) if answer.kind == "schema" else None
        if again is not None:
            parcel.again.append(again)
            return
        error = row_error(answer.kind, answer.what) if answer.kind else None
        self._finish(
            ticket, Outcome(answer.text, answer.values, answer.kind, error, ticket.cost, "batch", ticket.attempts)
        )

    def _repair(self, ticket: Ticket, answer: Answer) -> Ticket | None:
        """Return the ticket that asks to mend an answer which does not fit the schema."""
        request = ticket.request or self.run.request_of(ticket.position)
        if request is None:
            return None
        again = self.run.rules.repair(ticket.pending(request), answer)
        if again is None:
            return None
        return Ticket(
            ticket.position,
            again.fingerprint,
            attempts=ticket.attempts,
            repairs=ticket.repairs + 1,
            cost=ticket.cost,
            request=again,
        )

    def _failed(self, parcel: Parcel, ticket: Ticket, fate: Failure | Literal["expired"]) -> None:
        run = self.run
        verdict = judge_result(fate, ticket.attempts, run.policy)
        if isinstance(fate, Failure):
            self._keep_attempt(parcel, ticket, fate, None)
            kind, what, request_id = fate.kind, fate.message, fate.request_id
        else:
            kind, what, request_id = "expired", f"{parcel.name} came to its end", None
        if verdict == "again":
            run.budget.release(ticket.worst, perhaps_billed=False)
            ticket.worst = ZERO
            parcel.again.append(ticket)
            return
        if verdict == "stop" and self.stop is None:
            self.stop = (kind, what)
        self.give_up(ticket, kind, what, request_id)

    def give_up(self, ticket: Ticket, kind: Kind, what: str, request_id: str | None = None) -> None:
        """Deliver a row's final error; it was not billed."""
        self.run.budget.release(ticket.worst, perhaps_billed=False)
        ticket.worst = ZERO
        self._finish(
            ticket,
            Outcome(None, None, kind, row_error(kind, what), ticket.cost, "none", ticket.attempts, request_id),
        )

    def _finish(self, ticket: Ticket, outcome: Outcome) -> None:
        self.deliver(ticket.position, outcome)
        if self.run.stops_at_error and outcome.kind is not None:
            self.run.control.stop_sending()

    def _keep_attempt(self, parcel: Parcel, ticket: Ticket, fate: Reply | Failure, cost: Decimal | None) -> None:
        attempt = Attempt(ticket.attempts, parcel.record.created, self.run.wall_clock(), fate)
        self.run.journal.keep_attempt(self.run.run_id, ticket.position, attempt, cost)


async def _groups(
    results: AsyncGenerator[BatchResult | Failure, None],
) -> AsyncGenerator[list[BatchResult | Failure], None]:
    """Yield results in groups that share a commit."""
    group: list[BatchResult | Failure] = []
    async with aclosing(results) as items:
        async for item in items:
            group.append(item)
            if len(group) >= GROUP_RESULTS:
                yield group
                group = []
    if group:
        yield group


def _keys(result: BatchResult, parcel: Parcel) -> tuple[bytes, ...]:
    """Return the fingerprint of a result's request; nothing for a line that is not of this envelope."""
    found = read_custom_id(result.custom_id)
    return (found[1],) if found is not None and found[0] == parcel.record.id else ()
