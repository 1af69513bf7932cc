"""Votes: the most frequent answer, the median, and the agreement."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.votes import Vote, majority, median


@pytest.mark.parametrize(
    ("draws", "winner", "agreement"),
    [
        (["a", "b", "b"], "b", 2 / 3),
        (["a", "b"], "a", 0.5),
        (["c", "a", "b"], "c", 1 / 3),
        ([None, "b", "a", "a"], "a", 0.5),
        ([None, "b", None], "b", 1 / 3),
        ([None, None], None, 0.0),
        ([" yes", "yes ", "no"], " yes", 2 / 3),
        ([True, False, True], True, 2 / 3),
        ([["x", "y"], ["x", "y"], ["y"]], ["x", "y"], 2 / 3),
        ([{"k": 1, "l": 2}, {"l": 2, "k": 1}], {"k": 1, "l": 2}, 1.0),
        ([True, 1, 1.0], True, 1 / 3),
    ],
)
def test_majority(draws: list[Any], winner: Any, agreement: float) -> None:
    """Ties go to the first draw; a failed draw agrees with nobody."""
    found = majority(draws)
    assert found.value == winner
    assert found.agreement == pytest.approx(agreement)


@pytest.mark.parametrize(
    ("draws", "is_whole", "middle", "agreement"),
    [
        ([1.0, 4.0, 2.0], False, 2.0, 1 / 3),
        ([2.0, 2.0, 9.0], False, 2.0, 2 / 3),
        ([1.0, 2.0], False, 1.5, 0.0),
        ([1, 2], True, 1, 0.5),
        ([3, None, 3], True, 3, 2 / 3),
        ([None], True, None, 0.0),
    ],
)
def test_median(draws: list[Any], is_whole: bool, middle: Any, agreement: float) -> None:
    """Whole numbers stay whole."""
    assert median(draws, is_whole=is_whole) == Vote(middle, pytest.approx(agreement))


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=9))
def test_the_winner_is_nowhere_beaten(draws: list[Any]) -> None:
    """No other value was drawn more often, and the agreement is its share."""
    found = majority(draws)
    given_ = [draw for draw in draws if draw is not None]
    assert found.agreement == pytest.approx(given_.count(found.value) / len(draws))
    assert all(given_.count(value) <= given_.count(found.value) for value in given_)
