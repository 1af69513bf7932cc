"""Sends envelopes: one call of `create` each, and what its answer leaves open.

Decides nothing about money but this: a refusal creates nothing, so the same envelope may go again; everything else is
reconciled before the requests are sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..engine.context import RunContext
from ..errors import Kind
from ..records import Failure
from ..retry import Again, Stop, Verdict, judge_failure
from ..text import elapsed
from ..worker_threads import finish_off_loop, off_loop
from .calls import BatchCalls
from .in_flight import InFlight, InFlightBatch, PackedBatch
from .packer import Packer
from .policy import LEASE_SECONDS, PATIENCE, may_exist, poll_after
from .reconcile import leasing
from .responses import BatchState

_FULL_QUEUE_SECONDS = 60.0
"""How long to wait for room in the account's queue where the API names no time."""

_UNREACHABLE: frozenset[Kind] = frozenset({"connection", "timeout"})
"""Kinds of a call of `create` that never left, where nothing can have been created."""


@dataclass(slots=True)
class Submitter:
    """Submits what the packer packs.

    Attributes
    ----------
    run : RunContext
        What the run works with.
    calls : BatchCalls
        The API and the record of envelopes.
    packer : Packer
        Packs envelopes.
    in_flight : InFlight
        Gets the batches that are created.
    packed : PackedBatch or None
        An envelope that waits for room in the account's queue, or for the network.
    closed_until : float
        When it may be tried again, on the run's clock.
    """

    run: RunContext
    calls: BatchCalls
    packer: Packer
    in_flight: InFlight
    packed: PackedBatch | None = None
    closed_until: float = 0.0

    async def submit_next(self) -> bool:
        """Send the next envelope; False when there is none to be sent now."""
        run = self.run
        if self.packed is not None and not self.packer.may_send():
            await self.unpack()
        if self.packed is None:
            self.packed = await self.packer.pack()
        if self.packed is None or run.control.is_stopping or run.clock() < self.closed_until:
            return False
        packed, self.packed = self.packed, None
        await self._send(packed)
        return True

    async def unpack(self) -> None:
        """Take the waiting envelope apart, if there is one."""
        packed, self.packed = self.packed, None
        if packed is not None:
            await self.packer.unpack(packed)

    async def _send(self, packed: PackedBatch) -> None:
        """Call `create`, once, and act on what it says."""
        run, batch = self.run, packed.batch
        run.stats.waiting_for = f"sending a batch of {len(packed.envelope):,} rows"
        self.in_flight.add(batch)
        async with leasing(run, self.calls.book, batch.record.id):
            result = await self.calls.api.create(packed.envelope)
            await self._note(batch, result)
        if isinstance(result, BatchState):
            await became(run, self.calls, batch, result)
        elif may_exist(result):
            batch.create_failure = result
            batch.due = run.clock() + poll_after(0)
        else:
            self.in_flight.let_go(batch)
            await self._refused(packed, result)

    async def _note(self, batch: InFlightBatch, result: BatchState | Failure) -> None:
        """Put on record which batch an envelope has become, or that nobody knows."""
        book, envelope_id = self.calls.book, batch.record.id
        if isinstance(result, BatchState):
            batch.record = replace(batch.record, batch_id=result.id)
            await finish_off_loop(book.submitted, envelope_id, result.id)
        elif may_exist(result):
            lease = self.run.wall_clock() + LEASE_SECONDS
            batch.record = replace(batch.record, lease=lease)
            await finish_off_loop(book.unclear, envelope_id, lease)

    async def _refused(self, packed: PackedBatch, failure: Failure) -> None:
        """Nothing was created: wait and send the same envelope, or give its rows the reason."""
        run, batch = self.run, packed.batch
        verdict, failure = self._judge(packed, failure)
        packed.failures = (*packed.failures, failure.kind)
        if isinstance(verdict, Again):
            wait_seconds = verdict.wait_seconds
            if failure.kind == "rate_limit" and failure.retry_after is None:
                wait_seconds = max(wait_seconds, _FULL_QUEUE_SECONDS)
            lease = run.wall_clock() + wait_seconds + LEASE_SECONDS
            self.packed = packed
            self.closed_until = run.clock() + wait_seconds
            await finish_off_loop(self.calls.book.extend, batch.record.id, lease)
            return
        if isinstance(verdict, Stop):
            run.state.halt(failure.kind, failure.message, failure.hint)
        for item in batch.items.values():
            run.accounting.give_up(item, failure.kind, failure.message, failure.hint, failure.request_id)
        await finish_off_loop(self.calls.book.close, batch.record.id, "failed")

    def _judge(self, packed: PackedBatch, failure: Failure) -> tuple[Verdict, Failure]:
        """Return what a refusal means, and its words; neither a full queue nor an outage is the fault of any row.

        An outage is waited for as long as one is by live calls; it then ends the run.
        """
        run, policy = self.run, self.run.policy
        is_outage = failure.kind in _UNREACHABLE and failure.status is None and policy.max_retries > 0
        is_waited_for = is_outage or failure.kind == "rate_limit"
        verdict = judge_failure(failure, packed.failures, PATIENCE if is_waited_for else policy, run.rng)
        if not is_outage:
            packed.unreachable_since = None
            return verdict, failure
        if packed.unreachable_since is None:
            packed.unreachable_since = run.clock()
        if isinstance(verdict, Again) and run.clock() - packed.unreachable_since >= policy.outage_patience:
            message = f"{failure.message}; no batch could be sent for {elapsed(policy.outage_patience)}"
            return Stop(), replace(failure, message=message)
        return verdict, failure


async def became(run: RunContext, calls: BatchCalls, batch: InFlightBatch, state: BatchState) -> None:
    """Take note of the batch that an envelope became; the journal knows it already."""
    record = await off_loop(calls.book.get, batch.record.id)
    batch.record = record if record and record.batch_id else replace(batch.record, batch_id=state.id)
    batch.state = state
    batch.failures = ()
    batch.due = run.clock() + (0.0 if state.has_ended else poll_after(0))
