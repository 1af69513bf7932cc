"""Requests that a run gives back, since its claims on them were lost."""

from __future__ import annotations

import asyncio

import pytest

from claude_parallel.engine.pending import Pending
from claude_parallel.engine.queue import RequestQueue
from claude_parallel.progress.waits import WaitReason


class Broken:
    """Gives two requests, then breaks; takes the second back."""

    waiting_for = WaitReason.ROWS

    def __init__(self) -> None:
        self._chunks = [[Pending(0, b"a"), Pending(1, b"b")]]

    async def next_chunk(self) -> list[Pending] | None:
        """Return the first chunk."""
        if not self._chunks:
            raise OSError("gone")
        return self._chunks.pop()

    def takes_back(self, item: Pending) -> bool:
        """Take back the second."""
        return item.position == 1


def test_a_source_that_has_failed_gives_nothing_again() -> None:
    """A run whose rows cannot be read any more ends, whoever has claimed the last of them meanwhile."""

    async def main() -> bool:
        queue = RequestQueue(Broken(), lambda: None)
        queue.refill()
        await asyncio.sleep(0.01)
        assert queue.take(0.0) is not None
        queue.refill()
        await asyncio.sleep(0.01)
        assert queue.take(0.0) is None
        is_empty = queue.is_empty
        with pytest.raises(OSError, match="gone"):
            await queue.aclose()
        return is_empty

    assert asyncio.run(main())
