"""The simulated API as a real HTTP server on loopback.

It knows sockets, sleeping and how connections break; what is said is decided in :mod:`brain`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from .brain import Brain
from .ledger import Ledger
from .profile import Profile
from .wire import Exchange, Response

BACKLOG = 4_096
"""Connections that may wait to be accepted."""

KEEPALIVE_SECONDS = 75.0

SAFE_BYTES = 300_000_000
"""What is read of a body at most; the API's own limits (413) lie below it."""

LINES_PER_WRITE = 200
"""How many result lines go over the wire at once, so that a large batch does not hold the loop."""


class Mouth:
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
        if exchange.end_seconds > 0:
            await self._wait(exchange)
        if _gone(request):
            self._brain.abandon(exchange, self.now())
            return web.Response()
        response = self._brain.close(exchange, self.now())
        return await self._say(request, response)

    async def _wait(self, exchange: Exchange) -> None:
        try:
            await asyncio.sleep(exchange.end_seconds / self._speed)
        except asyncio.CancelledError:
            self._brain.abandon(exchange, self.now())
            raise

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


def _gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_constant=_refuse_constant) if raw else None
    except ValueError:
        return None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(name)


def _request_factory(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=SAFE_BYTES
    )


@asynccontextmanager
async def serving(
    brain: Brain, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0
) -> AsyncIterator[str]:
    """Serve `brain` on the running loop; gives the base URL.

    Parameters
    ----------
    brain : Brain
        What decides; its batches learn the base URL.
    host, port : str, int
        Where to listen; port 0 = any free one.
    speed : float
        Simulated seconds per real second.
    """
    mouth = Mouth(brain, speed)
    server = web.Server(mouth.handle, request_factory=_request_factory, access_log=None,
                        keepalive_timeout=KEEPALIVE_SECONDS)  # fmt: skip
    runner = web.ServerRunner(server, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        await site.start()
        url = f"http://{host}:{runner.addresses[0][1]}"
        brain.batches.base_url = url
        yield url
    finally:
        await runner.cleanup()


class SimulatorServer:
    """The simulated API on loopback, in a thread of its own.

    Parameters
    ----------
    profile : Profile or None
        How the account behaves; None = no limits, no faults, no waiting.
    seed : int
        Fixes answers, faults and latencies.
    host, port : str, int
        Where to listen; port 0 = any free one.
    speed : float
        Simulated seconds per real second; limits, latencies and batches run that much faster.

    Examples
    --------
    >>> with SimulatorServer() as simulator:  # doctest: +SKIP
    ...     client = AsyncAnthropic(api_key="any", base_url=simulator.url)
    """

    def __init__(
        self,
        profile: Profile | None = None,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
    ) -> None:
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self.brain = Brain(profile, seed)
        self.url = ""
        self._host, self._port, self._speed = host, port, speed
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = _nothing
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<SimulatorServer {self.url or 'not started'} {self.ledger!r}>"

    @property
    def ledger(self) -> Ledger:
        """What was seen and billed."""
        return self.brain.ledger

    def start(self) -> SimulatorServer:
        """Start to serve; returns when connections are accepted.

        Raises
        ------
        RuntimeError
            When it was started before.
        OSError
            When the address cannot be used.
        """
        if self._thread is not None:
            raise RuntimeError("a simulator starts once; make a new one")
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def stop(self) -> None:
        """Stop to serve and wait for the thread; more than once is fine."""
        self._stop()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def __enter__(self) -> SimulatorServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._stop = _nothing
            self._ready.set()

    async def _serve(self) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with serving(self.brain, self._host, self._port, self._speed) as self.url:
            self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
            self._ready.set()
            await stopped.wait()


def _nothing() -> None:
    return None


def serve_forever(
    profile: Profile | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    speed: float = 1.0,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve in this thread until it is interrupted; for the command line.

    Parameters
    ----------
    profile, seed, host, port, speed : object
        As for :class:`SimulatorServer`.
    announce : callable
        Told the base URL once connections are accepted.
    """

    async def main() -> None:
        async with serving(Brain(profile, seed), host, port, speed) as url:
            announce(url)
            await asyncio.Event().wait()

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        return
