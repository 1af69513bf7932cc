"""Batches that the user cancels, at whatever moment."""

from __future__ import annotations

import asyncio
from typing import Any

from claude_parallel.batch.responses import BatchState
from claude_parallel.records import Failure
from claude_parallel.simulation.profile import Profile

from ..batch_worlds import BatchWorld, batch_world, frame_of


class CancelledWhilePolled:
    """A door at which the user cancels while the API is asked how a batch comes on."""

    def __init__(self, door: Any, world: BatchWorld) -> None:
        self._door = door
        self._world = world
        self.asked_at = self.told_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Return the state of a batch, after a while."""
        if self._world.clock.seconds > 600.0 and not self.asked_at:
            self.asked_at = self._world.clock.seconds
            self._world.session.carrier.cancel()  # type: ignore[union-attr]
            await asyncio.sleep(0.2)
        return await self._door.retrieve(batch_id)

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Begin to cancel a batch."""
        self.told_at = self._world.clock.seconds
        return await self._door.cancel(batch_id)


def test_what_is_cancelled_while_the_api_is_asked_is_cancelled_at_once() -> None:
    """The wake-up came before the runner slept and was forgotten: it slept on until the next poll, a minute later."""
    world, doors = batch_world(Profile(batch_seconds=3_600.0)), []

    def wrap(door: Any) -> Any:
        doors.append(CancelledWhilePolled(door, world))
        return doors[-1]

    world.wrap = wrap
    world.map(frame_of(3))
    assert 600.0 < doors[0].asked_at < doors[0].told_at < doors[0].asked_at + 1.0
