"""Rows per second, and CPU per row, where nothing but the client's own work counts.

A server in another process answers at once. Rounds are interleaved; compare medians, and CPU rather than time: machines
are shared.
"""

from __future__ import annotations

import asyncio
import io
import math
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

import claude_parallel as cp
from claude_parallel.engine.environment import Environment
from claude_parallel.engine.live import LiveCarrier
from claude_parallel.engine.plan import make_plan
from claude_parallel.engine.session import Session
from claude_parallel.limits.gate import Gate
from claude_parallel.options import resolve
from claude_parallel.records import Body, Failure, RateLimitStatus, RateLimitStatuses, Reply
from claude_parallel.simulation.clock import LoopClock, run_virtual
from claude_parallel.store.journal import Journal

from .gate import cp_client
from .gate_virtual import Prompts
from .rivals import SEMAPHORE, aiohttp_sdk, bare_aiohttp, plain_sdk
from .servers import served

ROWS = 3_000
ROUNDS = 5
ENGINE_ROWS = 100_000
RUNS_AT_ONCE = 8

TICK_SECONDS = 0.02
"""Answers on virtual time come together, as those of a busy loop do: at 2,000 rows a second it reads some 40 at once.
If each came alone, each would have a transaction of the journal to itself, which costs as much as all the rest."""

Contender = Callable[[str, Sequence[str]], Any]


class _Terminal(io.StringIO):
    """A stream that passes for a terminal, so that the real bar is drawn and nobody sees it."""

    def isatty(self) -> bool:
        return True


@contextmanager
def _dummy_terminal() -> Iterator[None]:
    if isinstance(sys.stderr, _Terminal):  # several runs at once share one
        yield
        return
    real, sys.stderr = sys.stderr, _Terminal()
    try:
        yield
    finally:
        sys.stderr = real


def mapped(*, journal: bool, wire: Literal["auto", "sdk"] = "auto", folder: Path | None = None) -> Contender:
    """Return a contender: ``df.claude.map`` with bar and cost, 50 in flight, and a new journal or that in `folder`."""

    def run(url: str, prompts: Sequence[str]) -> Any:
        frame = pd.DataFrame({"prompt": prompts})
        cp.configure(wire=wire)
        with tempfile.TemporaryDirectory() as new, _dummy_terminal():
            kept = str((folder or Path(new)) / "journal.sqlite3") if journal else False
            out = frame.claude.map("prompt", journal=kept, client=cp_client(url), max_concurrency=SEMAPHORE)
        assert out["response_error"].isna().all() and (out["response_cost"] > 0).all()
        return out

    return run


PLAIN, OVER_AIOHTTP, BARE = "plain SDK: gather, semaphore", "the same over aiohttp", "bare aiohttp, prepared bodies"

CONTENDERS: dict[str, Contender] = {
    PLAIN: plain_sdk,
    OVER_AIOHTTP: aiohttp_sdk,
    "claude_parallel": mapped(journal=True),
    "claude_parallel, journal=False": mapped(journal=False),
    'claude_parallel, wire="sdk"': mapped(journal=True, wire="sdk"),
    BARE: bare_aiohttp,
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One contender in one round.

    Attributes
    ----------
    rows_per_second : float
        By the clock.
    cpu_microseconds : float
        Of this process, per row.
    """

    rows_per_second: float
    cpu_microseconds: float


def cpu_seconds() -> float:
    """Return the CPU seconds that this process has used, all its threads included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable[[], Any], rows: int) -> Measure:
    """Measure some work."""
    started, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Measure(rows / (time.perf_counter() - started), 1e6 * (cpu_seconds() - cpu) / rows)


def measure(rounds: int = ROUNDS) -> dict[str, list[Measure]]:
    """Return what each contender needs, by round."""
    seen: dict[str, list[Measure]] = {name: [] for name in CONTENDERS}
    with served() as server:
        for number in range(rounds + 1):
            for name, contender in CONTENDERS.items():
                prompts = [f"row {row} of round {number} by {name}" for row in range(ROWS if number else 200)]
                found = timed(lambda run=contender, asked=prompts: run(server.url, asked), len(prompts))
                if number:  # the first round only warms up
                    seen[name].append(found)
    return seen


