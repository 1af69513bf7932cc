"""The life of batches: pack, submit, poll, collect, adopt; requests in, outcomes out, at half price.

One dispatcher does one thing at a time: it packs and sends the next envelope, or looks after the batches under way, or
sleeps. How results become outcomes, ``collecting`` knows; how a lost batch is found, ``reconciling``.

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
from collections.abc import Callable, Iterator

from ..engine.context import Pending
from ..engine.dispatcher import GRACE_SECONDS
from ..errors import Kind, row_error
from ..records import Failure, Outcome
from ..retry import Again, Stop, judge_failure
from .collector import BatchRun, Collector
from .in_flight import (
    PATIENCE,
    Parcel,
    Ticket,
    describe_parcels,
    judge_result,
    poll_after,
)
from .packer import Feed
from .reconcile import Found, Missing, Unknown, reconcile
from .responses import RESULTS_SECONDS, BatchState
from .submitter import Sender, became


class Batches:
    """Runs the batches of one map to their end.

    Parameters
    ----------
    run : BatchRun
        The environment, rules and counters.
    intake : iterator of list of Pending
        Requests that the journal could not answer, a chunk at a time.
    deliver : callable
        (position, outcome): gets every outcome as soon as it is there.

    Attributes
    ----------
    waited : dict of str to float
        Seconds of waiting by reason.
    """

    def __init__(self, run: BatchRun, intake: Iterator[list[Pending]], deliver: Callable[[int, Outcome], None]) -> None:
        self._run = run
        self._deliver = deliver
        self._collector = Collector(run, deliver)
        self._parcels: dict[str, Parcel] = {}
        self._feed = Feed(run, intake, self._collector, self._parcels)
        self._sender = Sender(run, self._feed, self._collector, self._parcels)
        self._wake = asyncio.Event()
        self._alarm = asyncio.Event()
        self._wakers: list[Callable[[], None]] = []
        self.waited: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Batches {self._run.run_id}: {len(self._parcels)} under way>"

    @property
    def stop(self) -> tuple[Kind, str] | None:
        """Why nothing more was sent; None when there is no such reason."""
        return self._collector.stop

    @property
    def leftovers(self) -> list[Pending]:
        """What is left to live calls, with ``goes_live``."""
        return self._feed.leftovers

    @property
    def batches(self) -> tuple[BatchState, ...]:
        """The batches under way, as the API showed them last."""
        return tuple(parcel.batch for parcel in list(self._parcels.values()) if parcel.batch is not None)

    def cancel(self) -> None:
        """Ask the API to cancel the batches under way, and send nothing more; what is answered is still collected."""
        self._feed.is_closed = True
        for wake in self._wakers:
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                wake()

    async def run(self) -> None:
        """Send and collect everything; at a stop, batches go on at the API and their rows say so."""
        loop, control = asyncio.get_running_loop(), self._run.control

        def ring() -> None:
            self._wake.set()
            self._alarm.set()

        def wake() -> None:
            loop.call_soon_threadsafe(ring)

        self._wakers.append(wake)
        control.listen(wake)
        work = loop.create_task(self._loop())
        try:
            await self._guard(work)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work})
            self._leave()
            self._run.settled()
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
        control = self._run.control
        self._run.book.expire(self._run.wall_clock() - RESULTS_SECONDS)
        while not control.is_stopping:
            if await self._sender.submit_next():
                continue
            self._run.settled()
            await self._cancel_all()
            if await self._visit():
                continue
            if self._parcels or self._sender.sealed is not None:
                await self._sleep()
            elif self._feed.is_exhausted:
                return

    # -- looking after what is under way -----------------------------------------------------------------------------

    async def _visit(self) -> bool:
        """Look at every parcel that is due; True when something ended, so that more may be sent."""
        now, ended = self._run.clock(), False
        for parcel in [parcel for parcel in self._parcels.values() if parcel.due <= now]:
            if self._run.control.is_stopping:
                break
            await (self._look_up(parcel) if parcel.record.batch_id is None else self._poll(parcel))
            ended = ended or parcel.record.id not in self._parcels
        return ended

    async def _look_up(self, parcel: Parcel) -> None:
        """Find out whether an envelope became a batch."""
        run = self._run
        finding = await reconcile(run, parcel)
        if isinstance(finding, Found):
            became(self._run, parcel, finding.batch)
        elif isinstance(finding, Missing):
            self._drop(parcel)
            self._count_lost(parcel)
            self._feed.send_again(parcel)
        elif isinstance(finding, Unknown):
            parcel.due = run.clock() + finding.wait_seconds
        else:
            self._failed(parcel, finding)

    def _count_lost(self, parcel: Parcel) -> None:
        """Count a `create` that failed on the server's side as an attempt of its requests; the last one is final."""
        lost = parcel.lost
        if lost is None:
            return
        for key, ticket in list(parcel.tickets.items()):
            ticket.attempts += 1
            if judge_result(lost, ticket.attempts, self._run.policy) != "again":
                del parcel.tickets[key]
                self._collector.give_up(ticket, lost.kind, lost.message, lost.request_id)

    async def _poll(self, parcel: Parcel) -> None:
        run = self._run
        assert parcel.record.batch_id is not None
        state = await run.door.retrieve(parcel.record.batch_id)
        if isinstance(state, Failure):
            self._failed(parcel, state)
            return
        parcel.batch = state
        parcel.failures.clear()
        if state.has_ended:
            await self._collect(parcel, state)
        else:
            age_seconds = 0.0 if state.status == "canceling" else run.wall_clock() - parcel.record.created
            parcel.due = run.clock() + poll_after(age_seconds)

    async def _collect(self, parcel: Parcel, state: BatchState) -> None:
        run = self._run
        if state.is_archived:
            self._results_are_gone(parcel)
            return
        run.stats.waiting_for = f"{parcel.name} has ended: collecting its results"
        failure = await self._collector.collect(parcel)
        if failure is not None:
            self._failed(parcel, failure)
        elif not run.control.is_stopping:
            run.book.close_collected(parcel.record.id, parcel.answers)
            self._drop(parcel)

    def _results_are_gone(self, parcel: Parcel) -> None:
        """After 29 days nobody can read the answers any more: ask again."""
        self._run.book.close(parcel.record.id, "failed")
        self._drop(parcel)
        self._feed.send_again(parcel)

    def _failed(self, parcel: Parcel, failure: Failure) -> None:
        """Act on a call about a batch that failed: it costs nothing to ask again, and the batch goes on meanwhile."""
        run = self._run
        verdict = judge_failure(failure, parcel.failures, PATIENCE, run.rng)
        parcel.failures.append(failure.kind)
        if isinstance(verdict, Again):
            parcel.due = run.clock() + max(1.0, verdict.wait_seconds)
            return
        if isinstance(verdict, Stop) and failure.kind != "not_found" and self._collector.stop is None:
            self._collector.stop = (failure.kind, failure.message)
        self._drop(parcel)
        what = failure.message
        if failure.kind == "not_found" and parcel.record.batch_id is not None:
            what = f"{parcel.name} was deleted, or belongs to another workspace than this key: {what}"
        for ticket in parcel.tickets.values():
            self._collector.give_up(ticket, failure.kind, what, failure.request_id)

    def _drop(self, parcel: Parcel) -> None:
        """Let go of a parcel; what its batch did not answer may now go into the next envelope."""
        del self._parcels[parcel.record.id]
        self._collector.again.extend(parcel.again)
        parcel.again.clear()

    async def _cancel_all(self) -> None:
        """Ask the API to cancel what is under way, where the user wants that."""
        if not self._feed.is_closed:
            return
        for parcel in list(self._parcels.values()):
            if parcel.record.batch_id is None:
                self._leave_one(parcel)
            elif not parcel.is_cancelling:
                state = await self._run.door.cancel(parcel.record.batch_id)
                parcel.is_cancelling = isinstance(state, BatchState) or state.status == 400  # 400: it has ended already
                parcel.due = self._run.clock()

    # -- waiting and leaving -----------------------------------------------------------------------------------------

    async def _sleep(self) -> None:
        """Sleep until the next parcel is due, the queue may have room, or a flag was set."""
        run = self._run
        dues = [parcel.due for parcel in self._parcels.values()]
        if self._sender.sealed is not None:
            dues.append(self._sender.closed_until)
        started = run.clock()
        words = [describe_parcels(self._parcels.values(), run.local_time)]
        if self._sender.sealed is not None:
            words.append(f"{len(self._sender.sealed.envelope):,} rows wait for room in the batch queue")
        run.stats.waiting_for = "; ".join(filter(None, words))
        self._wake.clear()
        if not run.control.is_stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(dues) - started)):
                    await self._wake.wait()
        self.waited["batch"] = self.waited.get("batch", 0.0) + run.clock() - started

    def _leave(self) -> None:
        """Tell the rows of batches that go on without us where their answers will be."""
        self._run.stats.waiting_for = ""
        self._sender.put_back()
        for parcel in list(self._parcels.values()):
            self._leave_one(parcel)
        kind, what = self.stop or ("cancelled", "the run was stopped")
        for ticket in [*self._collector.again, *(Ticket.of(pending) for pending in self._feed.fresh)]:
            self._collector.give_up(ticket, kind, f"not sent: {what}")

    def _leave_one(self, parcel: Parcel) -> None:
        self._drop(parcel)
        error = f"cancelled: the {parcel.name} goes on at the API; run the cell again to collect it"
        if parcel.record.batch_id is None:
            error = row_error("cancelled", "it is not known yet whether a batch was created; the next run finds out")
        for ticket in parcel.tickets.values():
            self._deliver(
                ticket.position, Outcome(None, None, "cancelled", error, ticket.cost, "none", ticket.attempts)
            )
