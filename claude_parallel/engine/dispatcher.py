"""The dispatcher: requests in, outcomes out, as many at once as the gate allows.

One dispatcher admits, many workers send. It takes the next due retry, else the next row, asks the gate, and starts a
worker or sleeps until something changes; tasks alive never exceed calls in flight. Every rule (limits, retries, money)
is decided elsewhere; here they are only carried out.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import cast

from ..api.answers import usage_of
from ..errors import Kind, row_error
from ..limits.gate import Ticket, Wait
from ..progress.waits import WaitReason
from ..records import Answer, Attempt, Failure, Outcome, Reply
from ..retry import Again, Stop, judge_failure
from .cache_warmup import Turn
from .context import Deliver, Pending, Run

GRACE_SECONDS = 30.0
"""How long calls in flight may still land after the first interrupt."""

_SHARED_POLL_SECONDS = 0.5

ZERO = Decimal(0)


class Engine:
    """Runs one map to its end.

    Parameters
    ----------
    run : Run
        The environment, rules and counters.
    intake : iterator of list of Pending
        Requests that the journal could not answer, a chunk at a time; asked for more only when there is room.
    deliver : callable
        Gets every outcome as soon as it is there.
    """

    def __init__(self, run: Run, intake: Iterator[list[Pending]], deliver: Deliver) -> None:
        self._run = run
        self._intake = intake
        self._deliver = deliver
        self._fresh: deque[Pending] = deque()
        self._retries: list[tuple[float, int, Pending]] = []
        self._order = itertools.count()
        self._workers: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._is_exhausted = False
        self._stopped_at: float | None = None
        self._bug: BaseException | None = None
        self.stop: tuple[Kind, str] | None = None
        self.waited: dict[WaitReason, float] = {}

    def __repr__(self) -> str:
        return (
            f"<Engine {self._run.run_id}: {len(self._workers)} in flight, {len(self._fresh)} ready, "
            f"{len(self._retries)} to retry>"
        )

    async def run(self) -> None:
        """Send everything that can be sent; outcomes go to `deliver`, rows never reached get none."""
        loop = asyncio.get_running_loop()
        self._run.control.listen(self._waker(loop))
        try:
            while await self._step():
                pass
        finally:
            for task in self._sending:
                task.cancel()
            if self._workers:
                self._run.control.stop_sending()  # for workers that have not begun yet
                await asyncio.wait(self._workers)
            self._run.stats.in_flight = 0
            self._refuse_fresh()
        if self._bug is not None:
            raise self._bug

    def _waker(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Return a function that wakes the dispatcher from any thread."""

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        return wake

    async def _step(self) -> bool:
        """Start one worker, or sleep until something changes; False when there is nothing left to do."""
        run, now = self._run, self._run.clock()
        if self._must_cancel(now):
            return False
        pending = await self._next(now)
        if pending is None:
            if not self._workers and not self._retries_wanted():
                return False
            await self._sleep(self._until_retry(now), WaitReason.ANSWERS if self._workers else WaitReason.RETRY)
            return True
        wait = self._start(pending, now)
        if wait is not None:
            self._put_back(pending)
            if wait.reason is WaitReason.BUDGET and not self._workers:
                self._give_up_on_budget()
            else:
                await self._sleep(wait.seconds, wait.reason)  # what one is refused, the others are refused too
        run.stats.in_flight = len(self._workers)
        return True

    # -- what comes next ---------------------------------------------------------------------------------------------

    def _must_cancel(self, now: float) -> bool:
        control = self._run.control
        if control.is_stopping and self._stopped_at is None:
            self._stopped_at = now
            self._run.stats.is_stopping = True
        is_late = self._stopped_at is not None and now - self._stopped_at >= GRACE_SECONDS
        return control.is_cancelling or is_late

    async def _next(self, now: float) -> Pending | None:
        """Return the next request to send: a due retry, else the next row."""
        if self._run.control.is_stopping:
            return None
        if self.stop is None and self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        while not self._fresh and not self._is_exhausted and not self._run.control.is_stopping:
            chunk = next(self._intake, None)
            if chunk is None:
                self._is_exhausted = True
                break
            self._fresh.extend(chunk)
            if self.stop is not None:
                self._refuse_fresh()
            await asyncio.sleep(0)  # let answers land and interrupts through between chunks
        if self.stop is not None or not self._fresh:
            return None
        return self._fresh.popleft()

    def _retries_wanted(self) -> bool:
        return bool(self._retries) and self.stop is None and not self._run.control.is_stopping

    def _until_retry(self, now: float) -> float:
        return max(0.0, self._retries[0][0] - now) if self._retries_wanted() else math.inf

    def _put_back(self, pending: Pending) -> None:
        if pending.attempts:
            heapq.heappush(self._retries, (self._run.clock(), next(self._order), pending))
        else:
            self._fresh.appendleft(pending)

    async def _sleep(self, seconds: float, reason: WaitReason) -> None:
        """Sleep until the time is over, a worker has ended, or a flag was set."""
        run = self._run
        started, loop = run.clock(), asyncio.get_running_loop()
        is_idle_for_others = run.gate.status(started).in_flight > len(self._workers)
        unsubscribe = None
        if is_idle_for_others:
            unsubscribe = run.gate.subscribe(self._waker(loop))
            seconds = min(seconds, _SHARED_POLL_SECONDS)  # their last call may have ended just before we subscribed
        if self._stopped_at is not None:
            seconds = min(seconds, GRACE_SECONDS)
        timer = loop.call_later(seconds, self._wake.set) if seconds != math.inf else None
        self._show_wait(started, reason)
        self._wake.clear()
        try:
            if not self._is_interrupted():
                await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()
            if unsubscribe is not None:
                unsubscribe()
            self._note_wait(started, reason)

    def _is_interrupted(self) -> bool:
        """Say whether a flag was set that the dispatcher has not acted on yet; its wake-up may already be spent."""
        control = self._run.control
        return control.is_cancelling or (control.is_stopping and self._stopped_at is None)

    def _show_wait(self, now: float, reason: WaitReason) -> None:
        stats, status = self._run.stats, self._run.gate.status(now)
        stats.in_flight = len(self._workers)
        stats.waiting_for = status.pause_reason if status.pause_seconds else reason
        stats.paused_until = self._run.wall_clock() + status.pause_seconds if status.pause_seconds else None

    def _note_wait(self, started: float, reason: WaitReason) -> None:
        run, now = self._run, self._run.clock()
        if reason is not WaitReason.ANSWERS:
            self.waited[reason] = self.waited.get(reason, 0.0) + now - started
            if run.stats.paused_until is not None:
                wall = run.wall_clock()
                run.journal.keep_wait(run.run_id, wall - (now - started), wall, run.stats.waiting_for)
        run.stats.waiting_for, run.stats.paused_until = "", None

    # -- sending -----------------------------------------------------------------------------------------------------

    def _start(self, pending: Pending, now: float) -> Wait | None:
        """Start a worker for the request, or return why it has to wait."""
        run, request = self._run, pending.request
        if len(self._workers) >= run.max_in_flight:
            return Wait(math.inf, WaitReason.ANSWERS)
        turn = run.prefixes.turn(request.prefix, now) if run.prefixes and request.prefix else "follow"
        if turn == "hold":
            return Wait(math.inf, WaitReason.CACHE_WARMUP)
        worst = run.rules.worst_cost(request)
        if not run.budget.reserve(worst):
            return Wait(math.inf, WaitReason.BUDGET)
        ticket = run.gate.admit(run.estimator.weigh(request.load), now)
        if isinstance(ticket, Wait):
            run.budget.release(worst, perhaps_billed=False)
            return ticket
        if run.prefixes and request.prefix:
            run.prefixes.sent(request.prefix, turn, now)
        self._spawn(pending, ticket, turn, worst)
        return None

    def _spawn(self, pending: Pending, ticket: Ticket, turn: Turn, worst: Decimal) -> None:
        task = asyncio.get_running_loop().create_task(self._work(pending, ticket, turn, worst))
        self._workers.add(task)
        task.add_done_callback(self._worker_ended)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        self._sending.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            self._run.control.stop_sending()
            self._bug = task.exception()

    async def _work(self, pending: Pending, ticket: Ticket, turn: Turn, worst: Decimal) -> None:
        """Send one request; keep the answer on disk before anything looks at it; then settle and judge."""
        run = self._run
        if run.control.is_stopping:  # a full window takes a while to get going, and this one was not sent yet
            run.gate.fail(ticket, Failure("cancelled", "not sent"), run.clock())
            run.budget.release(worst, perhaps_billed=False)
            self._deliver(pending, self._outcome(pending, None, "cancelled", "not sent, the run was stopped"))
            return
        self._sending.add(cast("asyncio.Task[None]", asyncio.current_task()))
        pending.attempts += 1
        started, started_wall = run.clock(), run.wall_clock()
        try:
            result = await run.transport.send(run.rules.with_breakpoint(pending.request))
        except asyncio.CancelledError:
            run.gate.abandon(ticket)
            run.budget.release(worst, perhaps_billed=True)
            self._deliver(
                pending, self._outcome(pending, None, "cancelled", "cancelled while the answer was on its way")
            )
            return
        self._sending.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        ended_wall = run.wall_clock()
        if isinstance(result, Reply):
            await run.journal.keep_answer(pending.request.fingerprint, run.host, result, ended_wall)
        attempt = Attempt(pending.attempts, started_wall, ended_wall, result)
        if isinstance(result, Reply):
            self._answered(pending, attempt, result, ticket, worst)
        else:
            self._failed(pending, attempt, result, ticket, worst)
        if run.prefixes and pending.request.prefix:
            run.prefixes.ended(pending.request.prefix, turn, started, is_answered=isinstance(result, Reply))

    def _answered(self, pending: Pending, attempt: Attempt, reply: Reply, ticket: Ticket, worst: Decimal) -> None:
        run = self._run
        usage = usage_of(reply.message)
        cost = run.rules.price(str(reply.message.get("model") or pending.request.body["model"]), usage)
        run.gate.settle(ticket, run.estimator.learn(pending.request.load, usage), reply.rate_limits, run.clock())
        run.budget.settle(worst, worst if cost is None else cost)  # without a known price, the worst case stands
        run.journal.keep_attempt(run.run_id, pending.position, attempt, cost)
        run.stats.cost += cost or ZERO
        run.stats.unpriced += cost is None
        pending.cost = None if cost is None or pending.cost is None else pending.cost + cost
        answer = run.rules.read(reply.message)
        again = run.rules.repair(pending, answer) if answer.kind == "schema" else None
        if again is not None:
            pending.repairs += 1
            pending.request = again
            self._retry_at(run.clock(), pending)
            return
        self._finish(pending, self._outcome(pending, answer, answer.kind, answer.what, reply.request_id))

    def _failed(self, pending: Pending, attempt: Attempt, failure: Failure, ticket: Ticket, worst: Decimal) -> None:
        run = self._run
        now = run.clock()
        run.gate.fail(ticket, failure, now)
        run.budget.release(worst, perhaps_billed=failure.perhaps_billed)
        run.journal.keep_attempt(run.run_id, pending.position, attempt, None)
        verdict = judge_failure(failure, pending.failures, run.policy, run.rng)
        pending.failures.append(failure.kind)
        if isinstance(verdict, Again):
            self._retry_at(now + verdict.wait_seconds, pending)
            return
        if isinstance(verdict, Stop) and self.stop is None:
            self.stop = (failure.kind, failure.message)
        self._finish(pending, self._outcome(pending, None, failure.kind, failure.message, failure.request_id))
        if isinstance(verdict, Stop):
            self._refuse_fresh()

    def _retry_at(self, due: float, pending: Pending) -> None:
        heapq.heappush(self._retries, (due, next(self._order), pending))

    # -- outcomes ----------------------------------------------------------------------------------------------------

    def _finish(self, pending: Pending, outcome: Outcome) -> None:
        self._deliver(pending, outcome)
        if self._run.stops_at_error and outcome.kind is not None:
            self._run.control.stop_sending()

    def _outcome(
        self, pending: Pending, answer: Answer | None, kind: Kind | None, what: str, request_id: str | None = None
    ) -> Outcome:
        return Outcome(
            text=answer.text if answer else None,
            values=answer.values if answer else None,
            kind=kind,
            error=row_error(kind, what) if kind else None,
            cost=pending.cost,
            source="api" if answer else "none",
            attempts=pending.attempts,
            request_id=request_id,
        )

    def _give_up_on_budget(self) -> None:
        """Nothing is in flight and the next call could pass the cap: send nothing more."""
        self.stop = ("budget", "the next call could pass the budget")
        self._refuse_fresh()

    def _refuse_fresh(self) -> None:
        """Give every request at hand the reason why nothing more is sent; rows in the journal still come for free."""
        kind, what = self.stop or ("cancelled", "the run was stopped")
        waiting = [*self._fresh, *(item[2] for item in self._retries)]
        self._fresh.clear()
        self._retries.clear()
        for pending in waiting:
            self._deliver(pending, self._outcome(pending, None, kind, f"not sent: {what}"))
