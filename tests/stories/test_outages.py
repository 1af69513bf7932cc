"""Outages: everything fails for a while; no row is lost, and patience ends with one clear message."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from claude_parallel.errors import RunStopped
from claude_parallel.limits.circuit import JITTER, PROBE_GROWTH, RESUME_SECONDS
from claude_parallel.progress.waits import WaitReason
from claude_parallel.records import Failure
from claude_parallel.retry import RetryPolicy
from claude_parallel.simulation.brain import EPOCH
from claude_parallel.simulation.profile import Profile
from claude_parallel.text import local_time
from tests.worlds import Outage, frame_of, world

ROWS, IN_FLIGHT = 3_000, 60
BEGINS, LASTS = 20.0, 20.0
TIMEOUT_SECONDS = 5.0
PROFILE = Profile(latency_seconds=1.0, jitter_sigma=0.2)

OUTAGES = {
    "529s": (Failure("overloaded", "Overloaded", 529), 0.05),
    "500s": (Failure("server", "Internal server error", 500), 0.05),
    "refused connections": (Failure("connection", "connection refused"), 0.001),
    "resets": (Failure("connection", "the connection was reset", perhaps_billed=True), 0.5),
    "calls that hang": (Failure("timeout", "no answer in time", perhaps_billed=True), TIMEOUT_SECONDS),
}
"""What every call comes to, and after how many seconds."""

FAULTS: dict[Any, float] = dict.fromkeys(("overloaded", "server", "rate_limit", "reset", "not_json", "html_502"), 0.02)


def run_through(outage: Outage | None, profile: Profile) -> float:
    """Map 3,000 rows, 60 at once, through an outage, and return how long that took; no row may be lost."""
    made = world(profile, seed=3)
    made.outage = outage
    out = made.map(frame_of(ROWS), "{t}", max_concurrency=IN_FLIGHT, timeout=TIMEOUT_SECONDS)
    assert out["response_error"].isna().all()
    return made.clock()


@cache
def quiet_seconds() -> float:
    """Return how long the same takes without an outage."""
    return run_through(None, PROFILE)


@pytest.mark.parametrize("kind", OUTAGES)
def test_an_outage_costs_its_own_length_and_few_calls(kind: str) -> None:
    """No row; at most what was in flight and 20 calls; and one interval between probes and 5 seconds more.

    A probe that hangs is known to have failed only at its timeout, so that belongs to its interval.
    """
    failure, after_seconds = OUTAGES[kind]
    outage = Outage(BEGINS, BEGINS + LASTS, failure, after_seconds)
    longer = run_through(outage, PROFILE) - quiet_seconds()
    interval = after_seconds + (1 + JITTER) * PROBE_GROWTH * LASTS
    assert 0 < outage.calls <= 20  # and the 60 that were under way when it began
    assert longer <= LASTS + interval + 5.0


@pytest.mark.parametrize("kind", ["resets", "calls that hang"])
def test_answers_that_still_come_let_no_more_calls_into_an_outage(kind: str) -> None:
    """Each lets one more call go; from then on five failures open the circuit, however many calls are in flight."""
    outage = Outage(BEGINS, BEGINS + LASTS, *OUTAGES[kind], spares_flying=True)
    run_through(outage, PROFILE)
    assert 0 < outage.calls <= IN_FLIGHT + 20


def test_random_faults_and_an_outage_lose_no_row() -> None:
    """12 % faults of six kinds, and 20 seconds of 529s in the middle of them."""
    outage = Outage(BEGINS, BEGINS + LASTS, *OUTAGES["529s"])
    run_through(outage, replace(PROFILE, faults=FAULTS))
    assert outage.calls <= IN_FLIGHT + 20


def test_a_pause_that_begins_among_answers_is_on_record() -> None:
    """One row is refused for a second while the other takes three: that second was waited, and the report says so."""
    made = world(Profile(latency_seconds=3.0, script={2: "rate_limit"}))
    made.map(frame_of(2), "{t}")
    assert made.session is not None
    waited = made.session.state.waited
    assert waited[WaitReason.RATE_LIMIT] == pytest.approx(1.0, abs=0.01)
    ((began, ended, reason),) = made.session.journal.query("SELECT started, ended, reason FROM waits")
    assert (ended - began, reason) == (pytest.approx(1.0, abs=0.01), WaitReason.RATE_LIMIT)


def test_an_outage_is_on_record_from_its_beginning_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Time in which a probe is under way included; the log names the time of day and the next try."""
    caplog.set_level(logging.INFO, logger="claude_parallel")
    made = world(Profile(latency_seconds=1.0))
    made.outage = Outage(5.0, 25.0, *OUTAGES["529s"])
    made.map(frame_of(300), "{t}", max_concurrency=20)
    assert made.session is not None
    waited = made.session.state.waited[WaitReason.OVERLOADED]
    ((kept,),) = made.session.journal.query("SELECT sum(ended - started) FROM waits WHERE reason = 'API overloaded'")
    assert 20.0 <= waited <= 27.0
    assert kept == pytest.approx(waited - RESUME_SECONDS, abs=0.1)
    said = [record.getMessage() for record in caplog.records if "since" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"API overloaded since {local_time(EPOCH + 5.05)}, next try in ")
    assert "the API answers again after" in caplog.text


