"""A run before it is run: the real engine against the in-memory simulator, on virtual time.

Knows how to rehearse calls of known sizes under known limits, and how long that took. ``estimate`` finds out what the
calls weigh and what the limits are. The gate of a rehearsal is always a fresh one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bridge import Control
from ..engine.accounting import Accounting
from ..engine.budget import Budget
from ..engine.cache_warmup import Prefixes
from ..engine.context import RunContext, RunState
from ..engine.dispatcher import Dispatcher
from ..engine.live_calls import LiveCalls
from ..engine.pending import Pending
from ..engine.tariff import FreeTariff
from ..limits.gate import Gate, Ticket
from ..limits.load import LoadEstimator
from ..progress.stats import RunStats
from ..progress.waits import WaitReason
from ..prompt.cache_breakpoints import SECONDS
from ..records import Answer, Load, Request
from ..report.record import RunData
from ..report.run import Run as RunRecord
from ..simulation.clock import LoopClock, run_virtual
from ..simulation.profile import Profile
from ..simulation.token_transport import TokenTransport
from ..simulation.wire import EPOCH
from ..store.journal import Journal
from .scenario import ANSWERS, Conditions, Script, account_limits, burst_of

HEAD_CALLS = 4_000
"""Beyond what the first minute's burst takes, so many calls are played; then the pace is steady."""

MOST_CALLS = 20_000
"""Some seconds of work: an estimate that takes longer than that is not asked for."""
_BURST_FACTOR = 1.25
"""Beyond the burst itself, a quarter more: until the first bucket is empty, the calls do not show the steady pace."""
_CHUNK = 500
"""Calls that are made at a time; a rehearsal holds no more rows in memory than a run does."""
_PREFIX = b"prefix"


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """What a rehearsal showed.

    Attributes
    ----------
    seconds : float
        Wall time of the whole run.
    calls : int
        Calls of the whole run.
    played : int
        Calls that were played; the others follow at the pace reached.
    bound_by : str
        What holds the run back most: a limit, or the time that answers take.
    data : RunData or None
        The record of the played calls, as a real run leaves it; None where nothing has to be sent.
    """

    seconds: float
    calls: int
    played: int
    bound_by: str
    data: RunData | None

    def __repr__(self) -> str:
        return f"<Rehearsal of {self.calls:,} calls: {self.seconds:.1f} s, held back by {self.bound_by}>"


def rehearse(script: Script, conditions: Conditions) -> Rehearsal:
    """Rehearse a run, on a thread of its own so that it works inside a running event loop, too.

    Parameters
    ----------
    script : Script
        The calls.
    conditions : Conditions
        Limits, latencies and the run's own options.
    """
    if not len(script):
        return Rehearsal(0.0, 0, 0, ANSWERS, None)
    burst, bound_by = burst_of(script, conditions.limits)
    played = int(min(len(script), HEAD_CALLS + _BURST_FACTOR * burst, MOST_CALLS))
    control = Control()
    play = _Play(script, conditions, played, control)
    _on_thread(lambda: run_virtual(play.run), control)
    # What the bucket holds at the beginning goes at once, the rest cannot be quicker than the limit refills it.
    refilling_seconds = max(0.0, 60.0 * (len(script) - burst) / burst) if burst else 0.0
    seconds = max(_whole_seconds(play, len(script), burst), refilling_seconds)
    is_bound = refilling_seconds > seconds / 2
    return Rehearsal(seconds, len(script), played, bound_by if is_bound else ANSWERS, play.data())


def _whole_seconds(play: _Play, calls: int, burst: float) -> float:
    """Return the wall time of all calls: the played ones, and the rest at the pace that they reached."""
    left = calls - play.played
    if not left:
        return play.seconds
    steady = max(2, int((play.played - burst) / 2))
    sent = play.sent_at[-steady:]
    pace = float(np.polyfit(np.arange(len(sent)), sent, 1)[0])
    return play.seconds + left * pace


