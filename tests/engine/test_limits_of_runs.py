"""Runs of one process share the account's gate; the limits that each is given hold as long as it lasts."""

from __future__ import annotations

import asyncio
from typing import Any

from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Limits, Profile
from tests.worlds import World, frame_of, world


def prepared(made: World, rows: int, **options: Any) -> FrameMap:
    """Return a map of some rows in this world."""
    settings = {"journal": False, "progress": False, **options}
    frame = frame_of(rows, f"one of {rows}: {{}}")
    return FrameMap(frame, "{t}", "response", settings, environment=made.environment())


def test_a_run_without_limits_does_not_lift_those_of_another() -> None:
    """It begins and ends while the other lasts: that one keeps below 120 a minute from its first call to its last."""
    made = world(Profile(limits=Limits(6_000, None, None), latency_seconds=0.5))
    careful, hasty = prepared(made, 150, limits={"requests_per_minute": 120}), prepared(made, 20)
    seen = []

    async def main() -> None:
        run = asyncio.create_task(careful.arun())
        await asyncio.sleep(2.0)
        other = asyncio.create_task(hasty.arun())
        while not run.done():
            seen.append(made.gate.status(made.clock()).limits["requests"])
            await asyncio.sleep(0.5)
        await asyncio.gather(run, other)

    run_virtual(main)
    assert set(seen) == {120.0}
    assert careful.last_session is not None and hasty.last_session is not None
    assert made.gate.status(made.clock()).limits["requests"] == 6_000.0


def test_the_record_of_a_run_tells_the_limits_that_held_for_it() -> None:
    """The user's where they are tighter, although the gate has forgotten them by then."""
    made = world(Profile(limits=Limits(6_000, 2_000_000, None), latency_seconds=0.1))
    made.map(frame_of(5), "{t}", limits={"requests_per_minute": 1_000})
    assert made.session is not None
    assert made.session._totals()["limits"] == {"requests": 1_000.0, "input": 2_000_000.0}
