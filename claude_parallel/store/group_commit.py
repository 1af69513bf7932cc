"""Group commit: those on one event loop who wait for the disk share a transaction.

What is written, and what becomes of it when that fails, is decided in ``open_file``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ..worker_threads import begin_off_loop

_TURNS = 5
"""Turns of the event loop before a transaction begins, so that answers which are just arriving share it: 0.1 ms where
none are. At full speed twice as many do, and the journal costs a row 50 us of CPU instead of 100: thread and loop ask
each other for Python's lock half as often. Ten turns gain no more."""


class GroupCommit:
    """The transactions that one event loop waits for, one after the other.

    No task writes them: the end of ``asyncio.run`` cancels every task, and who waits would go on before the disk.

    Parameters
    ----------
    flush : callable
        Commits what is pending; blocks.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._committed: asyncio.Future[None] | None = None
        self._is_writing = False

    def next_commit(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return what is done when all that is pending now is on disk, and see to it that somebody writes."""
        if self._committed is None:
            self._committed = loop.create_future()
            if not self._is_writing:
                self._begin(loop)
        return self._committed

    def _begin(self, loop: asyncio.AbstractEventLoop, turns: int = _TURNS) -> None:
        """Begin the next transaction after some turns of the loop."""
        self._is_writing = True
        if turns:
            loop.call_soon(self._begin, loop, turns - 1)
            return
        waiting, self._committed = self._committed, None
        begin_off_loop(self._flush).add_done_callback(partial(self._ended, loop, waiting))

    def _ended(
        self, loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[None] | None, _done: asyncio.Future[None]
    ) -> None:
        """Let those go on who have waited, also after a failure, and write for those who have come since."""
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        self._is_writing = False
        if self._committed is not None:
            self._begin(loop)
