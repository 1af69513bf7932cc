"""Outages: everything fails for a while; no row is lost, and patience ends with one clear message."""

from __future__ import annotations

import pytest

from claude_parallel.errors import RunStopped
from claude_parallel.retry import RetryPolicy
from claude_parallel.simulation.profile import Profile
from tests.worlds import frame_of, world


def test_what_fails_in_an_outage_is_not_the_rows_fault() -> None:
    """Sixty calls in a row answer 529, far more than a row's own retries allow; every row is answered in the end."""
    made = world(Profile(latency_seconds=0.2, script=dict.fromkeys(range(100, 160), "overloaded")))
    out = made.map(frame_of(300), "{t}", max_concurrency=20, retries=2)
    assert out["response_error"].isna().all()
    assert made.brain.ledger.requests == 300 + 60


def test_patience_ends_the_run_with_one_clear_message() -> None:
    """After ``outage_patience`` the rows that are left are marked; nothing is sent any more."""
    made = world(Profile(latency_seconds=0.2, faults={"overloaded": 1.0}))
    with pytest.raises(RunStopped, match="Overloaded"):
        made.map(frame_of(300), "{t}", retries=RetryPolicy(outage_patience=60.0))
    assert made.brain.ledger.requests <= 80
    assert 60.0 <= made.clock() <= 120.0


def test_a_fixed_number_in_flight_is_a_promise() -> None:
    """All of them are under way as soon as the first answer shows that the account answers."""
    made = world(Profile(latency_seconds=5.0))
    out = made.map(frame_of(1_000), "{t}", max_concurrency=500)
    assert out["response_error"].isna().all()
    assert made.brain.ledger.max_in_flight == 500
    assert made.clock() <= 20.0
