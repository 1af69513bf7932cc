"""The dispatcher: requests in, outcomes out, as many at once as the gate allows.

One dispatcher admits, many workers send. It takes the next request of the queue, asks the gate, and starts a worker or
sleeps until something changes; tasks alive never exceed calls in flight. Every rule (limits, retries, money) is decided
elsewhere; here they are only carried out.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import cast

from ..bridge import waker
from ..limits.gate import Ticket, Wait
from ..limits.tickets import TOGETHER_SECONDS
from ..progress.waits import WaitReason
from ..records import Attempt, Failure, Reply, Request
from ..retry import Again, Stop, Verdict, judge_failure
from ..text import clock_time, elapsed
from .accounting import Billed
from .cache_warmup import Turn
from .context import RunContext
from .holds import Holds
from .interception import Interception
from .live_calls import LiveCalls
from .patience import Patience
from .pending import Pending
from .queue import RequestQueue, Source

_LOG = logging.getLogger("claude_parallel")

GRACE_SECONDS = 30.0
"""How long calls in flight may still land after the first interrupt."""

_STEPS_AT_A_STRETCH = 32
"""Calls that are begun before the event loop may look at its answers again: beginning one takes some 0.15 ms, so that a
run of thousands in flight holds the loop for 5 ms and not for half a second (`benchmarks/scale.py`)."""

_SHARED_POLL_SECONDS = 0.5
"""How soon to look again for what other runs may have freed: at the gate, where a call may have ended just before we
subscribed, and of a budget that they share."""


class Dispatcher:
    """Sends the live calls of one run.

    Parameters
    ----------
    context : RunContext
        What the run works with.
    calls : LiveCalls
        The door to the API, and what decides when a call may go.
    source : Source
        Gives requests that the journal could not answer; asked for more as they are sent.
    """

    def __init__(self, context: RunContext, calls: LiveCalls, source: Source) -> None:
        self._run = context
        self._calls = calls
        self._holds = Holds(context, calls.gate)
        self._wake = asyncio.Event()
        self._queue = RequestQueue(source, self._wake.set)
        self._workers: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._grace_until: float | None = None
        self._patience = Patience(context.policy.outage_patience)
        self._interception = Interception()
        self._bug: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Dispatcher {self._run.run_id}: {len(self._workers)} in flight, {self._queue!r}>"

    async def run(self) -> None:
        """Send everything that can be sent; outcomes are delivered, rows never reached get none."""
        loop = asyncio.get_running_loop()
        self._run.control.listen(waker(loop, self._wake.set))
        steps = 0
        try:
            while await self._step():
                steps += 1
                if steps % _STEPS_AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
        finally:
            await self._leave()
        if self._bug is not None:
            raise self._bug

    async def _leave(self) -> None:
        """Cancel what is in flight, if anything is, and give what still waits its reason."""
        for task in self._sending:
            task.cancel()
        if self._workers:
            self._run.control.stop_sending()  # for workers that have not begun yet
            await asyncio.wait(self._workers)
        self._run.stats.in_flight = 0
        self._refuse(self._queue.drain())
        await self._queue.aclose()

    async def _step(self) -> bool:
        """Start one worker, or sleep until something changes; False when there is nothing left to do."""
        run, now = self._run, self._run.clock()
        if self._must_cancel(now):
            return False
        pending = self._next(now)
        if pending is None:
            if self._is_done():
                return False
            await self._sleep(self._seconds_to_retry(now), self._idle_reason())
            return True
        wait = self._start(pending, now)
        if wait is not None:
            self._queue.put_back(pending, now)
            if wait.reason is WaitReason.BUDGET and not run.accounting.budget.has_calls_under_way:
                run.state.halt("budget", run.accounting.too_dear(pending))
            else:
                # What one is refused, the others are refused too.
                await self._sleep(wait.seconds, wait.reason, by_gate=self._is_by_gate(wait))
        run.stats.in_flight = len(self._workers)
        return True

    def _is_by_gate(self, wait: Wait) -> bool:
        """Say whether the gate holds the run back, and not its own cap, budget or cache."""
        is_own = wait.reason in (WaitReason.CACHE_WARMUP, WaitReason.BUDGET)
        return not is_own and len(self._workers) < self._calls.max_in_flight

    # -- what comes next ---------------------------------------------------------------------------------------------

    def _must_cancel(self, now: float) -> bool:
        control = self._run.control
        if control.is_stopping and self._grace_until is None:
            self._grace_until = now + GRACE_SECONDS
            self._run.stats.is_stopping = True
        is_late = self._grace_until is not None and now >= self._grace_until
        return control.is_cancelling or is_late

    def _next(self, now: float) -> Pending | None:
        """Return the next request to send; after a stop none, though rows in the journal still come for free."""
        if self._run.control.is_stopping:
            return None
        if self._run.state.stop is not None:
            self._refuse(self._queue.drain())
        self._queue.refill()
        return None if self._run.state.stop is not None else self._queue.take(now)

    def _is_done(self) -> bool:
        return not self._workers and (self._run.control.is_stopping or self._queue.is_empty)

    def _seconds_to_retry(self, now: float) -> float:
        return math.inf if self._run.control.is_stopping else self._queue.seconds_to_retry(now)

    def _idle_reason(self) -> WaitReason:
        return WaitReason.ANSWERS if self._workers else self._queue.waiting_for

    async def _sleep(self, seconds: float, reason: WaitReason, *, by_gate: bool = False) -> None:
        """Sleep until the time is over, a worker has ended, or a flag was set.

        Held back `by_gate`, the run also wakes when another run's call ends; for nothing, that would cost each run
        0.1 ms for each call of each other run.
        """
        run, gate = self._run, self._calls.gate
        run.stats.in_flight = len(self._workers)
        if by_gate and seconds <= TOGETHER_SECONDS:  # to look at each answer meanwhile costs half as much as to send it
            with self._holds.during(reason, has_more=True):
                await asyncio.sleep(seconds)
            self._wake.clear()
            return
        started, loop = run.clock(), asyncio.get_running_loop()
        unsubscribe = None
        if by_gate and gate.status(started).in_flight > len(self._workers):
            unsubscribe = gate.subscribe(waker(loop, self._wake.set))
        if by_gate:
            seconds = min(seconds, _SHARED_POLL_SECONDS)  # our share of the account may have grown meanwhile
        if self._grace_until is not None:
            seconds = min(seconds, self._grace_until - started)
        timer = loop.call_later(seconds, self._wake.set) if seconds != math.inf else None
        with self._holds.during(reason, has_more=not self._queue.is_empty):
            try:
                if not self._is_interrupted():
                    await self._wake.wait()
            finally:
                self._wake.clear()
                if timer is not None:
                    timer.cancel()
                if unsubscribe is not None:
                    unsubscribe()

    def _is_interrupted(self) -> bool:
        """Say whether a flag was set that the dispatcher has not acted on yet; its wake-up may already be spent."""
        control = self._run.control
        return control.is_cancelling or (control.is_stopping and self._grace_until is None)

    # -- sending -----------------------------------------------------------------------------------------------------

    def _start(self, pending: Pending, now: float) -> Wait | None:
        """Start a worker for the request, or return why it has to wait."""
        calls, request = self._calls, pending.asked
        if len(self._workers) >= calls.max_in_flight:
            return Wait(math.inf, WaitReason.ANSWERS)
        turn = calls.prefixes.turn(request.prefix, now) if calls.prefixes and request.prefix else "follow"
        if turn == "lead" and self._queue.has_none_ready:
            if self._queue.is_refilling and self._queue.waiting_for is WaitReason.ROWS:
                return Wait(math.inf, WaitReason.ROWS)  # does anybody follow? else writing the cache is waste
            turn = "plain"  # what waits for other runs, or for this very answer, may wait for ever
        if turn == "hold":
            return Wait(math.inf, WaitReason.CACHE_WARMUP)
        if not self._run.accounting.reserve(pending):
            # Where others spend the same money, their answers make room as well, and wake nobody here.
            return Wait(_SHARED_POLL_SECONDS if self._run.accounting.budget.purse else math.inf, WaitReason.BUDGET)
        ticket = calls.gate.admit(calls.estimator.weigh(request.load), now, is_searching=calls.is_searching)
        if isinstance(ticket, Wait):
            self._run.accounting.release(pending)
            return ticket
        if calls.prefixes and request.prefix:
            calls.prefixes.sent(request.prefix, turn, now)
        self._spawn(pending, ticket, turn)
        return None

    def _spawn(self, pending: Pending, ticket: Ticket, turn: Turn) -> None:
        task = asyncio.get_running_loop().create_task(self._work(pending, ticket, turn))
        self._workers.add(task)
        task.add_done_callback(self._worker_ended)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        self._sending.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            self._run.control.stop_sending()
            self._bug = task.exception()

    async def _work(self, pending: Pending, ticket: Ticket, turn: Turn) -> None:
        """Send one request; keep the answer on disk before anything looks at it; then settle and judge."""
        run, calls = self._run, self._calls
        if run.control.is_stopping:  # a full window takes a while to get going, and this one was not sent yet
            calls.gate.fail(ticket, Failure("cancelled", "not sent"), run.clock())
            run.accounting.give_up(pending, "cancelled", "not sent, the run was stopped")
            return
        try:
            attempt, billed = await self._send(pending, turn)
        except asyncio.CancelledError:
            calls.gate.abandon(ticket)
            message = "cancelled while the answer was on its way"
            run.accounting.give_up(pending, "cancelled", message, perhaps_billed=True)
            return
        except BaseException:  # a mistake of ours; it ends this run, and must not cost the others a place at the gate
            calls.gate.abandon(ticket)
            raise
        if billed is not None:
            self._answered(pending, billed, ticket)
        elif isinstance(attempt.result, Failure):
            self._failed(pending, attempt, attempt.result, ticket)

    async def _send(self, pending: Pending, turn: Turn) -> tuple[Attempt, Billed | None]:
        """Send one request, and return what came back, an answer once it and what it cost are on disk."""
        run, calls, request = self._run, self._calls, pending.asked
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._sending.add(task)
        pending.attempts += 1
        started, started_wall = run.clock(), run.wall_clock()
        body = request.body if turn == "plain" else run.with_breakpoint(request)
        result = await calls.send(body, partial(self._begun, request, started) if turn == "lead" else None)
        self._sending.discard(task)
        attempt = Attempt(pending.attempts, started_wall, run.wall_clock(), result)
        billed = None
        try:
            self._ended(request, turn, started, is_answered=isinstance(result, Reply))
            if isinstance(result, Reply):
                billed = run.accounting.record(pending.position, attempt, result)
        finally:
            if isinstance(result, Reply):
                await run.journal.keep_answer(pending.fingerprint, run.host, result, attempt.ended)
        return attempt, billed

    def _begun(self, request: Request, started: float) -> None:
        """Let those follow who wait for a cached prefix, now that the answer of the first has begun."""
        if self._calls.prefixes and request.prefix:
            self._calls.prefixes.began(request.prefix, started, self._run.clock())
        self._wake.set()

    def _ended(self, request: Request, turn: Turn, started: float, *, is_answered: bool) -> None:
        """Let those follow who wait for the leader of a cached prefix: they need not wait for the disk as well."""
        if turn == "lead" and self._calls.prefixes and request.prefix:
            self._calls.prefixes.ended(request.prefix, turn, started, self._run.clock(), is_answered=is_answered)
            self._wake.set()

    def _answered(self, pending: Pending, billed: Billed, ticket: Ticket) -> None:
        run, calls = self._run, self._calls
        self._patience.answered()
        self._interception.answered()
        real = calls.estimator.learn(pending.asked.load, billed.reading.usage)
        calls.gate.settle(ticket, real, billed.reply.rate_limits, run.clock())
        instead = run.accounting.answered(pending, billed)
        if instead is not None:
            pending.ask_instead(instead)
            self._queue.retry_at(run.clock(), pending)

    def _failed(self, pending: Pending, attempt: Attempt, failure: Failure, ticket: Ticket) -> None:
        run, gate, now = self._run, self._calls.gate, self._run.clock()
        if self._interception.is_certain(failure, self._sending):
            failure = replace(failure, should_retry=False)
        verdict = judge_failure(failure, pending.failures, run.policy, run.rng)
        if isinstance(verdict, Stop) and verdict.wait_seconds is not None:
            failure = self._with_return(failure, verdict.wait_seconds)
        gate.fail(ticket, failure, now)
        is_outage = not failure.is_broken_answer and gate.is_outage(ticket.sent_at)
        # What fails in an outage is not the row's fault, so none of its tries; but the API may bill what it answers too
        # late, and too short a timeout= looks like an outage: nobody is to pay for a row again and again.
        is_counted = not is_outage or (failure.kind == "timeout" and failure.perhaps_billed)
        if not is_counted and not isinstance(verdict, Stop):
            verdict = judge_failure(failure, (), run.policy, run.rng)
        outage_seconds = (gate.status(now).outage_seconds or 0.0) if is_outage else None
        if isinstance(verdict, Again) and self._patience.ends(failure, outage_seconds, now):
            message = f"{failure.message}; no call came through for {elapsed(run.policy.outage_patience)}"
            verdict, failure = Stop(), replace(failure, message=message)
        run.accounting.failed(pending, attempt, failure, is_counted=is_counted)
        self._carry_out(verdict, pending, failure, now)

    def _with_return(self, failure: Failure, seconds: float) -> Failure:
        """Say until when the server wants us to stay away, longer than the run has patience for."""
        now = self._run.wall_clock()
        until, patience = clock_time(now + seconds, now), elapsed(self._run.policy.patience_seconds)
        message = f"{failure.message}; the server wants no call before {until}, and the run waits {patience} at most"
        hint = "run the cell again then"
        return replace(failure, message=message, hint=hint, retry_after=None)  # the gate waits for no quota

    def _carry_out(self, verdict: Verdict, pending: Pending, failure: Failure, now: float) -> None:
        """Ask again, or give the row up, and where no other can do better stop the run."""
        if isinstance(verdict, Again):
            wait, status = verdict.wait_seconds, failure.status
            _LOG.debug("row %d: %s (status %s), again in %.2f s", pending.position, failure.kind, status, wait)
            self._queue.retry_at(now + wait, pending)
            return
        if isinstance(verdict, Stop):
            self._run.state.halt(failure.kind, failure.message, failure.hint)
        self._run.accounting.give_up(pending, failure.kind, failure.message, failure.hint, failure.request_id)

    def _refuse(self, waiting: Iterable[Pending]) -> None:
        """Give requests that will not be sent the reason."""
        for pending in waiting:
            self._run.accounting.give_up(pending, *self._run.state.reason_for_the_rest)
