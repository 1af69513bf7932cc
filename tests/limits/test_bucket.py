"""One limit: what we owe, how long to wait, and how each belief is undone by evidence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.bucket import SHORTEST_WAIT_SECONDS, Bucket
from claude_parallel.limits.burst import FIRST_SECONDS, MINUTE, Burst, cautious
from claude_parallel.limits.guess import Guess
from claude_parallel.limits.output import OutputBucket
from claude_parallel.limits.share import LEAST, RECOVERY_SECONDS, Share
from claude_parallel.records import RateLimitStatus

limits = st.floats(10, 1e6)
steps = st.lists(st.tuples(st.floats(0, 5), st.floats(0.001, 0.5)), min_size=1, max_size=60)


def known(limit: float = 600.0, burst: float = 10.0) -> Bucket:
    """Return a bucket with this limit at time 0 that may owe `burst` seconds."""
    bucket = Bucket("requests")
    bucket.restrict(limit, 0.0)
    bucket.burst = Burst(burst, eagerness=0.0)
    return bucket


def test_an_unknown_limit_never_holds_anything_back() -> None:
    """Before the first response everything fits."""
    bucket = Bucket("input")
    bucket.take(1e9, 0.0)
    assert not bucket.is_known
    assert bucket.wait(1e9, 0.0) == 0.0


@pytest.mark.parametrize(
    ("server_limit", "user_limit", "kept"),
    [(1_000.0, math.inf, 1_000.0), (1_000.0, 50.0, 50.0), (50.0, 1_000.0, 50.0), (None, 70.0, 70.0)],
)
def test_the_tighter_of_told_and_given_is_kept(server_limit: float | None, user_limit: float, kept: float) -> None:
    """A user may go below the account's limit, and never above it."""
    bucket = Bucket("requests")
    bucket.restrict(user_limit, 0.0)
    if server_limit is not None:
        bucket.learn(RateLimitStatus(server_limit, None), 0.0, 0.0, 0.0)
    assert bucket.limit == kept


@given(limits, steps, st.floats(0.2, 60))
def test_no_interval_grants_more_than_burst_and_refill(
    limit: float, calls: list[tuple[float, float]], burst: float
) -> None:
    """GCRA's law: in any interval t at most burst + rate * t; a call larger than the burst needs a full bucket."""
    bucket, now, granted = known(limit, burst), 0.0, []
    for gap, share in calls:
        now += gap
        amount = share * burst * bucket.rate
        if bucket.wait(amount, now) == 0.0:
            bucket.take(amount, now)
            granted.append((now, amount))
    for first in range(len(granted)):
        total = 0.0
        for at, amount in granted[first:]:
            total += amount
            assert total <= bucket.rate * (burst + at - granted[first][0]) * (1 + 1e-6) + 1e-6


@given(limits, steps, st.floats(0.2, 60))
def test_waiting_the_returned_time_suffices(limit: float, calls: list[tuple[float, float]], burst: float) -> None:
    """Work conserving: a request that fits is not refused for longer than its wait."""
    bucket, now = known(limit, burst), 0.0
    for gap, share in calls:
        now += gap
        amount = share * 2 * burst * bucket.rate
        seconds = bucket.wait(amount, now)
        now += seconds
        assert bucket.wait(amount, now) <= 2 * SHORTEST_WAIT_SECONDS
        bucket.take(amount, now)


@given(st.floats(1, 1e6), st.floats(0, 1e6))
def test_a_charge_is_corrected_by_what_it_weighed(charged: float, real: float) -> None:
    """Estimates are only borrowed."""
    bucket = known(60.0)
    bucket.take(charged, 0.0)
    assert bucket.debt(0.0) == pytest.approx(charged)
    bucket.land(charged, real, 0.0, 0.0)
    assert bucket.debt(0.0) == pytest.approx(real, abs=1e-6)


def test_a_bucket_that_was_full_since_has_forgotten_the_charge() -> None:
    """What was owed too much has been lost by then; to give it back would borrow from the future."""
    bucket = known(60.0)
    bucket.take(5.0, 0.0)
    bucket.take(1.0, 10.0)
    bucket.land(5.0, 1.0, 0.0, 10.0)
    assert bucket.debt(10.0) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_another_limit_changes_the_wait_at_once(factor: float) -> None:
    """A header that tells another limit is a fact."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(600.0, 600.0), 0.0, 0.0, 0.0)
    bucket.learn(RateLimitStatus(600.0 * factor, None), 0.0, 1.0, 1.0)
    assert bucket.rate == pytest.approx(10.0 * factor)


def test_an_older_answer_does_not_bring_an_old_limit_back() -> None:
    """Answers overtake each other: the limit of the request that was sent last counts."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(60.0, None), 0.0, 5.0, 6.0)
    bucket.learn(RateLimitStatus(600.0, None), 0.0, 1.0, 7.0)
    assert bucket.limit == 60.0


