"""The simulated API as a real HTTP server on loopback.

It knows where to listen and in which thread; single requests are for :mod:`http_frontend`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from .brain import Brain
from .http_frontend import HttpFrontend
from .ledger import Ledger
from .profile import Profile

_PATIENCE_SECONDS = 0.05
"""How long calls in flight may take once the server stops. Not 0, which aiohttp takes for ever."""

BACKLOG = 4_096
"""Connections that may wait to be accepted."""

KEEPALIVE_SECONDS = 75.0
"""Longer than clients keep an idle connection, so that the client closes it and no request meets a closed one."""

SAFE_BYTES = 300_000_000
"""What is read of a body at most; the API's own limits (413) lie below it."""


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
async def serving(brain: Brain, host: str = "127.0.0.1", port: int = 0, speed: float = 1.0) -> AsyncIterator[str]:
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
    frontend = HttpFrontend(brain, speed)
    server = web.Server(frontend.handle, request_factory=_request_factory, access_log=None,
                        keepalive_timeout=KEEPALIVE_SECONDS)  # fmt: skip
    runner = web.ServerRunner(server, shutdown_timeout=_PATIENCE_SECONDS)
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
        self.brain = Brain(profile, seed, epoch=time.time())
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
        """Stop serving and wait for the thread; calling it twice is fine."""
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
        async with serving(Brain(profile, seed, epoch=time.time()), host, port, speed) as url:
            announce(url)
            await asyncio.Event().wait()

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        return
