"""Batches under way, and the rules about them: when to look again, what a failure leaves open, which batch may be ours.

Values and functions of values, without any door. Who carries the rules out, is ``batches``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from ..engine.context import Pending
from ..errors import Kind
from ..records import Failure, Request
from ..retry import Again, RetryPolicy, Stop, judge_failure
from .records import EnvelopeRecord
from .responses import BatchState

ZERO = Decimal(0)

ROUNDS = 3
"""In how many batches a request may travel before its last error is final."""

LEASE_SECONDS = 60.0
"""How long after the last sign of life of its sender a batch may still come into being."""

PATIENCE = RetryPolicy(max_retries=100_000, max_rate_limit_retries=100_000)
"""For calls that cost nothing and only ask after a batch: an outage of the network must not end a day's waiting."""

_CLOCK_ERROR_SECONDS = 24 * 3_600.0
_QUICKEST_POLL_SECONDS = 1.0
_SLOWEST_POLL_SECONDS = 60.0


@dataclass(slots=True)
class Ticket:
    """A request in an envelope, without its body: that can be made again from its row.

    Attributes
    ----------
    position : int
        Position of its (first) row.
    fingerprint : bytes
        Key in the journal.
    worst : Decimal
        US dollars set aside for it.
    attempts, repairs : int
        As in :class:`~claude_parallel.engine.dispatcher.Pending`.
    cost : Decimal or None
        US dollars paid so far.
    request : Request or None
        Kept where the row alone does not make it again (it asks to mend an answer).
    """

    position: int
    fingerprint: bytes
    worst: Decimal = ZERO
    attempts: int = 0
    repairs: int = 0
    cost: Decimal | None = ZERO
    request: Request | None = None

    @classmethod
    def of(cls, pending: Pending, worst: Decimal = ZERO) -> Ticket:
        """Return the ticket of a request."""
        kept = pending.request if pending.repairs else None
        return cls(
            pending.position, pending.request.fingerprint, worst, pending.attempts, pending.repairs, pending.cost, kept
        )

    def pending(self, request: Request) -> Pending:
        """Return the request on its way again."""
        return Pending(self.position, request, attempts=self.attempts, cost=self.cost, repairs=self.repairs)


@dataclass(slots=True)
class Parcel:
    """An envelope under way.

    Attributes
    ----------
    record : EnvelopeRecord
        As it stands in the journal.
    tickets : dict of bytes to Ticket
        This run's requests in it that have no result yet, by fingerprint.
    batch : BatchState or None
        As the API showed it last.
    due : float
        When to look again, on the run's clock.
    failures : list of str
        Kinds of failure since the last good answer.
    told : set of bytes
        Fingerprints whose result was read already (a broken stream begins from the start).
    answers : int
        How many of these were answers.
    again : list of Ticket
        What the batch did not answer; goes into the next envelope once this one is closed.
    strangers : set of str
        Ids of batches that are known not to be this one.
    lost : Failure or None
        What came instead of the answer to `create`, where that leaves open whether there is a batch.
    is_cancelling : bool
        True once the API was asked to cancel it.
    """

    record: EnvelopeRecord
    tickets: dict[bytes, Ticket] = field(default_factory=dict)
    batch: BatchState | None = None
    due: float = 0.0
    failures: list[Kind] = field(default_factory=list)
    told: set[bytes] = field(default_factory=set)
    answers: int = 0
    again: list[Ticket] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    lost: Failure | None = None
    is_cancelling: bool = False

    @property
    def name(self) -> str:
        """What to call it in front of people."""
        return f"batch {self.record.batch_id or self.record.id}"


def poll_after(age_seconds: float) -> float:
    """Return after how many seconds to look at a batch of this age again: a tenth of it, but 1 to 60 seconds."""
    return min(_SLOWEST_POLL_SECONDS, max(_QUICKEST_POLL_SECONDS, age_seconds / 10))


def may_exist(failure: Failure) -> bool:
    """Say whether a batch may have been created although `create` failed.

    A refusal (4xx) creates nothing, and neither does a request that never left. Everything else is open: a lost answer,
    a timeout, an error of the server.
    """
    if failure.status is None:
        return failure.perhaps_billed or failure.kind == "unknown"
    return failure.status < 400 or failure.status >= 500 or failure.status in (408, 409, 499)


def may_be_ours(batch: BatchState, record: EnvelopeRecord, known: Iterable[str]) -> bool:
    """Say whether a listed batch may be the one that an envelope became.

    The list shows neither custom ids nor names: only the number of requests and the time tell, and the time is the
    server's, while the envelope's is ours; so a whole day of difference is allowed.
    """
    is_old_enough = batch.created >= record.created - _CLOCK_ERROR_SECONDS
    return batch.requests == record.requests and is_old_enough and batch.id not in known


def is_before(batch: BatchState, record: EnvelopeRecord) -> bool:
    """Say whether a listed batch, and all that come after it in the list, is older than an envelope."""
    return batch.created < record.created - _CLOCK_ERROR_SECONDS


Fate = Literal["again", "final", "stop"]


def judge_result(failure: Failure | Literal["expired"], attempts: int, policy: RetryPolicy) -> Fate:
    """Return what to do about a request that its batch did not answer; it was not billed.

    Parameters
    ----------
    failure : Failure or "expired"
        The result.
    attempts : int
        In how many batches the request has been.
    policy : RetryPolicy
        The user's; without retries nothing goes again.

    Returns
    -------
    str
        ``"again"``: into the next envelope; ``"final"``: the row has failed; ``"stop"``: so would all others.
    """
    may_go_again = policy.max_retries > 0 and attempts < ROUNDS
    if failure == "expired":
        return "again" if may_go_again else "final"
    verdict = judge_failure(failure, [], policy, random.Random(0))
    if isinstance(verdict, Stop):
        return "stop"
    return "again" if isinstance(verdict, Again) and may_go_again else "final"


def describe_parcels(parcels: Iterable[Parcel], local_time: Callable[[float], str]) -> str:
    """Return what the API can say about batches under way; it counts nothing before a batch has ended."""
    sent = [parcel for parcel in parcels if parcel.batch is not None]
    looking = sum(1 for parcel in parcels if parcel.batch is None)
    words = []
    if sent:
        states = [parcel.batch for parcel in sent if parcel.batch is not None]
        rows = sum(state.requests for state in states)
        since = local_time(min(state.created for state in states))
        name = sent[0].name if len(sent) == 1 else f"{len(sent)} batches"
        doing = "cancelling" if all(state.status == "canceling" for state in states) else f"processing since {since}"
        words.append(f"{name}: {rows:,} rows submitted, {doing}")
    if looking:
        words.append(f"looking for {looking} batch" + ("es" if looking > 1 else "") + " of an interrupted run")
    return "; ".join(words)
