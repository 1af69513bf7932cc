"""kill -9 for real, over HTTP, twice in one run: the third run finishes and hardly anything is paid twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer

pytestmark = pytest.mark.wall_clock

ROWS = 90

CELL = """
import sys
import pandas as pd
import claude_parallel as cp

cp.configure(api_key="any", base_url=sys.argv[1])
frame = pd.DataFrame({"t": [f"row {number}" for number in range(int(sys.argv[3]))]})
out = frame.claude.map("Say {t}", journal=sys.argv[2], progress=False, max_concurrency=15)
out.to_pickle(sys.argv[4])
"""


def start(url: str, journal: Path, result: Path) -> subprocess.Popen[bytes]:
    """Run the cell in a process of its own."""
    arguments = [url, str(journal), str(ROWS), str(result)]
    return subprocess.Popen([sys.executable, "-c", CELL, *arguments], stderr=subprocess.PIPE)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is not known here")
def test_two_kills_cost_at_most_the_calls_in_flight(tmp_path: Path) -> None:
    """The ledger of the simulator counts what is paid twice; every row has its answer in the end."""
    rng = random.Random(os.urandom(8))
    journal, result = tmp_path / "j.sqlite3", tmp_path / "out.pickle"
    profile = Profile(latency_seconds=0.15, jitter_sigma=0.5)
    in_flight = 0
    with SimulatorServer(profile) as sim:
        answered = 0
        for _ in range(2):
            process = start(sim.url, journal, result)
            wanted = answered + rng.randrange(1, ROWS // 3)
            while sim.ledger.answered < wanted and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.random() * 0.1)
            in_flight += sim.ledger.in_flight + 2  # and answers on the wire, or not yet committed
            process.kill()
            process.communicate()
            answered = sim.ledger.answered
        assert not result.exists(), "both runs ended before they were killed"
        process = start(sim.url, journal, result)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
        out = pd.read_pickle(result)
        bodies = Counter(paid.digest for paid in sim.ledger.paid)
    assert out["response"].notna().all()
    assert out["response_error"].isna().all()
    assert len(bodies) == ROWS
    assert (out["response_cost"] == 0).sum() > 0
    assert sum(count - 1 for count in bodies.values()) <= in_flight
