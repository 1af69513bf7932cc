"""What a notebook user feels: the time of a call of one row, above the server's own answer."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

import claude_parallel as cp  # noqa: F401  (registers df.claude)

from .gate import cp_client
from .servers import served
from .throughput import cpu_seconds

CALLS = 60
COLD_STARTS = 3

_COLD = """
import sys, time, resource
import pandas as pd
import claude_parallel as cp
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
began = cpu()
import anthropic, anthropic.resources.messages
sdk = cpu() - began
cp.configure(api_key="simulator", base_url=sys.argv[1], journal=sys.argv[2])
began = cpu()
pd.DataFrame({"prompt": ["row"]}).claude.map("prompt", progress=False)
print(sdk, cpu() - began)
"""
"""CPU seconds of importing the SDK, and of the first call after it."""


def calls(url: str, journal: Path, *, name: str) -> tuple[list[float], list[float]]:
    """Return milliseconds by the clock and of CPU, of one-row calls one after the other."""
    walls, cpus = [], []
    client = cp_client(url)
    for number in range(CALLS):
        frame = pd.DataFrame({"prompt": [f"{name} {number}"]})
        started, cpu = time.perf_counter(), cpu_seconds()
        frame.claude.map("prompt", progress=False, client=client, journal=str(journal))
        walls.append(1e3 * (time.perf_counter() - started))
        cpus.append(1e3 * (cpu_seconds() - cpu))
    return walls, cpus


def cold(url: str, journal: Path) -> tuple[float, float]:
    """Return CPU milliseconds: the SDK's own import, and the first call above it, of compiled modules."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for number in range(COLD_STARTS + 1):
        made = subprocess.run(
            [sys.executable, "-c", _COLD, url, str(journal.with_suffix(f".{number}"))],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        found.append([1e3 * float(figure) for figure in made.stdout.split()])
    sdk, first = zip(*found[1:], strict=True)  # the first start compiles them, which an installation does
    return statistics.median(sdk), statistics.median(first)


def run() -> None:
    """Print the table."""
    print("| a call of one row | ms, best [median] | CPU ms, median | target |")
    print("|---|---|---|---|")
    with served() as server, tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.sqlite3"
        calls(server.url, journal, name="warm-up")
        for what, target in (("warm, the server's answer (about 2 ms) included", 15), ("from the journal", 8)):
            walls, cpus = calls(server.url, journal, name="row")
            print(
                f"| {what} | {min(walls):.1f} [{statistics.median(walls):.1f}] | {statistics.median(cpus):.1f} | "
                f"{target} ms |"
            )
        sdk, first = cold(server.url, journal)
    print(f"| the first of a process, above the SDK's import ({sdk:,.0f} ms of CPU) | | {first:,.0f} | 400 ms |")


if __name__ == "__main__":
    run()
