"""What the journal costs, and how fast it answers: resume of 100,000 rows, file size."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd

import claude_parallel as cp
from claude_parallel.client import resolve_settings
from claude_parallel.journal import Journal
from claude_parallel.mapping import FrameMap
from claude_parallel.records import Reply
from claude_parallel.request import build

from .servers import served

ROWS = 100_000
PROMPT = "Say {t}"


def run() -> None:
    """Print the table."""
    frame = pd.DataFrame({"t": [f"row {number}" for number in range(ROWS)]})
    with served() as server, tempfile.TemporaryDirectory() as folder:
        cp.configure(base_url=server.url, api_key="simulator")
        path = Path(folder) / "journal.sqlite3"
        _fill(path, frame)
        size = path.stat().st_size / ROWS * 1_000 / 1e3
        began = time.perf_counter()
        out = frame.claude.map(PROMPT, journal=path, progress=False)
        seconds = time.perf_counter() - began
        assert server.books()["calls"] == 0
        assert out["response_cost"].sum() == 0
    print("| what | value |\n|---|---|")
    print(f"| resume of {ROWS:,} answered rows, frame to frame | {ROWS / seconds:,.0f} rows/s |")
    print(f"| journal per 1,000 answers of 60 words, keys and message included | {size:,.0f} kB |")


def _fill(path: Path, frame: pd.DataFrame) -> None:
    """Write the answers that a first run would have left, without asking for them."""
    prepared = FrameMap(frame, PROMPT, "response", {"journal": False})
    session = prepared.prepare(None)
    text = "word " * 60
    journal = Journal.open(path)
    for start in range(0, len(frame), 5_000):
        contents = prepared.rows.contents(start, min(start + 5_000, len(frame)))
        rows = []
        for content in contents:
            assert isinstance(content, str)
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": resolve_settings({}).model,
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 12, "output_tokens": 75, "service_tier": "standard"},
            }
            rows.append(
                (build(session.shared, content).fingerprint, session.doors.host, Reply(message, "req_1", {}), 0.0)
            )
        journal.keep_answers(rows)
    journal.close()
