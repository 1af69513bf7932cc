"""The loop that blocking runs share, and what a run changes of the process while it lasts."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from claude_parallel import bridge, loop_thread
from claude_parallel.bridge import Control, heard, run_blocking, run_here, waker
from claude_parallel.garbage_collector import fewer_collections
from claude_parallel.loop_thread import end_idle


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Begin with known thresholds, and put back those of the test run."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_garbage_collector_looks_less_often_while_runs_are_under_way() -> None:
    """From the first to the last of them, whatever the order of their ends."""
    first, second = fewer_collections(), fewer_collections()
    first.__enter__()
    calm = gc.get_threshold()
    assert calm[0] > 10_000
    assert calm[1:] == (10, 10)
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == calm
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


def test_a_run_that_fails_puts_it_back() -> None:
    """However it ends."""
    with pytest.raises(KeyboardInterrupt), fewer_collections():
        raise KeyboardInterrupt
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("own", [(0, 10, 10), (1_000_000, 5, 5)])
def test_who_has_switched_it_off_or_slowed_it_down_keeps_that(own: tuple[int, int, int]) -> None:
    """The user's setting is not ours to change."""
    gc.set_threshold(*own)
    with fewer_collections():
        assert gc.get_threshold() == own
    assert gc.get_threshold() == own


def test_what_somebody_sets_meanwhile_stays() -> None:
    """The last word is theirs."""
    with fewer_collections():
        gc.set_threshold(123, 4, 5)
    assert gc.get_threshold() == (123, 4, 5)


def paint() -> None:
    """Show nothing."""


async def my_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that a run is on."""
    return asyncio.get_running_loop()


def test_runs_at_the_same_time_share_a_loop_and_the_last_one_closes_it() -> None:
    """Whatever the order of their starts and ends; a run after them gets a new one."""
    both = threading.Barrier(2)

    async def work(number: int) -> tuple[asyncio.AbstractEventLoop, int]:
        await asyncio.get_running_loop().run_in_executor(None, both.wait)
        return asyncio.get_running_loop(), number

    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(lambda number: run_blocking(lambda: work(number), Control(), paint), range(2)))
    end_idle()
    later = run_blocking(my_loop, Control(), paint)
    end_idle()

    assert [number for _, number in seen] == [0, 1]
    assert seen[0][0] is seen[1][0]
    assert seen[0][0].is_closed()
    assert later is not seen[0][0]
    assert later.is_closed()


def test_a_run_right_after_another_finds_its_loop() -> None:
    """A loop over small frames pays for one thread, and not for one a frame."""
    first = run_blocking(my_loop, Control(), paint)
    assert run_blocking(my_loop, Control(), paint) is first
    assert not first.is_closed()
    end_idle()
    assert first.is_closed()


def test_a_loop_without_runs_closes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, and its thread with it; but not under a run that has come meanwhile."""
    end_idle()
    monkeypatch.setattr(loop_thread, "IDLE_SECONDS", 0.0)
    first = run_blocking(my_loop, Control(), paint)
    for thread in threading.enumerate():
        if thread.name == "claude_parallel":
            thread.join(10)
            assert not thread.is_alive()
    assert first.is_closed()

    async def longer_than_that() -> str:
        await asyncio.sleep(0.05)
        return "done"

    for _ in range(3):  # the time that the run before has given the loop is over within the next one
        assert run_blocking(longer_than_that, Control(), paint) == "done"


def test_nobody_ends_a_loop_with_a_run_on_it() -> None:
    """Not even at the end of the process."""

    async def work() -> str:
        await asyncio.to_thread(end_idle)
        return "done"

    assert run_blocking(work, Control(), paint) == "done"


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, ValueError])
def test_what_one_run_raises_is_no_end_of_its_neighbour(end: type[BaseException]) -> None:
    """A loop raises some of these itself, which would leave the neighbour waiting for ever."""
    has_ended = threading.Event()

    async def patient() -> str:
        await asyncio.get_running_loop().run_in_executor(None, has_ended.wait)
        return "here"

    async def rash() -> None:
        raise end("over")

    with ThreadPoolExecutor(1) as pool:
        neighbour = pool.submit(lambda: run_blocking(patient, Control(), paint))
        try:
            with pytest.raises(end):
                run_blocking(rash, Control(), paint)
        finally:
            has_ended.set()
        assert neighbour.result(timeout=10) == "here"


def test_a_run_from_within_the_loop_works() -> None:
    """It cannot wait for the loop that it holds up, so it has its own."""

    async def outer() -> str:
        return run_blocking(inner, Control(), paint)

    async def inner() -> str:
        return "within"

    assert run_blocking(outer, Control(), paint) == "within"


