"""What the journal gives and takes: resume of a large frame, its share of a fast run, bytes per row."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd

import claude_parallel as cp  # noqa: F401  (registers df.claude)
from claude_parallel.options import DEFAULT_MAX_TOKENS, DEFAULT_MODEL
from claude_parallel.prompt.request import fingerprint
from claude_parallel.records import Reply
from claude_parallel.store.journal import Journal

from .gate import cp_client

ROWS = 100_000
HOST = "http://127.0.0.1:9"
"""Nobody listens there: a resumed run must not need the network at all."""

ANSWER = (
    "Simulated answer, about as long as a short classification with a reason usually is: positive, since " + "x" * 100
)


def _message(row: int) -> dict[str, object]:
    return {
        "id": f"msg_{row:020d}",
        "type": "message",
        "role": "assistant",
        "model": DEFAULT_MODEL,
        "content": [{"type": "text", "text": f"{ANSWER} {row}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 40, "output_tokens": 50, "service_tier": "standard"},
    }


def fill(path: Path, rows: int) -> float:
    """Keep `rows` answers as a run would, and return the bytes of the file per 1,000 rows."""
    journal = Journal.open(path, is_explicit=True)
    for start in range(0, rows, 5_000):
        journal.keep_answers(
            (
                fingerprint(
                    HOST,
                    {
                        "model": DEFAULT_MODEL,
                        "max_tokens": DEFAULT_MAX_TOKENS,
                        "messages": [{"role": "user", "content": f"Say: row number {row} of the frame"}],
                    },
                ),
                HOST,
                Reply(_message(row), f"req_{row:020d}", {}),
                1.79e9 + row,
            )
            for row in range(start, min(start + 5_000, rows))
        )
    journal.close()
    return path.stat().st_size / rows * 1_000


def resume(path: Path, rows: int) -> float:
    """Return the seconds that a map over answered rows takes, end to end, the frame included."""
    frame = pd.DataFrame({"text": [f"row number {row} of the frame" for row in range(rows)]})
    client = cp_client(HOST)
    started = time.perf_counter()
    out = frame.claude.map("Say: {text}", journal=str(path), progress=False, client=client)
    seconds = time.perf_counter() - started
    assert out["response_error"].isna().all() and (out["response_cost"] == 0).all()
    return seconds


def run() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite3"
        size = fill(path, ROWS)
        resume(path, 1_000)
        best = sorted(resume(path, ROWS) for _ in range(3))
        grown = path.stat().st_size / ROWS * 1_000
    print("| what | figure | target |")
    print("|---|---|---|")
    print(f"| resume of {ROWS:,} answered rows, end to end | {ROWS / best[1]:,.0f} rows/s | 33,000 rows/s |")
    print(f"| answers in the file, per 1,000 rows | {size / 1e3:,.0f} kB | |")
    print(f"| with the records of four runs, per 1,000 rows | {grown / 1e3:,.0f} kB | |")
    print("\nWhat the journal costs at full speed: compare the first two lines of `throughput`.")


if __name__ == "__main__":
    run()
