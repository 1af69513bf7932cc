"""Whole runs in memory on virtual time, for tests of everything above the rules."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import pandas as pd

from claude_parallel.engine.environment import Environment
from claude_parallel.engine.session import Session
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.records import Body, Failure, Reply, Transport
from claude_parallel.simulation.brain import EPOCH, Brain
from claude_parallel.simulation.clock import LoopClock, run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.transport import MemoryTransport

HOST = "memory://simulator"


@dataclass
class Outage:
    """A time in which every call fails, those that were under way when it began included.

    Attributes
    ----------
    begin, end : float
        Virtual seconds.
    failure : Failure
        What every call comes to.
    after_seconds : float
        How soon a call fails that is sent into it.
    spares_flying : bool
        Whether calls that were under way when it began are answered.
    calls : int
        Calls that were sent into it.
    """

    begin: float
    end: float
    failure: Failure
    after_seconds: float = 0.05
    spares_flying: bool = False
    calls: int = 0


@dataclass
class BreakingTransport:
    """Plays an outage before another transport."""

    inner: Transport
    outage: Outage

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request, into the outage if there is one."""
        outage, loop = self.outage, asyncio.get_running_loop()
        if outage.begin <= loop.time() < outage.end:
            outage.calls += 1
            await asyncio.sleep(outage.after_seconds)
            return outage.failure
        if outage.spares_flying:
            return await self.inner.send(body)
        answer = asyncio.ensure_future(self.inner.send(body))
        left = outage.begin - loop.time()
        done, _ = await asyncio.wait([answer], timeout=left if left > 0 else None)
        if done:
            return answer.result()
        answer.cancel()
        await asyncio.sleep(outage.after_seconds)
        return outage.failure

    async def count_tokens(self, body: Body) -> int | Failure:
        """Count tokens."""
        return await self.inner.count_tokens(body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.inner.aclose()


@dataclass
class World:
    """One simulated account on virtual time.

    Attributes
    ----------
    brain : Brain
        The account; its ledger says what was seen and billed.
    clock : LoopClock
        Virtual seconds; starts anew with every run.
    gate : Gate
        Shared by all runs of this world.
    session : Session
        The last run.
    outage : Outage or None
        When every call fails, and how.
    """

    brain: Brain
    clock: LoopClock
    gate: Gate
    seed: int = 0
    session: Session | None = None
    outage: Outage | None = None

    def environment(self) -> Environment:
        """Return the environment of a run in this world."""

        def open_transport(max_connections: int, timeout_seconds: float) -> Transport:
            healthy = MemoryTransport(self.brain, timeout_seconds)
            return healthy if self.outage is None else BreakingTransport(healthy, self.outage)

        return Environment(
            host=HOST,
            open_transport=open_transport,
            gate=self.gate,
            clock=self.clock,
            wall_clock=lambda: EPOCH + self.clock(),
            rng=random.Random(self.seed),
            limits_key="account models",
        )

    def map(self, frame: Any, prompt: Any, *, out: str = "response", **options: Any) -> pd.DataFrame:
        """Run a map to its end on virtual time, and return the frame."""
        settings = {"journal": False, "progress": False, **options}
        prepared = FrameMap(frame, prompt, out, settings, environment=self.environment())
        result = run_virtual(prepared.arun)
        self.session = prepared.last_session
        return result


def world(profile: Profile | None = None, *, seed: int = 0, limits: Any = None) -> World:
    """Return a simulated account on virtual time."""
    return World(Brain(profile or Profile(), seed=seed), LoopClock(), Gate(limits, rng=random.Random(seed)), seed)


def frame_of(rows: int, text: str = "row number {} of the frame") -> pd.DataFrame:
    """Return a frame with one text column ``t``, every cell different."""
    return pd.DataFrame({"t": [text.format(number) for number in range(rows)]})