def test_a_run_that_was_left_is_not_in_the_way_of_the_next() -> None:
    """The third interrupt leaves at once: what is on its way may land, and the next run has a loop of its own."""
    may_land, has_landed = threading.Event(), threading.Event()

    async def stuck() -> None:
        may_land.wait()  # on the loop itself
        await asyncio.sleep(0)
        has_landed.set()

    def interrupted() -> None:
        raise KeyboardInterrupt

    async def quick() -> str:
        return "at once"

    with pytest.raises(KeyboardInterrupt):
        run_blocking(stuck, Control(), interrupted)
    assert run_blocking(quick, Control(), paint) == "at once"
    may_land.set()
    assert has_landed.wait(10)


def test_a_stop_wakes_all_who_share_the_flags() -> None:
    """Several sessions of one comparison wait side by side; the last one to listen is not the only one."""
    control, woken = Control(), []
    for name in ("first", "second"):
        control.listen(lambda name=name: woken.append(name))  # type: ignore[misc]
    control.request_stop()
    assert woken == ["first", "second"]


def test_a_loop_that_has_closed_is_no_trouble_to_who_would_wake_it() -> None:
    """Runs share a gate: the loop of one may be closed around it, and the others' answers still count."""
    loop, woken = asyncio.new_event_loop(), list[str]()
    wake = waker(loop, lambda: woken.append("on the loop"))
    wake()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    wake()
    assert woken == ["on the loop"]


def test_a_name_that_is_still_looked_up_holds_up_no_end() -> None:
    """Whoever asked for it has gone; it is looked up on a thread of the loop's own executor."""
    answered = threading.Event()
    threads: list[threading.Thread] = []

    def look_up() -> None:
        threads.append(threading.current_thread())
        answered.wait()

    async def work() -> str:
        asyncio.get_running_loop().run_in_executor(None, look_up)
        return "done"

    timer = threading.Timer(20.0, answered.set)
    timer.start()
    try:
        assert run_blocking(work, Control(), lambda: None) == "done"
        assert not answered.is_set()
    finally:
        answered.set()
        timer.cancel()
    for thread in threads:
        thread.join(20.0)
        assert not thread.is_alive()


def test_a_run_in_a_thread_goes_on_after_the_end_of_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executors of the standard library take no work from then on, and hosts were looked up on one of them."""
    monkeypatch.setattr("concurrent.futures.thread._shutdown", True)
    with pytest.raises(RuntimeError, match="after interpreter shutdown"):
        ThreadPoolExecutor().submit(int)
    assert run_blocking(lambda: asyncio.to_thread(int, "7"), Control(), lambda: None) == 7


def test_a_scope_of_anyio_cancels_once_however_often_it_says_so() -> None:
    """At each turn of the loop, until it is obeyed: as a third cancellation that ended calls which were paid."""
    control, landed = Control(), []

    async def work() -> None:
        await asyncio.sleep(0.2)
        landed.append("a call in flight")

    async def main() -> None:
        with anyio.move_on_after(0.05) as scope:
            await run_here(work, control)
        assert scope.cancelled_caught

    asyncio.run(main())
    assert landed
    assert control.is_stopping
    assert not control.is_cancelling


@pytest.mark.parametrize("is_notebook", [False, True])
def test_who_ignores_ctrl_c_goes_on_ignoring_it(is_notebook: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's background job must not hear the Ctrl-C of the job before it; a kernel ignores it between cells."""
    monkeypatch.setattr(bridge, "is_interactive", lambda: is_notebook)
    control, before = Control(), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with heard(control):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert control.interrupts == int(is_notebook)


def test_runs_may_end_in_any_order_and_ctrl_c_is_the_users_again() -> None:
    """Of two runs in one ``asyncio.gather`` the first ended first, and Ctrl-C went to it for the rest of the script."""
    before = signal.getsignal(signal.SIGINT)
    first, second = Control(), Control()
    one, two = heard(first), heard(second)
    one.__enter__()
    two.__enter__()
    signal.raise_signal(signal.SIGINT)
    one.__exit__(None, None, None)
    signal.raise_signal(signal.SIGINT)
    two.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is before
    assert (first.interrupts, second.interrupts) == (1, 2)


def test_who_takes_ctrl_c_in_the_middle_of_a_run_keeps_it() -> None:
    """A notebook's kernel does so at the beginning of each cell: its interrupt is for the runs of that cell."""
    before, taken = signal.getsignal(signal.SIGINT), list[int]()
    earlier, later = Control(), Control()
    try:
        with heard(earlier):
            signal.signal(signal.SIGINT, mine := lambda number, _frame: taken.append(number))
            with heard(later):
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
    assert (earlier.interrupts, later.interrupts, len(taken)) == (0, 1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_has_ctrl_c_as_before_the_runs_of_its_parent() -> None:
    """It went to runs that never end there."""
    before = signal.getsignal(signal.SIGINT)
    with heard(Control()):
        child = os.fork()
        if not child:
            os._exit(0 if signal.getsignal(signal.SIGINT) is before else 1)
        assert os.waitpid(child, 0)[1] == 0
