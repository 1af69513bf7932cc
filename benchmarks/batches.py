"""120,000 rows in two batches, in memory: how long packing and collecting take, and how much memory they need.

The door keeps nothing but the ids of the requests, so the figures are those of this package: rows, envelopes, journal,
outcomes. The bound of the memory stands beside its figure.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pandas as pd

from claude_parallel.batch.carrier import BatchEnvironment
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState, read_result
from claude_parallel.engine.environment import Environment
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.records import Failure
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.transport import MemoryTransport

ROWS = 120_000
TEXT_BYTES = 1_000
BOUND_MEGABYTES = 300
"""Above the frame itself: the larger envelope (100,000 requests of 1.2 kB), tickets, outcomes, the journal's cache."""

_LINE = {
    "type": "succeeded",
    "message": {
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": "a short answer"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 300, "output_tokens": 5, "service_tier": "batch"},
    },
}


class IdsOnly:
    """A door that ends every batch at once and keeps only custom ids."""

    owner = "benchmark"

    def __init__(self) -> None:
        self.batches: dict[str, list[str]] = {}

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Keep the ids of an envelope."""
        size = sum(len(piece) for piece in envelope.pieces())
        assert size == envelope.size_bytes
        batch_id = f"msgbatch_{len(self.batches)}"
        self.batches[batch_id] = [row[14:76].decode() for row in envelope.rows]
        return await self.retrieve(batch_id)

    async def retrieve(self, batch_id: str) -> BatchState:
        """Say that a batch has ended."""
        return BatchState(batch_id, "ended", {"succeeded": len(self.batches[batch_id])}, time.time())

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """List nothing."""
        return BatchPage((), None)

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Do nothing."""
        return await self.retrieve(batch_id)

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Answer every request, last one first."""
        for number, name in enumerate(reversed(self.batches[batch.id])):
            result = read_result(json.dumps({"custom_id": name, "result": _LINE}))
            assert result is not None
            yield result
            if number % 500 == 0:
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Do nothing."""


def peak_megabytes() -> float:
    """Return the most memory this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_000_000 if sys.platform == "darwin" else 1_000)


def measure(rows: int = ROWS) -> dict[str, Any]:
    """Run the map, and return the figures of the table row."""
    frame = pd.DataFrame({"t": [f"{number} ".ljust(TEXT_BYTES, "x") for number in range(rows)]})
    door = IdsOnly()
    live = Environment("memory://benchmark", lambda _cap, timeout: MemoryTransport(Brain(), timeout), Gate())
    environment = BatchEnvironment(live, lambda _timeout: door)
    with tempfile.TemporaryDirectory() as folder:
        options = {"journal": Path(folder) / "j.sqlite3", "progress": False, "batch": True}
        prepared = FrameMap(frame, "Classify: {t}", "response", options, environment=environment)
        session = prepared.session()
        before, began = peak_megabytes(), time.perf_counter()
        session.run()
        seconds = time.perf_counter() - began
        out = prepared.result(session)
    assert out["response_error"].isna().all()
    return {
        "rows": rows,
        "batches": len(door.batches),
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "megabytes_above_frame": round(peak_megabytes() - before),
        "bound_megabytes": BOUND_MEGABYTES,
    }


def run() -> None:
    """Print the table row."""
    row = measure()
    print("| " + " | ".join(row) + " |")
    print("|" + "---|" * len(row))
    print("| " + " | ".join(f"{value:,}" for value in row.values()) + " |")


if __name__ == "__main__":
    run()
