"""How use grows again after an acceleration limit was met."""

from __future__ import annotations

import itertools

import pytest

from claude_parallel.limits.ramp import GROWTH, UNNAMED_SECONDS, WINDOW_SECONDS, Ramp


def sent(ramp: Ramp, begin: float, end: float) -> int:
    """Send whenever the ramp lets a call go, and return how many went."""
    calls, now = 0, begin
    while now < end:
        wait = ramp.wait(now)
        if wait > 1e-9:
            now += wait
            continue
        ramp.sent(now)
        calls += 1
    return calls


@pytest.mark.parametrize("first", [60, 500])
def test_each_ten_seconds_take_so_many_times_the_ten_before(first: int) -> None:
    """The mean of the next ten seconds is what may grow, and not their beginning."""
    ramp = Ramp()
    for number in range(first):
        ramp.sent(number / first)
    ramp.refused(1.0, 10.0)
    second = sent(ramp, 10.0, 20.0)
    third = sent(ramp, 20.0, 30.0)
    assert second == pytest.approx(GROWTH * first, rel=0.05)
    assert third == pytest.approx(GROWTH * second, rel=0.05)


def test_calls_under_way_that_are_refused_as_well_do_not_count() -> None:
    """A hundred were sent, and half of them refused: fifty were taken."""
    whole, half = Ramp(), Ramp()
    for number in range(100):
        half.sent(number / 100)
    for number in range(50):
        whole.sent(number / 50)
    for _ in range(50):
        half.take_back()
        half.refused(1.0, 10.0)
    whole.refused(1.0, 10.0)
    assert half.rate == whole.rate


def test_a_look_too_early_is_no_reason_to_begin_lower() -> None:
    """Where a refusal names no wait, some calls find out when the ten seconds are over."""
    ramp = Ramp()
    for number in range(60):
        ramp.sent(number / 60)
    ramp.refused(1.0, 3.5)
    rate = ramp.rate
    ramp.sent(3.5)
    ramp.take_back()
    ramp.refused(3.6, 6.1)
    assert (ramp.rate, ramp.since) == (rate, 6.1)
    ramp.refused(WINDOW_SECONDS + 1.0, 13.5)
    assert ramp.rate < rate


@pytest.mark.parametrize("late", [0.0, 0.5, 1.0, 1.5, 2.0, UNNAMED_SECONDS])
@pytest.mark.parametrize("first", [60, 500])
def test_no_ten_seconds_take_twice_the_ten_before_wherever_they_begin(first: int, late: float) -> None:
    """A look shows that the ten seconds are over, and not since when: the next ones began up to a look before."""
    ramp = Ramp()
    for number in range(first):
        ramp.sent(number / first)
    ramp.refused(1.0, 10.0)
    taken = [float(first)]
    taken += [
        float(sent(ramp, max(10.0, at), at + 10.0)) for at in (10.0 - late, 20.0 - late, 30.0 - late, 40.0 - late)
    ]
    assert all(after <= 2.0 * before for before, after in itertools.pairwise(taken)), taken


def test_one_call_finds_out_whether_the_ten_seconds_are_over() -> None:
    """What else goes before its refusal is heard is refused as well."""
    ramp = Ramp()
    for number in range(60):
        ramp.sent(number / 60)
    ramp.refused(1.0, 3.5)
    assert sent(ramp, 3.5, 3.57) == 1
