"""The door to the Claude API: a request goes out, a :class:`Reply` or a :class:`Failure` comes back.

Nothing is raised for a row. Retries are off in the SDK, there is one owner of them, in ``retry``. Calls go over the
``wire`` where that is certainly the same as through the SDK, else through the SDK. One transport belongs to one event
loop and one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import without_keys
from ..records import Body, Failure, Reply, is_success
from .account import Account
from .connections import CONNECT_SECONDS, sdk_http_client
from .deadlines import Deadlines
from .json_text import encode_body
from .responses import read_count, read_response
from .streaming import MessageStream, is_stream
from .template import Template, record
from .tokens import TokenRenewal
from .wire import OnChunk, Wire, WireResponse, connection_failed, gather, read_wire_error

if TYPE_CHECKING:
    import anthropic
    import httpx2

_COUNTED_FIELDS = frozenset(
    ("messages", "model", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed")
)
"""What the counting endpoint takes of a Messages body. Source: the SDK's MessageCountTokensParams, 2.12."""

_CANNOT_STREAM = frozenset((400, 404, 405, 415, 422, 501))
"""Statuses with which a server may refuse to stream; what else they mean, the plain call is told for nothing."""


_IDENTITY_HINT = "mend the profile or the workload identity that signs in, then run the cell again"


class _Sender(Protocol):
    """One of the two ways to the API."""

    async def post(self, path: str, body: Body, on_chunk: OnChunk | None = None) -> WireResponse:
        """Send a body; raises for whatever happens on the way. `on_chunk` gets a stream's bytes as they come."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class MessagesTransport:
    """Sends requests on the running event loop, with connections of its own.

    Parameters
    ----------
    account : Account
        Where to and who pays.
    max_connections : int
        Size of the connection pool: as many calls can be in flight.
    timeout_seconds : float
        Time for one call, from sending to the last byte of the answer; time in which the loop is blocked does not
        count.
    wire : "auto" or "sdk"
        ``"sdk"`` sends each request through the SDK, also where the wire would do.
    """

    def __init__(
        self,
        account: Account,
        *,
        max_connections: int,
        timeout_seconds: float,
        wire: Literal["auto", "sdk"] = "auto",
    ) -> None:
        sdk = SdkSender(account, max_connections, timeout_seconds)
        self._sender: _Sender = sdk if wire == "sdk" else WireSender(account, max_connections, sdk)
        self._deadlines = Deadlines(timeout_seconds)
        # The platforms stream in formats and at addresses of their own.
        self._streams = account.platform == "anthropic"

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request; see :class:`~claude_parallel.records.Transport`."""
        result = await self._post("/v1/messages", body)
        if isinstance(result, Failure):
            return result
        return read_response(*result)

    async def send_and_tell(self, body: Body, on_begin: Callable[[], object]) -> Reply | Failure:
        """Send one Messages request, streamed, to know when its answer begins; the answer is the same.

        Where streams are refused, the same request goes plainly: a refusal costs nothing. Where one breaks, this run
        streams no more: something on the way may not let streams through, and an end that is waited for is no loss. An
        answer that was whole by then is an answer.
        """
        if not self._streams:
            return await self.send(body)
        stream = MessageStream(on_begin)
        result = await self._post("/v1/messages", {**body, "stream": True}, stream.feed)
        if isinstance(result, Failure) and stream.is_whole:
            self._streams = False
            return stream.result({})
        if not isinstance(result, Failure) and is_stream(result.headers) and is_success(result.status_code):
            answer = stream.result(result.headers)
            self._streams = isinstance(answer, Reply)
            return answer
        answer = result if isinstance(result, Failure) else read_response(*result)
        if isinstance(answer, Failure):
            status = answer.status or 0
            self._streams = status >= 400 and status not in _CANNOT_STREAM
            if status in _CANNOT_STREAM:
                return await self.send(body)
        return answer

    async def count_tokens(self, body: Body) -> int | Failure:
        """Ask the free counting endpoint for the input tokens of a body."""
        counted = {name: value for name, value in body.items() if name in _COUNTED_FIELDS}
        result = await self._post("/v1/messages/count_tokens", counted)
        if isinstance(result, Failure):
            return result
        if not is_success(result.status_code):
            failure = read_response(*result)
            assert isinstance(failure, Failure)
            return failure
        return read_count(result.content)

    async def aclose(self) -> None:
        """Close the connections."""
        self._deadlines.close()
        await self._sender.aclose()

    async def _post(self, path: str, body: Body, on_chunk: OnChunk | None = None) -> WireResponse | Failure:
        try:
            return await self._deadlines.limit(self._sender.post(path, body, on_chunk))
        except Exception as error:
            return read_exception(error)


class SdkSender:
    """The SDK sends each request: the way that works for every client.

    Parameters
    ----------
    account, max_connections, timeout_seconds
        As for :class:`MessagesTransport`.
    """

    def __init__(self, account: Account, max_connections: int, timeout_seconds: float) -> None:
        import httpx2

        self.account = account
        self.timeout = httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        self._max_connections = max_connections
        self._response_class = httpx2.Response
        self._open: tuple[Any, httpx2.AsyncClient] | None = None
        self._renewal = TokenRenewal()

    async def post(self, path: str, body: Body, on_chunk: OnChunk | None = None) -> WireResponse:
        """Send a body; with a token that was refused, once more with a new one: it may have ended before its time."""
        return await self._renewal.send(self._client(), partial(self._post, path, body, on_chunk))

    async def _post(self, path: str, body: Body, on_chunk: OnChunk | None) -> WireResponse:
        """POST without building the SDK's response models: the raw JSON is what the journal keeps."""
        options = {"timeout": self.timeout, "follow_redirects": False}
        way = {"cast_to": self._response_class, "body": body, "options": options}
        if on_chunk is None:
            response = await self._client().post(path, **way)
            return WireResponse(response.status_code, response.headers, response.content)
        response = await self._client().post(path, **way, stream=True)
        try:
            content = await gather(response.aiter_bytes(), on_chunk)
        finally:
            await response.aclose()
        return WireResponse(response.status_code, response.headers, content)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._open is not None:
            client, http = self._open
            await client.close()
            await http.aclose()

    def _client(self) -> Any:
        if self._open is None:
            http = sdk_http_client(self._max_connections, self.timeout)
            self._open = self.account.make_client(http), http
        return self._open[0]


