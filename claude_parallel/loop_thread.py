"""The event loop that all blocking runs under way at the same time share, on a thread of its own.

It stays for a moment after the last of them: a thread and a loop cost a run of one row a tenth of its time.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from .worker_threads import LoopThreads

T = TypeVar("T")

_CANCEL_SECONDS = 5.0
"""How long what is left on a loop may take to end before the loop is closed: connections say goodbye in less."""

IDLE_SECONDS = 1.0
"""How long a loop without runs stays: a loop over small frames comes back in less, a person does not."""


class LoopThread:
    """An event loop on a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(LoopThreads(thread_name_prefix="claude_parallel"))
        self.runs = 0
        self.is_over = False
        self._ending: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name="claude_parallel", daemon=True)
        self._thread.start()

    def is_this_thread(self) -> bool:
        """Say whether the caller runs on this loop, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def rest(self) -> None:
        """Let the loop close if no run has come by then; called on the loop itself."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = self.loop.call_later(IDLE_SECONDS, _end_without_runs, self)

    def end(self) -> None:
        """Let the loop close; does not wait for it."""
        self.is_over = True
        self.loop.call_soon_threadsafe(self.loop.stop)

    def has_closed(self, seconds: float) -> bool:
        """Wait for the loop to be closed, for so many seconds at most, and say whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        # Not asyncio.run: nest_asyncio replaces that one.
        asyncio.set_event_loop(self.loop)
        try:
            while not self.is_over:
                # What a run raises of these is its own result, too, and no reason to end the others.
                with contextlib.suppress(SystemExit, KeyboardInterrupt):
                    self.loop.run_forever()
        finally:
            _close(self.loop)


_lock = threading.Lock()
_shared: LoopThread | None = None
"""The loop of the runs under way. On eight loops eight runs hand the interpreter to each other at every call; on one
they cost what one run costs."""


def start_on_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[LoopThread, Future[T]]:
    """Start a coroutine on the loop of the runs under way, or on a new one where there is none."""
    global _shared

    async def begin() -> T:
        return await work()

    with _lock:
        on = _shared
        if on is None or on.is_this_thread():
            on = LoopThread()
            _shared = _shared or on
        on.runs += 1
        # In a copy of the caller's context, so that prints, logs and traces land where the caller's do.
        future = asyncio.run_coroutine_threadsafe(begin(), on.loop)
    future.add_done_callback(lambda _: _leave(on))
    return on, future


def _leave(loop_thread: LoopThread) -> None:
    """Count one run less on a loop; after the last one it rests, or ends where no other run would come to it."""
    with _lock:
        loop_thread.runs -= 1
        if loop_thread.runs:
            return
        if loop_thread is _shared:
            loop_thread.loop.call_soon_threadsafe(loop_thread.rest)
        else:
            loop_thread.end()


def _end_without_runs(loop_thread: LoopThread) -> None:
    with _lock:
        if not loop_thread.runs:
            forget_loop(loop_thread)
            loop_thread.end()


def forget_loop(loop_thread: LoopThread) -> None:
    """Let the next run have a loop of its own."""
    global _shared
    if _shared is loop_thread:
        _shared = None


def end_idle() -> None:
    """End the loop at once if no run is under way, and wait until it is closed."""
    loop_thread = _shared
    if loop_thread is None:
        return
    _end_without_runs(loop_thread)
    if loop_thread.is_over:
        loop_thread.has_closed(_CANCEL_SECONDS)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on a loop and close it, as ``asyncio.run`` does.

    But a thread of the loop's executor, which looks up names and works for the SDK, is not waited for: nobody needs
    that any more, a name server may be silent for half a minute, and an idle thread takes a millisecond to join.
    """
    try:
        leftovers = asyncio.all_tasks(loop)
        for task in leftovers:
            task.cancel()
        if leftovers:
            loop.run_until_complete(asyncio.wait(leftovers, timeout=_CANCEL_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _forget_all() -> None:
    """A forked child has none of its parent's threads."""
    global _lock, _shared
    _lock, _shared = threading.Lock(), None


atexit.register(end_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
