"""Intervals: printed examples, oracles, laws, and coverage."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.agreement import accuracy_interval
from claude_parallel.statistics.intervals import (
    bootstrap_mean,
    bootstrap_p_value,
    effective_size,
    linearised,
    mean_interval,
    near_exact,
    wilson_corrected,
)

counts = st.integers(1, 400).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size)))


def test_wilson_with_its_correction_as_printed() -> None:
    """The same table, method 4."""
    for hits, size, low, high in ((81, 263, 0.2535, 0.3682), (15, 148, 0.0598, 0.1644), (0, 20, 0.0, 0.2005)):
        found = wilson_corrected(hits / size, size)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(counts)
def test_wilson_with_its_correction_as_scipy(pair: tuple[int, int]) -> None:
    """The oracle; and what is effective may be fractional or all."""
    stats = pytest.importorskip("scipy.stats")
    hits, size = pair
    expected = stats.binomtest(hits, size).proportion_ci(method="wilsoncc")
    found = wilson_corrected(hits / size, size)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson_corrected(hits / size, math.inf).width == 0.0
    assert wilson_corrected(0.3, 0.7).width > 0.5


@given(counts)
def test_a_share_lies_in_its_intervals_and_they_in_0_to_1(pair: tuple[int, int]) -> None:
    """Both intervals, whatever was seen."""
    hits, size = pair
    for found in (wilson_corrected(hits / size, size), near_exact(hits, size)):
        assert 0.0 <= found.low <= found.estimate <= found.high <= 1.0
        assert found.width > 0.0


@given(counts)
def test_the_near_exact_interval_lies_between_the_exact_one_and_jeffreys(pair: tuple[int, int]) -> None:
    """The oracles."""
    stats = pytest.importorskip("scipy.stats")
    hits, size = pair
    found = near_exact(hits, size)
    exact = stats.binomtest(hits, size).proportion_ci(method="exact")
    low, high = stats.beta.ppf([0.025, 0.975], hits + 0.5, size - hits + 0.5)
    assert exact.low - 1e-9 <= found.low <= max(0.0 if hits == 0 else low, exact.low) + 1e-9
    assert min(1.0 if hits == size else high, exact.high) - 1e-9 <= found.high <= exact.high + 1e-9


def test_the_near_exact_interval_by_hand() -> None:
    """One of two: mirrored at a half; none of any: the upper end alone."""
    even = near_exact(1, 2)
    assert even.low == pytest.approx(1 - even.high)
    assert near_exact(0, 10).low == 0.0
    assert near_exact(10, 10).low == pytest.approx(1 - near_exact(0, 10).high)


@pytest.mark.parametrize("size", [30, 100, 300])
def test_the_near_exact_interval_covers_whatever_the_share(size: int) -> None:
    """By the binomial probabilities themselves: at least 94 % from 100 rows on, for shares from 0.1 % to a half."""
    found = [near_exact(hits, size) for hits in range(size + 1)]
    for share in np.linspace(0.001, 0.5, 500):
        is_covered = np.array([one.low <= share <= one.high for one in found])
        logs = [math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1) for k in range(size + 1)]
        chances = np.exp(logs + np.arange(size + 1) * math.log(share) + np.arange(size, -1, -1) * math.log(1 - share))
        assert chances[is_covered].sum() >= (0.93 if size == 30 else 0.94)


def test_a_sample_of_everything_has_no_width() -> None:
    """The finite population correction, at its end and in between."""
    assert math.isinf(effective_size(100, 100))
    assert wilson_corrected(0.3, effective_size(100, 100)).width == 0.0
    assert wilson_corrected(0.3, effective_size(50, 100)).width < wilson_corrected(0.3, 50).width
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


def test_differences_that_are_all_the_same_are_told_by_their_sign_alone() -> None:
    """One row proves nothing, however far the two are apart."""
    assert bootstrap_p_value(np.array([3.0])) == 1.0
    assert bootstrap_p_value(np.array([3.0, 3.0, 3.0])) == 0.25
    assert 0 < bootstrap_p_value(np.full(40, 3.0)) < 0.001
    assert bootstrap_p_value(np.array([0.3 - 0.2, 0.4 - 0.3, 0.5 - 0.4, 0.6 - 0.5, 1.1 - 1.0])) == 0.0625


def test_few_large_differences_are_no_difference() -> None:
    """One row in ten is off by much, and the mean is 0: some 5 % of samples may say otherwise, not a fifth of them."""
    rng = np.random.default_rng(6)
    samples = np.where(rng.random((200, 30)) < 0.1, rng.exponential(3.0, (200, 30)), 0.0) - 0.3
    assert sum(bootstrap_p_value(sample) < 0.05 for sample in samples) <= 14


@pytest.mark.parametrize("size", [20, 30, 100, 300])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 0.97, 0.99])
def test_the_interval_of_an_accuracy_covers_over_a_thousand_samples(share: float, size: int) -> None:
    """At least 94 %, drawn without replacement from a frame whose accuracy is known, whatever that is."""
    for population in (1_000, 100_000):
        hits = round(share * population)
        seen: Any = np.random.default_rng(4).hypergeometric(hits, population - hits, size, 1_000)
        samples = {int(count) for count in seen}
        found = {
            count: accuracy_interval(np.repeat([1.0, 0.0], [count, size - count]), None, population)
            for count in samples
        }
        covered = sum(found[int(count)].low <= hits / population <= found[int(count)].high for count in seen)
        assert covered >= 940


ERRORS: dict[str, tuple[Callable[[np.random.Generator, int], Any], float]] = {
    "exponential": (lambda rng, size: rng.exponential(1.0, size), 1.0),
    "half-normal": (lambda rng, size: np.abs(rng.normal(0.0, 1.0, size)), math.sqrt(2 / math.pi)),
    "mostly zero": (lambda rng, size: (rng.random(size) < 0.1) * rng.integers(1, 4, size).astype(float), 0.2),
}


@pytest.mark.parametrize("name", list(ERRORS))
def test_the_interval_of_a_mean_error_covers_over_a_thousand_samples(name: str) -> None:
    """At least 94 % of skewed errors; 300 resamples are enough to see it."""
    draw, mean = ERRORS[name]
    rng = np.random.default_rng(5)
    found = [bootstrap_mean(draw(rng, 100), seed, resamples=300) for seed in range(1_000)]
    assert sum(one.low <= mean <= one.high for one in found) >= 940


def test_weighed_values_have_the_weighted_mean_and_its_error() -> None:
    """Drawn ten thousand times in equal parts, the interval covers the mean of the whole, and plain values do not."""
    rng = np.random.default_rng(0)
    whole = np.concatenate([rng.exponential(1.0, 900), rng.exponential(10.0, 100)])
    weights = np.array([9.0] * 100 + [1.0] * 100)
    covered = {"weighed": 0, "plain": 0}
    for _ in range(1_000):
        values = np.concatenate([rng.choice(whole[:900], 100), rng.choice(whole[900:], 100)])
        assert linearised(values, weights).mean() == pytest.approx(np.average(values, weights=weights))
        for name, used in (("weighed", linearised(values, weights)), ("plain", values)):
            found = mean_interval(used)
            covered[name] += found.low <= whole.mean() <= found.high
    assert covered["weighed"] >= 930
    assert covered["plain"] == 0
