"""Streamed calls over HTTP: the same answer both ways, told of when it begins, and plain where nobody streams."""

from __future__ import annotations

import asyncio
import gzip
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import anthropic
import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.api.account import open_account
from claude_parallel.api.messages import MessagesTransport
from claude_parallel.records import Failure, Reply
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer
from claude_parallel.simulation.streaming import first_event, later_events

from ..nasty.server import NastyServer, Saying, good, message, nasty_server
from .raw_server import RESET, SILENCE, raw_server

BODY = {
    "model": "claude-haiku-5-5",
    "max_tokens": 2_000,
    "messages": [{"role": "user", "content": "Tell me a story."}],
}
Way = Literal["auto", "sdk"]
ways = pytest.mark.parametrize("way", ["auto", "sdk"])


def call(
    url: str, way: Way, *, streamed: bool = True, timeout: float = 10.0, client: Any = None
) -> tuple[Reply | Failure, list[float]]:
    """Send one request; return its result, and what share of its time had passed when its answer began."""
    begun: list[float] = []

    async def main() -> Reply | Failure:
        account = open_account(client, api_key=None if client else "sk-any", base_url=None if client else url)
        transport = MessagesTransport(account, max_connections=2, timeout_seconds=timeout, wire=way)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            if not streamed:
                return await transport.send(BODY)
            result = await transport.send_and_tell(BODY, lambda: begun.append(loop.time() - started))
            begun[:] = [at / (loop.time() - started) for at in begun]
            return result
        finally:
            await transport.aclose()

    return asyncio.run(main()), begun


@ways
def test_a_streamed_answer_is_the_one_in_one_piece(way: Way) -> None:
    """Every field but the id of the call; it begins long before it ends."""
    profile = Profile(latency_seconds=0.05, seconds_per_output_token=0.002, output_tokens=200, thinking_share=1.0)
    with SimulatorServer(profile) as api:
        streamed, begun = call(api.url, way)
    with SimulatorServer(profile) as api:
        plain, _ = call(api.url, way, streamed=False)
    assert isinstance(streamed, Reply)
    assert isinstance(plain, Reply)
    assert streamed.message == plain.message
    assert streamed.rate_limits == plain.rate_limits
    assert len(begun) == 1
    assert begun[0] < 0.7


@ways
def test_a_stream_that_breaks_is_a_failure_that_may_have_been_billed(way: Way) -> None:
    """It has begun, so it may be on the bill."""
    with SimulatorServer(Profile(faults={"truncated": 1.0})) as api:
        result, begun = call(api.url, way)
    assert isinstance(result, Failure)
    assert result.perhaps_billed
    assert len(begun) == 1


@ways
@pytest.mark.parametrize("ending", [b"", RESET, SILENCE])
def test_a_stream_that_breaks_after_its_answer_brings_the_answer(way: Way, ending: bytes) -> None:
    """It is whole and paid, and was asked, and paid, again: only the word that it has ended is missing."""
    said = message("whole")
    events = (first_event(said) + "".join(later_events(said))).partition("event: message_stop")[0].encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    with raw_server() as server:
        server.answer = [head, b"%x\r\n%s\r\n" % (len(events), events), ending]
        result, begun = call(server.url, way, timeout=1.0)
    assert isinstance(result, Reply)
    assert (result.message, len(begun)) == (said, 1)


@ways
def test_a_refused_call_is_refused_streamed_as_well(way: Way) -> None:
    """The status is seen before any stream."""
    with SimulatorServer(Profile(script={1: "overloaded"})) as api:
        result, begun = call(api.url, way)
    assert isinstance(result, Failure)
    assert (result.kind, result.status, begun) == ("overloaded", 529, [])


@ways
def test_a_server_that_does_not_stream_answers_all_the_same(way: Way) -> None:
    """JSON instead of events is an answer."""
    with nasty_server({}) as api:
        result, begun = call(api.url, way)
    assert isinstance(result, Reply)
    assert (result.message["content"][0]["text"], begun) == ("fine", [])


@ways
@pytest.mark.parametrize("status", [400, 404, 501])
def test_a_server_that_refuses_to_stream_is_asked_plainly(way: Way, status: int) -> None:
    """A refusal costs nothing, and the row is answered."""

    class Plain(NastyServer):
        def saying_to(self, body: Mapping[str, Any]) -> Saying:
            error = {"type": "invalid_request_error", "message": "stream: Extra inputs are not permitted"}
            refusal = Saying(json.dumps({"type": "error", "error": error}), status=status)
            return refusal if "stream" in body else good()

    with nasty_server({}) as api:
        api.saying_to = Plain.saying_to.__get__(api)  # type: ignore[method-assign]
        result, _ = call(api.url, way)
    assert isinstance(result, Reply)


