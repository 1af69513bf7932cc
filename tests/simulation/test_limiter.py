"""The simulator's accounts: no window grants too much, and waiting what it says suffices."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.simulation.buckets import Bucket
from claude_parallel.simulation.limiter import Account, Pool, retry_after_header
from claude_parallel.simulation.profile import TIERS, Limits, Profile, tier_limits
from claude_parallel.simulation.wire import EPOCH

steps = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 500)), min_size=1, max_size=60)
rates = st.floats(1, 6_000)
bursts = st.one_of(st.none(), st.floats(0.1, 60))


@settings(max_examples=100, deadline=None)
@given(steps, rates, bursts)
def test_no_window_grants_more_than_capacity_and_refill(
    calls: list[tuple[float, float]], rate: float, burst: float | None
) -> None:
    """Between any two grants, what was granted is at most one full bucket and the refill of that time.

    A single cost above the capacity counts as a full bucket: it is granted when the bucket is full.
    """
    bucket = Bucket(rate, burst, 0.0)
    now, granted = 0.0, []
    for gap, cost in calls:
        now += gap
        if bucket.wait(cost, now) == 0.0:
            bucket.take(cost, now)
            granted.append((now, cost))
    for first in range(len(granted)):
        total = 0.0
        for at, cost in granted[first:]:
            allowed = bucket.capacity + rate / 60 * (at - granted[first][0])
            assert total + min(cost, bucket.capacity) <= allowed * (1 + 1e-9) + 1e-6
            total += cost


@settings(max_examples=100, deadline=None)
@given(steps, rates, bursts)
def test_waiting_what_the_server_says_suffices(
    calls: list[tuple[float, float]], rate: float, burst: float | None
) -> None:
    """A refused request that comes again after exactly ``retry-after`` is admitted."""
    limits = Limits(requests_per_minute=rate, input_tokens_per_minute=10 * rate, output_tokens_per_minute=rate)
    account = Account(Profile(limits=limits, burst_seconds=burst, ramp_floor=3), EPOCH, 0.0)
    now = 0.0
    for gap, cost in calls:
        now += gap
        problem = account.admit(cost, now)
        while problem is not None:
            assert problem.status == 429
            assert problem.retry_after is not None
            previous = problem.error_code
            now += float(retry_after_header(problem.retry_after))
            problem = account.admit(cost, now)
            # The acceleration limit is looked at only once the buckets let a request through.
            assert problem is None or (previous, problem.error_code) == (None, "ramp_limit_exceeded")
        account.generated(cost / 10, now)


@pytest.mark.parametrize(
    ("limits", "load", "refused"),
    [
        (Limits(requests_per_minute=2), [(10, 0)] * 2, "requests"),
        (Limits(input_tokens_per_minute=1_000), [(600, 0), (400, 0)], "input tokens"),
        (Limits(output_tokens_per_minute=1_000), [(10, 5_000)], "output tokens"),
    ],
)
def test_each_dimension_refuses_on_its_own(limits: Limits, load: list[tuple[int, int]], refused: str) -> None:
    """The message names the limit that is used up."""
    account = Account(Profile(limits=limits), EPOCH, 0.0)
    for input_tokens, output_tokens in load:
        assert account.admit(input_tokens, 0.0) is None
        account.generated(output_tokens, 0.0)
    problem = account.admit(10, 0.0)
    assert problem is not None
    assert f"{refused} per minute" in problem.message


def test_output_counts_when_generated_and_leaves_a_debt() -> None:
    """5,000 output tokens on a limit of 1,000 a minute lock the account for four minutes."""
    account = Account(Profile(limits=Limits(output_tokens_per_minute=1_000)), EPOCH, 0.0)
    account.generated(5_000, 0.0)
    assert account.admit(1, 239.0) is not None
    assert account.admit(1, 240.1) is None


def test_a_small_burst_admits_one_at_a_time() -> None:
    """With 0.2 seconds of burst, 60 requests a minute act as one a second."""
    account = Account(Profile(limits=Limits(requests_per_minute=60), burst_seconds=0.2), EPOCH, 0.0)
    verdicts = [account.admit(1, now) is None for now in (0.0, 0.5, 0.99, 1.0, 1.5, 2.0)]
    assert verdicts == [True, False, False, True, False, True]


def test_the_twelve_headers_tell_limit_rest_and_full_refill() -> None:
    """Tokens are rounded to 1,000, resets are RFC 3339 in UTC, and ``tokens`` is the sum."""
    account = Account(Profile(limits=tier_limits("start")), EPOCH, 0.0)
    account.admit(100_600, 0.0)
    account.generated(40_000, 0.0)
    headers = {name.removeprefix("anthropic-ratelimit-"): value for name, value in account.headers(0.0).items()}
    assert headers == {
        "requests-limit": "1000",
        "requests-remaining": "999",
        "requests-reset": "2026-11-23T00:00:01Z",
        "input-tokens-limit": "2000000",
        "input-tokens-remaining": "1899000",
        "input-tokens-reset": "2026-11-23T00:00:04Z",
        "output-tokens-limit": "400000",
        "output-tokens-remaining": "360000",
        "output-tokens-reset": "2026-11-23T00:00:06Z",
        "tokens-limit": "2400000",
        "tokens-remaining": "2259000",
        "tokens-reset": "2026-11-23T00:00:06Z",
    }


def test_unlimited_dimensions_have_no_headers() -> None:
    """No limit, no header."""
    assert Account(Profile(), EPOCH, 0.0).headers(0.0) == {}


def test_growth_is_limited_window_by_window() -> None:
    """Each window may take twice what the one before took, and never less than the floor."""
    account = Account(Profile(ramp_floor=2, ramp_factor=2.0, ramp_seconds=10.0), EPOCH, 0.0)
    taken = []
    for window in range(4):
        now, count = window * 10.0 + 1, 0
        while account.admit(1, now) is None:
            count += 1
        taken.append(count)
    assert taken == [2, 4, 8, 16]
    problem = account.admit(1, 35.0)
    assert problem is not None
    assert (problem.error_code, problem.retry_after) == ("ramp_limit_exceeded", 5.0)


def test_pools_of_other_routes_are_their_own() -> None:
    """A pool refuses above its rate; None never refuses."""
    pool = Pool(2)
    assert [pool.admit(0.0) is None for _ in range(3)] == [True, True, False]
    assert all(Pool(None).admit(0.0) is None for _ in range(3))


def test_tiers_have_names() -> None:
    """Known names give limits, None gives none, others are an error that lists the known ones."""
    assert tier_limits("tier-1").input_tokens_per_minute == 40_000
    assert tier_limits(None) == Limits()
    with pytest.raises(ValueError, match="'start', 'build', 'scale'"):
        tier_limits("gold")
    assert TIERS["scale"].output_tokens_per_minute == 2_000_000
