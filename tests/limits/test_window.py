"""The window of calls in flight: what the rate needs, and no more."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.window import CEILING, FLOOR, MARGIN, START, Window


def searched(capacity: float, latency: float, seconds: float = 30.0, window: Window | None = None) -> Window:
    """Return the window after some seconds against a server of `capacity` answers a second at most."""
    window = window or Window()
    began = now = free_at = max(0.0, window.round_at)
    flying: list[tuple[float, float]] = []
    while now < began + seconds:
        while len(flying) < int(window.size):
            free_at = max(free_at, now) + 1 / capacity
            heapq.heappush(flying, (max(free_at, now + latency), now))
        window.refuse()
        end, sent_at = heapq.heappop(flying)
        now = end
        window.good(now - sent_at, now)
    return window


@pytest.mark.parametrize(("capacity", "latency"), [(1_000.0, 0.2), (200.0, 1.0), (500.0, 0.05)])
@pytest.mark.parametrize("seconds", [14.0, 60.0])
def test_a_search_ends_near_what_the_rate_needs(capacity: float, latency: float, seconds: float) -> None:
    """Little's law: rate times latency, with a margin that later searches do not add up; more would only be to lose."""
    window = searched(capacity, latency, seconds)
    assert 0.95 * capacity * latency <= window.size <= max(3 * START, 2 * capacity * latency)


def test_answers_that_become_longer_open_it_again() -> None:
    """The same rate takes ten times as many in flight once answers take ten times as long; known in half a minute."""
    window = searched(500.0, 0.2, 20.0)
    window = searched(500.0, 2.0, 35.0, window)
    assert window.size >= 950


def test_a_server_without_end_is_searched_far() -> None:
    """Where more always brings more, the search goes on."""
    assert searched(1e9, 1.0, seconds=8.0).size > 1_000


def test_a_window_that_is_not_used_stays_as_it_is() -> None:
    """What did not hold the run back needs no opening."""
    window = Window()
    for number in range(1_000):
        window.good(0.1, 0.1 * number)
    assert window.size == START


@given(st.floats(1, 1_000), st.floats(0.01, 60))
def test_a_known_rate_needs_rate_times_latency(rate: float, latency: float) -> None:
    """And a margin."""
    assert Window().allowed(rate, latency) == pytest.approx(min(CEILING, START + MARGIN * rate * latency))


def test_isolated_failures_do_not_close_it() -> None:
    """Two in a hundred are noise."""
    window = Window()
    for number in range(2_000):
        if number % 50 == 0:
            window.bad(sent_at=float(number), now=float(number))
        else:
            window.good(0.1, float(number))
    assert window.size >= START


def test_a_bad_episode_closes_it_once() -> None:
    """Fifty failures of calls that were under way together count as one episode."""
    window = Window(size=100.0)
    for _ in range(50):
        window.bad(sent_at=0.0, now=1.0)
    assert window.size == pytest.approx(70.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 10)), max_size=200))
def test_it_never_closes_entirely(answers: list[tuple[bool, float]]) -> None:
    """Somebody has to find out that things are better again."""
    window, now = Window(), 0.0
    for is_good, gap in answers:
        now += gap
        window.refuse()
        if is_good:
            window.good(gap, now)
        else:
            window.bad(now - 0.01, now)
        assert FLOOR <= window.size <= CEILING
