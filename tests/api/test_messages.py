"""The real SDK against a scripted server on loopback: every way in which a call can end, and every kind of client."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import anthropic
import pytest

import claude_parallel as cp
from claude_parallel.api.account import Account, open_account
from claude_parallel.api.messages import MessagesTransport
from claude_parallel.errors import CredentialsError, InputError
from claude_parallel.records import Body, Failure, Reply

SECRET = "sk-ant-secret-0123456789"
BODY: Body = {"model": "claude-haiku-5-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


@dataclass
class Script:
    """What the server says next, and what it heard."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = json.dumps(MESSAGE).encode()
    fault: str = ""
    release: threading.Event = field(default_factory=threading.Event)
    heard: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about connections that the test broke."""


@pytest.fixture
def api() -> Iterator[Script]:
    """Serve a script on loopback."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.heard.append((self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(raw)))
            if script.fault == "silence":
                script.release.wait(20)
            if script.fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
                return
            self.send_response(script.status)
            for name, value in {"content-type": "application/json", **script.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(script.body)))
            self.end_headers()
            cut = len(script.body) // 2 if script.fault == "truncated" else len(script.body)
            self.wfile.write(script.body[:cut])
            if script.fault == "truncated":
                self.close_connection = True

        def log_message(self, *_args: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    yield script
    script.release.set()
    server.shutdown()
    server.server_close()


_way: list[Literal["auto", "sdk"]] = ["auto"]


@pytest.fixture(autouse=True, params=["auto", "sdk"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Go both ways: over the wire, and through the SDK for each request. Nobody can tell the difference."""
    _way[:] = [request.param]
    yield request.param
    _way[:] = ["auto"]


def send(account: Account, body: Body = BODY, *, timeout_seconds: float = 10.0) -> Reply | Failure:
    """Send one request on a loop of its own, this test's way."""

    async def main() -> Reply | Failure:
        transport = MessagesTransport(account, max_connections=2, timeout_seconds=timeout_seconds, wire=_way[0])
        try:
            return await transport.send(body)
        finally:
            await transport.aclose()

    return asyncio.run(main())


def account_of(api: Script) -> Account:
    """Return an account at the scripted server."""
    return open_account(None, api_key=SECRET, base_url=api.url)


def failure_of(api: Script, **options: Any) -> Failure:
    """Send one request and return its failure."""
    result = send(account_of(api), **options)
    assert isinstance(result, Failure)
    return result


# -- how a call ends -------------------------------------------------------------------------------------------------


def test_an_answer_is_the_message_as_it_was_sent(api: Script) -> None:
    """Unknown fields and blocks included; the request id and the limits come from the headers."""
    message = {**MESSAGE, "brand_new": {"x": 1}, "content": [{"type": "hologram", "data": "z"}]}
    api.body = json.dumps(message).encode()
    api.headers = {
        "request-id": "req_9",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
    }
    result = send(account_of(api))
    assert isinstance(result, Reply)
    assert result.message == message
    assert result.request_id == "req_9"
    assert result.rate_limits["requests"].limit == 50.0


@pytest.mark.parametrize("status", [201, 202, 203])
def test_a_message_is_an_answer_with_every_success(api: Script, status: int) -> None:
    """A proxy that touches an answer makes a 203 of the 200 (RFC 9110): the row failed, and was paid each time."""
    api.status = status
    result = send(account_of(api))
    assert isinstance(result, Reply)
    assert result.message == MESSAGE

    api.body = b"<html>sign in</html>"
    found = failure_of(api)
    assert (found.kind, found.status, found.perhaps_billed, found.is_broken_answer) == (
        "connection",
        status,
        True,
        True,
    )


def test_the_body_travels_as_it_is(api: Script) -> None:
    """Fields that the SDK does not know travel too: tomorrow's options work today."""
    body = {**BODY, "tomorrow": {"deep": [1, None, "ü"]}, "temperature": 0.5}
    send(account_of(api), body)
    path, headers, heard = api.heard[0]
    assert path == "/v1/messages"
    assert heard == body
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert headers["anthropic-version"] == "2026-10-21"


STATUSES = [
    (400, "invalid_request_error", None, "invalid"),
    (401, "authentication_error", None, "auth"),
    (402, "billing_error", None, "billing"),
    (402, "billing_error", "linked_organization_spend_limit_reached", "spend_limit"),
    (402, "billing_error", "linked_organization_billing_unavailable", "billing"),
    (403, "permission_error", None, "auth"),
    (404, "not_found_error", None, "not_found"),
    (408, "timeout_error", None, "timeout"),
    (409, "conflict_error", None, "server"),
    (412, "x", None, "invalid"),
    (413, "request_too_large", None, "too_large"),
    (422, "x", None, "invalid"),
    (431, "x", None, "invalid"),
    (429, "rate_limit_error", None, "rate_limit"),
    (429, "rate_limit_error", "enforced_spend_limit_reached", "spend_limit"),
    (429, "rate_limit_error", "contract_spend_limit_reached", "spend_limit"),
    (429, "rate_limit_error", "ramp_limit_exceeded", "rate_limit"),
    (500, "api_error", None, "server"),
    (501, "x", None, "server"),
    (503, "x", None, "server"),
    (504, "timeout_error", None, "timeout"),
    (529, "overloaded_error", None, "overloaded"),
    (418, "teapot", None, "invalid"),
]


@pytest.mark.parametrize(("status", "kind_of_error", "code", "kind"), STATUSES)
def test_every_status_is_a_failure_of_its_kind_after_one_call(
    api: Script, status: int, kind_of_error: str, code: str | None, kind: str
) -> None:
    """Nothing is raised, and the SDK retries nothing by itself."""
    error: dict[str, Any] = {"type": kind_of_error, "message": "the API's own words"}
    if code:
        error["details"] = {"error_code": code}
    api.status, api.body = status, json.dumps({"type": "error", "error": error, "request_id": "req_7"}).encode()
    api.headers = {"retry-after": "7.25", "x-should-retry": "true"}
    failure = failure_of(api)
    assert (failure.kind, failure.status, failure.error_code) == (kind, status, code)
    assert (failure.message, failure.request_id) == ("the API's own words", "req_7")
    assert (failure.retry_after, failure.should_retry) == (7.25, True)
    assert not failure.perhaps_billed
    assert len(api.heard) == 1


@pytest.mark.parametrize("status", [502, 503, 413, 403])
def test_the_page_of_a_proxy_is_a_failure_too(api: Script, status: int) -> None:
    """HTML where JSON should be: the status still tells the kind."""
    api.status, api.body, api.headers = status, b"<html>bad</html>", {"content-type": "text/html"}
    failure = failure_of(api)
    assert failure.kind == {502: "server", 503: "server", 413: "too_large", 403: "connection"}[status]
    assert "<" not in failure.message


@pytest.mark.parametrize(
    ("body", "kind", "what"),
    [
        (b"<html>sign in</html>", "connection", "a page came instead of an answer"),
        (b"\xff\xfe", "connection", "a page came instead of an answer"),
        (b"[]", "connection", "JSON that is not a Message"),
        (b'"text"', "connection", "JSON that is not a Message"),
        (b'{"status": "ok"}', "connection", "JSON that is not a Message"),
        (b"", "server", "cut off"),
        (b'{"content": []', "server", "cut off"),
        (b'{"type": "error"}', "server", "HTTP status 500"),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}', "overloaded", "busy"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=utf-8"])
def test_a_200_that_is_no_message_may_have_been_billed(
    api: Script, body: bytes, kind: str, what: str, content_type: str
) -> None:
    """The budget counts it; cut off is told from what something on the way says in the API's place."""
    api.body, api.headers = body, {"content-type": content_type}
    failure = failure_of(api)
    assert (failure.kind, failure.status) == (kind, 200)
    assert what in failure.message
    assert ("text/html)" in failure.message) == (kind == "connection" and "html" in content_type)
    assert failure.perhaps_billed


@pytest.mark.parametrize(("fault", "kind", "status"), [("reset", "connection", None), ("truncated", "server", 200)])
def test_a_connection_that_breaks_may_have_been_billed(api: Script, fault: str, kind: str, status: int | None) -> None:
    """The answer may have been on its way; where it had begun, it is an answer that was cut off."""
    api.fault = fault
    failure = failure_of(api)
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.perhaps_billed
    assert len(api.heard) == 1


def test_a_refusal_that_is_cut_off_is_a_refusal_all_the_same(api: Script, way: str) -> None:
    """Its status and its headers came first; the SDK tells nobody of them."""
    if way == "sdk":  # it raises what its HTTP client raises
        return
    api.fault, api.status, api.headers = "truncated", 429, {"retry-after": "7"}
    failure = failure_of(api)
    assert (failure.kind, failure.status, failure.retry_after) == ("rate_limit", 429, 7.0)
    assert not failure.perhaps_billed


def test_an_answer_that_cannot_be_unpacked_may_have_been_billed(api: Script) -> None:
    """A body that is not what its header says, as some proxies send it."""
    api.headers = {"content-encoding": "gzip"}
    failure = failure_of(api)
    assert failure.kind in ("connection", "server")
    assert failure.perhaps_billed


def test_a_call_that_takes_too_long_ends_at_its_timeout(api: Script) -> None:
    """The whole call counts, not the pause between two bytes; it may have been billed."""
    api.fault = "silence"
    failure = failure_of(api, timeout_seconds=0.3)
    assert failure.kind == "timeout"
    assert failure.perhaps_billed


def test_a_server_that_is_not_there_costs_nothing() -> None:
    """A refused connection carried no request, so nothing was billed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    failure = send(open_account(None, api_key=SECRET, base_url=url))
    assert isinstance(failure, Failure)
    assert failure.kind == "connection"
    assert not failure.perhaps_billed


@pytest.mark.parametrize("text", ["half a pair \ud83d", "\udcff"])
def test_text_that_cannot_be_encoded_is_this_rows_problem(api: Script, text: str) -> None:
    """A lone surrogate is an invalid row, neither a crash nor a broken connection."""
    body = {**BODY, "messages": [{"role": "user", "content": text}]}
    result = send(account_of(api), body)
    assert isinstance(result, Failure)
    assert result.kind == "invalid"
    assert not result.perhaps_billed


def test_tokens_are_counted_without_max_tokens(api: Script) -> None:
    """The counting endpoint does not take it."""
    api.body = b'{"input_tokens": 42}'

    async def main() -> int | Failure:
        transport = MessagesTransport(account_of(api), max_connections=1, timeout_seconds=5.0, wire=_way[0])
        try:
            return await transport.count_tokens(BODY)
        finally:
            await transport.aclose()

    assert asyncio.run(main()) == 42
    path, _, heard = api.heard[0]
    assert path == "/v1/messages/count_tokens"
    assert "max_tokens" not in heard


@pytest.mark.parametrize("body", [b"<html>", b'{"input_tokens": "many"}', b"[]"])
def test_a_count_that_is_no_number_is_a_failure(api: Script, body: bytes) -> None:
    """Nothing is raised here either."""
    api.body = body

    async def main() -> int | Failure:
        transport = MessagesTransport(account_of(api), max_connections=1, timeout_seconds=5.0, wire=_way[0])
        try:
            return await transport.count_tokens(BODY)
        finally:
            await transport.aclose()

    assert isinstance(asyncio.run(main()), Failure)


# -- the way there ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_is_respected(api: Script, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A proxy for the world does not stand between us and loopback."""
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert isinstance(send(account_of(api)), Reply)


def test_a_proxy_from_the_environment_is_used(api: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a company's proxy there is no other way out."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", api.url)
    result = send(open_account(None, api_key=SECRET, base_url="http://api.nowhere.invalid"))
    assert isinstance(result, Reply)
    assert "api.nowhere.invalid" in api.heard[0][1]["host"]


# -- clients ---------------------------------------------------------------------------------------------------------


def test_settings_of_an_async_client_are_carried_over(api: Script) -> None:
    """Key, URL, headers and query stay; connections, timeout and retries are ours."""
    client = anthropic.AsyncAnthropic(
        api_key=SECRET, base_url=api.url, default_headers={"x-team": "data"}, default_query={"q": "1"}, max_retries=5
    )
    api.status = 500
    assert isinstance(send(open_account(client, api_key=None, base_url=None)), Failure)
    assert len(api.heard) == 1
    path, headers, _ = api.heard[0]
    assert path == "/v1/messages?q=1"
    assert headers["x-team"] == "data"
    assert headers["authorization"] == f"Bearer {SECRET}"


def test_settings_of_a_sync_client_are_carried_over(api: Script) -> None:
    """An analyst's client is often the blocking one."""
    client = anthropic.Anthropic(api_key=SECRET, base_url=api.url, default_headers={"x-team": "data"})
    assert isinstance(send(open_account(client, api_key=None, base_url=None)), Reply)
    assert api.heard[0][1]["x-team"] == "data"
    assert api.heard[0][1]["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("make", [anthropic.AsyncAnthropic, anthropic.Anthropic])
def test_a_client_with_a_token_signs_in_with_it(api: Script, make: Any) -> None:
    """``auth_token`` instead of a key."""
    client = make(auth_token="token-123", base_url=api.url)
    assert isinstance(send(open_account(client, api_key=None, base_url=None)), Reply)
    assert api.heard[0][1]["authorization"] == "Bearer token-123"


def test_a_key_in_a_header_is_a_way_to_sign_in(api: Script, no_profile: None) -> None:
    """``default_headers={"X-Api-Key": ...}`` is all that some gateways take."""
    client = anthropic.AsyncAnthropic(base_url=api.url, default_headers={"X-Api-Key": "gateway"})
    assert isinstance(send(open_account(client, api_key=None, base_url=None)), Reply)
    assert api.heard[0][1]["x-api-key"] == "gateway"


def test_a_callable_makes_a_new_client_for_each_run(api: Script) -> None:
    """The way to keep an HTTP client of one's own; it is made on the run's loop."""
    made: list[anthropic.AsyncAnthropic] = []

    def make() -> anthropic.AsyncAnthropic:
        http = anthropic.DefaultAsyncHttpxClient(headers={"x-own": "yes"})
        made.append(anthropic.AsyncAnthropic(api_key=SECRET, base_url=api.url, http_client=http))
        return made[-1]

    account = open_account(make, api_key=None, base_url=None)
    assert isinstance(send(account), Reply)
    assert isinstance(send(account), Reply)
    assert [heard[1]["x-own"] for heard in api.heard] == ["yes", "yes"]
    assert len({id(client) for client in made}) == len(made) >= 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: anthropic.AsyncAnthropic(api_key=SECRET, http_client=anthropic.DefaultAsyncHttpxClient()),
        lambda: anthropic.AsyncAnthropic(api_key=SECRET, http_client=anthropic.DefaultAioHttpClient()),
        lambda: anthropic.Anthropic(api_key=SECRET, http_client=anthropic.DefaultHttpxClient()),
    ],
    ids=["async", "aiohttp", "sync"],
)
def test_a_client_with_an_http_client_of_its_own_is_refused(make: Any) -> None:
    """Its proxy or certificates would be dropped silently; the message says how to keep them."""

    async def main() -> Any:
        return make()

    with pytest.raises(InputError, match="client=lambda"):
        open_account(asyncio.run(main()), api_key=None, base_url=None)


@pytest.mark.parametrize("client", ["a key", 42, {"api_key": "x"}, lambda: "nonsense", lambda: anthropic.Anthropic()])
def test_what_is_no_client_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clear error, and not an attribute error somewhere inside."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    with pytest.raises(InputError, match="client="):
        open_account(client, api_key=None, base_url=None)


@pytest.fixture
def no_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user who never signed in: no key, no profile, an empty home."""
    monkeypatch.delenv("ANTHROPIC_CONFIG_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.parametrize("make", [lambda: None, anthropic.AsyncAnthropic, anthropic.Anthropic])
def test_without_credentials_the_message_names_the_two_ways_out(no_profile: None, make: Any) -> None:
    """ANTHROPIC_API_KEY, or the simulator; found before the first call."""
    with pytest.raises(CredentialsError, match=r"ANTHROPIC_API_KEY[\s\S]*simulator\(\)"):
        open_account(make(), api_key=None, base_url=None)


def test_a_profile_that_is_not_there_is_told_like_a_missing_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK raises at once where a profile was named; the message says both."""
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "nothing here"))
    with pytest.raises(CredentialsError, match=r"ANTHROPIC_API_KEY[\s\S]*simulator\(\)[\s\S]*not found"):
        open_account(None, api_key=None, base_url=None)


def test_two_accounts_on_one_host_have_different_owners(api: Script) -> None:
    """Each has limits of its own; the same key is the same account, however it was given."""
    owners = [
        open_account(client, api_key=key, base_url=api.url).owner
        for client, key in (
            (None, "key-1"),
            (None, "key-2"),
            (anthropic.Anthropic(api_key="key-1", base_url=api.url), None),
        )
    ]
    assert owners[0] != owners[1]
    assert owners[0] == owners[2]


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["", "reset", "silence"])
@pytest.mark.parametrize("status", [200, 401])
def test_the_key_is_never_said(api: Script, caplog: pytest.LogCaptureFixture, status: int, fault: str) -> None:
    """Neither in a repr, nor in a failure, nor in a log line at INFO."""
    caplog.set_level(logging.INFO)
    api.status, api.fault = status, fault
    account = account_of(api)
    result = send(account, timeout_seconds=0.3)
    said = f"{account!r} {account} {result!r} {caplog.text}"
    assert SECRET not in said
    assert SECRET[-8:] not in said


def test_the_key_is_in_no_error_of_a_run(api: Script) -> None:
    """A refused key is not repeated in the exception, nor anywhere in its chain."""
    api.status, api.body = (
        401,
        b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}',
    )
    cp.configure(api_key=SECRET, base_url=api.url)
    with pytest.raises(cp.RunStopped) as caught:
        cp.map(["hello"], progress=False, journal=False)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
