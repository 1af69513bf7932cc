"""The simulator over real HTTP, seen by the real SDK."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from claude_parallel.simulation.profile import Fault, Profile, tier_limits
from claude_parallel.simulation.server import SimulatorServer

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
MODEL = "claude-haiku-5-5"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def plain() -> Iterator[SimulatorServer]:
    """Serve without limits, faults or waiting."""
    with SimulatorServer(Profile(batch_seconds=0.2)) as server:
        yield server


def client_of(server: SimulatorServer, key: str = "k") -> AsyncAnthropic:
    """Return a client without retries of its own."""
    return AsyncAnthropic(api_key=key, base_url=server.url, max_retries=0, timeout=10)


async def hello(client: AsyncAnthropic, **fields: Any) -> Any:
    """Send one message."""
    return await client.messages.create(**{"model": MODEL, "max_tokens": 50, "messages": MESSAGES, **fields})


def played(server: SimulatorServer, **fields: Any) -> Any:
    """Send one message with a client of its own."""

    async def main() -> Any:
        async with client_of(server) as client:
            return await hello(client, **fields)

    return asyncio.run(main())


def test_a_message_comes_back_as_the_sdk_knows_it(plain: SimulatorServer) -> None:
    """Text, usage and request id are where the SDK looks for them."""
    message = played(plain)
    assert message.content[0].text.startswith("Simulated: ")
    assert message.usage.input_tokens > 0
    assert message._request_id.startswith("req_sim")


def test_structured_answers_and_counting_work(plain: SimulatorServer) -> None:
    """A schema made by the SDK is accepted, and counting agrees with the answer's usage."""

    async def main() -> tuple[Any, Any]:
        async with client_of(plain) as client:
            message = await hello(
                client,
                output_config={
                    "format": {
                        "type": "json_schema",
                        "schema": anthropic.transform_schema(
                            {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
                        ),
                    }
                },
                max_tokens=500,
            )
            counted = await client.messages.count_tokens(model=MODEL, messages=MESSAGES)
            return message, counted

    message, counted = asyncio.run(main())
    assert set(json.loads(message.content[0].text)) == {"ok"}
    assert counted.input_tokens == played(plain).usage.input_tokens


@pytest.mark.parametrize(
    ("profile", "fields", "error", "status"),
    [
        (Profile(), {"model": "claude-2"}, anthropic.NotFoundError, 404),
        (Profile(), {"max_tokens": -1}, anthropic.BadRequestError, 400),
        (Profile(), {"extra_body": {"temperature": 1}}, anthropic.BadRequestError, 400),
        (Profile(api_keys=frozenset({"other"})), {}, anthropic.AuthenticationError, 401),
        (Profile(script={1: "overloaded"}), {}, anthropic.OverloadedError, 529),
        (Profile(script={1: "server"}), {}, anthropic.InternalServerError, 500),
        (Profile(script={1: "gateway_timeout"}), {}, anthropic.GatewayTimeoutError, 504),
        (Profile(script={1: "html_502"}), {}, anthropic.InternalServerError, 502),
        (Profile(script={1: "rate_limit"}), {}, anthropic.RateLimitError, 429),
        (Profile(spend_limit_after=0), {}, anthropic.EnforcedSpendLimitReachedError, 429),
        (Profile(credit_after=0), {}, anthropic.BadRequestError, 400),
    ],
)
def test_errors_are_the_sdks_own_classes(
    profile: Profile, fields: dict[str, Any], error: type[anthropic.APIStatusError], status: int
) -> None:
    """Each refusal is raised as its class, with its status."""
    with SimulatorServer(profile) as server, pytest.raises(error) as caught:
        played(server, **fields)
    assert caught.value.status_code == status


def test_growing_too_fast_is_its_own_class() -> None:
    """The acceleration limit's code reaches the SDK."""
    with SimulatorServer(Profile(ramp_floor=1)) as server:
        played(server)
        with pytest.raises(anthropic.RampLimitExceededError) as caught:
            played(server)
    assert float(caught.value.response.headers["retry-after"]) > 0


@pytest.mark.parametrize("fault", ["reset", "truncated"])
def test_broken_connections_are_connection_errors_and_billed(fault: Fault) -> None:
    """The client sees no answer; the ledger knows that there was one; the next call is fine."""
    with SimulatorServer(Profile(script={1: fault})) as server:
        with pytest.raises((anthropic.APIConnectionError, anthropic.APIError)) as caught:
            played(server)
        assert not isinstance(caught.value, anthropic.APIStatusError)
        assert server.ledger.billed_but_lost == 1
        assert played(server).stop_reason == "end_turn"


def test_a_page_with_status_200_is_no_message() -> None:
    """The SDK hands it over as text."""
    with SimulatorServer(Profile(script={1: "not_json"})) as server:
        assert isinstance(played(server), str)


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_client_that_goes_away_leaves_a_billed_answer(streams: bool) -> None:
    """A timeout on the client's side does not stop the API's work."""

    async def main(server: SimulatorServer) -> None:
        async with client_of(server) as client:
            with pytest.raises(anthropic.APITimeoutError):
                await hello(client.with_options(timeout=0.05), stream=streams)
        for _ in range(100):
            if server.ledger.in_flight == 0:
                return
            await asyncio.sleep(0.01)

    with SimulatorServer(Profile(latency_seconds=0.2)) as server:
        asyncio.run(main(server))
        assert (server.ledger.billed_but_lost, server.ledger.in_flight) == (1, 0)


def test_the_limit_headers_travel() -> None:
    """All twelve are on a good answer."""

    async def main(server: SimulatorServer) -> Any:
        async with client_of(server) as client:
            return await client.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=MESSAGES)

    with SimulatorServer(Profile(limits=tier_limits("start"))) as server:
        headers = asyncio.run(main(server)).headers
    assert sum(name.startswith("anthropic-ratelimit-") for name in headers) == 12


