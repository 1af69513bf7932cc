"""The window of calls in flight: opens while it holds us back, closes once per bad episode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.window import CEILING, START, Window


def after_bad(count: int, good_between: int, window: Window) -> Window:
    """Return the window after `count` bad answers, each followed by some good ones of calls sent meanwhile."""
    for number in range(count):
        window.bad(sent_at=float(number), now=number + 0.5)
        for _ in range(good_between):
            window.good(in_flight=1)
    return window


def test_a_saturated_window_triples_in_a_round_trip_at_first() -> None:
    """Every good answer opens it by two until the first bad episode."""
    window = Window()
    for _ in range(START):
        window.good(in_flight=int(window.size))
    assert window.size == 3 * START


def test_a_window_that_is_not_used_stays_as_it_is() -> None:
    """What did not hold the run back needs no opening."""
    window = Window()
    for _ in range(1_000):
        window.good(in_flight=START // 2)
    assert window.size == START


def test_after_a_cut_it_opens_by_about_one_in_a_round_trip() -> None:
    """Additive increase, once it is known where trouble begins."""
    window = Window(size=100.0)
    window.cut(sent_at=1.0, now=2.0)
    before = window.size
    for _ in range(int(before)):
        window.good(in_flight=int(window.size))
    assert before + 0.9 < window.size < before + 1.1


def test_a_few_stray_errors_teach_nothing() -> None:
    """Two percent of random 529s must not close the window."""
    assert after_bad(40, 49, Window(size=50.0)).size == 50.0


def test_an_episode_of_errors_cuts_once() -> None:
    """All calls that were under way when it was cut belong to the same episode."""
    window = Window(size=100.0)
    for _ in range(200):
        window.bad(sent_at=1.0, now=2.0)
    assert window.size == pytest.approx(70.0)


def test_a_second_episode_cuts_again() -> None:
    """Calls sent after the cut that fail as well are news."""
    window = Window(size=100.0)
    for episode in range(2):
        for _ in range(200):
            window.bad(sent_at=10.0 * episode + 1.0, now=10.0 * episode + 2.0)
    assert window.size == pytest.approx(49.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5), st.integers(0, 1_200)), max_size=300))
def test_the_window_stays_within_its_bounds(events: list[tuple[bool, float, int]]) -> None:
    """Whatever comes back, something may always be sent, and never more than the ceiling."""
    window, now = Window(), 0.0
    for is_good, gap, in_flight in events:
        now += gap
        if is_good:
            window.good(in_flight)
        else:
            window.bad(sent_at=now - 1.0, now=now)
        assert 4 <= window.size <= CEILING
