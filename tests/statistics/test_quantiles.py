"""Quantiles against SciPy, and against printed tables where SciPy is not installed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.quantiles import beta_cdf, beta_quantile, normal_quantile, t_quantile

sizes = st.floats(0.5, 5_000.0)
probabilities = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("probability", "freedom", "printed"),
    [(0.975, 1, 12.706), (0.975, 9, 2.262), (0.975, 29, 2.045), (0.95, 4, 2.132), (0.025, 9, -2.262), (0.5, 3, 0.0)],
)
def test_student_as_printed(probability: float, freedom: float, printed: float) -> None:
    """The table that stands in every textbook."""
    assert t_quantile(probability, freedom) == pytest.approx(printed, abs=5e-4)


def test_the_normal_quantile_as_printed() -> None:
    """1.96."""
    assert normal_quantile(0.975) == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0, 40.5])
def test_a_uniform_and_its_powers_are_known_in_closed_form(a: float) -> None:
    """Beta(a, 1) has the distribution function x to the a."""
    assert beta_quantile(0.3, a, 1.0) == pytest.approx(0.3 ** (1 / a), rel=1e-10)
    assert beta_cdf(0.25, a, 1.0) == pytest.approx(0.25**a, rel=1e-10)


@given(probability=probabilities, a=sizes, b=sizes)
def test_quantile_and_distribution_undo_each_other(probability: float, a: float, b: float) -> None:
    """To nine digits, and mirrored at a half."""
    x = beta_quantile(probability, a, b)
    assert 0.0 <= x <= 1.0
    if 1e-250 < x < 1 - 1e-12:
        assert beta_cdf(x, a, b) == pytest.approx(probability, abs=1e-9)
    assert beta_cdf(0.4, a, b) == pytest.approx(1 - beta_cdf(0.6, b, a), abs=1e-9)


@given(probability=probabilities, a=sizes, b=sizes)
def test_beta_as_scipy(probability: float, a: float, b: float) -> None:
    """The oracle."""
    stats = pytest.importorskip("scipy.stats")
    assert beta_quantile(probability, a, b) == pytest.approx(stats.beta.ppf(probability, a, b), rel=1e-8, abs=1e-250)


@given(probability=probabilities, freedom=st.floats(1.0, 1e5))
def test_student_as_scipy(probability: float, freedom: float) -> None:
    """The oracle."""
    stats = pytest.importorskip("scipy.stats")
    found = t_quantile(probability, freedom)
    assert math.isfinite(found)
    assert found == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-7, abs=1e-9)
