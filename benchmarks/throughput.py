"""Rows per second at 50 in flight against a server that answers at once: what the client itself costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import claude_parallel as cp

from .rivals import SEMAPHORE, aiohttp_sdk, plain_sdk
from .servers import served

ROWS = 3_000
ROUNDS = 5


def run() -> None:
    """Print the table: medians of interleaved rounds, as ratios to the plain SDK."""
    texts = [f"row {number}" for number in range(ROWS)]
    with served(output_tokens=20) as server, tempfile.TemporaryDirectory() as folder:
        cp.configure(base_url=server.url, api_key="simulator", max_concurrency=SEMAPHORE)
        rounds = iter(range(10_000))

        def ours(journal: bool) -> None:
            # Every round asks something new, so that no journal answers for it.
            prompt = f"{next(rounds)} {{t}}"
            path = Path(folder) / "journal.sqlite3" if journal else False
            pd.DataFrame({"t": texts}).claude.map(prompt, journal=path)

        ways: dict[str, Callable[[], object]] = {
            "plain SDK: gather, semaphore": lambda: plain_sdk(server.url, texts),
            "the same over aiohttp": lambda: aiohttp_sdk(server.url, texts),
            "claude_parallel, cost and progress": lambda: ours(False),
            "claude_parallel, and the journal": lambda: ours(True),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _round in range(ROUNDS):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
    plain = statistics.median(seconds["plain SDK: gather, semaphore"])
    print("| who | rows per second | ratio to the plain SDK |\n|---|---|---|")
    for name, measured in seconds.items():
        median = statistics.median(measured)
        print(f"| {name} | {ROWS / median:,.0f} | {plain / median:.2f} |")
