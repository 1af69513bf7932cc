"""What a failure means: the table, and its laws."""

from __future__ import annotations

import random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import KINDS, Kind
from claude_parallel.records import Failure
from claude_parallel.retry import Again, GiveUp, RetryPolicy, Stop, backoff_seconds, judge_failure

POLICY = RetryPolicy()


def judge(failure: Failure, earlier: list[Kind] | None = None, policy: RetryPolicy = POLICY) -> Any:
    """Judge with a fixed seed."""
    return judge_failure(failure, earlier or [], policy, random.Random(0))


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (Failure("rate_limit", "slow down", 429, retry_after=7.25), Again),
        (Failure("overloaded", "busy", 529), Again),
        (Failure("server", "oops", 500), Again),
        (Failure("server", "oops", 503), Again),
        (Failure("server", "no such thing", 501), GiveUp),
        (Failure("timeout", "late", 504), Again),
        (Failure("timeout", "late"), Again),
        (Failure("connection", "reset"), Again),
        (Failure("invalid", "bad", 400), GiveUp),
        (Failure("invalid", "bad", 400, should_retry=True), Again),
        (Failure("server", "oops", 500, should_retry=False), GiveUp),
        (Failure("too_large", "big", 413), GiveUp),
        (Failure("context_window", "long", 400), GiveUp),
        (Failure("auth", "key", 401), Stop),
        (Failure("auth", "not allowed", 403), Stop),
        (Failure("billing", "pay", 402), Stop),
        (Failure("billing", "credit", 400), Stop),
        (Failure("spend_limit", "cap", 429), Stop),
        (Failure("spend_limit", "cap", 429, should_retry=True), Stop),
        (Failure("not_found", "model: claude-x", 404), Stop),
        (Failure("not_found", "file_123 is not a file", 404), GiveUp),
    ],
)
def test_the_table(failure: Failure, verdict: type) -> None:
    """One row per kind of failure; x-should-retry decides where the run may go on."""
    assert isinstance(judge(failure), verdict)


def test_a_servers_wait_is_obeyed_to_the_fraction() -> None:
    """However long, and whatever came before."""
    assert judge(Failure("rate_limit", "", 429, retry_after=7200.125)) == Again(7200.125)


def test_rate_limits_do_not_use_up_the_other_tries() -> None:
    """A 429 is not the row's fault: it has a count of its own."""
    limited: list[Kind] = ["rate_limit"] * 20

    assert isinstance(judge(Failure("server", "", 500), limited), Again)
    assert isinstance(judge(Failure("rate_limit", "", 429), limited), Again)


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "connection"])
def test_no_retries_means_none(kind: Kind) -> None:
    """retries=0 gives up at once, also on 429."""
    assert isinstance(judge(Failure(kind, "", 429), policy=RetryPolicy(max_retries=0)), GiveUp)


@given(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from(KINDS), max_size=100),
    st.one_of(st.none(), st.floats(min_value=0.001, max_value=1e6)),
    st.integers(),
)
def test_waits_are_bounded_and_never_undercut(kind: Kind, earlier: list[Kind], asked: float | None, seed: int) -> None:
    """A wait is what the server asks for, else a positive backoff below the cap."""
    verdict = judge_failure(Failure(kind, "m", 500, retry_after=asked), earlier, POLICY, random.Random(seed))
    if isinstance(verdict, Again):
        assert verdict.wait_seconds == asked if asked is not None else 0 < verdict.wait_seconds <= POLICY.cap_seconds


@given(st.integers(min_value=0, max_value=10_000), st.integers())
def test_backoff_grows_to_the_cap(earlier: int, seed: int) -> None:
    """Between half and the whole of base * 2**n, never above the cap."""
    wait = backoff_seconds(earlier, POLICY, random.Random(seed))
    ceiling = min(POLICY.cap_seconds, POLICY.base_seconds * 2 ** min(earlier, 60))

    assert ceiling / 2 <= wait <= ceiling


@given(st.sampled_from(["server", "rate_limit", "overloaded", "timeout", "connection"]), st.integers())
def test_every_row_ends(kind: Kind, seed: int) -> None:
    """A failure that never goes away is given up after a bounded number of tries."""
    rng = random.Random(seed)
    earlier: list[Kind] = []
    while isinstance(judge_failure(Failure(kind, "", 429), earlier, POLICY, rng), Again):
        earlier.append(kind)

    assert len(earlier) in (POLICY.max_retries, POLICY.max_rate_limit_retries)


def test_kinds_are_those_that_users_are_promised() -> None:
    """The closed list of the documentation, in its order."""
    assert get_args(Kind) == KINDS
    assert len(KINDS) == 21
