"""What a failure means: again after a wait, give up, or stop the run."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import KINDS, InputError, Kind
from claude_parallel.records import Failure
from claude_parallel.retry import Again, GiveUp, RetryPolicy, Stop, backoff_seconds, judge_failure

POLICY = RetryPolicy()
FATAL = {"auth", "billing", "spend_limit", "not_found"}


def judge(failure: Failure, earlier: list[Kind] | None = None, policy: RetryPolicy = POLICY, seed: int = 0) -> Any:
    """Return the verdict on a failure."""
    return judge_failure(failure, earlier or [], policy, random.Random(seed))


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("invalid", GiveUp),
        ("too_large", GiveUp),
        ("context_window", GiveUp),
        ("unknown", GiveUp),
        ("rate_limit", Again),
        ("overloaded", Again),
        ("server", Again),
        ("timeout", Again),
        ("connection", Again),
        ("auth", Stop),
        ("billing", Stop),
        ("spend_limit", Stop),
        ("not_found", Stop),
    ],
)
def test_the_kind_decides(kind: Kind, verdict: type) -> None:
    """The table of the API's errors."""
    assert isinstance(judge(Failure(kind=kind, message="x", status=500)), verdict)


@pytest.mark.parametrize("message", ["model: claude-x", "the inference profile eu.x is not there", "HTTP status 404"])
def test_whatever_else_is_missing_is_missing_for_every_row(message: str) -> None:
    """A profile is no file."""
    assert judge(Failure(kind="not_found", message=message, status=404)) == Stop()


def test_a_missing_file_is_its_rows_own_trouble() -> None:
    """A 404 as well, but the other rows do not need that file."""
    assert isinstance(judge(Failure(kind="not_found", message="File not found: file_123", status=404)), GiveUp)
    assert isinstance(judge(Failure(kind="not_found", message="model: claude-x", status=404)), Stop)


def test_what_is_not_implemented_is_not_asked_again() -> None:
    """501 will not change its mind."""
    assert isinstance(judge(Failure(kind="server", message="x", status=501)), GiveUp)


@pytest.mark.parametrize(
    ("kind", "should_retry", "verdict"),
    [
        ("invalid", True, Again),
        ("server", False, GiveUp),
        ("rate_limit", False, GiveUp),
        ("overloaded", True, Again),
        ("auth", True, Stop),
        ("spend_limit", True, Stop),
    ],
)
def test_x_should_retry_is_honoured_except_where_nothing_can_help(
    kind: Kind, should_retry: bool, verdict: type
) -> None:
    """The server knows best whether a call may go again; a spend limit stays one whatever it says."""
    assert isinstance(judge(Failure(kind=kind, message="x", should_retry=should_retry)), verdict)


FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(KINDS),
    message=st.sampled_from(["x", "file", "model: x"]),
    status=st.none() | st.sampled_from([400, 404, 429, 500, 501, 529]),
    retry_after=st.none() | st.floats(0.001, 1e6),
    should_retry=st.none() | st.booleans(),
)
POLICIES = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 8),
    max_rate_limit_retries=st.integers(0, 80),
    base_seconds=st.floats(0.0, 10.0),
    cap_seconds=st.floats(0.0, 100.0),
)
HISTORY = st.lists(st.sampled_from(["rate_limit", "server", "timeout", "overloaded"]), max_size=90)


@given(FAILURES, HISTORY, POLICIES, st.integers(0, 99))
def test_a_servers_wait_is_never_undercut(failure: Failure, earlier: Any, policy: RetryPolicy, seed: int) -> None:
    """However long it is."""
    verdict = judge(failure, earlier, policy, seed)
    if isinstance(verdict, Again) and failure.retry_after is not None:
        assert verdict.wait_seconds >= failure.retry_after


@given(FAILURES, HISTORY, POLICIES, st.integers(0, 99))
def test_a_wait_of_ours_is_bounded(failure: Failure, earlier: Any, policy: RetryPolicy, seed: int) -> None:
    """Never negative, never above the cap."""
    verdict = judge(failure, earlier, policy, seed)
    if isinstance(verdict, Again) and failure.retry_after is None:
        assert 0 <= verdict.wait_seconds <= policy.cap_seconds


@given(FAILURES, POLICIES)
def test_every_row_ends(failure: Failure, policy: RetryPolicy) -> None:
    """The same failure again and again is given up after as many tries as the policy allows."""
    earlier: list[Kind] = []
    while isinstance(judge(failure, earlier, policy), Again):
        earlier.append(failure.kind)
        assert len(earlier) <= max(policy.max_retries, policy.max_rate_limit_retries)


@pytest.mark.parametrize(("kind", "tries"), [("server", 3), ("rate_limit", 5)])
def test_the_two_classes_of_failures_are_counted_apart(kind: str, tries: int) -> None:
    """A 429 is not the row's fault: it uses up none of its other tries."""
    policy = RetryPolicy(max_retries=3, max_rate_limit_retries=5)
    other = "rate_limit" if kind == "server" else "timeout"
    failure = Failure(kind=cast(Kind, kind), message="x")
    earlier = cast("list[Kind]", [other] * 50 + [kind] * (tries - 1))
    assert isinstance(judge(failure, earlier, policy), Again)
    assert isinstance(judge(failure, [*earlier, cast(Kind, kind)], policy), GiveUp)


def test_no_retries_means_none() -> None:
    """``retries=0``: not even after a 429."""
    for kind in ("server", "rate_limit"):
        assert isinstance(judge(Failure(kind=cast(Kind, kind), message="x"), policy=RetryPolicy(max_retries=0)), GiveUp)


@given(st.sampled_from(sorted(FATAL)), st.none() | st.booleans(), HISTORY)
def test_what_is_fatal_stops_whatever_came_before(kind: Any, should_retry: bool | None, earlier: Any) -> None:
    """The first such answer ends the sending."""
    assert isinstance(judge(Failure(kind=kind, message="x", should_retry=should_retry), earlier), Stop)


@given(st.integers(0, 2_000), st.integers(0, 99))
def test_the_backoff_doubles_up_to_its_cap(earlier: int, seed: int) -> None:
    """Between half and the whole of ``min(cap, base * 2**n)``, for any n."""
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=60.0)
    ceiling = min(60.0, 0.5 * 2.0 ** min(earlier, 60))
    assert ceiling / 2 <= backoff_seconds(earlier, policy, random.Random(seed)) <= ceiling


def test_the_jitter_spreads() -> None:
    """Rows that failed together do not come back together."""
    rng = random.Random(0)
    waits = {round(backoff_seconds(4, POLICY, rng), 3) for _ in range(100)}
    assert len(waits) > 90


@pytest.mark.parametrize(
    "bad",
    [
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"base_seconds": float("inf")},
        {"cap_seconds": "x"},
    ],
)
def test_a_policy_with_impossible_numbers_is_refused(bad: dict[str, Any]) -> None:
    """With the name of the number."""
    with pytest.raises(InputError, match=next(iter(bad))):
        RetryPolicy(**bad)


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "server"])
@pytest.mark.parametrize("seconds", [3_601.0, 1e9, 1e18])
def test_a_wait_beyond_the_patience_stops_the_run(kind: Kind, seconds: float) -> None:
    """A rate limit refills within minutes: this is a quota, and the run ends with what it has."""
    failure = Failure(kind=kind, message="later", status=429, retry_after=seconds)
    assert judge(failure) == Stop(seconds)
    assert judge(failure, policy=RetryPolicy(patience_seconds=seconds)) == Again(seconds)