def test_isolated_overloads_teach_nothing() -> None:
    """Two percent of 529s cost their own calls and no time: the gate neither pauses nor narrows."""
    noisy = run_through(None, replace(PROFILE, faults={"overloaded": 0.02}))
    assert noisy <= 1.05 * quiet_seconds()


def test_what_fails_in_an_outage_is_not_the_rows_fault() -> None:
    """Forty calls in a row answer 529, far more than a row's own retries allow; every row is answered in the end."""
    made = world(Profile(latency_seconds=0.2, script=dict.fromkeys(range(100, 140), "overloaded")))
    out = made.map(frame_of(300), "{t}", max_concurrency=20, retries=2)
    assert out["response_error"].isna().all()
    assert made.brain.ledger.requests == 300 + 40


def test_a_timeout_that_is_too_short_pays_for_no_row_more_often_than_its_tries() -> None:
    """The API bills what it answers too late: 20 rows of 3 seconds, two tries of half a second each."""
    made = world(Profile(latency_seconds=3.0))
    out = made.map(frame_of(20), "{t}", timeout=0.5, retries=1)
    assert set(out["response_error"].str.split(":").str[0]) == {"timeout"}
    assert made.brain.ledger.requests == 20 * 2


@pytest.mark.parametrize("begin", [0.0, 5.0])
def test_refusals_that_name_no_wait_end_the_run_as_an_outage_does(begin: float) -> None:
    """30 rows would take four hours of nothing but 429s, 300 rows two days; the rows are told that it was a limit."""
    made = world(Profile(latency_seconds=1.0))
    made.outage = Outage(begin, 1e9, Failure("rate_limit", "slow down", 429))
    if begin:
        with pytest.warns(UserWarning, match="the run stopped early"):
            errors = made.map(frame_of(1_000), "{t}", max_concurrency=20)["response_error"]
        assert set(errors.dropna().str.split(":").str[0]) == {"rate_limit"}
    else:
        with pytest.raises(RunStopped, match=r"rate_limit: slow down; no call came through for 15 min"):
            made.map(frame_of(300), "{t}")
    assert made.clock() < 1_000.0
    assert made.outage.calls < 200


def test_one_refusal_after_a_long_silence_ends_nothing() -> None:
    """Patience begins with the first refusal, not with the last answer: a gateway may hold a call for long."""
    made = world(Profile(latency_seconds=1.0))
    made.outage = Outage(0.0, 10.0, Failure("rate_limit", "slow down", 429), after_seconds=1_000.0)
    assert made.map(frame_of(3), "{t}", timeout=3_600)["response_error"].isna().all()


def test_refusals_that_say_when_to_come_back_are_obeyed_for_longer() -> None:
    """The server knows what it does: after 20 minutes of it all rows are answered."""
    made = world(Profile(latency_seconds=1.0))
    made.outage = Outage(5.0, 1_205.0, Failure("rate_limit", "slow down", 429, retry_after=60.0))
    assert made.map(frame_of(300), "{t}", max_concurrency=20)["response_error"].isna().all()


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