@ways
def test_a_stream_that_falls_silent_is_a_timeout(way: Way) -> None:
    """The time of a call is the time of the whole answer."""
    profile = Profile(latency_seconds=0.01, seconds_per_output_token=1.0, output_tokens=200)
    with SimulatorServer(profile) as api:
        result, begun = call(api.url, way, timeout=0.6)
    assert isinstance(result, Failure)
    assert (result.kind, result.perhaps_billed, len(begun)) == ("timeout", True, 1)


@ways
def test_a_stream_that_comes_packed_is_unpacked(way: Way) -> None:
    """Some gateways pack whatever they pass on, though nobody asked for it."""
    said = message("packed")
    events = (first_event(said) + "".join(later_events(said))).encode()
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    with nasty_server({}) as api:
        api.saying_to = lambda _body: Saying(gzip.compress(events), headers=headers)  # type: ignore[method-assign]
        result, begun = call(api.url, way)
    assert isinstance(result, Reply)
    assert (result.message, len(begun)) == (said, 1)


LATE_ERROR = b'event: error\ndata: {"type": "error", "error": {"type": "api_error", "message": "late"}}\n\n'


@ways
@pytest.mark.parametrize("tail", [RESET, SILENCE, LATE_ERROR, b"data: [DONE]\n\n", b""])
@pytest.mark.parametrize("kind", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8"])
def test_what_follows_the_end_of_an_answer_does_not_cost_it(way: Way, tail: bytes, kind: bytes) -> None:
    """It is whole and paid: a connection that breaks, hangs or says more changes nothing, and is not waited for."""
    said = message("whole")
    events = (first_event(said) + "".join(later_events(said))).encode()
    with raw_server() as api:
        api.answer = [b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\nconnection: close\r\n\r\n", events, tail]
        result, begun = call(api.url, way, timeout=3.0)
    assert isinstance(result, Reply)
    assert (result.message, len(begun)) == (said, 1)


@ways
def test_a_stream_of_nothing_may_have_been_billed(way: Way) -> None:
    """A 200 that says nothing is an answer that was lost."""
    headers = {"content-type": "text/event-stream"}
    with nasty_server({}) as api:
        api.saying_to = lambda _body: Saying("event: ping\n\n", headers=headers)  # type: ignore[method-assign]
        result, begun = call(api.url, way)
    assert isinstance(result, Failure)
    assert (result.kind, result.perhaps_billed, begun) == ("server", True, [])


def test_middleware_of_the_users_client_sees_the_streamed_call_as_well() -> None:
    """It goes through the SDK, and its answer is the Message."""
    seen: list[bool] = []

    async def watch(request: Any, call_next: Any) -> Any:
        seen.append(bool(request.json.get("stream")))
        return await call_next(request)

    profile = Profile(latency_seconds=0.05, seconds_per_output_token=0.002, output_tokens=200)
    with SimulatorServer(profile) as api:
        client = anthropic.AsyncAnthropic(api_key="sk-any", base_url=api.url, middleware=[watch])
        result, begun = call(api.url, "auto", client=client)
    assert isinstance(result, Reply)
    assert (seen, len(begun)) == ([True], 1)


BROKEN = {
    "nothing": "",
    "a page": "<html>",
    "only a start": first_event(message()),
    "an error": 'data: {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}\n\n',
    "an error of no kind": 'data: {"type": "error", "error": null}\n\n',
}
ODD = {
    "an end without a beginning of text": first_event(message()) + 'data: {"type": "message_stop"}\n\n',
    "a block that never began": first_event(message())
    + 'data: {"type": "content_block_delta", "index": 5, "delta": {"type": "text_delta", "text": "x"}}\n\n'
    + 'data: {"type": "message_stop"}\n\n',
    "a block nested 5,000 deep": first_event(message())
    + 'data: {"type": "content_block_start", "index": 0, "content_block": ' + "[" * 5_000 + "]" * 5_000 + "}\n\n"
    + 'data: {"type": "message_stop"}\n\n',
}  # fmt: skip


@ways
@pytest.mark.parametrize("name", [*BROKEN, *ODD])
def test_a_run_gets_by_where_streams_break(way: Way, name: str, tmp_path: Path) -> None:
    """It streams once and no more: a broken stream is asked again plainly, an odd one is its row's error."""
    heard: list[bool] = []

    def say(body: Mapping[str, Any]) -> Saying:
        heard.append(bool(body.get("stream")))
        raw = {**BROKEN, **ODD}[name]
        return Saying(raw, headers={"content-type": "text/event-stream"}) if heard[-1] else good()

    with nasty_server({}) as api:
        api.saying_to = say  # type: ignore[method-assign]
        cp.configure(base_url=api.url, api_key="any", progress=False, wire=way)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "no price is known|prompt caching is on")
            out = pd.DataFrame({"t": list("abcd")}).claude.map(
                "{t}", system="A rule that everybody shares. " * 400, journal=tmp_path / "j.sqlite3"
            )
    assert sum(heard) == 1
    assert out["response_error"].notna().sum() == (name in ODD)
    assert (out["response"] == "fine").sum() == 4 - (name in ODD)
