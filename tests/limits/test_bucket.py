"""One token bucket of the client: refill, waits, what readings and refusals teach."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.bucket import SHORTEST_WAIT_SECONDS, UNPACED, Bucket, settled
from claude_parallel.records import RateLimitStatus

limits = st.floats(1, 1e7)
steps = st.lists(st.tuples(st.floats(0, 20), st.floats(0.01, 1.5)), min_size=1, max_size=60)


def known(limit: float = 600.0, level: float | None = None, *, at_end: bool = False) -> Bucket:
    """Return a bucket with this limit at time 0, without any reserve."""
    bucket = Bucket("output" if at_end else "requests", counts_at_end=at_end, server_limit=limit)
    bucket.set_limit(0.0)
    bucket.reserve = 0.0
    bucket.level = limit if level is None else level
    return bucket


def test_an_unknown_limit_never_holds_anything_back() -> None:
    """Before the first response everything fits."""
    bucket = Bucket("input")
    assert not bucket.is_known
    bucket.take(1e9, 0.0, 1.0)
    assert bucket.level_wait(1e9) == 0.0


@pytest.mark.parametrize(
    ("told", "given_limit", "kept"),
    [(1_000.0, math.inf, 1_000.0), (1_000.0, 50.0, 50.0), (50.0, 1_000.0, 50.0), (math.inf, 70.0, 70.0)],
)
def test_the_tighter_of_told_and_given_is_kept(told: float, given_limit: float, kept: float) -> None:
    """A user may go below the account's limit, and never above it."""
    bucket = Bucket("requests", server_limit=told, user_limit=given_limit)
    bucket.set_limit(0.0)
    assert bucket.limit == kept


@given(limits, steps)
def test_no_window_grants_more_than_capacity_and_refill(limit: float, calls: list[tuple[float, float]]) -> None:
    """Between any two grants, at most one full bucket and the refill of that time go through."""
    bucket, now, granted = known(limit), 0.0, []
    for gap, share in calls:
        now += gap
        amount = share * limit
        bucket.refill(now)
        if bucket.level_wait(amount) == 0.0:
            bucket.take(amount, now, UNPACED)
            granted.append((now, amount))
    for first in range(len(granted)):
        total = 0.0
        for at, amount in granted[first:]:
            allowed = limit + limit / 60 * (at - granted[first][0])
            assert total + min(amount, limit) <= allowed * (1 + 1e-6) + 1e-6
            total += amount


@given(limits, steps, st.booleans(), st.floats(0, 0.9))
def test_waiting_the_returned_time_suffices(
    limit: float, calls: list[tuple[float, float]], at_end: bool, reserve: float
) -> None:
    """A request that comes again after exactly the returned wait goes, unless others went meanwhile."""
    bucket, now = known(limit, at_end=at_end), 0.0
    bucket.reserve = reserve * max(0.0, limit - 1.0)
    for gap, share in calls:
        now += gap
        bucket.refill(now)
        seconds = bucket.level_wait(share * limit)
        assert math.isfinite(seconds)
        if bucket.counts_at_end:
            bucket.land(bucket.reserved, bucket.reserved)
        now += bucket.level_wait(share * limit)
        bucket.refill(now)
        assert bucket.level_wait(share * limit) <= max(SHORTEST_WAIT_SECONDS, 1e-6 * now)
        bucket.take(share * limit, now, UNPACED)


@given(limits, st.floats(1.0, 100.0), st.floats(0, 0.99))
def test_a_request_larger_than_the_bucket_goes_when_it_is_full(limit: float, factor: float, reserve: float) -> None:
    """It waits at most until the bucket is full, whatever must stay in it otherwise, and leaves it in debt."""
    bucket = known(limit, level=0.0)
    bucket.reserve = reserve * limit
    assert bucket.level_wait(factor * limit) == pytest.approx(60.0)
    bucket.refill(60.0)
    assert bucket.level_wait(factor * limit) == 0.0
    bucket.take(factor * limit, 60.0, UNPACED)
    assert bucket.level <= 0.0


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=50), st.booleans())
def test_landing_conserves(weights: list[tuple[float, float]], at_end: bool) -> None:
    """Once everything has landed, exactly the real weights are charged, and nothing is owed."""
    bucket = known(1e6, at_end=at_end)
    for charged, _real in weights:
        bucket.take(charged, 0.0, UNPACED)
    for charged, real in weights:
        bucket.land(charged, real)
    assert bucket.level == pytest.approx(1e6 - sum(real for _, real in weights), abs=1e-3)
    assert bucket.reserved == pytest.approx(0.0, abs=1e-3)


def test_a_cancelled_charge_is_given_back() -> None:
    """A refused call has used nothing up."""
    bucket = known()
    bucket.take(100.0, 1.0, UNPACED)
    bucket.cancel(100.0, sent_at=1.0)
    assert (bucket.level, bucket.counted) == (600.0, 0.0)


def test_the_pace_spreads_requests_evenly() -> None:
    """At speed 1, ten requests of a second's worth each are due a second apart."""
    bucket, now, sent = known(60.0), 0.0, []
    for _ in range(10):
        now += bucket.pace_wait(now)
        bucket.take(1.0, now, 1.0)
        sent.append(now)
    assert sent[-1] == pytest.approx(9.0, abs=0.1)


