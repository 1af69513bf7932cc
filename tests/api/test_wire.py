"""The wire and the SDK are one: the same bytes out, the same value back, whatever the server does."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import ssl
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Literal
from urllib.request import getproxies

import anthropic
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.api import connections
from claude_parallel.api.account import Account, open_account
from claude_parallel.api.json_text import encode_body
from claude_parallel.api.messages import MessagesTransport
from claude_parallel.api.template import is_direct, record
from claude_parallel.errors import RunStopped
from claude_parallel.records import Body, Failure, Reply
from claude_parallel.retry import Again, RetryPolicy, Stop, judge_failure

from .raw_server import RESET, SILENCE, RawServer, message, raw_server

SECRET = "sk-ant-secret-0123456789"
BODY: Body = {"model": "claude-haiku-5-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Grüße \u2028"}]}
ANSWER = json.dumps(
    {
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": "Hi ü"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    ensure_ascii=False,
).encode()

Way = Literal["auto", "sdk"]
Result = Reply | Failure


@pytest.fixture
def server() -> Iterator[RawServer]:
    """Serve bytes on loopback."""
    with raw_server() as served:
        served.answer = [message(ANSWER, b"request-id: req_1")]
        served.keeps = True
        yield served


def send(account: Account, way: Way, *bodies: Body, timeout_seconds: float = 5.0) -> list[Result]:
    """Send bodies one after the other over one transport."""

    async def main() -> list[Result]:
        transport = MessagesTransport(account, max_connections=2, timeout_seconds=timeout_seconds, wire=way)
        try:
            return [await transport.send(body) for body in bodies or (BODY,)]
        finally:
            await transport.aclose()

    return asyncio.run(main())


def account_of(server: RawServer) -> Account:
    """Return an account at the server."""
    return open_account(None, api_key=SECRET, base_url=server.url)


def template_of(account: Account) -> Any:
    """Return what the SDK's request looks like, or None where it has to go through the SDK."""
    return asyncio.run(record(account, "/v1/messages", httpx2.Timeout(5.0)))


# -- the same bytes out ----------------------------------------------------------------------------------------------

CLIENTS: dict[str, Callable[[str], Any]] = {
    "key": lambda url: anthropic.AsyncAnthropic(api_key=SECRET, base_url=url),
    "token": lambda url: anthropic.AsyncAnthropic(auth_token="token", base_url=url),
    "sync": lambda url: anthropic.Anthropic(api_key=SECRET, base_url=url),
    "below a path": lambda url: anthropic.AsyncAnthropic(api_key=SECRET, base_url=f"{url}/gateway/v9/"),
    "headers and query": lambda url: anthropic.AsyncAnthropic(
        api_key=SECRET,
        base_url=url,
        default_headers={"X-Team": "data", "anthropic-version": "2023-06-01", "anthropic-beta": "a,b"},
        default_query={"q": "a b+c", "ü": "1"},
    ),
    "key in a header": lambda url: anthropic.AsyncAnthropic(
        auth_token="unused", base_url=url, default_headers={"x-api-key": "gateway"}
    ),
}


