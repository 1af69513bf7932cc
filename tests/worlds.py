"""Whole runs in memory on virtual time, for tests of everything above the rules."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Any

import pandas as pd

from claude_parallel.engine.environment import Environment
from claude_parallel.engine.session import Session
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.simulation.brain import EPOCH, Brain
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.transport import MemoryTransport

HOST = "memory://simulator"


class LoopClock:
    """The running loop's time, and the last one seen where no loop runs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return virtual seconds."""
        with contextlib.suppress(RuntimeError):
            self.seconds = asyncio.get_running_loop().time()
        return self.seconds


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
    """

    brain: Brain
    clock: LoopClock
    gate: Gate
    seed: int = 0
    session: Session | None = None

    def environment(self) -> Environment:
        """Return the environment of a run in this world."""

        def open_transport(max_connections: int, timeout_seconds: float) -> MemoryTransport:
            return MemoryTransport(self.brain, timeout_seconds)

        return Environment(
            host=HOST,
            open_transport=open_transport,
            gate=self.gate,
            clock=self.clock,
            wall_clock=lambda: EPOCH + self.clock(),
            rng=random.Random(self.seed),
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
    return World(Brain(profile or Profile(), seed=seed), LoopClock(), Gate(limits), seed)


def frame_of(rows: int, text: str = "row number {} of the frame") -> pd.DataFrame:
    """Return a frame with one text column ``t``, every cell different."""
    return pd.DataFrame({"t": [text.format(number) for number in range(rows)]})
