"""A simulated API in a process of its own, told over stdin what to serve and asked over stdout what it saw.

Run as ``python -m tests.kernels.api_process``: one JSON object per line each way; see :class:`Desk`. It answers every
prompt with ``echo: <prompt>``, so that an answer tells which row it belongs to.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import serving
from claude_parallel.simulation.wire import Exchange, Response


def echo(body: Mapping[str, Any]) -> str:
    """Return the prompt's text."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
    return f"echo: {text}"


class WatchedBrain(Brain):
    """A brain that notes when each message came and when its answer went out.

    Attributes
    ----------
    calls : dict of int to list
        Number of the exchange -> text, moment it came, moment it was answered (None: not yet, or the client has gone).
        Moments are ``time.monotonic()``, which all processes of a machine share on Linux and macOS.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self.calls: dict[int, list[Any]] = {}
        self.news = asyncio.Condition()

    @property
    def come(self) -> int:
        """How many requests have come."""
        return len(self.calls)

    @property
    def gone_out(self) -> int:
        """How many answers have gone out."""
        return sum(1 for call in self.calls.values() if call[2] is not None)

    def open(
        self, method: str, path: str, headers: Mapping[str, str], body: Any, now: float, *, size_bytes: int = 0
    ) -> Exchange:
        """Look at a request, and note it."""
        exchange = super().open(method, path, headers, body, now, size_bytes=size_bytes)
        if method == "POST" and path.split("?")[0] == "/v1/messages":
            self.calls[exchange.number] = [echo(body), time.monotonic(), None]
            self._tell()
        return exchange

    def close(self, exchange: Exchange, now: float) -> Response:
        """Settle an exchange, and note that its answer goes out."""
        response = super().close(exchange, now)
        if exchange.number in self.calls and response.status == 200 and response.cut is None:
            self.calls[exchange.number][2] = time.monotonic()
            self._tell()
        return response

    def _tell(self) -> None:
        async def tell() -> None:
            async with self.news:
                self.news.notify_all()

        self._telling = asyncio.ensure_future(tell())


class Desk:
    """Serves as many simulated accounts as it is asked for, each on a port of its own."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._brains: dict[str, WatchedBrain] = {}

    async def answer(self, order: dict[str, Any]) -> Any:
        """Carry out one order: ``{"do": "serve" | "wait" | "calls", ...}``."""
        match order:
            case {"do": "serve", "profile": profile}:
                brain = WatchedBrain(Profile(**profile, answer=echo), seed=1)
                url = await self._stack.enter_async_context(serving(brain))
                self._brains[url] = brain
                return url
            case {"do": "wait", "url": url, "received": received, "answered": answered, "seconds": seconds}:
                brain = self._brains[url]
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds), brain.news:
                        await brain.news.wait_for(lambda: brain.come >= received and brain.gone_out >= answered)
                return brain.come, brain.gone_out
            case {"do": "calls", "url": url}:
                return list(self._brains[url].calls.values())
        raise ValueError(order)


async def main() -> None:
    """Answer orders until stdin ends."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        desk = Desk(stack)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await desk.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
