"""Intervals: printed examples, oracles, laws, and coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.intervals import (
    bootstrap_mean,
    bootstrap_p_value,
    effective_size,
    jeffreys,
    mean_interval,
    wilson,
)

counts = st.integers(1, 400).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size)))


def test_wilson_as_printed() -> None:
    """Newcombe, Statist. Med. 17 (1998), 857, table I, method 3."""
    for hits, size, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        found = wilson(hits / size, size)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(counts)
def test_wilson_as_scipy(pair: tuple[int, int]) -> None:
    """The oracle."""
    stats = pytest.importorskip("scipy.stats")
    hits, size = pair
    expected = stats.binomtest(hits, size).proportion_ci(method="wilson")
    found = wilson(hits / size, size)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(counts)
def test_a_share_lies_in_its_intervals_and_they_in_0_to_1(pair: tuple[int, int]) -> None:
    """Both intervals, whatever was seen."""
    hits, size = pair
    for found in (wilson(hits / size, size), jeffreys(hits, size)):
        assert 0.0 <= found.low <= found.estimate <= found.high <= 1.0
        assert found.width > 0.0


@given(counts)
def test_jeffreys_as_scipy(pair: tuple[int, int]) -> None:
    """The oracle: quantiles of the posterior, with the ends of the range where nothing or everything was hit."""
    stats = pytest.importorskip("scipy.stats")
    hits, size = pair
    found = jeffreys(hits, size)
    low, high = stats.beta.ppf([0.025, 0.975], hits + 0.5, size - hits + 0.5)
    assert found.low == pytest.approx(0.0 if hits == 0 else min(low, hits / size))
    assert found.high == pytest.approx(1.0 if hits == size else max(high, hits / size))


def test_jeffreys_by_hand() -> None:
    """One of two: mirrored at a half; none of any: the upper end alone."""
    even = jeffreys(1, 2)
    assert even.low == pytest.approx(1 - even.high)
    assert jeffreys(0, 10).low == 0.0
    assert jeffreys(10, 10).low == pytest.approx(1 - jeffreys(0, 10).high)


def test_a_sample_of_everything_has_no_width() -> None:
    """The finite population correction, at its end and in between."""
    assert math.isinf(effective_size(100, 100))
    assert wilson(0.3, effective_size(100, 100)).width == 0.0
    assert wilson(0.3, effective_size(50, 100)).width < wilson(0.3, 50).width
    assert effective_size(50, None) == 50
    assert effective_size(1, 100) == pytest.approx(1.0)


def test_student_as_scipy() -> None:
    """The mean of a sample, and the correction for a finite frame."""
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(5.0, 2.0, 30)
    expected = stats.t.interval(0.95, 29, values.mean(), stats.sem(values))
    found = mean_interval(values)
    assert (found.low, found.high) == pytest.approx(expected)
    assert mean_interval(values, 60).width == pytest.approx(found.width * math.sqrt(0.5))
    assert mean_interval(values, 30).width == 0.0


def test_too_few_values_say_so() -> None:
    """No value has no mean; one has a mean and no width that anybody could know."""
    assert math.isnan(mean_interval(np.array([])).estimate)
    assert math.isinf(mean_interval(np.array([2.0])).width)
    assert math.isnan(bootstrap_mean(np.array([])).estimate)
    assert bootstrap_p_value(np.array([])) == 1.0


def test_the_bootstrap_is_repeatable_and_near_the_normal_interval() -> None:
    """The same seed gives the same ends; with 400 rows they are near mean +- 1.96 standard errors."""
    values = np.random.default_rng(2).normal(0.3, 1.0, 400)
    found = bootstrap_mean(values)
    error = values.std(ddof=1) / 20
    assert found == bootstrap_mean(values)
    assert (found.low, found.high) == pytest.approx(
        (found.estimate - 1.96 * error, found.estimate + 1.96 * error), abs=0.01
    )


def test_the_bootstrap_tells_a_difference_from_none() -> None:
    """A clear difference is beyond chance, no difference is not, and differences of 0 are none."""
    rng = np.random.default_rng(3)
    assert bootstrap_p_value(rng.normal(1.0, 1.0, 50)) < 0.001
    assert bootstrap_p_value(rng.permutation(np.repeat([-1.0, 1.0], 25))) > 0.5
    assert bootstrap_p_value(np.zeros(9)) == 1.0


@pytest.mark.parametrize(("share", "size", "population"), [(0.9, 100, 1_000), (0.7, 30, 300), (0.99, 300, 100_000)])
def test_wilson_covers_over_a_thousand_samples(share: float, size: int, population: int) -> None:
    """Drawn without replacement from a frame whose accuracy is known."""
    hits = round(share * population)
    seen: Any = np.random.default_rng(4).hypergeometric(hits, population - hits, size, 1_000)
    found = [wilson(count / size, effective_size(size, population)) for count in seen]
    covered = sum(one.low <= hits / population <= one.high for one in found)
    assert covered >= 920  # 950 less what the coarseness of counts takes; the mean over shares is above 94 %
