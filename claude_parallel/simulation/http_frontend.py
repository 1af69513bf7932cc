"""How the brain's exchanges are played over HTTP: waiting, answering, and breaking connections on purpose.

It knows one request at a time; listening and threads are for :mod:`server`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from .brain import Brain
from .streaming import first_event, later_events
from .wire import Exchange, Response, Work

LINES_PER_WRITE = 200
"""How many result lines go over the wire at once, so that a large batch does not hold the loop."""


class HttpFrontend:
    """Plays a brain's exchanges over HTTP, on the loop that it is created in.

    Parameters
    ----------
    brain : Brain
        What decides.
    speed : float
        Simulated seconds per real second.
    """

    def __init__(self, brain: Brain, speed: float) -> None:
        self._brain = brain
        self._speed = speed
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()

    def now(self) -> float:
        """Return the simulated seconds since the start."""
        return (self._loop.time() - self._started) * self._speed

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        raw = await request.read()
        body = _parsed(raw)
        exchange = self._brain.open(
            request.method, request.path_qs, request.headers, body, self.now(), size_bytes=len(raw)
        )
        if isinstance(body, dict) and body.get("stream") and exchange.work is not None and exchange.can_stream:
            return await self._stream(request, exchange, exchange.work)
        if exchange.end_seconds > 0:
            await self._wait(exchange, exchange.end_seconds)
        if self._has_left(request, exchange):
            return web.Response()
        response = self._brain.close(exchange, self.now())
        return await self._say(request, response)

    async def _stream(self, request: web.BaseRequest, exchange: Exchange, work: Work) -> web.StreamResponse:
        """Answer with a stream of events: the first when the answer begins, the others at its end."""
        await self._wait(exchange, exchange.begin_seconds)
        if self._has_left(request, exchange):
            return web.Response()
        self._brain.begin(exchange)
        headers = {**exchange.headers, "content-type": "text/event-stream; charset=utf-8"}
        answer = web.StreamResponse(status=200, headers=headers)
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        await answer.write(first_event(work.message).encode())
        await self._wait(exchange, exchange.end_seconds - exchange.begin_seconds)
        if self._has_left(request, exchange):
            return answer
        response = self._brain.close(exchange, self.now())
        events = "".join(later_events(work.message)).encode()
        if response.cut == "truncated":
            await answer.write(events[: len(events) // 2])
            _break(request, politely=True)
            return answer
        await answer.write(events)
        await answer.write_eof()
        return answer

    async def _wait(self, exchange: Exchange, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds / self._speed)
        except asyncio.CancelledError:
            self._brain.abandon(exchange, self.now())
            raise

    def _has_left(self, request: web.BaseRequest, exchange: Exchange) -> bool:
        """Say whether the client has gone away; its answer is billed all the same."""
        if request.transport is not None and not request.transport.is_closing():
            return False
        self._brain.abandon(exchange, self.now())
        return True

    async def _say(self, request: web.BaseRequest, response: Response) -> web.StreamResponse:
        if response.cut == "reset":
            _break(request)
            return web.Response()
        if response.lines is not None:
            return await _say_lines(request, response)
        body = response.body
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        if response.cut == "truncated":
            return await _say_half(request, response, payload)
        return web.Response(status=response.status, headers=response.headers, body=payload)


async def _say_lines(request: web.BaseRequest, response: Response) -> web.StreamResponse:
    answer = web.StreamResponse(status=response.status, headers=response.headers)
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    waiting: list[str] = []
    for line in response.lines or ():
        waiting.append(line)
        if len(waiting) >= LINES_PER_WRITE:
            await answer.write("".join(waiting).encode())
            await asyncio.sleep(0)
            waiting.clear()
            if response.cut == "truncated":
                _break(request)
                return answer
    if response.cut == "truncated":
        waiting = ["".join(waiting)[: sum(map(len, waiting)) // 2]]
    await answer.write("".join(waiting).encode())
    if response.cut == "truncated":
        _break(request, politely=True)
        return answer
    await answer.write_eof()
    return answer


async def _say_half(request: web.BaseRequest, response: Response, payload: bytes) -> web.StreamResponse:
    answer = web.StreamResponse(status=response.status, headers=response.headers)
    answer.content_length = len(payload)
    await answer.prepare(request)
    await answer.write(payload[: len(payload) // 2])
    _break(request, politely=True)
    return answer


def _break(request: web.BaseRequest, *, politely: bool = False) -> None:
    transport = request.transport
    if transport is None:
        return
    if politely:
        # close() sends what is in the buffer first; abort() would throw it away.
        transport.close()
    elif isinstance(transport, asyncio.Transport):
        transport.abort()


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_constant=_refuse_constant) if raw else None
    except ValueError:
        return None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(name)
