"""Rows per second where nothing but the client's own work counts: a server without latency or limits, and none at all.

Rounds are interleaved and only ratios of medians are reported, since machines are shared.
"""

from __future__ import annotations

import asyncio
import io
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

import claude_parallel as cp  # noqa: F401  (registers df.claude)
from claude_parallel.engine.environment import Environment
from claude_parallel.engine.live import LiveCarrier
from claude_parallel.engine.plan import make_plan
from claude_parallel.engine.session import Session
from claude_parallel.limits.gate import Gate
from claude_parallel.options import resolve
from claude_parallel.records import Body, Failure, RateLimitStatus, RateLimitStatuses, Reply
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.store.journal import Journal

from .gate import cp_client
from .gate_virtual import Prompts
from .rivals import SEMAPHORE, aiohttp_sdk, plain_sdk
from .servers import served

ROWS = 3_000
ROUNDS = 5
ENGINE_ROWS = 100_000

Contender = Callable[[str, Sequence[str]], Any]


class _Terminal(io.StringIO):
    """A stream that passes for a terminal, so that the real bar is drawn and nobody sees it."""

    def isatty(self) -> bool:
        return True


@contextmanager
def _dummy_terminal() -> Iterator[None]:
    real, sys.stderr = sys.stderr, _Terminal()
    try:
        yield
    finally:
        sys.stderr = real


def mapped(journal: bool | str) -> Contender:
    """Return a contender: ``df.claude.map`` with bar and cost, 50 in flight."""

    def run(url: str, prompts: Sequence[str]) -> Any:
        frame = pd.DataFrame({"prompt": prompts})
        with tempfile.TemporaryDirectory() as folder, _dummy_terminal():
            kept = str(Path(folder) / "journal.sqlite3") if journal else False
            out = frame.claude.map("prompt", journal=kept, client=cp_client(url), max_concurrency=SEMAPHORE)
        assert out["response_error"].isna().all() and (out["response_cost"] > 0).all()
        return out

    return run


CONTENDERS: dict[str, Contender] = {
    "claude_parallel": mapped(journal=True),
    "claude_parallel, journal=False": mapped(journal=False),
    "SDK, gather + semaphore": plain_sdk,
    "SDK on aiohttp, gather + semaphore": aiohttp_sdk,
}


def measure(rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return rows per second by contender and round."""
    seen: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with served() as server:
        for number in range(rounds + 1):
            for name, contender in CONTENDERS.items():
                prompts = [f"row {row} of round {number} by {name}" for row in range(ROWS if number else 200)]
                started = time.perf_counter()
                contender(server.url, prompts)
                if number:  # the first round only warms up
                    seen[name].append(len(prompts) / (time.perf_counter() - started))
    return seen


class Echo:
    """A transport that answers everything after about a second of virtual time, with next to no work."""

    def __init__(self) -> None:
        self._rng = random.Random(1)
        self._message = {
            "model": "claude-haiku-5-5",
            "content": [{"type": "text", "text": "an answer"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 20, "output_tokens": 5},
        }
        self._readings: RateLimitStatuses = {
            "requests": RateLimitStatus(100_000, 90_000),
            "input": RateLimitStatus(1e8, 9e7),
            "output": RateLimitStatus(1e8, 9e7),
        }

    async def send(self, body: Body) -> Reply | Failure:
        """Answer."""
        await asyncio.sleep(self._rng.uniform(0.5, 1.5))
        return Reply(self._message, "req_echo", self._readings)

    async def count_tokens(self, body: Body) -> int | Failure:
        """Count nothing."""
        return 0

    async def aclose(self) -> None:
        """Do nothing."""


def engine_seconds(rows: int = ENGINE_ROWS) -> float:
    """Return the CPU seconds that the engine takes for `rows` rows with up to 1,000 in flight, on virtual time."""
    seen = [0.0]

    def clock() -> float:
        with suppress(RuntimeError):
            seen[0] = asyncio.get_running_loop().time()
        return seen[0]

    environment = Environment(
        "memory://echo", lambda *_: Echo(), Gate(), clock, lambda: 1.79e9 + clock(), random.Random(1)
    )
    plan = make_plan(Prompts(rows, 15, 1, 0), resolve({"journal": False, "progress": False}), environment.host)
    session = Session(plan, LiveCarrier(environment), Journal.open(None))
    started = time.process_time()
    run_virtual(session.arun)
    return time.process_time() - started


def run() -> None:
    """Print the tables."""
    seen = measure()
    plain, aiohttp = (statistics.median(seen[name]) for name in list(CONTENDERS)[2:])
    print("| contender, 50 in flight | rows/s, median [min..max] | to plain SDK | to SDK on aiohttp |")
    print("|---|---|---|---|")
    for name, rates in seen.items():
        middle = statistics.median(rates)
        print(
            f"| {name} | {middle:,.0f} [{min(rates):,.0f}..{max(rates):,.0f}] | {middle / plain:.2f} | "
            f"{middle / aiohttp:.2f} |"
        )
    seconds = engine_seconds()
    microseconds = 1e6 * seconds / ENGINE_ROWS
    print(f"\nEngine alone, {ENGINE_ROWS:,} rows on virtual time: {seconds:.1f} s of CPU, {microseconds:.0f} us a row")


if __name__ == "__main__":
    run()
