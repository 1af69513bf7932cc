"""Laws over every answer and every header: no exception, neighbours right, no place at the gate lost."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.api.responses import read_count, read_limits, read_response
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState, read_batch, read_page, read_result
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.records import Body, Failure, Reply
from claude_parallel.simulation.clock import run_virtual

from ..worlds import World, frame_of, world
from .server import Saying, good, row_of

FIELDS = (
    *("type", "text", "content", "usage", "model", "stop_reason", "stop_details", "id", "error", "message"),
    *("input_tokens", "output_tokens", "cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens"),
    *("ephemeral_1h_input_tokens", "output_tokens_details", "thinking_tokens", "server_tool_use", "details"),
)
WORDS = (
    "message",
    "text",
    "error",
    "refusal",
    "max_tokens",
    "end_turn",
    "pause_turn",
    "claude-haiku-5-5",
    "us",
    "fast",
)
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(WORDS)
JSON = st.recursive(
    ATOMS | st.sampled_from([10**30, -(10**30), float("inf"), float("nan"), "\ud83d"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("type", "content", "usage", "model", "stop_reason", "stop_details", "id"), JSON)
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            f"anthropic-ratelimit-{dimension}-{what}"
            for dimension in ("requests", "tokens", "input-tokens", "output-tokens")
            for what in ("limit", "remaining", "reset")
        ]
        + ["retry-after", "retry-after-ms", "x-should-retry", "request-id", "date"]
    ),
    st.text(max_size=8)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["0", "-1", "1e9", "true", "false", "Wed, 21 Oct 2026 07:28:00 GMT", "1" * 400]),
    max_size=8,
)


class Scripted:
    """A transport that reads what a table says, as the real one does, after a second of virtual time."""

    def __init__(self, table: Mapping[str, Saying]) -> None:
        self.table = table
        self.asked: list[str] = []

    async def send(self, body: Body) -> Reply | Failure:
        """Say what the table says."""
        import asyncio

        await asyncio.sleep(1.0)
        row = row_of(body)
        self.asked.append(row)
        said = self.table.get(row, good())
        return read_response(said.status, said.headers, said.raw)

    async def count_tokens(self, _body: Body) -> int | Failure:
        """Count nothing."""
        return 10

    async def aclose(self) -> None:
        """Close nothing."""


def ask(account: World, transport: Scripted, journal: Path, rows: int, **more: Any) -> Any:
    """Map rows 0 to n through a scripted transport."""
    environment = replace(account.environment(), open_transport=lambda *_: transport)
    options = {"journal": journal, "progress": False, **more}
    prepared = FrameMap(frame_of(rows, "{}"), "{t}", "response", options, environment=environment)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no price is known|prompt caching|the run stopped early")
        return run_virtual(prepared.arun)


@given(st.dictionaries(st.integers(0, 3), JSON | MESSAGES, min_size=1, max_size=3))
@settings(max_examples=30)
def test_any_json_as_a_200_at_any_row_twice(bodies: dict[int, Any]) -> None:
    """No exception, neighbours right, no place at the gate lost; what was paid is never asked again."""
    table = {str(row): Saying(json.dumps(body)) for row, body in bodies.items()}
    with tempfile.TemporaryDirectory() as folder:
        account, asked = world(), []
        for _ in range(2):
            transport = Scripted(table)
            out = ask(account, transport, Path(folder) / "j.sqlite3", 4)
            asked.append(transport.asked)
            for row in range(4):
                if row not in bodies:
                    assert out["response"][row] == "fine"
                elif out["response_error"].isna()[row]:
                    assert out["response"][row]
            assert account.gate.status(account.clock()).in_flight == 0
    paid = {row for row, said in table.items() if isinstance(read_response(200, {}, said.raw), Reply)}
    assert [row for row in asked[0] if row in paid] == sorted(paid)
    assert set(asked[1]) & (paid | {str(row) for row in range(4) if row not in bodies}) == set()


@given(st.sampled_from([200, 200, 400, 401, 404, 408, 413, 429, 500, 503, 529, 302, 204, 999]), HEADERS, JSON)
def test_no_response_makes_the_reading_raise(status: int, headers: dict[str, str], body: Any) -> None:
    """Any status, headers and body: a reply or a failure whose waits and limits are numbers that make sense."""
    result = read_response(status, headers, json.dumps(body))
    if isinstance(result, Failure) and result.retry_after is not None:
        assert 0 < result.retry_after < float("inf")
    assert all(limit.limit > 0 for limit in read_limits(headers).values())
    assert isinstance(read_count(json.dumps(body)), int | Failure)


@given(HEADERS)
@settings(max_examples=40)
def test_no_header_of_a_good_answer_holds_a_run_up_for_ever(headers: dict[str, str]) -> None:
    """Limits of any size, nonsense and contradictions: every row is answered."""
    account = world()
    account.gate = Gate()
    table = {str(row): replace(good(), headers=headers) for row in range(4)}
    with tempfile.TemporaryDirectory() as folder:
        out = ask(account, Scripted(table), Path(folder) / "j.sqlite3", 4)
    assert out["response"].tolist() == ["fine"] * 4
    assert account.gate.status(account.clock()).in_flight == 0


@given(JSON)
def test_nothing_that_a_batch_says_makes_the_reading_raise(anything: Any) -> None:
    """States, pages and lines of results, of any form."""
    assert isinstance(read_batch(anything), BatchState | Failure)
    assert isinstance(read_page(anything), BatchPage | Failure)
    assert isinstance(read_result(json.dumps(anything)), BatchResult)
    for result in (anything, {"type": "succeeded", "message": anything}, {"type": "errored", "error": anything}):
        found = read_result(json.dumps({"custom_id": "a", "result": result}))
        assert found is not None
        assert found.custom_id == "a"


def test_broken_200s_are_no_outage(tmp_path: Path) -> None:
    """Each came through, and may be on the bill: the tries of a row bound how often it is asked."""
    transport = Scripted({str(row): Saying("<html>not an answer</html>") for row in range(8)})
    out = ask(world(), transport, tmp_path / "j.sqlite3", 9, retries=1)
    assert out["response_error"].str.startswith("connection: ").sum() == 8
    assert out["response"][8] == "fine"
    assert sorted(transport.asked) == sorted([*map(str, range(8)), *map(str, range(8)), "8"])
