"""Shares of an account between processes: fair by demand, and never more than there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.leases import Lease, fair_shares, grant

SHARE = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("demands", "shares"),
    [
        ([1.0], [1.0]),
        ([1.0, 1.0], [0.5, 0.5]),
        ([0.1, 1.0], [0.1, 0.9]),
        ([0.1, 0.2, 1.0, 1.0], [0.1, 0.2, 0.35, 0.35]),
        ([0.1, 0.3], [0.4, 0.6]),
        ([0.0, 0.0], [0.5, 0.5]),
    ],
)
def test_small_demands_are_met_and_large_ones_share_the_rest(demands: list[float], shares: list[float]) -> None:
    """What nobody demands is divided equally."""
    assert fair_shares(demands) == pytest.approx(shares)


@given(st.lists(SHARE, min_size=1, max_size=20))
def test_fair_shares_are_the_whole(demands: list[float]) -> None:
    """All of it, to nobody less than its demand while another gets more than that."""
    shares = fair_shares(demands)
    assert sum(shares) == pytest.approx(1.0)
    for demand, share in zip(demands, shares, strict=True):
        assert share >= min(demand, max(shares)) - 1e-9


@given(st.lists(st.tuples(st.integers(0, 4), SHARE), max_size=60))
def test_the_sum_of_shares_never_exceeds_the_whole(asked: list[tuple[int, float]]) -> None:
    """Whoever asks, in whatever order and with whatever demand."""
    leases: dict[str, Lease] = {}
    for who, demand in asked:
        others = {name: lease for name, lease in leases.items() if name != str(who)}
        leases[str(who)] = Lease(demand, grant(demand, others).share)
        assert sum(lease.share for lease in leases.values()) <= 1.0 + 1e-9


@given(st.lists(SHARE, min_size=1, max_size=6))
def test_everybody_has_what_is_fair_once_all_have_asked_twice(demands: list[float]) -> None:
    """The first round makes room, the second takes it."""
    leases: dict[int, Lease] = {}
    for _ in range(2):
        for who, demand in enumerate(demands):
            others = {str(name): lease for name, lease in leases.items() if name != who}
            leases[who] = Lease(demand, grant(demand, others).share)
    # What one has not yet given up when the other asks for the second time comes with the third.
    for who, demand in enumerate(demands):
        others = {str(name): lease for name, lease in leases.items() if name != who}
        leases[who] = Lease(demand, grant(demand, others).share)
    assert [lease.share for lease in leases.values()] == pytest.approx(fair_shares(demands))


def test_who_is_alone_has_the_whole() -> None:
    """However little it demands."""
    assert grant(0.01, {}).share == 1.0
