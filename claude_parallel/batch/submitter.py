"""Sends envelopes: one call of `create` each, and what its answer leaves open.

Decides nothing about money but this: a refusal creates nothing, so the same envelope may go again; everything else is
looked into by ``reconciling`` before the requests are sent anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..records import Failure
from ..retry import Again, Stop, judge_failure
from .collector import BatchRun, Collector
from .in_flight import LEASE_SECONDS, PATIENCE, Parcel, may_exist, poll_after
from .packer import Feed, Sealed
from .reconcile import leasing
from .responses import BatchState

_FULL_QUEUE_SECONDS = 60.0
"""How long to wait for room in the account's queue where the API names no time."""


@dataclass(slots=True)
class Sender:
    """Submits what the feed packs.

    Attributes
    ----------
    run : BatchRun
        The environment and rules.
    feed : Feed
        Packs envelopes.
    collector : Collector
        Knows why nothing more may be sent.
    parcels : dict of str to Parcel
        Envelopes under way, by id.
    sealed : Sealed or None
        An envelope that waits for room in the account's queue, or for the network.
    closed_until : float
        When it may be tried again, on the run's clock.
    """

    run: BatchRun
    feed: Feed
    collector: Collector
    parcels: dict[str, Parcel]
    sealed: Sealed | None = None
    closed_until: float = 0.0

    async def submit_next(self) -> bool:
        """Send the next envelope; False when there is none to be sent now."""
        run = self.run
        if self.sealed is not None and not self.feed.may_send():
            self.put_back()
        if self.sealed is None:
            self.sealed = await self.feed.pack()
        if self.sealed is None or run.control.is_stopping or run.clock() < self.closed_until:
            return False
        sealed, self.sealed = self.sealed, None
        await self._send(sealed)
        return True

    async def _send(self, sealed: Sealed) -> None:
        """Call `create`, once, and act on what it says."""
        run, parcel = self.run, sealed.parcel
        envelope_id = parcel.record.id
        run.stats.waiting_for = f"sending a batch of {len(sealed.envelope):,} rows"
        self.parcels[envelope_id] = parcel
        async with leasing(run, envelope_id):
            result = await run.door.create(sealed.envelope)
        if isinstance(result, BatchState):
            run.book.submitted(envelope_id, result.id)
            became(run, parcel, result)
        elif may_exist(result):
            run.book.unclear(envelope_id, run.wall_clock() + LEASE_SECONDS)
            parcel.lost = result
            parcel.due = run.clock() + poll_after(0)
        else:
            del self.parcels[envelope_id]
            self._refused(sealed, result)

    def _refused(self, sealed: Sealed, failure: Failure) -> None:
        """Nothing was created: wait and send the same envelope, or give its rows the reason."""
        run, parcel = self.run, sealed.parcel
        policy = PATIENCE if failure.kind == "rate_limit" else run.policy
        verdict = judge_failure(failure, sealed.failures, policy, run.rng)
        sealed.failures.append(failure.kind)
        if isinstance(verdict, Again):
            wait_seconds = verdict.wait_seconds
            if failure.kind == "rate_limit" and failure.retry_after is None:
                wait_seconds = max(wait_seconds, _FULL_QUEUE_SECONDS)
            run.book.extend(parcel.record.id, run.wall_clock() + wait_seconds + LEASE_SECONDS)
            self.sealed = sealed
            self.closed_until = run.clock() + wait_seconds
            return
        run.book.close(parcel.record.id, "failed")
        if isinstance(verdict, Stop) and self.collector.stop is None:
            self.collector.stop = (failure.kind, failure.message)
        for ticket in parcel.tickets.values():
            self.collector.give_up(ticket, failure.kind, failure.message, failure.request_id)

    def put_back(self) -> None:
        """Take the waiting envelope apart, if there is one."""
        if self.sealed is not None:
            self.feed.put_back(self.sealed)
            self.sealed = None


def became(run: BatchRun, parcel: Parcel, batch: BatchState) -> None:
    """Take note of the batch that an envelope became; the journal knows it already."""
    record = run.book.get(parcel.record.id)
    parcel.record = record if record and record.batch_id else replace(parcel.record, batch_id=batch.id)
    parcel.batch = batch
    parcel.failures.clear()
    parcel.due = run.clock() + (0.0 if batch.has_ended else poll_after(0))
