"""The rules of batches: when to look again, what a failure leaves open, and which batch may be ours.

Functions of values, without any door. The runner, the submitter and the collector carry them out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Literal

from ..api.responses import is_foreign
from ..errors import Kind
from ..records import Failure
from ..retry import Again, RetryPolicy, Stop, Verdict, judge_failure
from .records import EnvelopeRecord
from .responses import BatchState

ROUNDS = 3
"""In how many batches a request may travel before its last error is final: a batch may take a day."""

LEASE_SECONDS = 60.0
"""How long after the last sign of life of its sender a batch may still come into being."""

READINGS = 3
"""How often results are read before a request that they say nothing about is sent, and paid, again: reading is free."""

READ_AGAIN_SECONDS = 60.0
"""How long to wait between two readings, for an API that has not written all of its lines yet."""

LOOKS = 3
"""How often the API has to say that it knows no such batch before that is believed, `READ_AGAIN_SECONDS` apart: a batch
may not be known everywhere a moment after its creation, and its rows in another one cost as much again."""

PATIENCE = RetryPolicy(max_retries=100_000, max_rate_limit_retries=100_000, max_broken_retries=100_000)
"""For calls that cost nothing and only ask after a batch: an outage of the network must not end a day's waiting."""

FOREIGN_IN_A_ROW = 5
"""So many answers that are not the API's, before its first one, end the run: about ten seconds of a portal or a proxy
that lets nobody through. Later ones are waited for as an outage is: the batch goes on meanwhile."""

_QUICKEST_POLL_SECONDS = 1.0
"""A batch of a few rows may end within seconds; asking more than once a second tells nobody anything."""
_SLOWEST_POLL_SECONDS = 60.0
"""Source: the API's own example polls once a minute."""

ResultVerdict = Literal["again", "final", "stop"]


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


def is_unknown(failure: Failure) -> bool:
    """Say whether the API itself knows no such batch.

    A page with status 404, or a redirect, comes from what stands before the API, and says nothing about the batch.
    """
    return failure.status == 404 and failure.error_type == "not_found_error"


def may_be_ours(batch: BatchState, record: EnvelopeRecord, known: Iterable[str]) -> bool:
    """Say whether a listed batch may be the one that an envelope became.

    The list shows neither custom ids nor names, so only the number of requests tells, where it is told. The time does
    not: a batch has the server's, an envelope that of its sender, whose clock may have been wrong. What is archived
    nobody can read.
    """
    return batch.requests in (0, record.requests) and not batch.is_archived and batch.id not in known


def likeliest_first(batches: Iterable[BatchState], record: EnvelopeRecord) -> list[BatchState]:
    """Return batches in the order in which they are likely to be the one that an envelope became."""
    return sorted(batches, key=lambda batch: abs(batch.created - record.created))


def judge_call(failure: Failure, earlier: Sequence[Kind], rng: random.Random, *, is_first: bool) -> Verdict:
    """Return what a call that only asks after a batch, and failed, means.

    Parameters
    ----------
    failure : Failure
        What came back.
    earlier : sequence of str
        Kinds of the failures since the last good answer.
    rng : random.Random
        The source of jitter.
    is_first : bool
        True where the API has not shown the batch yet, to this run.
    """
    if is_first and is_foreign(failure) and len(earlier) + 1 >= FOREIGN_IN_A_ROW:
        return Stop()
    return judge_failure(failure, earlier, PATIENCE, rng)


def judge_result(failure: Failure | Literal["expired"], attempts: int, policy: RetryPolicy) -> ResultVerdict:
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
    verdict = judge_failure(failure, (), policy, random.Random(0))
    if isinstance(verdict, Stop):
        return "stop"
    return "again" if isinstance(verdict, Again) and may_go_again else "final"
