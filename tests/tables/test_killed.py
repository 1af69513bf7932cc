"""kill -9 and Ctrl-C for real, over HTTP, while files are mapped: the next run goes on, and the result is the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer

ROWS = 120
CHUNK_ROWS = 10
IN_FLIGHT = 15

SCRIPT = """
import sys
import claude_parallel as cp

cp.configure(api_key="any", base_url=sys.argv[1])
cp.map_file(sys.argv[2], sys.argv[3], "Say {t}", journal=sys.argv[4], progress=False, max_concurrency=15, chunk_rows=10)
"""


def start(url: str, source: Path, target: str, journal: Path) -> subprocess.Popen[bytes]:
    """Map in a process of its own."""
    arguments = [url, str(source), target, str(journal)]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.PIPE)


def stopped(
    server: Any,
    begin: Callable[[], subprocess.Popen[bytes]],
    answers: int,
    is_reached: Callable[[], bool],
    how: signal.Signals,
) -> None:
    """Run until so many answers more were sent, and what else is to be seen on disk, and end it."""
    wanted = server.ledger.answered + answers
    process = begin()
    while (server.ledger.answered < wanted or not is_reached()) and process.poll() is None:
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it was stopped"
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert how is signal.SIGKILL or b"KeyboardInterrupt" in errors


def finished(server: Any, begin: Callable[[], subprocess.Popen[bytes]]) -> None:
    """Run to the end."""
    process = begin()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()


@pytest.mark.wall_clock
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is not known here")
@pytest.mark.parametrize(
    ("target", "ends"), [("out/", [signal.SIGKILL, signal.SIGINT]), ("out.parquet", [signal.SIGKILL])]
)
def test_a_file_run_survives(tmp_path: Path, target: str, ends: list[signal.Signals]) -> None:
    """Finished parts are untouched, and nothing is paid twice but calls that were in flight at the kill."""
    source, journal, place = tmp_path / "in.parquet", tmp_path / "journal.sqlite", f"{tmp_path}/{target}"
    given = {"t": [f"row {number}" for number in range(ROWS)], "n": list(range(ROWS))}
    pq.write_table(pa.table(given), source)
    kept: list[dict[str, int]] = []
    with SimulatorServer(Profile(latency_seconds=0.15, jitter_sigma=0.5)) as server:

        def begin() -> subprocess.Popen[bytes]:
            return start(server.url, source, place, journal)

        def has_parts() -> bool:
            return len(parts(tmp_path / "out")) > 0

        for end in ends:
            stopped(server, begin, 40, has_parts if target == "out/" else lambda: True, end)
            kept.append(parts(tmp_path / "out"))
        finished(server, begin)
        bodies = Counter(paid.digest for paid in server.ledger.paid)

    kept.append(parts(tmp_path / "out"))
    for earlier, later in pairwise(kept):
        assert earlier.items() <= later.items()
    if target == "out/":
        assert 0 < len(kept[0]) < len(kept[-1]) == ROWS // CHUNK_ROWS
    assert len(bodies) == ROWS
    assert sum(count - 1 for count in bodies.values()) <= IN_FLIGHT * ends.count(signal.SIGKILL)
    found = pq.read_table(place).to_pydict()
    assert {name: found[name] for name in given} == given
    assert found["response"] == [f"Simulated: Say {text}" for text in given["t"]]
    assert found["response_error"] == [None] * ROWS
    assert not list(tmp_path.rglob("*.unfinished"))


def parts(folder: Path) -> dict[str, int]:
    """Return the parts that are whole, with the times at which they were written."""
    manifest = folder / "_claude_parallel.json"
    known = json.loads(manifest.read_text())["parts"] if manifest.exists() else {}
    whole = [name for name, tally in known.items() if "cancelled" not in tally["kinds"]]
    return {name: (folder / name).stat().st_mtime_ns for name in whole}
