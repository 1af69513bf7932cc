"""The soak of the benchmarks, some seconds long: everything goes wrong, and nothing is lost or paid twice."""

from __future__ import annotations

import signal

import pytest

from benchmarks.soak import Attack


@pytest.mark.wall_clock
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is not known here")
def test_a_short_soak_ends_well() -> None:
    """Two processes on one frame, killed at random, with faults, outages and a locked journal."""
    told = Attack(600, in_flight=20, seconds=60.0, seed=3, attacks=2).run()
    assert told.problems == []
    assert told.billed >= 400
