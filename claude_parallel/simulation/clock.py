"""An asyncio event loop whose time jumps to the next timer as soon as nothing is ready.

It knows how to play hours of sleeping in milliseconds; what runs on it is for others.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

STEPS_WITHOUT_A_LOOK = 16
"""A loop that is never idle looks at its sockets after so many steps: seldom enough to be cheap, but not never."""

STUCK_SECONDS = 10.0
"""Real seconds that a loop without any timer waits for a socket or a thread before it is called stuck."""


class ClockStuckError(RuntimeError):
    """Every task waits for something that no timer, socket or thread will bring."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that lets the clock jump instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pending_threads = 0
        self._steps = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; with nothing ready, move the clock on by `timeout` seconds at once."""
        if timeout == 0:
            # Callbacks are ready, those of other threads among them. To ask the system costs as much as to run one.
            self._steps += 1
            return [] if self._steps % STEPS_WITHOUT_A_LOOK else super().select(0)
        if self.pending_threads:
            # Work in a thread takes real time and no virtual time: the clock stands still until it is done.
            return super().select(STUCK_SECONDS)
        if timeout is None:
            ready = super().select(STUCK_SECONDS)
            if not ready:
                raise ClockStuckError("every task waits, and no timer, socket or thread can wake one")
            return ready
        ready = super().select(0)
        if not ready:
            self.now = _past(self.now + timeout)
        return ready


class LoopClock:
    """The running loop's time, and the last one seen where no loop runs.

    Attributes
    ----------
    seconds : float
        What it said last.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        try:
            self.seconds = asyncio.get_running_loop().time()
        except RuntimeError:
            return self.seconds
        return self.seconds


def _past(moment: float) -> float:
    """Return a moment that asyncio takes as past `moment`.

    It runs a timer once ``time() + resolution`` (a nanosecond) is later than the timer; after 93 days a float
    cannot tell them apart any more.
    """
    return moment if moment + 1e-9 > moment else math.nextafter(moment, math.inf)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    Work given to ``run_in_executor`` stops the clock while it runs: its real duration costs no virtual time.

    Parameters
    ----------
    start : float
        What :meth:`time` says at the beginning, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.now = start
        super().__init__(self._jumping)

    def __repr__(self) -> str:
        return f"<VirtualLoop time={self.time():.3f} closed={self.is_closed()}>"

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` in a thread, and hold the clock until it is done."""
        self._jumping.pending_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """End the threads, and hold the clock meanwhile: what Python allows for that (300 s) would be over at once."""
        self._jumping.pending_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.pending_threads -= 1

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._jumping.pending_threads -= 1


def run_virtual(main: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]], *, start: float = 0.0) -> T:
    """Run a coroutine to its end on a fresh :class:`VirtualLoop`, then close the loop.

    Parameters
    ----------
    main : coroutine, or callable that returns one
        What to run. A callable is called inside the loop's thread, before the loop runs.
    start : float
        The loop's time at the beginning, in seconds.

    Returns
    -------
    object
        What the coroutine returned.

    Raises
    ------
    ClockStuckError
        When every task waits for something that cannot come.
    RuntimeError
        When an event loop already runs in this thread.
    """
    coroutine, results = main() if callable(main) else main, list[T]()

    async def keep() -> None:
        results.append(await coroutine)

    # Kept beside the task: to give back the handler of Ctrl-C, Runner makes the text of the task, and of a whole frame.
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        runner.run(keep())
    return results[0]
