"""What servers do differently with the same limits: each policy shows in what is admitted or told, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.limiter import Account
from claude_parallel.simulation.policy import PLAIN, LimitChange, LimitPolicy, Neighbour
from claude_parallel.simulation.profile import Limits, Profile

LIMITS = Limits(600.0, 600_000.0, 60_000.0)
"""Ten requests, 10,000 input tokens and 1,000 output tokens a second."""


def account(burst_seconds: float = 2.0, **policy: Any) -> Account:
    """Return an account that keeps its limits as `policy` says."""
    return Account(Profile(limits=LIMITS, burst_seconds=burst_seconds, policy=LimitPolicy(**policy)), 0.0, 0.0)


def granted(server: Account, now: float, most: int = 1_000) -> int:
    """Return how many requests are admitted at once."""
    return next(number for number in range(most) if server.admit(1.0, now) is not None)


@pytest.mark.parametrize(("remaining_of", "left"), [("minute", 595.0), ("capacity", 15.0)])
def test_remaining_speaks_of_the_minute_or_of_the_bucket(remaining_of: str, left: float) -> None:
    """Five of twenty are gone either way."""
    server = account(remaining_of=remaining_of)
    for _ in range(5):
        assert server.admit(1.0, 0.0) is None
    assert server.statuses(0.0)["requests"] == (600.0, left)


@pytest.mark.parametrize(("rounded_to", "left"), [(1, 599_400.0), (1_000, 599_000.0)])
def test_tokens_are_rounded_where_the_server_does(rounded_to: int, left: float) -> None:
    """To the nearest step."""
    server = account(rounded_to=rounded_to)
    server.admit(600.0, 0.0)
    assert server.statuses(0.0)["input-tokens"] == (600_000.0, left)


def test_output_that_is_reserved_is_given_back_when_the_answer_is_there() -> None:
    """Two reservations fill the bucket; the answers turn out shorter."""
    server = account(output_counted="reserved")
    assert server.admit(1.0, 0.0, 1_000.0) is None
    assert server.admit(1.0, 0.0, 1_000.0) is None
    problem = server.admit(1.0, 0.0, 1_000.0)
    assert problem is not None and "output tokens" in problem.message
    server.generated(10.0, 0.0, 1_000.0)
    assert server.admit(1.0, 0.0, 900.0) is None


def test_output_that_is_counted_at_the_end_reserves_nothing() -> None:
    """As the API says: ``max_tokens`` does not count."""
    server = account()
    assert all(server.admit(1.0, 0.0, 60_000.0) is None for _ in range(20))


def test_a_server_may_tell_nothing() -> None:
    """No limit headers at all."""
    server = account(has_headers=False)
    assert server.statuses(0.0) == {} and server.headers(0.0) == {}


@pytest.mark.parametrize(("style", "seconds"), [("exact", 0.1), ("whole", 1.0), ("none", None)])
def test_retry_after_is_exact_whole_or_missing(style: str, seconds: float | None) -> None:
    """A tenth of a second refills one request."""
    server = account(retry_after=style)
    granted(server, 0.0)
    problem = server.admit(1.0, 0.0)
    assert problem is not None
    assert problem.retry_after == (None if seconds is None else pytest.approx(seconds))


def test_limits_change_on_the_way() -> None:
    """A tenth from second 10 on: of the bucket, too."""
    server = account(changes=(LimitChange(10.0, 0.1),))
    assert granted(server, 9.0) == 20
    assert server.statuses(10.0)["requests"][0] == 60.0
    assert granted(server, 20.0) == 2


def test_a_neighbour_takes_its_share_and_leaves() -> None:
    """Three tenths of what comes back, for ten seconds."""
    server = account(neighbours=(Neighbour(0.0, 10.0, 0.3),))
    granted(server, 0.0)
    assert granted(server, 1.0) == 7
    granted(server, 10.0)
    assert granted(server, 11.0) == 10


def body(number: int) -> dict[str, Any]:
    """Return a small Messages body."""
    return {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": f"question {number}"}],
    }


@pytest.mark.parametrize(("written", "left"), [("arrival", "599"), ("end", "598")])
def test_headers_are_written_at_the_arrival_or_at_the_end(written: Any, left: str) -> None:
    """Whether an answer's headers know of what arrived meanwhile."""
    policy = replace(PLAIN, headers_written=written)
    brain = Brain(Profile(limits=LIMITS, latency_seconds=1.0, policy=policy))
    sent = {"x-api-key": "sk", "anthropic-version": "2026-10-21", "authorization": "Bearer simulator"}
    first = brain.open("POST", "/v1/messages", sent, body(1), 0.0)
    brain.open("POST", "/v1/messages", sent, body(2), 0.01)
    response = brain.close(first, 0.02)
    assert response.headers["anthropic-ratelimit-requests-remaining"] == left