class WireSender:
    """The SDK builds a request once, the wire sends it with every body; where that is not the same, the SDK sends.

    Parameters
    ----------
    account, max_connections
        As for :class:`MessagesTransport`.
    sdk : SdkSender
        The other way.
    """

    def __init__(self, account: Account, max_connections: int, sdk: SdkSender) -> None:
        self._account = account
        self._max_connections = max_connections
        self._sdk = sdk
        self._wire: Wire | None = None
        self._templates: dict[str, Template | None] = {}
        self._recording = asyncio.Lock()

    async def post(self, path: str, body: Body, on_chunk: OnChunk | None = None) -> WireResponse:
        """Send a body; a refused key is looked up anew once, since it may have been changed meanwhile."""
        try:
            template = self._templates[path]
        except KeyError:
            template = await self._recorded(path)
        response = await self._send(template, path, body, on_chunk)
        if response.status_code == 401 and template is not None:
            renewed = await self._renewed(path, template)
            if renewed != template:
                return await self._send(renewed, path, body, on_chunk)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        if self._wire is not None:
            await self._wire.aclose()
        await self._sdk.aclose()

    async def _send(self, template: Template | None, path: str, body: Body, on_chunk: OnChunk | None) -> WireResponse:
        if template is None:
            return await self._sdk.post(path, body, on_chunk)
        if self._wire is None:
            self._wire = Wire(self._max_connections)
        return await self._wire.post(template, encode_body(body), on_chunk)

    async def _recorded(self, path: str) -> Template | None:
        async with self._recording:
            if path not in self._templates:
                self._templates[path] = await record(self._account, path, self._sdk.timeout)
            return self._templates[path]

    async def _renewed(self, path: str, refused: Template) -> Template | None:
        """Return the template of now: the refused one where nothing has changed since."""
        async with self._recording:
            if self._templates[path] == refused:
                self._templates[path] = await record(self._account, path, self._sdk.timeout)
            return self._templates[path]


def read_exception(error: Exception) -> Failure:
    """Return the failure that an exception of either way stands for; a programming error is raised again."""
    import anthropic
    import httpx2

    on_the_wire = read_wire_error(error)
    if on_the_wire is not None:
        return on_the_wire

    if isinstance(error, anthropic.APIStatusError):
        failure = read_response(error.status_code, error.response.headers, error.response.content)
        assert isinstance(failure, Failure)
        return failure
    if isinstance(error, TimeoutError | anthropic.APITimeoutError):
        return Failure(kind="timeout", message="no answer in time", perhaps_billed=not _never_left(error.__cause__))
    if isinstance(error, anthropic.APIConnectionError):
        cause = error.__cause__ or error
        if isinstance(cause, UnicodeError):
            return Failure(kind="invalid", message=f"the text cannot be encoded: {cause}")
        return connection_failed(cause, perhaps_billed=not _never_left(cause))
    if isinstance(error, httpx2.TimeoutException):  # while a stream was read, which the SDK does not watch over
        return Failure(kind="timeout", message="no answer in time", perhaps_billed=not _never_left(error))
    if type(error).__module__.startswith("httpx2"):  # what cannot be unpacked, on the wire
        return connection_failed(error, perhaps_billed=True)
    if isinstance(error, UnicodeError | ValueError):
        return Failure(kind="invalid", message=f"the request cannot be encoded: {error}")
    if isinstance(error, TypeError) and "authentication" in str(error):
        return Failure(kind="auth", message="no API key found", status=401)
    if isinstance(error, anthropic.AnthropicError):
        return _read_sign_in_error(error)
    raise error


def _read_sign_in_error(error: anthropic.AnthropicError) -> Failure:
    """Return the failure where no token could be had: nothing was asked, and with a wrong identity no row can be."""
    import anthropic
    import httpx2
    from anthropic.lib.credentials import WorkloadIdentityError

    message = without_keys(str(error))
    if isinstance(error, WorkloadIdentityError):
        status = error.status_code
        if status is None and isinstance(error.__cause__, httpx2.HTTPError):
            return Failure(kind="connection", message=message)
        if status is not None and (status < 400 or status in (408, 429) or status >= 500):
            return Failure(kind="server", message=message)
        return Failure(kind="auth", message=message, hint=_IDENTITY_HINT)
    return Failure(kind="auth" if isinstance(error, anthropic.CredentialsError) else "unknown", message=message)


def _never_left(cause: BaseException | None) -> bool:
    """Say whether a call failed before its request was sent.

    A reset in the middle of a call is a ConnectError as well when it comes through aiohttp: there, only a
    ClientConnectorError below it means that no connection was made.
    """
    if type(cause).__name__ in ("ConnectTimeout", "PoolTimeout"):
        return True
    below = {cls.__name__ for cls in type(cause.__cause__).__mro__} if cause is not None else set()
    return type(cause).__name__ == "ConnectError" and ("ClientError" not in below or "ClientConnectorError" in below)