def normal(raw: bytes) -> list[bytes]:
    """Return the lines of a request, the names of its headers in lower case: HTTP does not tell them apart."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    return [first, *(name.lower() + value for name, value in (line.split(b":", 1) for line in headers)), body]


@pytest.mark.parametrize("name", CLIENTS)
def test_both_ways_send_the_same_bytes(server: RawServer, name: str) -> None:
    """Line for line of the head, and byte for byte of the body: this fails when the SDK sends something new."""
    account = open_account(CLIENTS[name](server.url), api_key=None, base_url=None)
    bodies = (BODY, {**BODY, "tomorrow": {"deep": [1, None, 1e22, True, "\x7f"]}})
    assert template_of(account) is not None
    assert all(isinstance(result, Reply) for result in send(account, "auto", *bodies) + send(account, "sdk", *bodies))
    over_the_wire, by_the_sdk = (
        [normal(raw) for raw in server.requests[:2]],
        [normal(raw) for raw in server.requests[2:]],
    )
    assert over_the_wire == by_the_sdk


@pytest.mark.filterwarnings("error")
def test_a_large_body_goes_as_it_is_and_warns_nobody(server: RawServer) -> None:
    """A picture of two megabytes: aiohttp warns of it in one piece, which cost the row where warnings raise."""
    large: Body = {**BODY, "messages": [{"role": "user", "content": "x" * 2**21}]}
    assert isinstance(send(account_of(server), "auto", large)[0], Reply)
    assert normal(server.requests[0])[-1] == encode_body(large)


def test_cookies_of_a_gateway_are_sent_back_on_both_ways(server: RawServer) -> None:
    """Load balancers keep a session on one machine by them."""
    server.answer = [message(ANSWER, b"set-cookie: node=7; Path=/")]
    send(account_of(server), "auto", BODY, BODY)
    send(account_of(server), "sdk", BODY, BODY)
    cookies = [[line for line in normal(raw) if line.startswith(b"cookie")] for raw in server.requests]
    assert cookies == [[], [b"cookie node=7"]] * 2


def test_a_run_keeps_its_connections(server: RawServer) -> None:
    """One after the other over one connection."""
    send(account_of(server), "auto", *[BODY] * 5)
    assert (len(server.requests), server.connections) == (5, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_a_body_is_encoded_as_the_sdk_does(body: dict[str, Any]) -> None:
    """Whatever JSON it is; what the SDK refuses is refused here."""
    heard: list[bytes] = []

    def take_note(request: httpx2.Request) -> httpx2.Response:
        heard.append(request.content)
        return httpx2.Response(200, json={})

    async def through_the_sdk() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(take_note)) as http:
            client = anthropic.AsyncAnthropic(api_key=SECRET, http_client=http, max_retries=0)
            await client.post("/v1/messages", cast_to=httpx2.Response, body=body)

    try:
        ours = [encode_body(body)]
    except ValueError:
        with pytest.raises(ValueError):
            asyncio.run(through_the_sdk())
        return
    asyncio.run(through_the_sdk())
    assert heard == ours


# -- the same value back ---------------------------------------------------------------------------------------------

PACKED = gzip.compress(ANSWER)
ANSWERS: dict[str, list[bytes]] = {
    "plain": [message(ANSWER, b"request-id: req_1", b"anthropic-ratelimit-requests-limit: 50")],
    "byte by byte": [bytes([byte]) for byte in message(ANSWER)],
    "gzip": [message(PACKED, b"Content-Encoding: gzip")],
    "deflate": [message(zlib.compress(ANSWER), b"content-encoding: deflate")],
    "an encoding of no name": [message(ANSWER, b"content-encoding: identity")],
    "an unknown encoding": [message(ANSWER, b"content-encoding: tomorrow")],
    "gzip that is none": [message(ANSWER, b"content-encoding: gzip")],
    "gzip cut off": [message(PACKED[:-12], b"content-encoding: gzip")],
    "chunked": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(ANSWER), ANSWER, b"\r\n0\r\n\r\n"],
    "chunked, packed": [
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(PACKED),
        PACKED,
        b"\r\n0\r\n\r\n",
    ],
    "chunked, cut off": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(ANSWER), ANSWER[:20]],
    "chunked, without an end": [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(ANSWER),
        ANSWER,
        b"\r\n",
    ],
    "a chunk of no size": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ANSWER, b"\r\n0\r\n\r\n"],
    "until the end of the connection": [b"HTTP/1.1 200 OK\r\n\r\n", ANSWER],
    "HTTP/1.0": [message(ANSWER).replace(b"HTTP/1.1", b"HTTP/1.0")],
    "longer than it says": [message(ANSWER) + b"more"],
    "shorter than it says": [message(ANSWER)[:-5]],
    "cut in the head": [b"HTTP/1.1 200 OK\r\ncontent-"],
    "nothing": [],
    "reset at once": [RESET],
    "reset in the head": [b"HTTP/1.1 200", RESET],
    "reset in the body": [message(ANSWER)[:-5], RESET],
    "garbage": [b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n"],
    "another protocol": [b"SSH-2.0-OpenSSH_9.9\r\n"],
    "a status of no number": [b"HTTP/1.1 OK fine\r\ncontent-length: 0\r\n\r\n"],
    "two lengths": [message(ANSWER, b"content-length: 5")],
    "a negative length": [b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"],
    "a header without a colon": [b"HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n"],
    "a huge header": [message(ANSWER, b"x-big: " + b"y" * 100_000)],
    "a header in Latin-1": [message(ANSWER, b"request-id: req_\xe9")],
    "a header in UTF-8": [message(ANSWER, "request-id: req_é".encode())],
    "informational first": [b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", message(ANSWER)],
    "no content": [b"HTTP/1.1 204 No Content\r\n\r\n"],
    "another success": [message(ANSWER, status=b"201 Created")],
    "an empty 200": [message(b"")],
    "a page": [message(b"<html>sign in</html>")],
    "a proxy's error": [message(b"<html>bad</html>", status=b"502 Bad Gateway")],
    "an error, packed": [
        message(
            gzip.compress(b'{"error": {"type": "overloaded_error", "message": "busy"}, "request_id": "req_2"}'),
            b"content-encoding: gzip",
            b"retry-after: 7",
            status=b"529 Overloaded",
        )
    ],
    "too early": [message(b"", status=b"425 Too Early")],
    "a status of tomorrow": [message(b"", status=b"799 Tomorrow")],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_both_ways_say_the_same_of_every_answer(server: RawServer, name: str) -> None:
    """Answers that are fine, odd, broken or no HTTP at all: one value, and only what was never sent is surely free."""
    server.answer, server.keeps = ANSWERS[name], False
    account = account_of(server)
    (over_the_wire,), (by_the_sdk,) = send(account, "auto"), send(account, "sdk")
    assert over_the_wire == by_the_sdk
    if isinstance(over_the_wire, Failure) and over_the_wire.status is None:
        assert over_the_wire.kind == "connection"
        assert over_the_wire.perhaps_billed
    assert len(server.requests) == 2


READ_WELL = (
    "plain",
    "byte by byte",
    "gzip",
    "deflate",
    "chunked",
    "chunked, packed",
    "HTTP/1.0",
    "informational first",
)


@pytest.mark.parametrize("name", [*READ_WELL, "until the end of the connection", "an encoding of no name"])
def test_what_http_allows_is_an_answer(server: RawServer, name: str) -> None:
    """Both ways agree, and not on a failure."""
    server.answer, server.keeps = ANSWERS[name], False
    (result,) = send(account_of(server), "auto")
    assert isinstance(result, Reply)
    assert result.message == json.loads(ANSWER)


def test_silence_is_a_timeout_that_may_have_been_billed(server: RawServer) -> None:
    """Before the first byte and in the middle, on both ways."""
    for answer in ([SILENCE], [message(ANSWER)[:-5], SILENCE]):
        server.answer = answer
        results = [send(account_of(server), way, timeout_seconds=0.2)[0] for way in ("auto", "sdk")]
        assert results == [Failure(kind="timeout", message="no answer in time", perhaps_billed=True)] * 2


def test_a_connection_that_cannot_be_made_is_free() -> None:
    """Neither by a name that nobody has, nor at a port where nobody listens."""
    for url in ("http://127.0.0.1:9", "http://nobody.invalid"):
        account = open_account(None, api_key=SECRET, base_url=url)
        results = [send(account, way)[0] for way in ("auto", "sdk")]
        assert results[0] == results[1]
        assert isinstance(results[0], Failure)
        assert (results[0].kind, results[0].perhaps_billed) == ("connection", False)


def test_text_that_cannot_be_encoded_costs_only_its_row(server: RawServer) -> None:
    """The next one goes the same way as ever."""
    broken: Body = {**BODY, "messages": [{"role": "user", "content": "\ud83d"}]}
    first, second = send(account_of(server), "auto", broken, BODY)
    assert (first,) == tuple(send(account_of(server), "sdk", broken))
    assert isinstance(second, Reply)


# -- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["auto", "sdk"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: RawServer, way: Way, status: int) -> None:
    """Neither prompt nor key goes to the other host, its JSON is no answer, the run ends at once and says why."""
    with raw_server() as elsewhere:
        elsewhere.answer = [message(ANSWER)]
        location = f"location: {elsewhere.url}/v1/messages?token=geheim".encode()
        server.answer = [message(b"", location, status=b"%d Moved" % status)]
        (result,) = send(account_of(server), way)
        assert elsewhere.requests == []
    assert isinstance(result, Failure)
    assert (result.kind, result.status, result.perhaps_billed) == ("not_found", status, False)
    assert "redirects to http://127.0.0.1 " in result.message
    assert "geheim" not in result.message
    assert judge_failure(result, [], RetryPolicy(), None) == Stop()  # type: ignore[arg-type]


def test_a_client_of_the_users_follows_no_redirect_either(server: RawServer) -> None:
    """Its HTTP client would."""
    with raw_server() as elsewhere:
        server.answer = [message(b"", b"location: " + elsewhere.url.encode(), status=b"307 Moved")]

        def make() -> anthropic.AsyncAnthropic:
            http = anthropic.DefaultAsyncHttpxClient(headers={"x-own": "1"})
            return anthropic.AsyncAnthropic(api_key=SECRET, base_url=server.url, http_client=http)

        (result,) = send(open_account(make, api_key=None, base_url=None), "auto")
        assert elsewhere.requests == []
    assert isinstance(result, Failure)


@pytest.mark.parametrize("location", ["", "/elsewhere", "http://[", "::", "\\\\x"])
def test_a_redirect_to_nowhere_is_one_too(server: RawServer, location: str) -> None:
    """Whatever the header says."""
    server.answer = [message(b"", f"location: {location}".encode(), status=b"302 Found")]
    (result,) = send(account_of(server), "auto")
    assert isinstance(result, Failure)
    assert result.kind == "not_found"


# -- where the wire is not taken -------------------------------------------------------------------------------------


class Subclass(anthropic.AsyncAnthropic):
    """A client that may sign or change each request."""


async def pass_on(request: Any, call_next: Any) -> Any:
    """Do nothing, in a middleware."""
    return await call_next(request)


class Provider:
    """A tracer provider that is not OpenTelemetry's silent one."""

    def get_tracer(self, *_args: Any, **_options: Any) -> Any:
        """Return a tracer that records nothing after all."""
        from opentelemetry import trace

        return trace.NoOpTracer()


