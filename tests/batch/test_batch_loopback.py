"""Batches over real HTTP through the real SDK; and a real SIGKILL, with the simulator in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from claude_parallel.api.account import open_account
from claude_parallel.api.json_text import encode_body
from claude_parallel.batch.api import SdkBatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.policy import may_exist
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Failure, Reply
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer

from ..api.raw_server import message, raw_server
from ..batch_worlds import frame_of

ROOT = Path(__file__).parents[2]

SERVER = """
import sys
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import serve_forever
serve_forever(Profile(batch_seconds=float(sys.argv[1])), announce=lambda url: print(url, flush=True))
"""

CELL = """
import sys
import claude_parallel as cp
from claude_parallel.frames.frame_map import FrameMap
from tests.batch_worlds import frame_of
cp.configure(base_url=sys.argv[1], api_key="any")
options = {"batch": True, "journal": sys.argv[2], "progress": False}
FrameMap(frame_of(int(sys.argv[3])), "Say {t}", "response", options).run()
"""


def envelope(rows: int, text: str = "row {}") -> Envelope:
    """Return a packed envelope."""
    packed = Envelope("cptest")
    for number in range(rows):
        body = {
            "model": "claude-haiku-5-5",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": text.format(number)}],
        }
        assert packed.add(number.to_bytes(32, "big"), encode_body(body))
    return packed


def play(url: str, script: Callable[[SdkBatchApi], Coroutine[Any, Any, Any]], *, timeout: float = 20.0) -> Any:
    """Run calls through a door of the real SDK."""

    async def main() -> Any:
        door = SdkBatchApi(open_account(None, api_key="any", base_url=url), timeout)
        try:
            return await script(door)
        finally:
            await door.aclose()

    return asyncio.run(main())


async def ended(door: SdkBatchApi, batch_id: str) -> BatchState:
    """Wait for the end of a batch."""
    while True:
        state = await door.retrieve(batch_id)
        assert isinstance(state, BatchState)
        if state.has_ended:
            return state
        await asyncio.sleep(0.02)


def test_a_batch_goes_round_through_the_sdk() -> None:
    """Create, retrieve, list page by page, results line by line: all rows come back under their ids."""

    async def script(door: SdkBatchApi) -> tuple[BatchState, list[Any], list[str]]:
        created = await door.create(envelope(700, "a line separator \u2028 and {}"))
        assert isinstance(created, BatchState)
        for _ in range(4):
            assert isinstance(await door.create(envelope(1)), BatchState)
        state = await ended(door, created.id)
        items = [item async for item in door.results(state)]
        listed, after = [], None
        while True:
            page = await door.list(2, after)
            assert isinstance(page, BatchPage)
            listed += [batch.id for batch in page.batches]
            after = page.last_id
            if after is None:
                return state, items, listed

    with SimulatorServer(Profile(batch_seconds=0.1)) as server:
        state, items, listed = play(server.url, script)

    assert state.counts["succeeded"] == 700
    assert all(isinstance(item, BatchResult) and isinstance(item.fate, Reply) for item in items)
    assert sorted(item.custom_id for item in items) == sorted(
        row["custom_id"] for row in json.loads(b"".join(envelope(700).pieces()))["requests"]
    )
    assert len(listed) == len(set(listed)) == 5


def test_a_large_envelope_is_streamed() -> None:
    """Some megabytes go out piece by piece, with their length, and arrive whole."""

    async def script(door: SdkBatchApi) -> Any:
        return await door.create(envelope(300, "x" * 20_000 + "{}"))

    with SimulatorServer(Profile(batch_seconds=10.0)) as server:
        state = play(server.url, script)

    assert isinstance(state, BatchState)
    assert state.requests == 300


@pytest.mark.parametrize(
    ("fault", "is_open"),
    [
        ("reset", True),
        ("truncated", True),
        ("hang", True),
        ("server", True),
        ("overloaded", True),
        ("html_502", True),
        ("rate_limit", False),
    ],
)
def test_every_way_to_lose_the_answer_to_create_is_known_as_such(fault: Any, is_open: bool) -> None:
    """A broken connection after the upload must not be taken for one that was never made."""

    async def script(door: SdkBatchApi) -> Any:
        return await door.create(envelope(3))

    with SimulatorServer(Profile(batch_script={1: fault}, hang_seconds=2.0)) as server:
        failure = play(server.url, script, timeout=0.5)

    assert isinstance(failure, Failure)
    assert may_exist(failure) is is_open


def test_a_server_that_is_not_there_created_nothing() -> None:
    """A refused connection is certain: nothing was sent."""

    async def script(door: SdkBatchApi) -> Any:
        return await door.create(envelope(3))

    failure = play("http://127.0.0.1:9", script)

    assert isinstance(failure, Failure)
    assert not may_exist(failure)


def test_a_wrong_key_and_a_missing_batch_are_failures() -> None:
    """Nothing is raised; kind and words are the API's."""

    async def script(door: SdkBatchApi) -> tuple[Any, list[Any]]:
        missing = await door.retrieve("msgbatch_none")
        state = BatchState("msgbatch_none", "ended", {}, 0.0)
        return missing, [item async for item in door.results(state)]

    with SimulatorServer() as server:
        missing, items = play(server.url, script)

    assert isinstance(missing, Failure)
    assert missing.kind == "not_found"
    assert [item.kind for item in items] == ["not_found"]


