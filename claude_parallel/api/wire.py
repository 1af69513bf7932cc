"""Sends the bodies of a run through aiohttp, each in the request that the SDK has built once.

What the SDK knows (sign-in, versions, headers) stands in the :class:`~.template.Template`; what it and its HTTP client
add for each call (a request object, three layers of headers, copies of the body) is left out: two thirds of the work.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ..records import Failure, is_success
from .connections import CONNECT_SECONDS, KEEPALIVE_SECONDS, ssl_context
from .responses import PROXY_SIGN_IN, without_json
from .template import Template

OnChunk = Callable[[bytes], bool]
"""Gets the bytes of a stream as they come; returns True after the last that matter: what follows must not cost the
answer."""

_TRUST_HINT = "where a company's proxy reads along, name the file of its certificates in SSL_CERT_FILE"
_CLOCK_HINT = "check the clock of this machine, else tell whoever runs the server; then run the cell again"
_NAME_HINT = "mend base_url: what answers there, perhaps a network that wants a sign-in, is not the host of that name"
_HINT_OF_CODE = {9: _CLOCK_HINT, 10: _CLOCK_HINT, 62: _NAME_HINT, 64: _NAME_HINT}
"""By the code of what is wrong with a certificate: not yet or no longer valid, of another name or address. Source:
OpenSSL, ``x509_vfy.h``. Every other one is a matter of trust."""
_PROXY_HINT = "start it, or mend or unset HTTPS_PROXY, then run the cell again"
_MOST_AT_ONCE = 2**20
"""Bytes of a body that aiohttp writes in one piece; it warns of more (its ``payload.TOO_LARGE_BYTES_BODY``), and a user
who has warnings raised would lose every row with a large picture."""
_CUT = "without sending complete message body"
"""What h11 says (0.16, ``_readers.py``), which reads answers where the user's own HTTP client is not aiohttp."""
_REFUSED_HINT = "ask whoever runs it to let the API's host through, or unset HTTPS_PROXY, then run the cell again"


class WireResponse(NamedTuple):
    """One HTTP response: what the SDK's response object says too, and nothing more."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class Wire:
    """Connections of one run, on the running event loop.

    Parameters
    ----------
    max_connections : int
        As many calls can be in flight.
    """

    def __init__(self, max_connections: int) -> None:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=max_connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=ssl_context()
            ),
            # The time of a whole call is limited by ``deadlines``, on this path and on the SDK's.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # as the SDK's client: gateways stick sessions to cookies
            auto_decompress=False,
        )

    async def post(self, template: Template, content: bytes, on_chunk: OnChunk | None = None) -> WireResponse:
        """Send one body, and return the response; redirects are not followed.

        A stream is asked for unpacked, so that its first event is not held back to be packed with others.

        Raises
        ------
        aiohttp.ClientError, httpx2.DecodingError
            For whatever happens on the way; see :func:`read_wire_error`.
        """
        import aiohttp

        sent = template.headers if on_chunk is None else {**template.headers, "accept-encoding": "identity"}
        data = content if len(content) <= _MOST_AT_ONCE else io.BytesIO(content)
        async with self._session.post(template.url, data=data, headers=sent, allow_redirects=False) as response:
            headers: Mapping[str, str] = response.headers
            is_packed = "content-encoding" in headers
            try:
                if on_chunk is None or is_packed:
                    raw = await response.read()
                else:
                    raw = await gather(response.content.iter_any(), on_chunk)
            except aiohttp.ClientPayloadError:
                if is_success(response.status):
                    raise
                return WireResponse(response.status, headers, b"")  # what was refused is clear without its words
        if is_packed or not headers.get("request-id", "").isascii():
            decoded = _decoded(response.status, response.raw_headers, raw)
            if on_chunk is not None and is_packed:
                on_chunk(decoded.content)
            return decoded
        return WireResponse(response.status, headers, raw)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


async def gather(chunks: AsyncIterable[bytes], on_chunk: OnChunk) -> bytes:
    """Return the bytes of a stream up to its last event, each of them shown as it comes."""
    found = []
    async for chunk in chunks:
        found.append(chunk)
        if on_chunk(chunk):
            break
    return b"".join(found)


def _decoded(status: int, raw_headers: Any, raw: bytes) -> WireResponse:
    """Return a response unpacked as the SDK's HTTP client does it; a refusal also where that cannot be done."""
    import httpx2

    try:
        response = httpx2.Response(status, headers=raw_headers, content=raw)
    except httpx2.DecodingError:
        if is_success(status):
            raise
        response = httpx2.Response(status, headers=raw_headers)
    return WireResponse(status, response.headers, response.content)


def read_wire_error(error: Exception) -> Failure | None:
    """Return the failure that an exception of aiohttp stands for; None for any other exception.

    Only where no connection was made, the request surely never left and costs nothing.
    """
    import aiohttp

    if isinstance(error, aiohttp.ServerTimeoutError):
        never_left = isinstance(error, aiohttp.ConnectionTimeoutError)
        return Failure(kind="timeout", message="no answer in time", perhaps_billed=not never_left)
    if isinstance(error, aiohttp.ClientError):
        never_left = isinstance(error, aiohttp.ClientConnectorError)
        return connection_failed(error, perhaps_billed=not never_left)
    return None


def connection_failed(error: BaseException, *, perhaps_billed: bool) -> Failure:
    """Return the failure of a connection that broke, or was never made.

    Where it broke in the middle of an answer, that is an answer cut off, as one is that comes to its end too soon, or
    one that cannot be unpacked. A connection that cannot be made before the user has done something is not to be tried
    again, by any row.
    """
    import aiohttp
    import httpx2

    causes = (error, error.__cause__, error.__cause__ and error.__cause__.__cause__)
    found = next((cause for cause in causes if isinstance(cause, aiohttp.ClientError)), error)
    if isinstance(found, aiohttp.ClientConnectorCertificateError):
        reason = getattr(found.certificate_error, "verify_message", "") or type(found).__name__
        message = f"the server's certificate is not trusted ({reason.rstrip('.')})"
        hint = _HINT_OF_CODE.get(getattr(found.certificate_error, "verify_code", 0), _TRUST_HINT)
        return Failure(kind="connection", message=message, should_retry=False, hint=hint)
    if isinstance(found, aiohttp.ClientHttpProxyError):
        if found.status == 407:
            return replace(PROXY_SIGN_IN, status=None)
        message = f"the proxy refused the connection (HTTP status {found.status})"
        return Failure(kind="connection", message=message, hint=_REFUSED_HINT)
    if isinstance(found, aiohttp.ClientProxyConnectionError):
        return Failure(kind="connection", message="the proxy cannot be reached", hint=_PROXY_HINT)
    if isinstance(found, aiohttp.ClientPayloadError) or _CUT in str(error):
        return replace(without_json({}, b""), message="the connection broke in the middle of the answer")
    if isinstance(error, httpx2.DecodingError):
        return replace(without_json({}, b""), message="the answer cannot be unpacked, as its content-encoding says")
    message = f"the connection failed ({type(found).__name__})"
    return Failure(kind="connection", message=message, perhaps_billed=perhaps_billed)
