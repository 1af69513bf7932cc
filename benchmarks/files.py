"""The memory of a process that maps a file: answered over HTTP, then resumed from the journal.

The process that is measured does nothing else. Its peak is to depend on the window of rows, not on the file: compare
the same with more rows (``python -m benchmarks.files 50000 100000``).
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
from .servers import served
from .throughput import cpu_seconds

ROWS = (50_000, 100_000, 200_000)
ROW_BYTES = 200


def write_source(path: Path, rows: int) -> None:
    """Write a table of texts of 200 bytes, none like another."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 10_000):
            numbers = range(start, min(start + 10_000, rows))
            texts = [f"row {number} ".ljust(ROW_BYTES, "x") for number in numbers]
            writer.write_table(pa.table({"id": list(numbers), "text": texts}, schema=schema))


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
        "Say {text}",
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


def measure(rows: int) -> None:
    """Print both lines for a file of so many rows."""
    with tempfile.TemporaryDirectory() as folder, served() as server:
        write_source(Path(folder) / "in.parquet", rows)
        for what in ("answered", "resumed"):
            run_process([sys.executable, "-m", "benchmarks.files", what, folder, str(rows), server.url], check=True)


def run(sizes: tuple[int, ...] = ROWS) -> None:
    """Print the table."""
    print(
        "| what | rows | MB at most | MB before the first row | MB at each tenth of the time | CPU us a row | rows/s |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for rows in sizes:
        measure(rows)


if __name__ == "__main__":
    if sys.argv[1:2] and not sys.argv[1].isdigit():
        mapped(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        run(tuple(map(int, sys.argv[1:])) or ROWS)
