"""A million rows in one frame, and thousands of calls in flight.

The million goes on virtual time to a transport that answers with next to no work, so that engine, gate,
results and frame alone count; the thousands go over real HTTP, and the event loop has to bear them.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import pandas as pd

import claude_parallel as cp
from claude_parallel.engine.environment import Environment
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.records import Body, Failure, Reply
from claude_parallel.report.run import Run
from claude_parallel.simulation.clock import LoopClock, run_virtual

from .gate import cp_client
from .servers import served
from .throughput import Echo, cpu_seconds

ROWS = 1_000_000
IN_FLIGHT = 3_000
LATENCY_SECONDS = 5.0
CALLS = 9_000
UNLIMITED = 1e8
"""Requests a minute: a hundred times what the gate's 10,000 calls of a second in flight can need."""


def resident_bytes() -> int:
    """Return the memory of this process."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


FEW_ROWS = 10_000
"""They fit into the processor's caches, and take a second or two."""

_FEW_ROWS = "from benchmarks.scale import few_rows; few_rows(); print(min(few_rows() for _ in range(2)))"
"""The first time warms up; of the others the one counts that a neighbour on the machine has disturbed less."""


def few_rows() -> float:
    """Return the CPU seconds that the same map takes over a few rows."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(FEW_ROWS, Path(folder) / "few.sqlite3", Echo(UNLIMITED))
        began = cpu_seconds()
        run_virtual(prepared.arun)
        return cpu_seconds() - began


def few_rows_now() -> float:
    """Return the same as another process finds it at this moment: so slow is this machine."""
    made = subprocess.run([sys.executable, "-c", _FEW_ROWS], capture_output=True, text=True, check=True)
    return float(made.stdout)


class CountingEcho(Echo):
    """Answers, and measures each tenth of the answers: its CPU seconds, and those of a few rows at its end.

    Machines are shared: the very same work takes half as long again while a neighbour is busy. And no limit holds the
    run back: else the first rows would ride on a full bucket, many in a transaction, and the others be paced.

    Attributes
    ----------
    spent, beside : list of float
        CPU seconds of each tenth, and of a few rows before and after it.
    since : float
        CPU seconds of this process when the last tenth had been measured.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(UNLIMITED)
        self._rows = rows
        self._answers = 0
        self.spent: list[float] = []
        self.beside: list[float] = [few_rows_now()]
        self.since = cpu_seconds()

    async def send(self, body: Body) -> Reply | Failure:
        """Answer."""
        found = await super().send(body)
        self._answers += 1
        if self._answers % (self._rows // 10) == 0:
            self.spent.append(cpu_seconds() - self.since)
            self.beside.append(few_rows_now())
            self.since = cpu_seconds()
        return found

    @property
    def dearness(self) -> list[float]:
        """How much dearer a row was than one of a few, by tenths."""
        share = 10 * FEW_ROWS / self._rows
        return [
            spent * share / (before + after) * 2.0
            for spent, (before, after) in zip(self.spent, pairwise(self.beside), strict=True)
        ]


def environment(transport: Echo) -> Environment:
    """Return an environment on virtual time whose every call takes about a second."""
    clock = LoopClock()

    return Environment("memory://echo", lambda *_: transport, Gate(), clock, lambda: 1.79e9 + clock(), random.Random(1))


def prepare(rows: int, journal: Path, transport: Echo) -> FrameMap:
    """Return a map over a frame of so many rows."""
    frame = pd.DataFrame({"text": [f"row number {row} of the frame" for row in range(rows)]})
    settings = {"journal": str(journal), "progress": False}
    return FrameMap(frame, "text", "response", settings, environment=environment(transport))


def million(rows: int, journal: Path) -> None:
    """Print what a frame of `rows` rows costs from its first tenth to its last, and above the frame in memory."""
    echo = CountingEcho(rows)
    prepared = prepare(rows, journal, echo)
    gc.collect()
    before = resident_bytes()
    out = run_virtual(prepared.arun)
    ended = cpu_seconds()
    assert len(out) == rows and out["response_error"].isna().all()
    first, last = median(echo.dearness[:3]), median(echo.dearness[-3:])
    print(f"| rate of the last tenths to the first, medians of three | {first / last:.2f} | 0.9 |")
    print(f"| CPU us a row, by tenths | {', '.join(f'{1e7 * seconds / rows:.0f}' for seconds in echo.spent)} | |")
    dearness = ", ".join(f"{share:.2f}" for share in echo.dearness)
    print(f"| the same to a row of {FEW_ROWS:,} that another process maps beside | {dearness} | |")
    print(f"| from the last answer to the frame, CPU | {ended - echo.since:.1f} s | 3 s |")
    print(f"| memory above the frame | {(resident_bytes() - before) / rows:,.0f} bytes a row | 1,000 |")
    looked_at(out.claude.run, journal.with_suffix(".html"))


def looked_at(done: Run, page: Path) -> None:
    """Print what it takes to look at a run."""
    looks: dict[str, Callable[[], object]] = {
        "repr(run)": lambda: repr(done),
        "its report": lambda: done.report(page),
        "requests()": done.requests,
        "attempts()": done.attempts,
    }
    for name, look in looks.items():
        began = cpu_seconds()
        look()
        print(f"| {name}, CPU | {cpu_seconds() - began:.1f} s | 5 s |", flush=True)


def in_flight(url: str, journal: Path) -> None:
    """Print how the event loop bears thousands of calls at once."""
    lags: list[float] = []
    client = cp_client(url)
    cp.map(["imports"], client=client, journal=str(journal), progress=False)
    resident: list[int] = [resident_bytes()]
    frame = pd.DataFrame({"text": [f"row {row}" for row in range(CALLS)]})

    async def main() -> pd.DataFrame:
        async def tick() -> None:
            while True:
                due = time.perf_counter() + 0.01
                await asyncio.sleep(0.01)
                lags.append(time.perf_counter() - due)
                resident.append(resident_bytes())

        ticking = asyncio.create_task(tick())
        try:
            return await frame.claude.amap(
                "text", client=client, journal=str(journal), progress=False, max_concurrency=IN_FLIGHT
            )
        finally:
            ticking.cancel()

    out = asyncio.run(main())
    assert out["response_error"].isna().all()
    print(
        f"| {IN_FLIGHT:,} in flight: lag of the event loop, p99 | {1e3 * quantiles(lags, n=100)[98]:.0f} ms | 50 ms |"
    )
    print(f"| memory while they are, a call | {(max(resident) - resident[0]) / IN_FLIGHT / 1e3:.1f} kB | 25 kB |")


def run() -> None:
    """Print the table."""
    print("| what | figure | target |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        million(ROWS, Path(folder) / "million.sqlite3")
        with served(latency_seconds=LATENCY_SECONDS) as server:
            in_flight(server.url, Path(folder) / "journal.sqlite3")


if __name__ == "__main__":
    run()
