"""Did an interrupted `create` make a batch? Found out from what the API lists, without paying twice.

The list of batches shows no custom ids, only times and numbers of requests. So, for an envelope without a batch id:

1. Every listed batch with as many requests, whose results can still be read and which is not known to belong to another
   envelope, is a candidate. Their times are the API's and the envelope's was its sender's, so they say where to look
   first, and rule nothing out.
2. A candidate that has ended is read, up to its first result: the custom id there carries the envelope's id, or it is
   a stranger for good. A candidate that still runs cannot be told apart; it is waited for, which costs only time.
3. Only when no candidate is left, and the envelope's lease is over (the sender renews it while `create` is under way,
   and after a lost answer a minute more is granted to the server), was nothing created: the requests go out anew.
4. With another API key than the sender's, an empty list proves nothing (batches are seen by one workspace only): then
   the rows say so, and nothing is sent.

The decision to wait in 2 and 3 rather than to ask again is deliberate: at worst it costs minutes, the alternative costs
the whole batch a second time. So is the reading of strangers: each of the last 29 days costs one call, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from ..engine.context import RunContext
from ..records import Failure
from ..worker_threads import finish_off_loop, off_loop
from .calls import BatchCalls
from .envelope import read_custom_id
from .in_flight import InFlightBatch
from .policy import LEASE_SECONDS, LOOKS, likeliest_first, may_be_ours, poll_after
from .records import EnvelopeBook
from .responses import BatchState


@dataclass(frozen=True, slots=True)
class Found:
    """The envelope became this batch."""

    batch: BatchState


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing was created; the envelope is closed."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not known yet: ask again in `wait_seconds`."""

    wait_seconds: float


Finding = Found | Missing | Unknown | Failure


async def reconcile(run: RunContext, calls: BatchCalls, batch: InFlightBatch) -> Finding:
    """Return what became of an envelope without a batch id."""
    known = await off_loop(calls.book.get, batch.record.id) or batch.record  # a disk that takes no more has no record
    record = batch.record = replace(known, lease=max(known.lease, batch.record.lease))
    if not record.is_open:
        return Missing()  # another process has settled it; answers that it collected are in the journal
    if record.batch_id is not None:
        return await _found(calls, record.batch_id)
    candidates = await _candidates(run, calls, batch)
    if isinstance(candidates, Failure):
        return candidates
    for candidate in candidates:
        if candidate.has_ended:
            is_ours = await _is_ours(calls, record.id, candidate)
            if isinstance(is_ours, Failure):
                return is_ours
            if is_ours:
                await finish_off_loop(calls.book.submitted, record.id, candidate.id)
                return Found(candidate)
            batch.strangers.add(candidate.id)
    now = run.wall_clock()
    if any(not candidate.has_ended for candidate in candidates):
        return Unknown(poll_after(now - record.created))
    if now < record.lease:
        return Unknown(min(record.lease - now, poll_after(now - record.created)))
    if record.owner != calls.api.owner:
        return _another_key(record.id)
    await finish_off_loop(calls.book.close, record.id, "failed")
    return Missing()


async def _found(calls: BatchCalls, batch_id: str) -> Found | Failure:
    state = await calls.api.retrieve(batch_id)
    return state if isinstance(state, Failure) else Found(state)


async def _candidates(run: RunContext, calls: BatchCalls, batch: InFlightBatch) -> list[BatchState] | Failure:
    """Return the listed batches that may be the one, the likeliest first."""
    known = await off_loop(calls.book.batch_ids, run.host) | batch.strangers
    found: list[BatchState] = []
    ends: list[str | None] = [None]
    while True:
        page = await calls.api.list(after_id=ends[-1])
        if isinstance(page, Failure):
            return page
        if not page.is_whole or page.last_id in ends[1:]:
            return _broken_list(batch)
        found.extend(state for state in page.batches if may_be_ours(state, batch.record, known))
        ends.append(page.last_id)
        # By the API's own clock, all that come after a page of archived ones are archived as well.
        if page.last_id is None or (page.batches and all(state.is_archived for state in page.batches)):
            return likeliest_first(found, batch.record)


async def _is_ours(calls: BatchCalls, envelope_id: str, candidate: BatchState) -> bool | Failure:
    """Say whether the first result of an ended batch carries the envelope's id."""
    async with aclosing(calls.api.results(candidate)) as results:
        async for item in results:
            if isinstance(item, Failure):
                return item
            if item.custom_id:
                found = read_custom_id(item.custom_id)
                return found is not None and found[0] == envelope_id
    return Failure(kind="server", message=f"no line of the results of batch {candidate.id} can be read")


def _broken_list(batch: InFlightBatch) -> Failure:
    """Return the failure of a list that does not end, or of which something cannot be read.

    A gateway may pass over ``after_id``: the first page comes for ever, and a batch of ours may lie on the second.
    """
    what = (
        f"an interrupted run may have created a batch for this row (envelope {batch.record.id}), and the list of "
        "batches repeats itself or cannot be read to its end; run the cell again once it can, or give it up: "
        f"claude-parallel jobs cancel {batch.record.id}"
    )
    return Failure(kind="server", message=what, should_retry=len(batch.failures) < LOOKS)


def _another_key(envelope_id: str) -> Failure:
    what = (
        f"an interrupted run may have created a batch for this row with another API key (envelope {envelope_id}); run "
        f"the cell with that key, or give it up: claude-parallel jobs cancel {envelope_id}"
    )
    return Failure(kind="not_found", message=what, status=404)


@asynccontextmanager
async def leasing(run: RunContext, book: EnvelopeBook, envelope_id: str) -> AsyncGenerator[None, None]:
    """Let other processes know, for the length of a block, that an envelope is still being sent."""

    async def renew() -> None:
        while True:
            await finish_off_loop(book.extend, envelope_id, run.wall_clock() + LEASE_SECONDS)
            await asyncio.sleep(LEASE_SECONDS / 3)

    task = asyncio.ensure_future(renew())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
