"""A run before it is run: the real engine against the in-memory simulator, on virtual time.

Knows how to rehearse calls of known sizes under known limits, and how long that took. What the calls weigh and what
the limits are, ``estimate`` finds out. The gate of a rehearsal is always a fresh one.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .bridge import Control
from .budget import Budget
from .caching import SECONDS, Prefixes, TimeToLive
from .engine import Engine, Pending, Rules, Run
from .journal import Journal
from .latencies import Latency
from .limits import Gate, Limits, Ticket
from .load import LoadEstimator
from .progress import Tally
from .records import Answer, Load, Outcome, Request
from .retry import RetryPolicy
from .runs import Run as RunRecord
from .simulator.clock import run_virtual
from .simulator.profile import Limits as AccountLimits
from .simulator.profile import Profile
from .simulator.stage import EPOCH, Stage
from .timeline import RunData
from .window import CEILING

FloatArray = npt.NDArray[np.float64]

HEAD_CALLS = 4_000
"""Beyond what the first minute's burst takes, so many calls are played; then the pace is steady."""

MOST_CALLS = 20_000
_BURST_FACTOR = 1.25
_CHUNK = 500
_PREFIX = b"prefix"

Knowledge = Literal["none", "given", "learnt"]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """The calls to rehearse.

    Attributes
    ----------
    input_tokens : array
        All input tokens of each call, in the order in which they are sent.
    loads : array
        What the engine will take them for before it has seen an answer.
    output_tokens : float
        Output tokens of each call.
    cached_tokens : float
        Tokens of the shared prefix that is cached; 0 = no caching.
    """

    input_tokens: FloatArray
    loads: FloatArray
    output_tokens: float
    cached_tokens: float = 0.0

    def __len__(self) -> int:
        return len(self.input_tokens)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rehearsal takes place under.

    Attributes
    ----------
    limits : Limits
        Of the account, per minute.
    knowledge : str
        How far the gate knows the limits: ``none`` = it has to learn them from the first answers, ``given`` = the user
        named them, ``learnt`` = earlier answers told.
    latency : Latency
        How long calls take.
    max_in_flight : int
        The most calls at once.
    policy : RetryPolicy
        Of the run.
    ttl : "5m" or "1h"
        Lifetime of the prompt cache's entries.
    """

    limits: Limits
    knowledge: Knowledge
    latency: Latency
    max_in_flight: int = CEILING
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    ttl: TimeToLive = "5m"


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
    waited_seconds : mapping of str to float
        Seconds in which nothing was sent, by reason, among the played ones.
    data : RunData or None
        The record of the played calls, as a real run leaves it; None where nothing has to be sent.
    """

    seconds: float
    calls: int
    played: int
    waited_seconds: Mapping[str, float]
    data: RunData | None

    def __repr__(self) -> str:
        return f"<Rehearsal of {self.calls:,} calls: {self.seconds:.1f} s, held back by {self.bound_by}>"

    @property
    def bound_by(self) -> str:
        """What held the run back longest: a limit, or the time that answers take."""
        reasons = {why: s for why, s in self.waited_seconds.items() if why.endswith("per minute")}
        longest = max(reasons, key=lambda why: reasons[why], default="")
        played = self.data.ended - self.data.started if self.data and self.data.ended else 0.0
        return longest if longest and reasons[longest] > played / 4 else "the answers' own time"


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
        return Rehearsal(0.0, 0, 0, {}, None)
    burst = _burst(script, conditions.limits)
    played = int(min(len(script), HEAD_CALLS + _BURST_FACTOR * burst, MOST_CALLS))
    control = Control()
    play = _Play(script, conditions, played, control)
    _on_thread(lambda: run_virtual(play.run), control)
    seconds = _whole_seconds(play, len(script), burst)
    return Rehearsal(seconds, len(script), played, dict(play.waited), play.data())


def _whole_seconds(play: _Play, calls: int, burst: float) -> float:
    """Return the wall time of all calls: the played ones, and the rest at the pace that they reached."""
    left = calls - play.played
    if not left:
        return play.seconds
    steady = play.played - max(2, int((play.played - burst) / 2))
    sent = play.sent_at[-play.played :][steady:] if steady > 0 else play.sent_at
    pace = float(np.polyfit(np.arange(len(sent)), sent, 1)[0])
    # What the bucket holds at the beginning goes at once, the rest cannot be quicker than the limit refills it.
    refilling_seconds = 60.0 * (calls - burst) / burst if burst else 0.0
    return max(play.seconds + left * pace, refilling_seconds)


