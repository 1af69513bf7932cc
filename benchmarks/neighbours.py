"""Several processes with the same key on one account, over real HTTP: seconds against the bound, and 429s."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.stories.test_neighbours import PER_MINUTE, bound_seconds

from .servers import served

LATENCY_SECONDS = 0.5

CASES: tuple[tuple[Sequence[float], int], ...] = (
    ((0.0, 0.0), 800),
    ((0.0, 10.0), 800),
    ((0.0, 0.0, 0.0, 0.0), 400),
    ((0.0, 5.0, 10.0, 15.0), 400),
)
"""When processes begin, in seconds, and the rows of each."""


def map_rows(url: str, name: str, rows: int) -> None:
    """Map a frame at a moment, in seconds since the epoch; print how many rows were lost, and the moment of the end.

    The moment is read from standard input, once all is imported and that is said: under load imports take 20 s.
    """
    import anthropic
    import anthropic.types
    import pandas as pd

    import claude_parallel.frames.frame_map  # noqa: F401  (registers the accessor; the rest is imported late otherwise)

    frame = pd.DataFrame({"prompt": [f"process {name} row {number}" for number in range(rows)]})
    client = anthropic.AsyncAnthropic(base_url=url, api_key="simulator")
    print("ready", flush=True)
    time.sleep(max(0.0, float(sys.stdin.readline()) - time.time()))
    out = frame.claude.map("prompt", journal=False, progress=False, client=client)
    print(int(out["response_error"].notna().sum()), time.time())


def play(starts: Sequence[float], rows: int) -> None:
    """Play one case, and print its line of the table."""
    with (
        tempfile.TemporaryDirectory() as home,
        served(limits=(PER_MINUTE, None, None), latency_seconds=LATENCY_SECONDS, jitter_sigma=0.2) as server,
    ):
        environment = {**os.environ, "CLAUDE_PARALLEL_HOME": home}
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.neighbours", server.url, str(number), str(rows)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for number in range(len(starts))
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        first = time.time() + 1.0
        for process, start in zip(processes, starts, strict=True):
            assert process.stdin is not None
            process.stdin.write(f"{first + start}\n")
            process.stdin.flush()
        ends = [process.communicate()[0].split() for process in processes]
        books = server.books()
    seconds, bound = max(float(end[1]) for end in ends) - first, bound_seconds(starts, rows)
    print(
        f"| {len(starts)} | {', '.join(f'{start:g}' for start in starts)} | {rows} | {bound:.1f} | {seconds:.1f} | "
        f"{seconds / bound:.3f} | {100 * books['refused'] / books['calls']:.2f} % | "
        f"{sum(int(end[0]) for end in ends)} |",
        flush=True,
    )


def run() -> None:
    """Print the table."""
    print("| processes | begin after s | rows each | bound s | wall s | wall / bound | 429s of calls | rows lost |")
    print("|---|---|---|---|---|---|---|---|")
    for starts, rows in CASES:
        play(starts, rows)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        map_rows(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        run()
