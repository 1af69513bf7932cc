"""What is to be sent next: a due retry, else the next row.

Rows become requests as they are needed, beside the event loop; a frame of any length never lies in memory as requests.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..progress.waits import WaitReason
from .pending import Pending


class Source(Protocol):
    """Where requests come from."""

    @property
    def waiting_for(self) -> WaitReason:
        """What the next chunk takes its time for."""
        ...

    async def next_chunk(self) -> list[Pending] | None:
        """Return the next requests, perhaps none; None when there are no more."""
        ...

    def takes_back(self, item: Pending) -> bool:
        """Take back a request that is not this run's to send any more; a later chunk has it, or its row the answer."""
        ...


class Handful:
    """Requests that are at hand already.

    Parameters
    ----------
    pending : list of Pending
        The requests.
    origin : Source, optional
        Where they came from: takes back what another run has claimed by now, and gives it again.
    """

    def __init__(self, pending: list[Pending], origin: Source | None = None) -> None:
        self._pending = pending
        self._origin = origin

    @property
    def waiting_for(self) -> WaitReason:
        """What the next chunk takes its time for; what is at hand takes none."""
        return WaitReason.ROWS if self._origin is None else self._origin.waiting_for

    async def next_chunk(self) -> list[Pending] | None:
        """Return all of them, once; then what was taken back."""
        if self._pending:
            pending, self._pending = self._pending, []
            return pending
        return await self._origin.next_chunk() if self._origin is not None else None

    def takes_back(self, item: Pending) -> bool:
        """Give a request back to where it came from, if another run has claimed it by now."""
        return self._origin is not None and self._origin.takes_back(item)


class RequestQueue:
    """Requests that wait to be sent, by one dispatcher.

    Parameters
    ----------
    source : Source
        Asked for more as requests are taken.
    wake : callable
        Called when more are there, or the source has failed.

    Attributes
    ----------
    is_exhausted : bool
        True when the source has no more.
    """

    def __init__(self, source: Source, wake: Callable[[], None]) -> None:
        self.is_exhausted = False
        self._source = source
        self._wake = wake
        self._fresh: deque[Pending] = deque()
        self._retries: list[tuple[float, int, Pending]] = []
        self._order = itertools.count()
        self._refill: asyncio.Task[None] | None = None
        self._has_failed = False
        self._enough = 1  # with one left it has to be known whether another follows

    def __repr__(self) -> str:
        return f"<RequestQueue: {len(self._fresh)} ready, {len(self._retries)} to retry>"

    @property
    def is_refilling(self) -> bool:
        """True while rows are being made into requests."""
        return self._refill is not None

    @property
    def waiting_for(self) -> WaitReason:
        """What the next request takes its time for, where none is ready."""
        return self._source.waiting_for if self.is_refilling else WaitReason.RETRY

    @property
    def has_none_ready(self) -> bool:
        """True when no request waits at this moment."""
        return not self._fresh and not self._retries

    @property
    def is_empty(self) -> bool:
        """True when nothing waits and nothing more will come."""
        return self.is_exhausted and self.has_none_ready

    def take(self, now: float) -> Pending | None:
        """Return the next request to send: a due retry, else the next row."""
        while (pending := self._pop(now)) is not None and self._source.takes_back(pending):
            self.is_exhausted = self._has_failed
            self._wake()  # the source has something again
        return pending

    def _pop(self, now: float) -> Pending | None:
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return self._fresh.popleft() if self._fresh else None

    def put_back(self, pending: Pending, now: float) -> None:
        """Return a request that may not go yet to the head of the queue."""
        if pending.attempts:
            self.retry_at(now, pending)
        else:
            self._fresh.appendleft(pending)

    def retry_at(self, due: float, pending: Pending) -> None:
        """Let a request go again, at `due` seconds of the run's clock."""
        heapq.heappush(self._retries, (due, next(self._order), pending))

    def seconds_to_retry(self, now: float) -> float:
        """Return the seconds until the next retry is due; infinity without one."""
        return max(0.0, self._retries[0][0] - now) if self._retries else math.inf

    def drain(self) -> list[Pending]:
        """Take out everything that waits."""
        waiting = [*self._fresh, *(item[2] for item in self._retries)]
        self._fresh.clear()
        self._retries.clear()
        return waiting

    def refill(self) -> None:
        """Ask for more rows when few are left, so that the next are ready before the last one has gone."""
        if self._refill is None and not self.is_exhausted and len(self._fresh) <= self._enough:
            self._refill = asyncio.get_running_loop().create_task(self._pull())
            self._refill.add_done_callback(self._refilled)

    async def aclose(self) -> None:
        """Wait for no more rows.

        Raises
        ------
        Exception
            What the source raised.
        """
        self.is_exhausted = True
        task, self._refill = self._refill, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _pull(self) -> None:
        chunk = await self._source.next_chunk()
        if chunk is None:
            self.is_exhausted = True
            return
        self._fresh.extend(chunk)
        self._enough = max(self._enough, len(chunk) // 2)

    def _refilled(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            self.is_exhausted = self._has_failed = True  # aclose() raises it
        else:
            self._refill = None
        self._wake()
