"""What a run changes of the process while it lasts, and puts back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from claude_parallel.bridge import fewer_collections


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Begin with known thresholds, and put back those of the test run."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_garbage_collector_looks_less_often_while_runs_are_under_way() -> None:
    """From the first to the last of them, whatever the order of their ends."""
    first, second = fewer_collections(), fewer_collections()
    first.__enter__()
    calm = gc.get_threshold()
    assert calm[0] > 10_000
    assert calm[1:] == (10, 10)
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == calm
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


def test_a_run_that_fails_puts_it_back() -> None:
    """However it ends."""
    with pytest.raises(KeyboardInterrupt), fewer_collections():
        raise KeyboardInterrupt
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("own", [(0, 10, 10), (1_000_000, 5, 5)])
def test_who_has_switched_it_off_or_slowed_it_down_keeps_that(own: tuple[int, int, int]) -> None:
    """The user's setting is not ours to change."""
    gc.set_threshold(*own)
    with fewer_collections():
        assert gc.get_threshold() == own
    assert gc.get_threshold() == own


def test_what_somebody_sets_meanwhile_stays() -> None:
    """The last word is theirs."""
    with fewer_collections():
        gc.set_threshold(123, 4, 5)
    assert gc.get_threshold() == (123, 4, 5)
