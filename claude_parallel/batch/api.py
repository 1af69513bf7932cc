"""The door to the Message Batches API: the official SDK below, plain values above.

A state or a :class:`Failure` comes back, nothing is raised for a batch, and nothing is retried here: whether `create`
may be sent again is a question of money, decided in ``submitter``. One door belongs to one event loop and one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.parse import quote, urlsplit

from ..api.account import Account
from ..api.connections import CONNECT_SECONDS, sdk_http_client
from ..api.json_text import UnreadableJson, parse_json
from ..api.messages import read_exception
from ..api.responses import foreign, without_json
from ..api.tokens import TokenRenewal
from ..records import Failure
from .envelope import Envelope
from .responses import BatchPage, BatchResult, BatchState, read_batch, read_page, read_result

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

PATH = "/v1/messages/batches"
_SLOWEST_BYTES_PER_SECOND = 250_000
"""An upload may be as slow as this (2 Mbit/s) before it counts as timed out."""

_CONNECTIONS = 8
"""A few envelopes may upload while others are polled and read; calls about batches have limits of their own."""


class BatchApi(Protocol):
    """What a run of batches needs of the API; every method returns a :class:`Failure` instead of raising.

    Attributes
    ----------
    owner : str
        Tells two accounts on one host apart.
    """

    owner: str

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Send an envelope, once. After a failure with ``perhaps_billed`` the batch may exist all the same."""
        ...

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Return the state of a batch."""
        ...

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """Return a page of the workspace's batches, newest first."""
        ...

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Begin to cancel a batch."""
        ...

    def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Yield the results of an ended batch in any order; a failure is the last item, and the rest is missing."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class SdkBatchApi:
    """Message Batches through an SDK client of its own, on the running event loop.

    Parameters
    ----------
    account : Account
        Where to and who pays.
    timeout_seconds : float
        Time for one call; an upload gets more, by its size, and a stream of results as much between two chunks.
    """

    def __init__(self, account: Account, timeout_seconds: float) -> None:
        import httpx2

        self._timeout = httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        self._timeout_seconds = timeout_seconds
        self._options = {"timeout": self._timeout, "follow_redirects": False}
        self._http = sdk_http_client(_CONNECTIONS, self._timeout)
        self._client = account.make_client(self._http)
        self._renewal = TokenRenewal()
        self._response_class = httpx2.Response
        self._base = urlsplit(account.host)
        self._is_signed = account.platform == "aws"
        self.owner = account.owner

    def __repr__(self) -> str:
        return f"<SdkBatchApi to {self._base.netloc}>"

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Send an envelope, once; see :class:`BatchApi`."""
        headers = {"Content-Type": "application/json", "Content-Length": str(envelope.size_bytes)}
        options = {**self._options, "headers": headers}

        def send() -> Any:
            # A signature needs the whole body at once, anybody else gets it piece by piece.
            content = b"".join(envelope.pieces()) if self._is_signed else _upload(envelope)
            return self._client.post(PATH, cast_to=self._response_class, content=content, options=options)

        seconds = self._timeout_seconds + envelope.size_bytes / _SLOWEST_BYTES_PER_SECOND
        return await self._call(send, read_batch, seconds)

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Return the state of a batch."""
        return await self._get(_path(batch_id), read_batch)

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """Return a page of the workspace's batches, newest first."""
        after = f"&after_id={quote(after_id, safe='')}" if after_id else ""
        return await self._get(f"{PATH}?limit={limit}{after}", read_page)

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Begin to cancel a batch."""

        def send() -> Any:
            return self._client.post(f"{_path(batch_id)}/cancel", cast_to=self._response_class, options=self._options)

        return await self._call(send, read_batch, self._timeout_seconds)

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Yield the results of an ended batch, one line in memory at a time; see :class:`BatchApi`.

        Where not one line names a request, something on the way has answered for the API, and the results are still
        there to be read.
        """
        try:
            response = await self._open_results(batch)
            try:
                nameless: bytes | None = None
                is_named = False
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        result = read_result(line)
                        if result is not None:
                            is_named = is_named or b"custom_id" in line
                            nameless = line if nameless is None else nameless
                            yield result
                if nameless is not None and not is_named:
                    yield foreign(response.headers, nameless)
            finally:
                await response.aclose()
        except GeneratorExit:
            raise
        except Exception as error:
            yield _failure(error)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._http.aclose()

    # -- calls -------------------------------------------------------------------------------------------------------

    async def _open_results(self, batch: BatchState) -> httpx2.Response:
        """Return the response with the results, its body still unread."""
        options = {**self._options, "headers": {"Accept": "application/binary"}}

        def send() -> Any:
            url = self._results_url(batch)
            return self._client.get(url, cast_to=self._response_class, options=options, stream=True)

        return cast("httpx2.Response", await self._renewal.send(self._client, send))

    def _results_url(self, batch: BatchState) -> str:
        """Return where the results lie.

        The key never goes to another host than the one it was given for; and a gateway that serves the API below a path
        of its own may hand its addresses on as they are.
        """
        own = f"{_path(batch.id)}/results"
        if batch.results_url is None:
            return own
        parts = urlsplit(batch.results_url)
        is_below = parts[:2] == self._base[:2] and parts.path.startswith(f"{self._base.path}/")
        return batch.results_url if not parts.netloc or is_below else own

    async def _get(self, path: str, read: Callable[[Any], T | Failure]) -> T | Failure:
        def send() -> Any:
            return self._client.get(path, cast_to=self._response_class, options=self._options)

        return await self._call(send, read, self._timeout_seconds)

    async def _call(
        self, send: Callable[[], Coroutine[Any, Any, Any]], read: Callable[[Any], T | Failure], seconds: float
    ) -> T | Failure:
        try:
            async with asyncio.timeout(seconds):
                response = cast("httpx2.Response", await self._renewal.send(self._client, send))
        except Exception as error:
            return _failure(error)
        try:
            return read(parse_json(response.content))
        except UnreadableJson as error:
            return Failure(kind="server", message=f"the answer cannot be read: {error}", perhaps_billed=True)
        except ValueError:  # a proxy's page, or an answer that was cut off after the work was done
            return without_json(response.headers, response.content)


async def _upload(envelope: Envelope) -> AsyncGenerator[bytes, None]:
    for piece in envelope.pieces():
        yield piece


async def _lines(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a response; only LF ends one, since text inside JSON may hold other line separators."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _path(batch_id: str) -> str:
    return f"{PATH}/{quote(batch_id, safe='')}"


def _failure(error: Exception) -> Failure:
    """Return the failure that an exception stands for; ``perhaps_billed`` unless nothing can have been sent."""
    import httpx2

    if isinstance(error, httpx2.TimeoutException):
        return Failure(kind="timeout", message="no answer in time", perhaps_billed=True)
    if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        return Failure(
            kind="connection", message=f"the connection failed ({type(error).__name__})", perhaps_billed=True
        )
    return read_exception(error)