class _Play:
    """One rehearsal while it goes on."""

    def __init__(self, script: Script, conditions: Conditions, played: int, control: Control) -> None:
        self.played = played
        self.seconds = 0.0
        self.sent_at: list[float] = []
        self._script = script
        self._conditions = conditions
        self._control = control
        self._journal = Journal.open(None)
        self._clock = LoopClock()
        self._start = 0

    async def run(self) -> None:
        """Play the calls to their end."""
        limits = self._conditions.limits.by_dimension()
        settings = {"model": "rehearsal", "rows": self.played}
        self._journal.begin_run("rehearsal", EPOCH, "rehearsal", settings)
        state = RunState()
        calls = LiveCalls(
            transport=self._transport(),
            gate=_fresh_gate(self._conditions),
            estimator=LoadEstimator(),
            prefixes=Prefixes(SECONDS[self._conditions.ttl]) if self._script.cached_tokens else None,
            max_in_flight=self._conditions.max_in_flight,
        )
        await Dispatcher(self._context(state), calls, self).run()
        self.seconds = self._clock()
        totals = {"rows": self.played, "limits": limits, "waited_seconds": dict(state.waited)}
        self._journal.end_run("rehearsal", EPOCH + self.seconds, totals)

    def data(self) -> RunData:
        """Return the record of the rehearsal."""
        return RunRecord("rehearsal", self._journal).data()

    def _context(self, state: RunState) -> RunContext:
        stats = RunStats(total=self.played)
        return RunContext(
            run_id="rehearsal",
            host="rehearsal",
            journal=self._journal,
            accounting=Accounting(
                run_id="rehearsal",
                model="rehearsal",
                source="api",
                tariff=FreeTariff(),
                budget=Budget(),
                journal=self._journal,
                stats=stats,
                read=lambda _message, _reading: Answer("rehearsal"),
                repair=lambda _pending, _answer: None,
                deliver=lambda _position, _outcome: None,
                control=self._control,
            ),
            with_breakpoint=self._note_sent,
            policy=self._conditions.policy,
            control=self._control,
            stats=stats,
            state=state,
            clock=self._clock,
            wall_clock=lambda: EPOCH + self._clock(),
            rng=random.Random(0),
        )

    def _transport(self) -> TokenTransport:
        latency = self._conditions.latency
        profile = Profile(
            limits=account_limits(self._conditions.limits),
            latency_seconds=latency.begin_seconds,
            seconds_per_output_token=latency.seconds_per_output_token,
            jitter_sigma=latency.sigma,
        )
        return TokenTransport(profile, random.Random(1))

    def _note_sent(self, request: Request) -> Mapping[str, Any]:
        self.sent_at.append(self._clock())
        return request.body

    @property
    def waiting_for(self) -> WaitReason:
        """Nothing: the calls are at hand."""
        return WaitReason.ROWS

    def takes_back(self, _item: Pending) -> bool:
        """Take back nothing: nobody else plays."""
        return False

    async def next_chunk(self) -> list[Pending] | None:
        """Return the next calls of the script."""
        script, start = self._script, self._start
        if start >= self.played:
            return None
        self._start = stop = min(start + _CHUNK, self.played)
        pairs = zip(script.input_tokens[start:stop].tolist(), script.loads[start:stop].tolist(), strict=True)
        return [Pending.of(start + at, self._request(tokens, load)) for at, (tokens, load) in enumerate(pairs)]

    def _request(self, input_tokens: float, load: float) -> Request:
        cached, output = round(self._script.cached_tokens), max(1, round(self._script.output_tokens))
        body = {"model": "rehearsal", "input": max(round(input_tokens), cached), "cached": cached, "output": output}
        return Request(body, b"", Load(load), _PREFIX if cached else None)


def _fresh_gate(conditions: Conditions) -> Gate:
    """Return a gate that knows as much as the run's own would; never that one itself."""
    gate = Gate(None if conditions.knowledge == "none" else conditions.limits)
    if conditions.knowledge == "learnt":
        ticket = gate.admit(Load(0.0), 0.0)
        assert isinstance(ticket, Ticket)
        gate.settle(ticket, Load(0.0), {}, 0.0)
    return gate


def _on_thread(work: Callable[[], None], control: Control) -> None:
    """Run blocking work on a daemon thread and wait for it; an interrupt stops it and is raised."""
    done = threading.Event()
    errors: list[BaseException] = []

    def target() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=target, name="claude_parallel rehearsal", daemon=True).start()
    try:
        done.wait()
    except BaseException:
        control.request_stop()
        control.request_stop()
        raise
    if errors:
        raise errors[0]