def test_a_broken_stream_of_results_ends_in_a_failure() -> None:
    """What came before the break is kept; the failure is the last item."""

    async def script(door: SdkBatchApi) -> list[Any]:
        created = await door.create(envelope(1_000))
        assert isinstance(created, BatchState)
        state = await door.retrieve(created.id)
        assert isinstance(state, BatchState)
        return [item async for item in door.results(state)]

    with SimulatorServer(Profile(batch_seconds=0.0, batch_script={3: "truncated"})) as server:
        items = play(server.url, script)

    assert isinstance(items[-1], Failure)
    assert 0 < len(items) - 1 < 1_000
    assert all(isinstance(item, BatchResult) for item in items[:-1])


def test_the_key_goes_to_no_other_host() -> None:
    """Results that are said to lie elsewhere are asked for at the host that the key was given for."""

    async def script(door: SdkBatchApi) -> list[str]:
        urls = ("https://elsewhere.example/x", "/v1/messages/batches/b/results", None)
        return [door._results_url(BatchState("b", "ended", {}, 0.0, results_url=url)) for url in urls]

    assert set(play("http://127.0.0.1:9", script)) == {"/v1/messages/batches/b/results"}


def test_results_are_read_through_a_gateway_with_a_path_of_its_own() -> None:
    """It may hand on the address as the API wrote it, with its own host: the results of a paid batch were not found."""
    handed_on, rewritten = "http://127.0.0.1:9/v1/messages/batches/b/results", "http://127.0.0.1:9/gateway/results/b"

    async def script(door: SdkBatchApi) -> list[str]:
        return [door._results_url(BatchState("b", "ended", {}, 0.0, results_url=url)) for url in (handed_on, rewritten)]

    assert play("http://127.0.0.1:9/gateway", script) == ["/v1/messages/batches/b/results", rewritten]
    assert play("http://127.0.0.1:9/", script) == [handed_on, rewritten]


def test_a_map_survives_a_lost_answer_to_create(tmp_path: Path) -> None:
    """Over the wire as in memory: the lost batch is found in the list, and each row is paid once."""
    import claude_parallel as cp

    profile = Profile(batch_seconds=0.3, batch_script={1: "reset"})
    with SimulatorServer(profile) as server:
        cp.configure(base_url=server.url, api_key="any")
        options = {"batch": True, "journal": tmp_path / "j.sqlite3", "progress": False}
        out = FrameMap(frame_of(20), "Say {t}", "response", options).run()

    assert out["response_error"].isna().all()
    assert server.ledger.batch_rows == 20


@contextlib.contextmanager
def simulator_process(batch_seconds: float) -> Iterator[str]:
    """Run a simulator in a process of its own."""
    command = [sys.executable, "-c", SERVER, str(batch_seconds)]
    with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _count(journal: Path, query: str) -> int:
    """Return one number from a journal that may not be there yet."""
    if not journal.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.Error:
        return 0


@pytest.mark.wall_clock
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("reached", "rows"),
    [
        ("SELECT count(*) FROM envelopes WHERE state = 'submitted'", 50),
        ("SELECT count(*) FROM answers", 3_000),
    ],
    ids=["while polling", "while results stream in"],
)
def test_a_killed_process_leaves_its_batch_to_the_next(reached: str, rows: int, tmp_path: Path) -> None:
    """SIGKILL, then the same cell in another process: the one batch is collected, no second one is made."""
    import claude_parallel as cp

    journal = tmp_path / "j.sqlite3"
    with simulator_process(1.5) as url:
        child = subprocess.Popen(
            [sys.executable, "-c", CELL, url, str(journal), str(rows)], cwd=ROOT, env=_environment()
        )
        until = time.monotonic() + 25
        while not _count(journal, reached) and child.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        cp.configure(base_url=url, api_key="any")
        out = FrameMap(
            frame_of(rows), "Say {t}", "response", {"batch": True, "journal": journal, "progress": False}
        ).run()
        page = play(url, lambda door: door.list())

    assert child.returncode == -signal.SIGKILL
    assert out["response_error"].isna().all()
    assert [batch.requests for batch in page.batches] == [rows]


@pytest.mark.parametrize("verb", ["create", "retrieve", "results"])
def test_a_token_that_was_refused_is_fetched_anew_once(verb: str) -> None:
    """A batch outlives tokens: where one is revoked, or the clocks differ, the call goes again with a new one."""
    given: list[str] = []

    def provide(*, force_refresh: bool = False) -> anthropic.AccessToken:
        given.append(f"token-{len(given)}")
        return anthropic.AccessToken(given[-1], int(time.time()) + 3_600)

    async def main(url: str) -> Any:
        client = anthropic.AsyncAnthropic(credentials=provide, base_url=url)
        door = SdkBatchApi(open_account(client, api_key=None, base_url=None), 5.0)
        try:
            if verb == "results":
                state = BatchState("msgbatch_1", "ended", {"succeeded": 1}, created=0.0)
                return [item async for item in door.results(state)][-1]
            return await (door.create(envelope(1)) if verb == "create" else door.retrieve("msgbatch_1"))
        finally:
            await door.aclose()

    with raw_server() as server:
        server.keeps, server.answer = True, [message(b"{}", status=b"401 Unauthorized")]
        failure = asyncio.run(main(server.url))
        sent = [line.split()[-1] for head in server.heads for line in head if line.lower().startswith("authorization")]
    assert isinstance(failure, Failure)
    assert failure.kind == "auth"
    assert sent == given == ["token-0", "token-1"]