class _Play:
    """One rehearsal while it goes on."""

    def __init__(self, script: Script, conditions: Conditions, played: int, control: Control) -> None:
        self.played = played
        self.seconds = 0.0
        self.sent_at: list[float] = []
        self.waited: Mapping[str, float] = {}
        self._script = script
        self._conditions = conditions
        self._control = control
        self._journal = Journal.open(None)
        self._clock = _LoopClock()

    async def run(self) -> None:
        """Play the calls to their end."""
        limits = self._conditions.limits.by_dimension()
        settings = {"model": "rehearsal", "rows": self.played}
        self._journal.begin_run("rehearsal", EPOCH, "rehearsal", settings)
        engine = Engine(self._assemble(), self._calls(), _ignore)
        await engine.run()
        self.seconds, self.waited = self._clock(), engine.waited
        totals = {"rows": self.played, "limits": limits, "waited_seconds": dict(engine.waited)}
        self._journal.end_run("rehearsal", EPOCH + self.seconds, totals)

    def data(self) -> RunData:
        """Return the record of the rehearsal."""
        return RunRecord("rehearsal", self._journal).data()

    def _assemble(self) -> Run:
        conditions = self._conditions
        return Run(
            run_id="rehearsal",
            host="rehearsal",
            transport=self._stage(),
            gate=_fresh_gate(conditions),
            journal=self._journal,
            rules=Rules(
                read=lambda _message: Answer("rehearsal"),
                price=lambda _model, _usage: ZERO,
                worst_cost=lambda _request: ZERO,
                mark=self._note_sent,
                repair=lambda _pending, _answer: None,
            ),
            policy=conditions.policy,
            budget=Budget(cap=None),
            estimator=LoadEstimator(),
            prefixes=Prefixes(SECONDS[conditions.ttl]) if self._script.cached_tokens else None,
            control=self._control,
            tally=Tally(total=self.played),
            clock=self._clock,
            wall_clock=lambda: EPOCH + self._clock(),
            rng=random.Random(0),
            max_in_flight=conditions.max_in_flight,
        )

    def _stage(self) -> Stage:
        limits, latency = self._conditions.limits, self._conditions.latency
        profile = Profile(
            limits=AccountLimits(
                limits.requests_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute
            ),
            latency_seconds=latency.begin_seconds,
            seconds_per_output_token=latency.seconds_per_output_token,
            jitter_sigma=latency.sigma,
        )
        return Stage(profile, random.Random(1))

    def _note_sent(self, request: Request) -> Mapping[str, Any]:
        self.sent_at.append(self._clock())
        return request.body

    def _calls(self) -> Iterator[list[Pending]]:
        script = self._script
        cached, output = round(script.cached_tokens), max(1, round(script.output_tokens))
        prefix = _PREFIX if cached else None
        for start in range(0, self.played, _CHUNK):
            stop = min(start + _CHUNK, self.played)
            pairs = zip(script.input_tokens[start:stop].tolist(), script.loads[start:stop].tolist(), strict=True)
            yield [
                Pending(
                    start + offset,
                    Request(
                        {"model": "rehearsal", "input": max(round(tokens), cached), "cached": cached, "output": output},
                        b"",
                        Load(load),
                        prefix,
                    ),
                )
                for offset, (tokens, load) in enumerate(pairs)
            ]


class _LoopClock:
    """The running loop's time, and the last one seen where no loop runs."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        try:
            self._seconds = asyncio.get_running_loop().time()
        except RuntimeError:
            return self._seconds
        return self._seconds


def _fresh_gate(conditions: Conditions) -> Gate:
    """Return a gate that knows as much as the run's own would; never that one itself."""
    gate = Gate(None if conditions.knowledge == "none" else conditions.limits)
    if conditions.knowledge == "learnt":
        ticket = gate.admit(Load(0.0), 0.0)
        assert isinstance(ticket, Ticket)
        gate.settle(ticket, Load(0.0), {}, 0.0)
    return gate


def _burst(script: Script, limits: Limits) -> float:
    """Return how many calls the tightest limit allows a minute, and at once from a full bucket; 0 = no limit."""
    weight = {
        "requests": 1.0,
        "input": max(1.0, float(script.input_tokens.mean()) - script.cached_tokens),
        "output": max(1.0, script.output_tokens),
    }
    return min((limit / weight[dimension] for dimension, limit in limits.by_dimension().items()), default=0.0)


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


def _ignore(_pending: Pending, _outcome: Outcome) -> None:
    return None
