"""The memory of a process that maps a file: answered over HTTP, or resumed from an answered journal.

The process that is measured does nothing else. Its peak is to depend on the window of rows, not on the file: compare
sizes. ``python -m benchmarks.files 50000 1000000`` has 50,000 rows answered and 1,000,000 resumed.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from subprocess import run as run_process

import pyarrow as pa
import pyarrow.parquet

import claude_parallel as cp

from .gate import cp_client
from .journal import HOST, fill
from .servers import served
from .throughput import cpu_seconds

ANSWERED_ROWS = 200_000
RESUMED_ROWS = 1_000_000
OTHER_BYTES = 170
"""Beside some thirty of text: 200 bytes a row."""


def write_source(path: Path, rows: int) -> None:
    """Write a table of rows of 200 bytes, whose texts are those that ``journal.fill`` has answered."""
    schema = pa.schema([("text", pa.string()), ("other", pa.string())])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 10_000):
            texts = [f"row number {row} of the frame" for row in range(start, min(start + 10_000, rows))]
            others = [f"{text} ".ljust(OTHER_BYTES, "x") for text in texts]
            writer.write_table(pa.table({"text": texts, "other": others}, schema=schema))


def memory_mb(field: str) -> int:
    """Return the memory of this process from Linux: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) // 1_000


def watch(seen: list[int]) -> None:
    """Note the memory now and then."""
    while True:
        seen.append(memory_mb("VmRSS"))
        time.sleep(2.0)


def mapped(what: str, folder: Path, rows: int, url: str) -> None:
    """Map the file in this process, and print what it took."""
    import claude_parallel.tables.map_file  # noqa: F401  (what the first map imports is not the rows' memory)

    before, cpu, began = memory_mb("VmRSS"), cpu_seconds(), time.perf_counter()
    seen: list[int] = []
    threading.Thread(target=watch, args=(seen,), daemon=True).start()
    result = cp.map_file(
        folder / "in.parquet",
        folder / f"{what}.parquet",
        "Say: {text}",
        journal=str(folder / "journal.sqlite3"),
        client=cp_client(url),
        progress=False,
    )
    assert result.rows == rows and not result.kinds, result
    tenths = [seen[len(seen) * at // 10] for at in range(1, 10)]
    print(
        f"| {what} | {rows:,} | {memory_mb('VmHWM')} | {before} | {', '.join(map(str, tenths))} | "
        f"{1e6 * (cpu_seconds() - cpu) / rows:,.0f} | {rows / (time.perf_counter() - began):,.0f} |",
        flush=True,
    )


def measure(what: str, rows: int) -> None:
    """Have one line printed by a process of its own."""
    with tempfile.TemporaryDirectory() as folder, served() as server:
        write_source(Path(folder) / "in.parquet", rows)
        if what == "resumed":
            fill(Path(folder) / "journal.sqlite3", rows)
        url = server.url if what == "answered" else HOST
        run_process([sys.executable, "-m", "benchmarks.files", what, folder, str(rows), url], check=True)


def run(answered_rows: int = ANSWERED_ROWS, resumed_rows: int = RESUMED_ROWS) -> None:
    """Print the table."""
    print(
        "| what | rows | MB at most | MB before the first row | MB at each tenth of the time | CPU us a row | rows/s |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for what, rows in (("answered", answered_rows), ("resumed", resumed_rows)):
        if rows:
            measure(what, rows)


if __name__ == "__main__":
    if sys.argv[1:2] and not sys.argv[1].isdigit():
        mapped(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        run(*map(int, sys.argv[1:]))
