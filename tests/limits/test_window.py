"""The window of calls in flight: what the rate needs, and no more."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.window import CEILING, FLOOR, MARGIN, QUICK_LEAST, START, Window


def searching(
    capacity: float, latency: float, seconds: float = 30.0, window: Window | None = None
) -> Iterator[tuple[float, Window]]:
    """Yield each answer's second and the window after it, against a server, or a client, of so many calls a second."""
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
        yield now - began, window


def searched(capacity: float, latency: float, seconds: float = 30.0, window: Window | None = None) -> Window:
    """Return the window after some seconds; see :func:`searching`."""
    return deque(searching(capacity, latency, seconds, window), maxlen=1)[0][1]


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


@given(st.floats(100, 5_000), st.floats(0.0005, 0.01))
def test_a_client_that_is_busy_all_the_time_takes_few_more(capacity: float, latency: float) -> None:
    """What it cannot send or read sooner waits in its own loop: no rate for it, and all of it paid twice at a kill."""
    widest = max(window.size for _, window in searching(capacity, latency, seconds=4.0))
    assert widest <= 3 * QUICK_LEAST + 3 * capacity * latency


@pytest.mark.parametrize(("latency", "round_trips"), [(0.2, 9.0), (1.0, 6.0), (5.0, 6.0)])
def test_a_server_without_end_is_searched_far(latency: float, round_trips: float) -> None:
    """Where more always brings more, the search goes on: it triples per round, or per round trip where that is more."""
    assert searched(1e9, latency, seconds=round_trips * latency).size > 1_000


def test_what_goes_blindly_while_the_first_answer_takes_its_time_is_not_called_back() -> None:
    """A hundred calls may be under way by then; the window opens from there."""
    window = Window(size=100.0)
    window.refuse()
    window.good(5.0, 5.0)
    window.good(5.0, 5.1)
    assert window.size >= 100.0


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
