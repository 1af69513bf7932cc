"""Blocking work beside an event loop: each piece on a daemon thread, which waits a moment for the next one.

The executors of the standard library join their threads at the end of the process: a locked journal would hold it up.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Args = TypeVarTuple("Args")

_IDLE_SECONDS = 2.0
"""How long a thread waits for more work: longer than a run pauses between its transactions, about a second at most."""


class _Worker:
    """A daemon thread that takes one piece of work after the other, and ends when none has come for a while."""

    def __init__(self, idle: list[_Worker]) -> None:
        self.work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._idle = idle
        threading.Thread(target=self._run, name="claude_parallel work", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._do(*self.work.get(timeout=_IDLE_SECONDS))
            except Empty:
                try:
                    self._idle.remove(self)
                except ValueError:  # somebody has just taken it from there, and its work is on the way
                    continue
                return

    def _do(self, future: Future[Any], work: Callable[[], Any]) -> None:
        tell = _tried(future, work)
        self._idle.append(self)
        tell()


def _tried(future: Future[Any], work: Callable[[], Any]) -> Callable[[], None]:
    """Do a piece of work, and return what tells its future how it ended."""
    try:
        return partial(future.set_result, work())
    except BaseException as error:
        return partial(future.set_exception, error)


class _DaemonThreads(Executor):
    """A thread for each piece of work at the same time, which never holds up the end of the process or of a run."""

    def __init__(self) -> None:
        self.idle: list[_Worker] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn` on a daemon thread that is idle, or on a new one, in a copy of the caller's context."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # it can be cancelled no more: whoever waited may go, the work ends alone
        work = partial(contextvars.copy_context().run, fn, *args, **kwargs)
        try:
            worker = self.idle.pop()
        except IndexError:
            try:
                worker = _Worker(self.idle)
            except RuntimeError:
                # Python 3.12 starts no thread once the process is ending, the system none beyond its limit.
                _tried(future, work)()
                return future
        worker.work.put((future, work))
        return future


_threads = _DaemonThreads()


class LoopThreads(ThreadPoolExecutor):
    """The default executor of an event loop, which looks up hosts: as usual, and after the end of the main thread, too.

    A script may end while one of its threads still maps; the standard library's executors take no work from then on.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn` on one of a few threads, or on a daemon thread where those are closed."""
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            return _threads.submit(fn, *args, **kwargs)


def begin_off_loop(work: Callable[[*Args], T], *args: *Args) -> asyncio.Future[T]:
    """Begin blocking work beside the running event loop, and return what is done when the work is.

    It is no task, so the end of ``asyncio.run``, which cancels every task, leaves it alone.
    """
    return asyncio.get_running_loop().run_in_executor(_threads, work, *args)


async def off_loop(work: Callable[[*Args], T], *args: *Args) -> T:
    """Run blocking work beside the event loop, which goes on reading answers meanwhile.

    That costs some 0.05 ms, so `work` should be worth it: a chunk of rows, a transaction. Cancelled, the caller goes
    on at once; the work itself cannot be stopped, and ends alone.
    """
    return await begin_off_loop(work, *args)


async def finish_off_loop(work: Callable[[*Args], T], *args: *Args) -> T:
    """Run blocking work beside the event loop as :func:`off_loop` does; cancelled, the caller waits for its end.

    For what is written: a write that ends alone could come after one that is to follow it, or after the file is closed.
    """
    doing = begin_off_loop(work, *args)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait({doing})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return doing.result()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.idle.clear)  # a forked child has none of its parent's threads
