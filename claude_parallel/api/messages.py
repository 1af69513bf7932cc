"""The door to the Claude API: the official SDK, and the only module that knows it.

A request goes out, a :class:`Reply` or a :class:`Failure` comes back; nothing is raised for a row. Retries are off in
the SDK, there is one owner of them, in ``retry``. One transport belongs to one event loop and one run.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ..records import Body, Failure, Reply
from .account import Account
from .responses import read_count, read_response

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 15.0
_KEEPALIVE_SECONDS = 30.0
_COUNTED_FIELDS = frozenset(
    ("messages", "model", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed")
)
"""What the counting endpoint takes of a Messages body. Source: the SDK's MessageCountTokensParams, 2.12."""


def most_connections() -> int | None:
    """Return how many sockets this process may open without starving the rest of it; None = no limit known.

    Half of the open files that the system allows (256 in many shells): a run must not keep a notebook from opening one.
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if allowed == resource.RLIM_INFINITY else max(1, allowed // 2)


class SdkTransport:
    """Sends requests through a client of its own, on the running event loop.

    Parameters
    ----------
    account : Account
        Where to and who pays.
    max_connections : int
        Size of the connection pool: as many calls can be in flight.
    timeout_seconds : float
        Time for one call, from sending to the last byte of the answer.
    """

    def __init__(self, account: Account, *, max_connections: int, timeout_seconds: float) -> None:
        import anthropic
        import httpx2

        limits = httpx2.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        )
        timeout = httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        # aiohttp below the SDK: 1.7 to 2 times the rows per second of the default (see benchmarks).
        http = anthropic.DefaultAioHttpClient(limits=limits, timeout=timeout)
        self._client = account.make_client(http)
        self._http = http
        self._timeout = timeout
        self._timeout_seconds = timeout_seconds
        self._response_class = httpx2.Response

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request; see :class:`~claude_parallel.records.Transport`."""
        result = await self._post("/v1/messages", body)
        if isinstance(result, Failure):
            return result
        return read_response(result.status_code, result.headers, result.content)

    async def count_tokens(self, body: Body) -> int | Failure:
        """Ask the free counting endpoint for the input tokens of a body."""
        counted = {name: value for name, value in body.items() if name in _COUNTED_FIELDS}
        result = await self._post("/v1/messages/count_tokens", counted)
        if isinstance(result, Failure):
            return result
        return read_count(result.content)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._http.aclose()

    async def _post(self, path: str, body: Body) -> httpx2.Response | Failure:
        """POST through the SDK, without building its response models: the raw JSON is what the journal keeps."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.post(
                    path, cast_to=self._response_class, body=body, options={"timeout": self._timeout}
                )
            return cast("httpx2.Response", response)
        except Exception as error:
            return read_exception(error)


def read_exception(error: Exception) -> Failure:
    """Return the failure that an exception of the SDK stands for; a programming error is raised again."""
    import anthropic

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
        return Failure(
            kind="connection",
            message=f"the connection failed ({type(cause.__cause__ or cause).__name__})",
            perhaps_billed=not _never_left(cause),
        )
    if isinstance(error, UnicodeError | ValueError):
        return Failure(kind="invalid", message=f"the request cannot be encoded: {error}")
    if isinstance(error, TypeError) and "authentication" in str(error):
        return Failure(kind="auth", message="no API key found", status=401)
    if isinstance(error, anthropic.AnthropicError):
        return Failure(kind="auth" if "redential" in type(error).__name__ else "unknown", message=str(error))
    raise error


def _never_left(cause: BaseException | None) -> bool:
    """Say whether a call failed before its request was sent.

    A reset in the middle of a call is a ConnectError as well when it comes through aiohttp: there, only a
    ClientConnectorError below it means that no connection was made.
    """
    if type(cause).__name__ in ("ConnectTimeout", "PoolTimeout"):
        return True
    below = {cls.__name__ for cls in type(cause.__cause__).__mro__} if cause is not None else set()
    return type(cause).__name__ == "ConnectError" and ("ClientError" not in below or "ClientConnectorError" in below)
