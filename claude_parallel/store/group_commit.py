"""Group commit: those on one event loop who wait for the disk share a transaction.

What is written, and what becomes of it when that fails, is decided in ``open_file``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..worker_threads import off_loop

_TURNS = 5
"""Turns of the event loop before a transaction begins, so that answers which are just arriving share it: 0.1 ms where
none are. At full speed twice as many do, and the journal costs a row 50 us of CPU instead of 100: thread and loop ask
each other for Python's lock half as often. Ten turns gain no more."""


class GroupCommit:
    """The transactions that one event loop waits for, one after the other.

    Parameters
    ----------
    flush : callable
        Commits what is pending; blocks.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._committed: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    def next_commit(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return what is done when all that is pending now is on disk, and see to it that somebody writes."""
        if self._committed is None:
            self._committed = loop.create_future()
            if self._writing is None:
                self._writing = loop.create_task(self._write())
        return self._committed

    async def _write(self) -> None:
        """Write until nobody waits any more."""
        try:
            while (waiting := self._committed) is not None:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                self._committed = None
                try:
                    await off_loop(self._flush)
                finally:
                    if not waiting.done():
                        waiting.set_result(None)
        finally:
            self._writing = None
            if self._committed is not None:  # after a failure nobody writes any more, and nobody is to wait for it
                self._committed.set_result(None)
                self._committed = None