def runs_at_once(rounds: int = 3) -> tuple[float, float]:
    """Return the CPU microseconds per row of one run, and of eight that share process and journal."""
    seen: tuple[list[float], list[float]] = ([], [])
    with (
        served() as server,
        ThreadPoolExecutor(RUNS_AT_ONCE) as pool,
        _dummy_terminal(),
        tempfile.TemporaryDirectory() as folder,
    ):
        ask = mapped(journal=True, folder=Path(folder))
        for number in range(rounds + 1):
            for runs, kept in zip((1, RUNS_AT_ONCE), seen, strict=True):
                questions = [[f"row {row} of {run} of {number}, {runs}" for row in range(ROWS)] for run in range(runs)]
                work = lambda asked=questions: list(pool.map(lambda prompts: ask(server.url, prompts), asked))  # noqa: E731
                found = timed(work, ROWS * runs)
                if number:
                    kept.append(found.cpu_microseconds)
    return statistics.median(seen[0]), statistics.median(seen[1])


class Echo:
    """A transport that answers everything after about a second of virtual time, with next to no work.

    Parameters
    ----------
    requests_per_minute : float
        The limit that its answers tell.
    """

    def __init__(self, requests_per_minute: float = 100_000.0) -> None:
        self._rng = random.Random(1)
        self._message = {
            "model": "claude-haiku-5-5",
            "content": [{"type": "text", "text": "an answer"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 20, "output_tokens": 5},
        }
        self._readings: RateLimitStatuses = {
            "requests": RateLimitStatus(requests_per_minute, 0.9 * requests_per_minute),
            "input": RateLimitStatus(1e8, 9e7),
            "output": RateLimitStatus(1e8, 9e7),
        }

    async def send(self, body: Body) -> Reply | Failure:
        """Answer."""
        now = asyncio.get_running_loop().time()
        due = math.ceil((now + self._rng.uniform(0.5, 1.5)) / TICK_SECONDS) * TICK_SECONDS
        await asyncio.sleep(due - now)
        return Reply(self._message, "req_echo", self._readings)

    async def count_tokens(self, body: Body) -> int | Failure:
        """Count nothing."""
        return 0

    async def aclose(self) -> None:
        """Do nothing."""


def engine_seconds(rows: int = ENGINE_ROWS) -> float:
    """Return the CPU seconds that the engine takes for `rows` rows with up to 1,000 in flight, on virtual time."""
    clock = LoopClock()

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
    rate = {name: statistics.median(found.rows_per_second for found in rounds) for name, rounds in seen.items()}
    cpu = {name: statistics.median(found.cpu_microseconds for found in rounds) for name, rounds in seen.items()}
    print("| contender, 50 in flight | rows/s | CPU us/row | to plain SDK | to SDK on aiohttp | to bare aiohttp |")
    print("|---|---|---|---|---|---|")
    for name in CONTENDERS:
        ratios = " | ".join(f"{cpu[other] / cpu[name]:.2f}" for other in (PLAIN, OVER_AIOHTTP, BARE))
        print(f"| {name} | {rate[name]:,.0f} | {cpu[name]:,.0f} | {ratios} |")
    print("\nRatios are of CPU: how many times less than the other.\n")
    one, many = runs_at_once()
    print(f"{RUNS_AT_ONCE} runs at once: {many:,.0f} us of CPU a row, one alone {one:,.0f}: {many / one:.2f} times\n")
    seconds = engine_seconds()
    microseconds = 1e6 * seconds / ENGINE_ROWS
    print(f"Engine alone, {ENGINE_ROWS:,} rows on virtual time: {seconds:.1f} s of CPU, {microseconds:.0f} us a row")


if __name__ == "__main__":
    run()