def test_a_batch_goes_round(plain: SimulatorServer) -> None:
    """Create, poll, list, read, delete, as a client would."""

    async def main() -> dict[str, Any]:
        async with client_of(plain) as client:
            params: Any = {"model": MODEL, "max_tokens": 50, "messages": MESSAGES}
            rows: Any = [{"custom_id": f"r-{at}", "params": params} for at in range(500)]
            rows[7]["params"] = {**params, "max_tokens": -1}
            batch = await client.messages.batches.create(requests=rows)
            assert batch.request_counts.processing == 500
            while batch.processing_status != "ended":
                await asyncio.sleep(0.02)
                batch = await client.messages.batches.retrieve(batch.id)
            assert batch.results_url is not None
            assert batch.results_url.startswith(plain.url)
            listed = await client.messages.batches.list(limit=1)
            assert listed.data[0].id == batch.id
            stream = await client.messages.batches.results(batch.id)
            found = {entry.custom_id: entry.result async for entry in stream}
            assert (await client.messages.batches.delete(batch.id)).type == "message_batch_deleted"
            return found

    found = asyncio.run(main())
    assert len(found) == 500
    assert found["r-7"].type == "errored"
    assert found["r-8"].message.usage.service_tier == "batch"


def test_a_batch_can_be_cancelled() -> None:
    """Cancelling shows as ``canceling``."""

    async def main(server: SimulatorServer) -> str:
        async with client_of(server) as client:
            params: Any = {"model": MODEL, "max_tokens": 50, "messages": MESSAGES}
            batch = await client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
            return (await client.messages.batches.cancel(batch.id)).processing_status

    with SimulatorServer(Profile(batch_seconds=60)) as server:
        assert asyncio.run(main(server)) == "canceling"


def test_models_and_limits_can_be_read_with_the_sdk(plain: SimulatorServer) -> None:
    """The shapes are those that the SDK expects."""

    async def main() -> tuple[Any, list[str], list[Any]]:
        async with client_of(plain, "sk-ant-admin-1") as client:
            model = await client.models.retrieve(MODEL)
            names = [entry.id async for entry in client.models.list(limit=5)]
            limits = [entry async for entry in client.organization.rate_limits.list(model=MODEL)]
            return model, names, limits

    model, names, limits = asyncio.run(main())
    assert model.capabilities.structured_outputs.supported
    assert len(names) == 19
    assert limits[0].group.type == "model_group"


def test_a_thousand_sockets_are_open_at_once() -> None:
    """One thousand calls are in flight together, each on a connection of its own."""
    body = json.dumps({"model": MODEL, "max_tokens": 50, "messages": MESSAGES}).encode()
    head = (
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: k\r\nanthropic-version: 2026-10-21\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )

    async def main(url: str) -> list[bytes]:
        port = int(url.rsplit(":", 1)[1])
        sockets = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(1_000)))
        for _, writer in sockets:
            writer.write(head.encode() + body)
        lines = await asyncio.gather(*(reader.readline() for reader, _ in sockets))
        for _, writer in sockets:
            writer.close()
        return list(lines)

    with SimulatorServer(Profile(latency_seconds=1.2)) as server:
        lines = asyncio.run(main(server.url))
        assert lines == [b"HTTP/1.1 200 OK\r\n"] * 1_000
        assert server.ledger.max_in_flight == 1_000


def test_speed_makes_time_pass_faster() -> None:
    """At speed 1,000, a latency of ten seconds is over at once, and limits refill as fast."""
    profile = Profile(latency_seconds=10.0, limits=tier_limits("tier-1"), burst_seconds=1.0)
    with SimulatorServer(profile, speed=1_000.0) as server:
        assert [played(server).stop_reason for _ in range(3)] == ["end_turn"] * 3


def test_a_taken_port_is_an_error_and_a_stopped_server_is_gone(plain: SimulatorServer) -> None:
    """Starting says why it cannot; stopping twice is fine, and then nobody answers."""
    port = int(plain.url.rsplit(":", 1)[1])
    with pytest.raises(OSError):
        SimulatorServer(port=port).start()
    server = SimulatorServer().start()
    with pytest.raises(RuntimeError, match="starts once"):
        server.start()
    server.stop()
    server.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.url, timeout=2)


def test_a_server_that_stops_waits_for_no_call() -> None:
    """What is in flight is cut off: whoever leaves ``with cp.simulator():`` has no use for its answers."""

    async def main(server: SimulatorServer) -> float:
        async with client_of(server) as client:
            call = asyncio.create_task(hello(client))
            while not server.ledger.in_flight:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            await asyncio.to_thread(server.stop)
            with pytest.raises(anthropic.APIConnectionError):
                await call
            return time.monotonic() - began

    with SimulatorServer(Profile(latency_seconds=60.0)) as server:
        assert asyncio.run(main(server)) < 5
    assert server.ledger.billed_but_lost == 1


@pytest.mark.parametrize("raw", [b"{", b"[1, 2]", b'{"model": NaN}', b""])
def test_bodies_that_are_no_json_object_are_400(plain: SimulatorServer, raw: bytes) -> None:
    """The API says so, whatever arrives."""
    request = urllib.request.Request(f"{plain.url}/v1/messages", data=raw, method="POST")
    request.add_header("x-api-key", "k")
    request.add_header("anthropic-version", "2026-10-21")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=5)
    caught.value.close()
    assert caught.value.code == 400
