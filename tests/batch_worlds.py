"""Runs of batches in memory on virtual time; time goes on from one run to the next, as the API's does."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.carrier import BatchEnvironment
from claude_parallel.batch.envelope import MAX_REQUESTS, Envelope
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState
from claude_parallel.engine.environment import Environment
from claude_parallel.engine.session import Session
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.records import Failure
from claude_parallel.simulation.batch_transport import MemoryBatchApi
from claude_parallel.simulation.brain import EPOCH, Brain
from claude_parallel.simulation.clock import LoopClock, run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.transport import MemoryTransport
from claude_parallel.store.claims import ClaimBook
from claude_parallel.store.journal import Journal

from .worlds import HOST

Wrap = Callable[[BatchApi], BatchApi]


class Killed(BaseException):
    """The process dies here."""


@dataclass
class BatchWorld:
    """One simulated account on virtual time, shared by several runs.

    Attributes
    ----------
    brain : Brain
        The account; its ledger says what was seen and billed.
    clock : LoopClock
        Virtual seconds.
    wrap : callable
        Put around the door of the next runs.
    max_requests : int
        Limit of one batch.
    ahead_seconds : float
        How far the clock of the next runs is ahead of the API's.
    """

    brain: Brain
    clock: LoopClock = field(default_factory=LoopClock)
    wrap: Wrap = lambda door: door
    max_requests: int = MAX_REQUESTS
    ahead_seconds: float = 0.0
    runs: int = 0
    session: Session | None = None

    def environment(self) -> BatchEnvironment:
        """Return the environment of a run; ids of envelopes differ from run to run."""
        self.runs += 1
        live = Environment(
            host=HOST,
            open_transport=lambda _cap, timeout: MemoryTransport(self.brain, timeout),
            gate=Gate(),
            clock=self.clock,
            wall_clock=lambda: EPOCH + self.ahead_seconds + self.clock(),
            rng=random.Random(self.runs),
        )
        return BatchEnvironment(
            live, lambda timeout: self.wrap(MemoryBatchApi(self.brain, timeout)), max_requests=self.max_requests
        )

    def prepare(self, frame: Any, prompt: Any = "Say {t}", **options: Any) -> tuple[FrameMap, Session]:
        """Return a map and its session, ready to run."""
        settings = {"journal": False, "progress": False, "batch": True, **options}
        prepared = FrameMap(frame, prompt, "response", settings, environment=self.environment())
        self.session = prepared.session()
        return prepared, self.session

    def map(self, frame: Any, prompt: Any = "Say {t}", **options: Any) -> pd.DataFrame:
        """Run a map to its end on virtual time, and return the frame."""
        prepared, session = self.prepare(frame, prompt, **options)
        run_virtual(session.arun, start=self.clock.seconds)
        return prepared.result(session)


def batch_world(profile: Profile | None = None, **fields: Any) -> BatchWorld:
    """Return a simulated account whose batches take ten minutes unless the profile says otherwise."""
    return BatchWorld(Brain(profile or Profile(batch_seconds=600.0)), **fields)


def frame_of(rows: int, start: int = 0) -> pd.DataFrame:
    """Return a frame with one text column ``t``, every cell different."""
    return pd.DataFrame({"t": [f"row {number}" for number in range(start, start + rows)]})


@dataclass
class Deadly:
    """A door at which the process dies, leaving the journal as it stands on disk at that moment.

    Attributes
    ----------
    door : BatchApi
        The real one.
    point : str
        ``"before create"``, ``"after create"``, ``"retrieve"``, ``"list"`` or ``"results"``.
    countdown : int
        How many calls (or results) pass before the deadly one.
    journal, left : Path
        The file in use, and where its state at the moment of death goes.
    """

    door: BatchApi
    point: str
    countdown: int
    journal: Path
    left: Path
    owner: str = "simulator"

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Die before the batch exists, or after it does and before anybody knows."""
        self._pass("before create")
        result = await self.door.create(envelope)
        self._pass("after create")
        return result

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Die while polling."""
        self._pass("retrieve")
        return await self.door.retrieve(batch_id)

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """Die while looking for a lost batch."""
        self._pass("list")
        return await self.door.list(limit, after_id)

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Cancel."""
        return await self.door.cancel(batch_id)

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Die while results stream in."""
        async for item in self.door.results(batch):
            self._pass("results")
            yield item

    async def aclose(self) -> None:
        """Close."""
        await self.door.aclose()

    def _pass(self, point: str) -> None:
        if point != self.point:
            return
        self.countdown -= 1
        if self.countdown < 0:
            source, target = sqlite3.connect(self.journal), sqlite3.connect(self.left)
            source.backup(target)
            source.close()
            target.close()
            raise Killed


async def taken_for_dead(session: Session, journal: Path, look: Callable[[], None]) -> None:
    """Claim all that a run has claimed, as another process does, for 200 s; look every four of them."""
    with closing(Journal.open(journal)) as opened:
        other, now = ClaimBook(opened, "r-other"), session.environment.wall_clock
        other.take([key for (key,) in opened.query("SELECT fingerprint FROM claims")], now() + 60.0)
        for _tick in range(50):
            other.renew(now())
            await asyncio.sleep(4.0)
            look()
        other.release_all()
