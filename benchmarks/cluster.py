"""Dask: rows from a cluster's partitions through one gate, and what that costs in time and memory.

Client, two workers and the server are processes of their own. The bound is the server's: rows beyond its first burst,
at its rate. It is kept when a map takes at most 1.05 times the bound and two latencies (the first call learns the
limits, the last one lands), and at most 0.5 % of the calls are refused. The time is waiting, so a busy machine changes
little. The same rows as a pandas frame show what the machine makes of it.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import claude_parallel as cp  # noqa: F401  (registers df.claude)

from .gate import cp_client
from .servers import served

PARTITIONS = 40
ROWS = 1_000
MORE_ROWS = 200_000
REQUESTS_A_MINUTE = 1_000
"""The lowest tier's: a minute of waiting shows a share of five per cent, where seconds would show the machine."""
BURST_SECONDS = 1.0
LATENCY_SECONDS = 1.0


def peak_mb() -> int:
    """Return the most memory that this process has had, in MB (Linux counts kibibytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000


def frame_of(rows: int) -> Any:
    """Return a Dask frame of texts that repeat after ``ROWS``, beside 200 bytes that nobody asks about."""
    import dask.dataframe as dd

    def part(number: int) -> pd.DataFrame:
        start = number * (rows // PARTITIONS)
        texts = [f"row {row % ROWS}" for row in range(start, start + rows // PARTITIONS)]
        return pd.DataFrame({"t": texts, "other": ["x" * 200] * len(texts)})

    return dd.from_map(part, range(PARTITIONS))


def run() -> None:
    """Print the table."""
    from distributed import Client, LocalCluster

    import claude_parallel.dask  # noqa: F401  (registers ddf.claude)

    profile = {"limits": [REQUESTS_A_MINUTE, None, None], "burst_seconds": BURST_SECONDS}
    rate = REQUESTS_A_MINUTE / 60
    bound = (ROWS - rate * BURST_SECONDS) / rate
    allowed = 1.05 * bound + 2 * LATENCY_SECONDS
    print(
        f"Bound: {bound:.1f} s for {ROWS:,} rows under {REQUESTS_A_MINUTE:,} requests a minute; kept up to "
        f"{allowed:.1f} s (1.05 x, and two latencies of {LATENCY_SECONDS:.0f} s).\n"
    )
    print(
        "| what | rows | seconds | to the bound | limits kept | 429s | client, MB at most (above its start) "
        "| workers, MB at most |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(**profile, latency_seconds=LATENCY_SECONDS, jitter_sigma=0.2) as server,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        options = {"journal": f"{folder}/journal.sqlite3", "progress": False, "client": cp_client(server.url)}
        before = peak_mb()

        def show(what: str, rows: int, ask: Callable[[], Any], *, is_paid: bool = True) -> None:
            began = time.perf_counter()
            errors = ask()["response_error"].isna().all()
            assert errors.compute() if what != "pandas" else errors
            seconds = time.perf_counter() - began
            refused = server.books()["refused"]
            ratio = f"{seconds / bound:.3f}" if is_paid else "from the journal"
            is_kept = refused <= 0.005 * rows and (not is_paid or seconds <= allowed)
            workers = ", ".join(str(peak) for peak in client.run(peak_mb).values())
            memory = f"{peak_mb()} ({peak_mb() - before})"
            print(
                f"| {what} | {rows:,} | {seconds:.1f} | {ratio} | {'yes' if is_kept else 'NO'} | {refused} | {memory} "
                f"| {workers} |",
                flush=True,
            )

        plain = frame_of(ROWS).compute()
        show("Dask", ROWS, lambda: frame_of(ROWS).claude.map("Say {t}", **options))
        show("pandas", ROWS, lambda: plain.claude.map("Tell {t}", **options))
        more = {**options, "into": Path(folder) / "out"}
        show("Dask, into a folder", MORE_ROWS, lambda: frame_of(MORE_ROWS).claude.map("Say {t}", **more), is_paid=False)


if __name__ == "__main__":
    run()
