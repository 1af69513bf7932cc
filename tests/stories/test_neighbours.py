"""Processes that use one account agree: near the bound, hardly a 429, whoever joins and leaves when.

Each process is a gate and a lease of its own, all on one virtual clock, against one simulated account.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from claude_parallel.engine.neighbours import Neighbours
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.clock import LoopClock, run_virtual
from claude_parallel.simulation.profile import Limits, Profile
from claude_parallel.store.leases import LeaseBook
from tests.worlds import World, frame_of

PER_MINUTE, LATENCY = 1_000, 0.5


def play(path: Path, starts: Sequence[float], rows: int = 400, *, has_leases: bool = True) -> tuple[float, Brain]:
    """Map some rows in each process, and return when the last one ended; no row may be lost."""
    profile = Profile(latency_seconds=LATENCY, jitter_sigma=0.2, limits=Limits(PER_MINUTE, None, None))
    brain, clock = Brain(profile, seed=1), LoopClock()

    async def process(number: int, start: float) -> float:
        world = World(brain, clock, Gate(rng=random.Random(number)), number)
        environment = world.environment()
        if has_leases:
            environment = replace(environment, neighbours=Neighbours(LeaseBook("a", str(number), path), world.gate))
        options = {"journal": False, "progress": False}
        frame = frame_of(rows, f"process {number} row {{}}")
        prepared = FrameMap(frame, "{t}", "response", options, environment=environment)
        await asyncio.sleep(start)
        out = await prepared.arun()
        assert out["response_error"].isna().all()
        return clock()

    async def main() -> list[float]:
        return await asyncio.gather(*(process(number, start) for number, start in enumerate(starts)))

    return max(run_virtual(main)), brain


def bound_seconds(starts: Sequence[float], rows: int) -> float:
    """Return when the last call could end, if one knew all and sent each as soon as the bucket allows."""
    rate, level, backlog, now = PER_MINUTE / 60, float(PER_MINUTE), 0.0, 0.0
    for at in sorted(starts):
        room = level + (at - now) * rate
        sent = min(backlog, room)
        level, backlog, now = min(PER_MINUTE, room - sent), backlog - sent + rows, at
        level, backlog = level - min(level, backlog), backlog - min(level, backlog)
    return now + backlog / rate + LATENCY


CASES = [([0, 0], 800), ([0, 10], 800), ([0, 0, 0, 0], 400), ([0, 5, 10, 15], 400), ([0, 10, 12, 13], 400)]
"""When processes begin, and the rows of each."""


@pytest.mark.parametrize(("starts", "rows"), CASES, ids=str)
def test_neighbours_end_within_six_percent_of_the_bound(starts: list[float], rows: int, tmp_path: Path) -> None:
    """With at most one percent of 429s; four that begin at once and know nothing of the account may cost two."""
    ended, brain = play(tmp_path / "leases.sqlite3", starts, rows)
    assert ended <= 1.06 * bound_seconds(starts, rows)
    most = 0.02 if starts == [0, 0, 0, 0] else 0.01
    assert brain.ledger.statuses[429] <= most * rows * len(starts)


def test_without_leases_they_refuse_each_other(tmp_path: Path) -> None:
    """What the leases are for."""
    _ended, brain = play(tmp_path / "leases.sqlite3", [0, 0, 0, 0], has_leases=False)
    assert brain.ledger.statuses[429] > 0.02 * 4 * 400


def test_a_process_that_is_alone_is_not_slowed(tmp_path: Path) -> None:
    """It has the whole account from its first call to its last."""
    alone, _brain = play(tmp_path / "leases.sqlite3", [0])
    free, _brain = play(tmp_path / "leases.sqlite3", [0], has_leases=False)
    assert alone <= free + 0.1


def test_leases_that_cannot_be_kept_stop_nobody(tmp_path: Path) -> None:
    """A folder where the file should be: every process sends as if it were alone."""
    ended, _brain = play(tmp_path, [0, 0])
    assert ended <= 60.0
