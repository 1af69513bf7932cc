"""The deadlines of calls: each gets its time, whatever the others do at the end of theirs."""

from __future__ import annotations

import asyncio

import pytest

from claude_parallel.api.deadlines import Deadlines


async def slow_to_go() -> None:
    """Take a moment to end, as a middleware does that logs, or a client that says goodbye."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.2)


def test_a_call_that_is_slow_to_go_takes_no_other_its_deadline() -> None:
    """It is told once that its time is up, and the next look at the clock finds it gone or going."""

    async def play() -> list[dict[str, object]]:
        troubles: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: troubles.append(context))
        deadlines = Deadlines(0.05)
        with pytest.raises(TimeoutError):
            await deadlines.limit(slow_to_go())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(deadlines.limit(asyncio.Event().wait()), 5)
        deadlines.close()
        return troubles

    loop_troubles = asyncio.run(play())
    assert loop_troubles == []