@given(st.floats(0.2, 50), st.sampled_from(["minute", "capacity"]))
def test_what_remains_shows_the_capacity_exactly(capacity: float, style: str) -> None:
    """After one refusal, or at once where it cannot speak of a whole minute, ``remaining`` is believed."""
    bucket, limit = Bucket("requests"), 60_000.0
    rate, offset = limit / 60, (MINUTE - capacity if style == "minute" else 0.0)
    bucket.learn(RateLimitStatus(limit, (capacity + offset) * rate), 0.0, 0.0, 0.0)
    if style == "minute":
        refused = RateLimitStatus(limit, offset * rate)
        bucket.refused(refused, 1.0, capacity, 0.001, 0.001, 1.0, 1.0, is_new_episode=True)
        bucket.full_at = -math.inf
        bucket.learn(RateLimitStatus(limit, (capacity + offset) * rate), 0.0, 2.0, 2.0)
    assert 0.75 * capacity <= bucket.burst.seconds <= capacity


def test_a_small_bucket_makes_no_neighbour() -> None:
    """A full bucket loses refill: that is no other program's use, and costs none of our rate."""
    bucket = Bucket("requests", rounding=1.0)
    for second in range(100):
        bucket.learn(RateLimitStatus(3_000.0, 10.0), 0.0, float(second), float(second))
    assert bucket.share.at(100.0) == 1.0
    assert bucket.rate == 50.0


@given(st.floats(0.05, 1.0), st.floats(1, 200))
def test_a_lost_share_is_back_within_ten_seconds(measured: float, calls_per_second: float) -> None:
    """A belief that a single event set is within 10 % of the fact after 10 s of kind answers, or 40 calls."""
    share = Share()
    share.cut(measured, 1 / calls_per_second, 0.0)
    assert LEAST <= share.at(0.0) < 1.0
    assert share.at(max(RECOVERY_SECONDS, 40 / calls_per_second)) == pytest.approx(1.0)
    assert share.at(0.5 * share.recovery_seconds) <= share.at(0.9 * share.recovery_seconds)


def test_only_a_refusal_that_our_own_use_does_not_explain_lowers_the_rate() -> None:
    """One that ends the growth does not; one far below what was accepted shows a debt, and the second a share."""
    bucket = known(600.0, burst=10.0)
    bucket.refused(None, 1.0, 9.1, None, 0.25, 1.0, 1.0, is_new_episode=True)
    assert bucket.share.at(1.0) == 1.0
    assert bucket.burst.seconds == pytest.approx(cautious(9.0))
    bucket.accept(7.0, 2.0, 2.0)
    bucket.refused(None, 1.0, 3.0, None, 0.25, 3.0, 3.0, is_new_episode=True)
    assert bucket.share.at(3.0) == 1.0
    assert bucket.debt(3.0) > bucket.burst.seconds
    bucket.refused(None, 1.0, 3.0, None, 0.25, 4.0, 4.0, is_new_episode=True)
    assert bucket.share.at(4.0) < 1.0


@pytest.mark.parametrize(("retry_after", "fits"), [(None, 4.9), (1.5, 3.5), (2.0, 4.9), (0.001, 4.999)])
def test_retry_after_says_how_much_was_missing(retry_after: float | None, fits: float) -> None:
    """To the fraction where it has one; where it is rounded or missing, a call's worth."""
    bucket = known(600.0, burst=60.0)
    bucket.refused(None, 1.0, 5.0, retry_after, 1.0, 1.0, 1.0, is_new_episode=True)
    assert bucket.burst.seconds == pytest.approx(cautious(fits))


def test_the_burst_grows_while_it_holds_back_and_nobody_objects() -> None:
    """From a tenth of a second to half a minute within a quarter of one."""
    bucket, now = Bucket("requests"), 0.0
    bucket.restrict(1_000.0, 0.0)
    while now < 15.0:
        seconds = bucket.wait(1.0, now)
        if seconds:
            now += seconds
        else:
            bucket.take(1.0, now)
    assert 30.0 <= bucket.burst.seconds <= MINUTE


def test_the_burst_does_not_grow_while_nothing_is_sent() -> None:
    """Idle time proves nothing."""
    bucket = Bucket("requests")
    bucket.restrict(1_000.0, 0.0)
    bucket.wait(100.0, 0.0)
    bucket.wait(100.0, 1_000.0)
    assert bucket.burst.seconds <= 2 * FIRST_SECONDS


def test_output_waits_for_what_was_written_only() -> None:
    """Any call goes while something is left, whatever it will write."""
    bucket = OutputBucket("output")
    bucket.restrict(6_000.0, 0.0)
    bucket.burst = Burst(1.0, eagerness=0.0)
    assert bucket.wait(5_000.0, 0.0) == 0.0
    bucket.take(5_000.0, 0.0)
    bucket.land(5_000.0, 500.0, 0.0, 1.0)
    assert bucket.wait(1.0, 60.0) == 0.0
    assert bucket.wait(1.0, 1.0) >= 3.9


@given(st.floats(1, 100), st.floats(2, 50))
def test_a_guess_is_what_came_through_between_two_refusals(rate: float, seconds: float) -> None:
    """Both found the bucket empty, so that is what came back."""
    guess = Guess()
    guess.refused(1e3, 1.0, 1.0, 0.0, is_first=True)
    guess.refused(max(5.0, rate * seconds), seconds, 1.0, seconds, is_first=False)
    assert guess.rate == pytest.approx(max(5.0, rate * seconds) / seconds)
    assert guess.at(seconds + 10.0) <= 1.03 * guess.rate
    assert guess.at(seconds + 100.0) >= 10 * guess.rate
