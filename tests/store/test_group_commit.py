"""Group commit: who waits for the disk goes on once it is there, whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import time

import pytest

from claude_parallel.store.group_commit import GroupCommit


@pytest.mark.parametrize("turns", range(12))
def test_nobody_goes_on_before_the_disk_when_all_tasks_are_cancelled(turns: int) -> None:
    """The end of ``asyncio.run`` cancels every task, at whatever turn: of this, or of a write under way."""
    pending: list[int] = []
    kept: list[int] = []

    def flush() -> None:
        taken, pending[:] = [*pending], []
        time.sleep(0.02)  # a slow disk, in its thread
        kept.extend(taken)

    async def main() -> None:
        group = GroupCommit(flush)

        async def keep(answer: int) -> None:
            pending.append(answer)
            await asyncio.shield(group.next_commit(asyncio.get_running_loop()))

        answers = [asyncio.ensure_future(keep(0))]
        for _ in range(turns):
            await asyncio.sleep(0)
        answers.append(asyncio.ensure_future(keep(1)))  # while the first is written, from the sixth turn on
        await asyncio.sleep(0)
        committed = group.next_commit(asyncio.get_running_loop())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await committed
        assert kept == [0, 1]

    asyncio.run(main())
