"""Samples: random, repeatable, with known probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.samples import allocate, simple_sample, stratified_sample, stratum_weights


def test_a_sample_is_repeatable_and_without_repeats() -> None:
    """The same seed gives the same rows; another seed other ones; more than there are gives all."""
    assert simple_sample(100, 20).tolist() == simple_sample(100, 20).tolist()
    assert simple_sample(100, 20, seed=1).tolist() != simple_sample(100, 20).tolist()
    assert len(set(simple_sample(100, 20).tolist())) == 20
    assert sorted(simple_sample(5, 9).tolist()) == [0, 1, 2, 3, 4]


def test_a_larger_sample_contains_the_smaller_one() -> None:
    """So that more rows pay for the new ones only."""
    assert simple_sample(1_000, 50).tolist() == simple_sample(1_000, 200).tolist()[:50]


def test_every_row_is_as_likely() -> None:
    """Over 4,000 seeds each of 10 rows is in about 3 of 10 samples (five standard deviations of leeway)."""
    counts = np.zeros(10)
    for seed in range(4_000):
        counts[simple_sample(10, 3, seed)] += 1
    assert np.abs(counts - 1_200).max() < 5 * np.sqrt(4_000 * 0.3 * 0.7)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 200))
def test_parts_are_equal_as_far_as_groups_reach(sizes: list[int], total: int) -> None:
    """All that is wanted is given, no group gives more than it has, and a group gives less only where it is empty."""
    parts = allocate(sizes, total)
    assert sum(parts) == min(total, sum(sizes))
    assert all(part <= size for part, size in zip(parts, sizes, strict=True))
    open_parts = [part for part, size in zip(parts, sizes, strict=True) if part < size]
    if open_parts:
        assert max(parts) - min(open_parts) <= 1


def test_groups_are_drawn_in_equal_parts() -> None:
    """And each from its own rows."""
    groups = ["a"] * 90 + ["b"] * 10
    drawn = stratified_sample(groups, 16)
    assert [len(rows) for rows in drawn.values()] == [8, 8]
    assert all(groups[row] == group for group, rows in drawn.items() for row in rows)


def test_weights_add_up_to_the_whole() -> None:
    """Each labelled row stands for its group's rows, also when only a part was labelled."""
    weights = stratum_weights(["a", "b", "b"], {"a": 90, "b": 10})
    assert weights.tolist() == pytest.approx([90.0, 5.0, 5.0])
