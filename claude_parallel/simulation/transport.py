"""The simulator's second transport: in memory, on the running loop's own time.

Plays the brain's exchanges to the engine without a socket; on a virtual loop, hours pass in seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..api.responses import read_response
from ..records import Body, Failure, Reply
from .brain import Brain
from .wire import MEMORY_HEADERS, Response


class MemoryTransport:
    """A :class:`~claude_parallel.records.Transport` that asks a brain.

    Parameters
    ----------
    brain : Brain
        The simulated account; may be shared by several transports.
    timeout_seconds : float
        Time for one call.
    """

    def __init__(self, brain: Brain, timeout_seconds: float = 600.0) -> None:
        self._brain = brain
        self._timeout_seconds = timeout_seconds

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request to the brain."""
        return await self._exchange(body)

    async def send_and_tell(self, body: Body, on_begin: Callable[[], object]) -> Reply | Failure:
        """Send one Messages request to the brain, and say when its answer begins."""
        return await self._exchange({**body, "stream": True}, on_begin)

    async def count_tokens(self, body: Body) -> int | Failure:
        """Ask the brain for the input tokens of a body."""
        counted = {name: value for name, value in body.items() if name != "max_tokens"}
        exchange = self._brain.open("POST", "/v1/messages/count_tokens", MEMORY_HEADERS, counted, self._now())
        await asyncio.sleep(exchange.end_seconds)
        response = self._brain.close(exchange, self._now())
        if response.status != 200 or not isinstance(response.body, dict):
            failure = read_response(response.status, response.headers, response.body or "")
            assert isinstance(failure, Failure)
            return failure
        return int(response.body["input_tokens"])

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    async def _exchange(self, body: Body, on_begin: Callable[[], object] | None = None) -> Reply | Failure:
        exchange = self._brain.open("POST", "/v1/messages", MEMORY_HEADERS, body, self._now())
        seconds = min(exchange.end_seconds, self._timeout_seconds)
        try:
            if on_begin is not None and exchange.can_stream and exchange.begin_seconds < seconds:
                await asyncio.sleep(exchange.begin_seconds)
                self._brain.begin(exchange)
                on_begin()
                seconds -= exchange.begin_seconds
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._brain.abandon(exchange, self._now())
            raise
        if exchange.end_seconds > self._timeout_seconds:
            self._brain.abandon(exchange, self._now())
            return Failure(kind="timeout", message="no answer in time", perhaps_billed=True)
        return _read(self._brain.close(exchange, self._now()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _read(response: Response) -> Reply | Failure:
    if response.cut == "reset":
        return Failure(kind="connection", message="the connection was reset", perhaps_billed=True)
    return read_response(response.status, response.headers, "" if response.cut == "truncated" else response.body)
