"""Message Batches in memory: the simulator's batches behind the door that runs use, on the running loop's own time.

It plays the brain's exchanges without a socket; on a virtual loop, the hours of a batch pass in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from ..api.responses import read_response
from ..batch.envelope import Envelope
from ..batch.responses import BatchPage, BatchResult, BatchState, read_batch, read_page, read_result
from ..records import Failure
from .brain import Brain
from .wire import MEMORY_HEADERS, Response

T = TypeVar("T")

_PATH = "/v1/messages/batches"
_LOST = Failure(kind="connection", message="the connection was reset", perhaps_billed=True)


class MemoryBatchApi:
    """A :class:`~claude_parallel.batch.api.BatchApi` that asks a brain.

    Parameters
    ----------
    brain : Brain
        The simulated account; may be shared by several environments.
    timeout_seconds : float
        Time for one call.

    Attributes
    ----------
    owner : str
        The one account that the brain stands for.
    """

    def __init__(self, brain: Brain, timeout_seconds: float = 600.0) -> None:
        self.owner = "simulator"
        self._brain = brain
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"<MemoryBatchApi of {self._brain!r}>"

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Send an envelope to the brain."""
        body = json.loads(b"".join(envelope.pieces()))
        return await self._read("POST", _PATH, read_batch, body, envelope.size_bytes)

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Ask for the state of a batch."""
        return await self._read("GET", f"{_PATH}/{batch_id}", read_batch)

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """Ask for a page of batches, newest first."""
        after = f"&after_id={after_id}" if after_id else ""
        return await self._read("GET", f"{_PATH}?limit={limit}{after}", read_page)

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Begin to cancel a batch."""
        return await self._read("POST", f"{_PATH}/{batch_id}/cancel", read_batch)

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Yield the results, each made when it is read."""
        response = await self._exchange("GET", f"{_PATH}/{batch.id}/results")
        if isinstance(response, Failure):
            yield response
            return
        if response.lines is None:
            yield _refusal(response)
            return
        for number, line in enumerate(response.lines):
            if response.cut == "truncated" and number >= batch.requests // 2:
                yield _LOST
                return
            result = read_result(line)
            if result is not None:
                yield result

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    async def _read(
        self, method: str, path: str, read: Callable[[Any], T | Failure], body: Any = None, size_bytes: int = 0
    ) -> T | Failure:
        response = await self._exchange(method, path, body, size_bytes)
        if isinstance(response, Failure):
            return response
        if response.cut == "truncated":
            return _LOST
        return read(response.body) if response.status == 200 else _refusal(response)

    async def _exchange(self, method: str, path: str, body: Any = None, size_bytes: int = 0) -> Response | Failure:
        exchange = self._brain.open(method, path, MEMORY_HEADERS, body, self._now(), size_bytes=size_bytes)
        if exchange.end_seconds > self._timeout_seconds:
            await asyncio.sleep(self._timeout_seconds)
            self._brain.abandon(exchange, self._now())
            return Failure(kind="timeout", message="no answer in time", perhaps_billed=True)
        await asyncio.sleep(exchange.end_seconds)
        response = self._brain.close(exchange, self._now())
        return _LOST if response.cut == "reset" else response

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _refusal(response: Response) -> Failure:
    failure = read_response(response.status, response.headers, response.body)
    assert isinstance(failure, Failure)
    return failure