def own_http() -> anthropic.AsyncAnthropic:
    """Return a client with an HTTP client of its own."""
    return anthropic.AsyncAnthropic(api_key=SECRET, http_client=anthropic.DefaultAsyncHttpxClient())


OTHERS: dict[str, Callable[[], Any]] = {
    "a subclass": lambda: Subclass(api_key=SECRET),
    "refreshed tokens": lambda: anthropic.AsyncAnthropic(credentials=lambda: anthropic.AccessToken("t", None)),
    "middleware": lambda: anthropic.AsyncAnthropic(api_key=SECRET, middleware=[pass_on]),
    "a tracer": lambda: anthropic.AsyncAnthropic(api_key=SECRET, open_telemetry={"tracer_provider": Provider()}),
    "an HTTP client of its own": lambda: own_http,
    "a host that needs another name in TLS": lambda: anthropic.AsyncAnthropic(
        api_key=SECRET, base_url="https://my_host.example"
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_sdk_sends_where_a_call_may_differ_from_the_next(name: str) -> None:
    """Certainly the same, or not at all."""
    assert template_of(open_account(OTHERS[name](), api_key=None, base_url=None)) is None


def test_a_client_with_tracing_off_may_take_the_wire() -> None:
    """Then nobody records."""
    client = anthropic.AsyncAnthropic(api_key=SECRET, open_telemetry=False)
    assert template_of(open_account(client, api_key=None, base_url=None)) is not None


def test_who_debugs_the_sdk_sees_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """``ANTHROPIC_LOG=debug`` shows each request, so the SDK sends each."""
    account = open_account(None, api_key=SECRET, base_url="http://127.0.0.1:9")
    monkeypatch.setattr(logging.getLogger("anthropic"), "level", logging.DEBUG)
    logging.getLogger("anthropic").manager._clear_cache()  # type: ignore[attr-defined]
    assert template_of(account) is None
    monkeypatch.undo()
    logging.getLogger("anthropic").manager._clear_cache()  # type: ignore[attr-defined]


def test_middleware_sees_every_call(server: RawServer) -> None:
    """The wire leaves nobody out who wants to look."""
    seen: list[Any] = []

    async def watch(request: Any, call_next: Any) -> Any:
        seen.append(request)
        return await call_next(request)

    client = anthropic.AsyncAnthropic(api_key=SECRET, base_url=server.url, middleware=[watch])
    results = send(open_account(client, api_key=None, base_url=None), "auto", BODY, BODY)
    assert [type(result) for result in results] == [Reply, Reply]
    assert len(seen) == 2


class Unreadable:
    """A client whose SDK has changed beyond recognition."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name == "open_telemetry":
            raise AttributeError(name)
        return getattr(self._client, name)


def test_an_sdk_that_has_changed_still_sends(server: RawServer) -> None:
    """What cannot be read any more means the SDK's own way, and the run works."""
    plain = account_of(server)
    changed = Account(plain.host, plain.owner, lambda http: Unreadable(plain.make_client(http)))
    assert template_of(changed) is None
    assert isinstance(send(changed, "auto")[0], Reply)


def test_the_wire_can_be_switched_off(server: RawServer) -> None:
    """``cp.configure(wire="sdk")``; the SDK's own client opens another connection than the wire would."""
    cp.configure(api_key=SECRET, base_url=server.url, wire="sdk")
    frame = cp.map(["hello"], progress=False, journal=False)
    assert frame["response"].tolist() == ["Hi ü"]


# -- proxies ---------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["api.anthropic.com", "anthropic.com", ".anthropic.com", "*.anthropic.com", "com", "thropic.com", "localhost"]
    + ["127.0.0.1", "27.0.0.1", "127.0.0.0/8", "::1", "[::1]", "api.anthropic.com:443", "https://api.anthropic.com"]
    + ["*", "", " api.anthropic.com ", "API.Anthropic.com", "x.localhost", ".", "..", "a,b"]
)
HOSTS = ["api.anthropic.com", "anthropic.com", "localhost", "x.localhost", "127.0.0.1", "[::1]", "other.example"]


@given(
    st.dictionaries(st.sampled_from(["http", "https", "all"]), st.just("http://proxy.example:1")),
    st.lists(NAMES, max_size=3),
    st.sampled_from(["http", "https"]),
    st.sampled_from(HOSTS),
)
def test_direct_is_direct_for_the_sdk_too(
    proxies: dict[str, str], exceptions: list[str], scheme: str, host: str
) -> None:
    """Where the rule says that no proxy stands before a host, the SDK's HTTP client takes none."""
    url = httpx2.URL(f"{scheme}://{host}/v1")
    environment = {**{f"{name}_proxy": proxy for name, proxy in proxies.items()}, "no_proxy": ",".join(exceptions)}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http", "https", "all", "no"):
            patch.delenv(f"{name.upper()}_PROXY", raising=False)
            patch.delenv(f"{name}_proxy", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        direct = is_direct(scheme, url.host, getproxies())
        client = httpx2.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        taken = client._transport_for_url(url)
    assert not direct or taken is client._transport


@pytest.mark.parametrize(
    ("proxies", "is_so"),
    [
        ({}, True),
        ({"no": "anything"}, True),
        ({"http": "http://proxy:1"}, True),
        ({"https": "http://proxy:1"}, False),
        ({"all": "http://proxy:1"}, False),
        ({"https": "http://proxy:1", "no": "api.anthropic.com"}, True),
        ({"https": "http://proxy:1", "no": "localhost, .anthropic.com"}, True),
        ({"https": "http://proxy:1", "no": "anthropic.com"}, True),
        ({"https": "http://proxy:1", "no": "thropic.com"}, False),
        ({"https": "http://proxy:1", "no": "*"}, True),
    ],
)
def test_a_proxy_is_judged_for_the_very_host(proxies: dict[str, str], is_so: bool) -> None:
    """NO_PROXY alone is no proxy, and one for another scheme or with an exception for the API is none either."""
    assert is_direct("https", "api.anthropic.com", proxies) is is_so


# -- a key that has changed ------------------------------------------------------------------------------------------


def test_a_refused_key_is_looked_up_anew_once(server: RawServer) -> None:
    """Somebody has changed the client's key while the run went on: the call goes again with the new one."""
    client = anthropic.AsyncAnthropic(api_key="old", base_url=server.url)
    account = open_account(client, api_key=None, base_url=None)

    async def main() -> list[Result]:
        transport = MessagesTransport(account, max_connections=2, timeout_seconds=5.0)
        first = await transport.send(BODY)
        server.answer = [message(b"{}", status=b"401 Unauthorized")]
        refused = await transport.send(BODY)
        client.api_key = "new"
        still_refused = await transport.send(BODY)
        server.answer = [message(ANSWER)]
        last = await transport.send(BODY)
        await transport.aclose()
        return [first, refused, still_refused, last]

    first, refused, still_refused, last = asyncio.run(main())
    keys = [line.split()[-1] for head in server.heads for line in head if line.lower().startswith("authorization")]
    assert keys == ["old", "old", "old", "new", "new"]
    assert [type(result) for result in (first, refused, still_refused, last)] == [Reply, Failure, Failure, Reply]


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_token_that_was_refused_is_fetched_anew_once(server: RawServer, is_answered: bool) -> None:
    """It was revoked, or the clocks differ: all calls in flight go again with one new token; a wrong one ends it."""
    given: list[str] = []

    def provide(*, force_refresh: bool = False) -> anthropic.AccessToken:
        if is_answered and given:
            server.answer = [message(ANSWER)]
        given.append(f"token-{len(given)}")
        return anthropic.AccessToken(given[-1], int(time.time()) + 3_600)

    client = anthropic.AsyncAnthropic(credentials=provide, base_url=server.url)
    account = open_account(client, api_key=None, base_url=None)

    async def main() -> list[Result]:
        transport = MessagesTransport(account, max_connections=4, timeout_seconds=5.0)
        await transport.send(BODY)
        server.answer = [message(b"{}", status=b"401 Unauthorized")]
        results = await asyncio.gather(*(transport.send(BODY) for _ in range(3)))
        await transport.aclose()
        return results

    results = asyncio.run(main())
    assert [type(result) for result in results] == [Reply if is_answered else Failure] * 3
    assert given == ["token-0", "token-1"]


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["auto", "sdk"])
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_blocked_loop_throws_no_answer_away(server: RawServer, way: Way, size: int) -> None:
    """The answer has arrived while something else held the loop for longer than a call may take: it is kept."""
    long = json.dumps({**json.loads(ANSWER), "content": [{"type": "text", "text": "x" * size}]}).encode()
    server.answer = [message(long)]

    async def main() -> Result:
        transport = MessagesTransport(account_of(server), max_connections=2, timeout_seconds=0.5, wire=way)
        await transport.send(BODY)  # the connection is there
        call = asyncio.create_task(transport.send(BODY))
        while len(server.requests) < 2:
            await asyncio.sleep(0.001)
        time.sleep(1.2)
        result = await call
        await transport.aclose()
        return result

    assert isinstance(asyncio.run(main()), Reply)


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> Any:
    """Return a certificate authority of this test's own."""
    import trustme

    return trustme.CA()


@pytest.mark.parametrize("way", ["auto", "sdk"])
def test_certificates_are_checked(authority: Any, way: Way, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown ones are refused before anything is sent; ``SSL_CERT_FILE`` names whom to trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with raw_server(context) as server:
        server.answer = [message(ANSWER)]
        (refused,) = send(account_of(server), way)
        assert isinstance(refused, Failure)
        assert (refused.kind, refused.perhaps_billed) == ("connection", False)
        assert "certificate is not trusted" in refused.message
        assert "SSL_CERT_FILE" in str(RunStopped(refused.kind, refused.message, refused.hint))
        assert isinstance(judge_failure(refused, (), RetryPolicy(), Random(0)), Stop)
        assert server.requests == []
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert isinstance(send(account_of(server), way)[0], Reply)


def test_certificates_of_another_host_are_refused(
    authority: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both ways with the same words."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example").configure_cert(context)
    with raw_server(context) as server:
        results = [send(account_of(server), way)[0] for way in ("auto", "sdk")]
        assert server.requests == []
    assert results[0] == results[1]
    assert isinstance(results[0], Failure)
    assert "not valid for" in results[0].message
    assert str(results[0].hint).startswith("mend base_url")


@pytest.mark.parametrize(
    ("status", "words", "stops"),
    [
        (b"407 Proxy Authentication Required", "asks for a name and a password", True),
        (b"502 Bad", "HTTP status 502", False),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_named(
    server: RawServer, scheme: str, status: bytes, words: str, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets past one that wants a password: the run ends and says how to write it, and never the password."""
    server.answer = [message(b"no", status=status)]
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", server.url.replace("//", "//joe:pa55word@"))
    account = open_account(None, api_key=SECRET, base_url=f"{scheme}://api.nowhere.invalid")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # the SDK's, which hands the password to aiohttp its own way
        (refused,) = send(account, "auto")
    assert isinstance(refused, Failure)
    assert words in refused.message
    told = str(RunStopped(refused.kind, refused.message, refused.hint))
    assert told.endswith("HTTPS_PROXY, as in http://name:password@proxy.example:8080, then run the cell again") == stops
    assert "check it, then retry" not in told
    assert "pa55word" not in repr(refused)
    assert isinstance(judge_failure(refused, (), RetryPolicy(), Random(0)), Stop) == stops


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may be an outage: it is waited for."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    (failed,) = send(open_account(None, api_key=SECRET, base_url="https://api.nowhere.invalid"), "auto")
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.message, failed.perhaps_billed) == ("connection", "the proxy cannot be reached", False)
    assert isinstance(judge_failure(failed, (), RetryPolicy(), Random(0)), Again)


def test_certificates_are_read_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, authority: Any) -> None:
    """One context per process and setting; a file that has changed is read again."""
    assert connections.ssl_context() is connections.ssl_context()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    first = connections.ssl_context()
    assert first is connections.ssl_context()
    authority.cert_pem.write_to_path(file, append=True)
    assert connections.ssl_context() is not first
