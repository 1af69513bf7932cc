"""The life of batches: pack, submit, poll, collect, adopt; requests in, outcomes out, at half price.

One runner does one thing at a time: it packs and sends the next envelope, or looks after the batches under way, or
sleeps. How results become outcomes is in ``collector``; how a lost batch is found, in ``reconcile``.

Never a second paid batch
-------------------------
`create` has no idempotency key, so it is never repeated blindly. An envelope with the fingerprints of its requests is
in the journal before `create` is called (state ``prepared``), the batch's id right after (``submitted``); a lost answer
makes it ``unclear``. Before anything is sent, each request is looked up in the open envelopes of the same host, also
those of other processes: of a ``submitted`` one the batch is polled and collected, a ``prepared`` or ``unclear`` one is
reconciled first. A refusal (4xx) creates nothing, so it closes the envelope; a full queue (429) keeps it for later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from ..bridge import waker
from ..engine.context import RunContext
from ..engine.dispatcher import GRACE_SECONDS
from ..engine.intake import Intake
from ..engine.pending import Pending
from ..errors import Kind
from ..progress.waits import WaitReason
from ..records import Failure
from ..retry import Again, Stop
from ..text import local_time
from ..worker_threads import finish_off_loop, off_loop
from .calls import BatchCalls
from .collector import Collector
from .in_flight import InFlight, InFlightBatch, describe
from .packer import Packer
from .policy import LOOKS, READ_AGAIN_SECONDS, READINGS, judge_call, judge_result, poll_after
from .reconcile import Found, Missing, Unknown, reconcile
from .responses import BatchState
from .submitter import Submitter, became

_ELSEWHERE_POLL_SECONDS = 5.0
"""How often to look for what other runs have: answers on their way, money set aside. Batches take an hour anyway."""

_SHORTEST_SLEEP_SECONDS = 0.001
"""Timers may wake a hair early, and what is due in a hair would be asked for again and again without sleeping."""


class BatchRunner:
    """Runs the batches of one map to their end.

    Parameters
    ----------
    context : RunContext
        What the run works with.
    calls : BatchCalls
        The API and the record of envelopes.
    intake : Intake
        Requests that the journal could not answer, a chunk at a time.
    """

    def __init__(self, context: RunContext, calls: BatchCalls, intake: Intake) -> None:
        self._run = context
        self._calls = calls
        self._in_flight = InFlight()
        self._collector = Collector(context, calls)
        self._packer = Packer(context, calls, intake, self._in_flight)
        self._claims = intake.claims
        self._submitter = Submitter(context, calls, self._packer, self._in_flight)
        self._wake = asyncio.Event()
        self._alarm = asyncio.Event()
        self._ring: Callable[[], None] = lambda: None  # wakes whatever waits, from any thread

    def __repr__(self) -> str:
        return f"<BatchRunner {self._run.run_id}: {self._in_flight!r}>"

    @property
    def leftovers(self) -> list[Pending]:
        """What is left to live calls, with ``goes_live``."""
        return self._packer.leftovers

    @property
    def batches(self) -> tuple[BatchState, ...]:
        """The batches under way, as the API showed them last."""
        return self._in_flight.states

    def cancel(self) -> None:
        """Ask the API to cancel the batches under way, and send nothing more; what is answered is still collected."""
        self._packer.is_closed = True
        self._ring()

    async def run(self) -> None:
        """Send and collect everything; at a stop, batches go on at the API and their rows say so."""
        loop, control = asyncio.get_running_loop(), self._run.control

        def ring() -> None:
            self._wake.set()
            self._alarm.set()

        self._ring = waker(loop, ring)
        control.listen(self._ring)
        self._calls.seeder.wake = self._wake.set
        work = loop.create_task(self._loop())
        try:
            await self._guard(work)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work})
            await self._calls.seeder.aclose()
            await self._leave()
            self._calls.settled()
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    async def _guard(self, work: asyncio.Task[None]) -> None:
        """Wait for the work; cancel what it waits for at the second interrupt, or when it does not stop in time."""
        control = self._run.control
        while not work.done():
            self._alarm.clear()
            if control.is_cancelling:
                return
            ringing = asyncio.ensure_future(self._alarm.wait())
            timeout = GRACE_SECONDS if control.is_stopping else None
            try:
                done, _ = await asyncio.wait({work, ringing}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ringing.cancel()
            if not done:
                return

    async def _loop(self) -> None:
        control, seeder = self._run.control, self._calls.seeder
        while not control.is_stopping:
            self._wake.clear()  # before anything is looked at: what changes meanwhile is seen at the next look
            self._in_flight.send_again(seeder.missed())
            if await self._submitter.submit_next():
                continue
            self._calls.settled()
            await self._cancel_all()
            if await self._visit():
                continue
            is_under_way = len(self._in_flight) > 0 or self._submitter.packed is not None or seeder.call is not None
            if is_under_way or self._packer.waits_for_money:
                await self._sleep()
            elif self._packer.is_exhausted:
                return
        await seeder.wait()

    # -- looking after what is under way -----------------------------------------------------------------------------

    async def _visit(self) -> bool:
        """Look at every batch that is due; True when something ended, so that more may be sent."""
        has_ended = False
        for batch in self._in_flight.due(self._run.clock()):
            if self._run.control.is_stopping:
                break
            await (self._look_up(batch) if batch.record.batch_id is None else self._poll(batch))
            has_ended = has_ended or batch not in self._in_flight
        return has_ended

    async def _look_up(self, batch: InFlightBatch) -> None:
        """Find out whether an envelope became a batch."""
        finding = await reconcile(self._run, self._calls, batch)
        if isinstance(finding, Found):
            await became(self._run, self._calls, batch, finding.batch)
        elif isinstance(finding, Missing):
            self._in_flight.let_go(batch)
            self._count_lost(batch)
            self._packer.send_again(batch)
        elif isinstance(finding, Unknown):
            batch.due = self._run.clock() + finding.wait_seconds
        else:
            await self._failed(batch, finding)

    def _count_lost(self, batch: InFlightBatch) -> None:
        """Count a `create` that failed on the server's side as an attempt of its requests; the last one is final."""
        if (failure := batch.create_failure) is None:
            return
        for key, item in list(batch.items.items()):
            item.attempts += 1
            if judge_result(failure, item.attempts, self._run.policy) != "again":
                del batch.items[key]
                self._run.accounting.give_up(item, failure.kind, failure.message, failure.hint, failure.request_id)

    async def _poll(self, batch: InFlightBatch) -> None:
        run = self._run
        assert batch.record.batch_id is not None
        state = await self._calls.api.retrieve(batch.record.batch_id)
        if isinstance(state, Failure):
            await self._failed(batch, state)
            return
        batch.state = state
        batch.failures = ()
        if state.has_ended:
            await self._collect(batch, state)
        else:
            age_seconds = 0.0 if state.status == "canceling" else run.wall_clock() - batch.record.created
            batch.due = run.clock() + poll_after(age_seconds)

    async def _collect(self, batch: InFlightBatch, state: BatchState) -> None:
        run = self._run
        if state.is_archived:
            await self._results_are_gone(batch)
            return
        if not await self._is_ours_to_collect(batch):
            return
        run.stats.waiting_for = f"{batch.name} has ended: collecting its results"
        started = run.clock()
        failure = await self._collector.collect(batch)
        run.waited(WaitReason.BATCH_RESULTS, started)
        if failure is not None:
            await self._failed(batch, failure)
        elif not run.control.is_stopping:
            await self._collected(batch)

    async def _is_ours_to_collect(self, batch: InFlightBatch) -> bool:
        """Say whether no other run reads these results at this moment; only one is to pay for them.

        A batch that another run has collected is let go: its answers are in the journal.
        """
        if not await self._claims.take_keys([batch.results_key]):
            batch.due = self._run.clock() + _ELSEWHERE_POLL_SECONDS
            return False
        record = await off_loop(self._calls.book.get, batch.record.id)
        if record is not None and not record.is_open:
            self._claims.release(batch.results_key)
            self._in_flight.let_go(batch)
            self._packer.send_again(batch)
            return False
        return True

    async def _collected(self, batch: InFlightBatch) -> None:
        """Let a batch go whose results were read to their end; read them again where they miss requests."""
        batch.readings += 1
        if batch.items and batch.readings < READINGS:
            batch.due = self._run.clock() + READ_AGAIN_SECONDS
            return
        await self._collector.miss(batch)
        await finish_off_loop(self._calls.book.close_collected, batch.record.id, len(batch.answered))
        self._claims.release(batch.results_key)  # who waits for them need not wait for the end of this run
        self._in_flight.let_go(batch)

    async def _results_are_gone(self, batch: InFlightBatch) -> None:
        """After 29 days nobody can read the answers of an earlier run any more: ask again.

        A batch of this very run was paid a moment ago: its rows fail, and only the user pays for them again.
        """
        accounting = self._run.accounting
        await finish_off_loop(self._calls.book.close, batch.record.id, "failed")
        if batch.record.run == self._run.run_id:
            for item in batch.items.values():
                accounting.release(item, perhaps_billed=True)
            message = f"the results of {batch.name} can be read no more, though they were paid"
            self._give_up(batch, "expired", message, hint="run the cell again: it asks, and pays, these rows anew")
            return
        self._in_flight.let_go(batch)
        self._packer.send_again(batch)

    async def _failed(self, batch: InFlightBatch, failure: Failure) -> None:
        """Act on a call about a batch that failed: it costs nothing to ask again, and the batch goes on meanwhile."""
        run = self._run
        verdict = judge_call(failure, batch.failures, run.rng, is_first=batch.state is None)
        batch.failures = (*batch.failures, failure.kind)
        if isinstance(verdict, Again):
            batch.due = run.clock() + max(1.0, verdict.wait_seconds)
            return
        if failure.kind == "not_found":
            await self._not_found(batch, failure)
            return
        if isinstance(verdict, Stop):
            run.state.halt(failure.kind, failure.message, failure.hint)
        self._give_up(batch, failure.kind, failure.message, failure.hint, failure.request_id)

    async def _not_found(self, batch: InFlightBatch, failure: Failure) -> None:
        """Close the envelope of a batch that was deleted, and of no other: its rows would be paid a second time."""
        batch.unknown += 1
        if (words := batch.why_not_found(failure, self._calls.api.owner)) is not None:
            self._give_up(batch, "not_found", *words)
        elif batch.unknown < LOOKS:
            batch.due = self._run.clock() + READ_AGAIN_SECONDS
        else:
            await finish_off_loop(self._calls.book.close, batch.record.id, "failed")
            message = f"{batch.name} was deleted at the API before its results were read"
            self._give_up(batch, "expired", message, hint="run the cell again: it asks these rows anew")

    def _give_up(
        self, batch: InFlightBatch, kind: Kind, message: str, hint: str | None = None, request_id: str | None = None
    ) -> None:
        self._in_flight.let_go(batch)
        for item in batch.items.values():
            self._run.accounting.give_up(item, kind, message, hint, request_id)

    async def _cancel_all(self) -> None:
        """Ask the API to cancel what is under way, where the user wants that."""
        if not self._packer.is_closed:
            return
        for batch in self._in_flight:
            if batch.record.batch_id is None:
                self._leave_one(batch)
            elif not batch.is_cancelling:
                state = await self._calls.api.cancel(batch.record.batch_id)
                batch.is_cancelling = isinstance(state, BatchState) or state.status == 400  # 400: it has ended already
                batch.due = self._run.clock()

    # -- waiting and leaving -----------------------------------------------------------------------------------------

    async def _sleep(self) -> None:
        """Sleep until the next batch is due, the queue may have room, or a flag was set."""
        run, packed, call = self._run, self._submitter.packed, self._calls.seeder.call
        dues = [due for due in [self._in_flight.next_due()] if due is not None]
        if not self._packer.is_exhausted or self._packer.waits_for_money:
            dues.append(self._run.clock() + _ELSEWHERE_POLL_SECONDS)
        words = [describe(self._in_flight, local_time), "" if call is None else "one row is under way as a live call"]
        if packed is not None:
            dues.append(self._submitter.closed_until)
            words.append(packed.words)
        started = run.clock()
        run.stats.waiting_for = "; ".join(filter(None, words))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_SHORTEST_SLEEP_SECONDS, min(dues) - started) if dues else None):
                await self._wake.wait()
        run.waited(self._wait_reason(), started)

    def _wait_reason(self) -> WaitReason:
        if self._submitter.packed is not None:
            return self._submitter.packed.reason
        if not len(self._in_flight):
            return WaitReason.BUDGET if self._packer.waits_for_money else WaitReason.ANSWERS
        return WaitReason.BATCH_PROCESSING if self._in_flight.states else WaitReason.BATCH_LOOKUP

    async def _leave(self) -> None:
        """Tell the rows of batches that go on without us where their answers will be."""
        run = self._run
        run.stats.waiting_for = ""
        await self._submitter.unpack()
        for batch in self._in_flight:
            self._leave_one(batch)
        for item in self._calls.seeder.missed():
            run.accounting.give_up(item, "cancelled", "cancelled while the answer was on its way")
        for item in [*self._in_flight.take_again(), *self._packer.fresh]:
            run.accounting.give_up(item, *run.state.reason_for_the_rest)

    def _leave_one(self, batch: InFlightBatch) -> None:
        self._in_flight.let_go(batch)
        message, hint = f"the {batch.name} goes on at the API", "run the cell again to collect it"
        if batch.record.batch_id is None:
            message, hint = "it is not known yet whether a batch was created", "the next run finds out"
        for item in batch.items.values():
            self._run.accounting.give_up(item, "cancelled", message, hint=hint)
