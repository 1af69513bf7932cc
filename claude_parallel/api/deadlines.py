"""Ends calls that take too long, without charging them for the time in which nobody listened.

A blocked event loop (a slow function in the notebook, a suspended laptop) reads no answers. Whoever compares two clock
readings then throws away answers that have arrived and are paid. Here the time of a call passes only while the loop
runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_LOOKS = 50
"""Looks at the clock during one call's time: a call may last longer by one of them."""
_LONGEST_TICK_SECONDS = 1.0
_SHORTEST_TICK_SECONDS = 0.01
"""Ends of the time between two looks: an answer that is overdue shows within a second, and nobody needs it finer than
10 ms, which would wake the loop for nothing."""


class Deadlines:
    """The deadlines of calls that all get the same time, on the running event loop.

    Parameters
    ----------
    seconds : float
        Time for one call.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tick = min(_LONGEST_TICK_SECONDS, max(_SHORTEST_TICK_SECONDS, seconds / _LOOKS))
        self._listened = 0.0
        self._looked_at = 0.0
        self._calls: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def limit(self, call: Coroutine[Any, Any, T]) -> T:
        """Return what a call returns.

        Raises
        ------
        TimeoutError
            When its time was up.
        """
        async with asyncio.timeout(None) as timeout:
            self._calls[timeout] = self._listened + self._seconds
            if self._timer is None:
                self._looked_at = asyncio.get_running_loop().time()
                self._look_later()
            try:
                return await call
            finally:
                self._calls.pop(timeout, None)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick, self._look)

    def _look(self) -> None:
        """Let the time pass, and end the calls whose time is up.

        After a pause of the loop nothing ends at once: what has arrived meanwhile is read first.
        """
        now = asyncio.get_running_loop().time()
        passed = now - self._looked_at
        self._looked_at = now
        self._listened += min(passed, 2 * self._tick)
        if passed <= 2 * self._tick:
            for timeout, due in list(self._calls.items()):  # in the order of their starts, so of their ends
                if due > self._listened:
                    break
                del self._calls[timeout]  # told once: it may take a while to go
                timeout.reschedule(now)
        self._timer = None
        if self._calls:
            self._look_later()
