"""The SDK builds a request once: its URL and headers then serve for every body of a run.

Knows where that is certainly the same as going through the SDK each time. Who sends the bodies is ``wire``; a template
of None means that the SDK sends them itself, in ``messages``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from ..records import Body
from .account import Account
from .json_text import encode_body

if TYPE_CHECKING:
    import anthropic
    import httpx2

_SAMPLE: Body = {"text": "ü \u2028 \x7f </>", "numbers": [0, -1.5, 1e22, True, None], "nested": {"b": {}, "a": []}}
"""A body with everything in which one encoder of JSON may differ from another."""

_PER_CALL_HEADERS = frozenset(("content-length", "transfer-encoding"))


@dataclass(frozen=True, slots=True)
class Template:
    """Everything of a request but its body.

    Attributes
    ----------
    url : str
        Where it goes.
    headers : mapping of str to str
        All headers but those of the body's length. They hold the key: never shown.
    """

    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return "<Template of a request>"


async def record(account: Account, path: str, timeout: httpx2.Timeout) -> Template | None:
    """Let the SDK build a request without sending it, and return its template.

    Parameters
    ----------
    account : Account
        Where to and who pays.
    path : str
        Below the base URL.
    timeout : httpx2.Timeout
        Named in headers.

    Returns
    -------
    Template or None
        None wherever something other than the body could differ from call to call, or lies between us and the API: then
        the SDK has to send each request itself.

    Notes
    -----
    The SDK is watched at its public door: it gets an HTTP client whose transport only takes notes. So all that it knows
    (sign-in, versions, the user's headers and query) stays in force, and nothing of it is private.
    """
    import httpx2

    if account.has_own_http:
        return None
    seen: list[httpx2.Request] = []

    async def take_note(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(take_note), timeout=timeout) as http:
        client = account.make_client(http)
        if not _is_plain(client):
            return None
        try:
            await client.post(path, cast_to=httpx2.Response, body=_SAMPLE, options={"timeout": timeout})
        except Exception:
            return None  # the SDK's own path meets the same, and knows what it means
    return _template(seen)


def _is_plain(client: anthropic.AsyncAnthropic) -> bool:
    """Say whether this client sends every request in the same way, and nobody watches it."""
    import anthropic

    return (
        type(client) is anthropic.AsyncAnthropic
        and client.custom_auth is None
        and not client.middleware
        and not _is_traced(client)
        and not logging.getLogger("anthropic").isEnabledFor(logging.DEBUG)
    )


def _is_traced(client: anthropic.AsyncAnthropic) -> bool:
    """Say whether a tracer may record the SDK's calls; OpenTelemetry's own API alone records nothing."""
    options: Mapping[str, Any] = client.open_telemetry
    trace = sys.modules.get("opentelemetry.trace")  # the SDK imports it; where nobody did, nobody records
    if trace is None or not options["traces"]["enabled"]:
        return False
    provider = options.get("tracer_provider") or trace.get_tracer_provider()
    return not type(provider).__module__.startswith("opentelemetry.trace")


def _template(seen: list[httpx2.Request]) -> Template | None:
    """Return the template of the one request that was seen, if our own encoder would have written the same body."""
    if len(seen) != 1:
        return None
    request = seen[0]
    if request.method != "POST" or request.content != encode_body(_SAMPLE):
        return None
    if "sni_hostname" in request.extensions or request.url.userinfo:
        return None
    if not is_direct(request.url.scheme, request.url.host, getproxies()):
        return None
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _PER_CALL_HEADERS}
    return Template(url=str(request.url), headers=headers)


def is_direct(scheme: str, host: str, proxies: Mapping[str, str]) -> bool:
    """Say whether no proxy certainly stands before a host.

    Parameters
    ----------
    scheme, host : str
        Of the URL.
    proxies : mapping
        As ``urllib.request.getproxies`` returns them; ``no`` lists the exceptions.

    Returns
    -------
    bool
        False also where an exception is written in a way that tools read differently (networks, ports, wildcards).
    """
    if scheme not in ("http", "https"):
        return False
    if not proxies.get(scheme) and not proxies.get("all"):
        return True
    host = host.lower()
    exceptions = [name.strip().lower() for name in proxies.get("no", "").split(",")]
    return "*" in exceptions or any(_is_excepted(host, name) for name in exceptions if name)


def _is_excepted(host: str, name: str) -> bool:
    """Say whether NO_PROXY's `name` is the host, or a domain above it."""
    is_domain = name != "localhost" and name.strip(".").rpartition(".")[2].isalpha()
    return host == name or (is_domain and host.endswith(name if name.startswith(".") else f".{name}"))