def test_the_first_reading_tells_level_and_limit() -> None:
    """What is charged since that request was sent is taken off, what came back since is added."""
    bucket = Bucket("requests")
    bucket.take(1.0, 0.0, 1.0)
    then = bucket.counted
    bucket.take(1.0, 1.0, 1.0)
    bucket.learn(RateLimitStatus(600.0, 100.0), sent_at=0.0, counted_then=then, now=2.0)
    assert bucket.limit == 600.0
    assert bucket.level == pytest.approx(100.0 - 1.0 + 2 * 10.0)


@pytest.mark.parametrize(("level", "expected"), [(500.0, 120.0), (50.0, 100.0), (110.0, 110.0)])
def test_a_level_outside_of_what_the_readings_allow_moves_to_the_edge(level: float, expected: float) -> None:
    """Between what was left then, and that plus the refill since, every level may be right."""
    bucket = known(600.0, level)
    bucket.updated_at = 2.0
    bucket.learn(RateLimitStatus(600.0, 100.0), sent_at=0.0, counted_then=0.0, now=2.0)
    assert bucket.level == pytest.approx(expected)


def test_one_odd_reading_among_good_ones_moves_nothing() -> None:
    """Requests overtake each other: only what a second of readings agrees on is believed."""
    bucket = known(600.0, 110.0)
    bucket.checked_at = bucket.updated_at = 2.0
    for remaining in (100.0, 190.0, 20.0, 100.0):
        bucket.learn(RateLimitStatus(600.0, remaining), sent_at=0.0, counted_then=0.0, now=2.0)
    bucket.updated_at = 3.5
    bucket.learn(RateLimitStatus(600.0, 100.0), sent_at=1.5, counted_then=0.0, now=3.5)
    assert bucket.level == pytest.approx(110.0)


def test_output_in_flight_is_not_forgotten() -> None:
    """The server has not counted it yet, so what it tells is that much too high for us."""
    bucket = known(6_000.0, 3_000.0, at_end=True)
    bucket.take(500.0, 0.0, UNPACED)
    bucket.learn(RateLimitStatus(6_000.0, 2_000.0), sent_at=0.0, counted_then=0.0, now=0.0)
    assert bucket.level == pytest.approx(1_500.0)


def test_what_others_use_is_noticed() -> None:
    """RateLimitStatuses that fall faster than we send mean that somebody else drains the bucket."""
    bucket, remaining = known(600.0, 400.0), 400.0
    for second in range(0, 60, 2):
        remaining += 2 * (10.0 - 4.0)  # 10 a second come back, others take 4
        if remaining > 500:
            remaining -= 200
            bucket.counted += 200
        bucket.learn(RateLimitStatus(600.0, remaining), float(second), bucket.counted, float(second))
    assert bucket.external_use == pytest.approx(4.0, rel=0.2)


def test_a_refusal_although_much_was_left_means_that_bursts_are_policed() -> None:
    """From then on so much stays in the bucket, and what goes at once is what was left above it."""
    bucket = known(600.0, 590.0)
    bucket.refused(RateLimitStatus(600.0, 590.0), 1.0, 0.1, 1.0, is_new_episode=True)
    assert bucket.is_policed
    assert bucket.reserve >= 589.0
    assert bucket.level_wait(1.0) == pytest.approx(0.1)


def test_a_refusal_tells_when_the_next_request_fits() -> None:
    """The level is set so that the wait is the server's own."""
    bucket = known(600.0, 300.0)
    bucket.refused(RateLimitStatus(600.0, 0.0), 5.0, 2.5, 1.0, is_new_episode=True)
    assert bucket.level_wait(5.0) == pytest.approx(2.5)


def test_refusals_of_calls_already_on_their_way_change_the_level_only_once() -> None:
    """A storm of one episode: the level that the first refusal told holds none of the others."""
    bucket = known(600.0, 300.0)
    for _ in range(20):
        bucket.take(1.0, 0.5, UNPACED)
    bucket.cancel(1.0, 0.5)
    bucket.refused(RateLimitStatus(600.0, 0.0), 1.0, 1.0, 1.0, is_new_episode=True)
    level, reserve = bucket.level, bucket.reserve
    for _ in range(19):
        bucket.cancel(1.0, 0.5)
        bucket.refused(RateLimitStatus(600.0, 0.0), 1.0, 1.0, 1.0, is_new_episode=False)
    assert (bucket.level, bucket.reserve) == (level, reserve)


@given(limits, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 60)), max_size=40), st.booleans())
def test_no_refusal_closes_a_bucket_for_good(
    limit: float, refusals: list[tuple[float, float, float]], at_end: bool
) -> None:
    """Whatever the server refuses, some time later one request goes."""
    bucket, now = known(limit, at_end=at_end), 0.0
    for left, amount, seconds in refusals:
        now += 1.0
        bucket.refill(now)
        bucket.refused(RateLimitStatus(limit, left * limit), amount * limit, seconds, now, is_new_episode=True)
    wait = bucket.level_wait(1.0)
    assert wait < 60 * (11 + 60)
    bucket.refill(now + wait)
    assert bucket.level_wait(1.0) < 60 * 11


@pytest.mark.parametrize(("seconds", "expected"), [(1e-7, 0.0), (0.0, 0.0), (-1.0, 0.0), (0.5, 0.5)])
def test_a_wait_too_short_to_be_real_is_none(seconds: float, expected: float) -> None:
    """Timers may fire a clock tick early."""
    assert settled(seconds) == expected
