"""Nothing slow holds up the loop that reads answers: prompt functions, a locked journal, a map inside a map."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.records import Reply
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer
from claude_parallel.store.journal import Journal

from ..worlds import frame_of

pytestmark = pytest.mark.wall_clock

HELD_SECONDS = 0.6
"""How long the journal is locked."""


def test_a_locked_journal_holds_up_nobody_but_the_answer_that_is_written(tmp_path: Path) -> None:
    """While another process holds the file, the event loop goes on; then the answer is on disk."""
    journal = Journal.open(tmp_path / "j.sqlite3")
    locker = sqlite3.connect(tmp_path / "j.sqlite3", isolation_level=None, check_same_thread=False)
    locker.execute("BEGIN IMMEDIATE")
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def main() -> None:
        ticking = asyncio.ensure_future(tick())
        threading.Timer(HELD_SECONDS, locker.execute, ["COMMIT"]).start()
        await journal.keep_answer(b"key", "host", Reply({"id": "msg_1"}, None, {}), 0.0)
        ticking.cancel()

    began = time.monotonic()
    asyncio.run(main())

    assert time.monotonic() - began >= HELD_SECONDS * 0.9
    assert len(ticks) > 5
    assert list(journal.recall([b"key"])) == [b"key"]
    locker.close()


@pytest.fixture
def url() -> object:
    """Return the address of a simulator whose calls take 0.1 s."""
    with SimulatorServer(Profile(latency_seconds=0.1)) as server:
        yield server.url


def test_a_slow_prompt_function_throws_no_answer_away(url: str, tmp_path: Path) -> None:
    """The function takes longer over a chunk than a call may take; every row is answered at the first try."""
    calls_may_take = 2.0  # of 0.1 s: on a busy machine, a process may stand still for a second

    def prompt(row: pd.Series[str]) -> str:
        time.sleep(1.5 * calls_may_take / 60)
        return f"Say {row['t']}"

    cp.configure(api_key="k", base_url=url, timeout=calls_may_take, journal=tmp_path / "j.sqlite3")
    out = frame_of(60).claude.map(prompt, progress=False)

    assert out["response_error"].isna().all()
    assert (out.claude.run.requests()["attempts"] == 1).all()


def test_a_map_inside_a_prompt_function_works(url: str) -> None:
    """The inner map waits on a thread of its own, while the outer one goes on reading answers."""
    cp.configure(api_key="k", base_url=url, journal=False, max_concurrency=2)

    def prompt(row: pd.Series[str]) -> str:
        inner = cp.map([f"Summarise {row['t']}"], progress=False)
        return f"Say {inner['response'].iloc[0]}"

    out = frame_of(6).claude.map(prompt, progress=False)

    assert out["response_error"].isna().all()
