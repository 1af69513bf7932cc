"""Whole runs beside a gateway that answers some calls 429 by chance, on virtual time: hardly slower than without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from benchmarks.gate_sweep import play
from benchmarks.gate_worlds import World
from claude_parallel.simulation.policy import LimitPolicy
from claude_parallel.simulation.profile import UNLIMITED, ChanceRefusal, Fault, Profile, tier_limits
from tests.worlds import frame_of, world

ROWS = 600
FOUR_WAYS: Mapping[Fault, float] = {"overloaded": 0.01, "server": 0.01, "reset": 0.01, "truncated": 0.01}

ACCOUNTS = {
    "headers": (tier_limits("scale"), True),  # of the account on every refusal
    "bare": (tier_limits("scale"), False),  # on answers alone
    "no limits": (UNLIMITED, False),
}


@cache
def seconds(account: str, latency: float, share: float, retry_after: float | None, *, is_mixed: bool = False) -> float:
    """Return how long a run takes in virtual seconds; no row is lost in it."""
    limits, has_headers = ACCOUNTS[account]
    profile = Profile(
        limits=limits,
        latency_seconds=latency,
        faults={"rate_limit": share, **(FOUR_WAYS if is_mixed else {})},
        refusal=ChanceRefusal(retry_after, has_headers),
    )
    played = world(profile)
    out = played.map(frame_of(ROWS), "Say {t}")
    assert out["response_error"].isna().all()
    return played.clock()


@pytest.mark.parametrize("latency", [0.25, 2.0])
@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize(("share", "retry_after"), [(0.01, 1.0), (0.03, None), (0.03, 1.0), (0.03, 0.3)])
def test_refusals_by_chance_cost_little_time(
    account: str, latency: float, share: float, retry_after: float | None
) -> None:
    """At most as long again as without, and two waits for the rows that were refused last."""
    calm = seconds(account, latency, 0.0, None)
    assert seconds(account, latency, share, retry_after) <= 2 * calm + 2 * (retry_after or 0.5)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_so_they_do_among_faults_of_four_other_kinds(account: str) -> None:
    """529s, 500s, resets and answers cut off, 1 % each, as in the benchmark of the peers."""
    calm = seconds(account, 0.25, 0.0, None)
    assert seconds(account, 0.25, 0.01, 1.0, is_mixed=True) <= 2 * calm + 2.0


@pytest.mark.parametrize("retry_after", ["exact", "whole", "none"])
@pytest.mark.parametrize(("per_minute", "rows"), [(1_000.0, 800), (3_000.0, 1_500)])
def test_a_limit_that_nobody_names_is_no_chance(per_minute: float, rows: int, retry_after: str) -> None:
    """A gateway with a limit of its own, which tells nothing of it, is soon believed: one call in eight at most."""
    silent = LimitPolicy(has_headers=False, names_limit=False)
    policy = replace(silent, retry_after=retry_after)  # type: ignore[arg-type]
    played = play(World("requests", per_minute, rows, 1.0, policy, 1.0))
    assert played.lost == 0
    assert played.refused <= 0.125 * played.calls
    assert played.seconds <= 2 * played.bound


@pytest.mark.parametrize("burst_seconds", [0.2, 3.0])
@pytest.mark.parametrize("has_headers", [True, False])
def test_a_real_limit_is_kept_beside_chance(burst_seconds: float, *, has_headers: bool) -> None:
    """The bucket's own refusals stay few among those by chance, and the run near what the limit allows."""
    profile = Profile(
        limits=tier_limits("start"),
        burst_seconds=burst_seconds,
        latency_seconds=1.0,
        faults={"rate_limit": 0.02},
        refusal=ChanceRefusal(1.0, has_headers),
    )
    played = world(profile)
    out = played.map(frame_of(500), "Say {t}")
    assert out["response_error"].isna().all()
    assert played.brain.ledger.statuses[429] <= 0.02 * 500 + 25
    assert played.clock() <= 1.15 * (500 / (1_000 / 60)) + 4.0
