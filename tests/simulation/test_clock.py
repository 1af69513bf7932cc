"""Virtual time: hours of sleeping pass at once, and in the right order."""

from __future__ import annotations

import asyncio
import time

import pytest

from claude_parallel.simulation import clock
from claude_parallel.simulation.clock import ClockStuckError, VirtualLoop, run_virtual


def test_five_thousand_sleepers_pass_an_hour_quickly() -> None:
    """Each wakes at its own time, and the hour costs well under a second of real time."""
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(asyncio.get_running_loop().time())

    async def main() -> None:
        await asyncio.gather(*(sleeper(at * 0.72) for at in range(5_000)))

    before = time.process_time()  # CPU: the machine may be busy
    run_virtual(main)
    assert time.process_time() - before < 1.0
    assert woken == sorted(woken)
    assert woken == pytest.approx([at * 0.72 for at in range(5_000)])


@pytest.mark.parametrize("start", [0.0, 100.0, 1_795_392_000.0])
def test_time_begins_where_it_is_told_and_moves_by_what_is_slept(start: float) -> None:
    """The clock starts at `start`, and a sleep moves it by its seconds."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        first = loop.time()
        await asyncio.sleep(7_200)
        return first, loop.time()

    first, last = run_virtual(main(), start=start)
    assert first == start
    assert last == pytest.approx(start + 7_200, abs=1e-5)


def test_timeouts_run_on_virtual_time() -> None:
    """A timeout strikes at its virtual second."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main) == pytest.approx(600)


def test_work_in_a_thread_costs_no_virtual_time() -> None:
    """While a thread works, the clock stands still, though other tasks sleep."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        other = asyncio.create_task(asyncio.sleep(60))
        await asyncio.to_thread(time.sleep, 0.03)
        after_thread = loop.time()
        await other
        return after_thread, loop.time()

    assert run_virtual(main) == (0.0, 60.0)


def test_a_failure_comes_out_and_the_loop_is_closed() -> None:
    """The coroutine's exception is raised by the runner, and nothing stays open."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        run_virtual(main)
    assert isinstance(loops[0], VirtualLoop)
    assert loops[0].is_closed()


def test_a_loop_that_nothing_can_wake_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadlock is an error, not a hang."""
    monkeypatch.setattr(clock, "STUCK_SECONDS", 0.01)

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ClockStuckError):
        run_virtual(main)
