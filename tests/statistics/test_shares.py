"""Corrected shares: laws, oracles for the estimators that lost, and a sample of the simulation that decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.shares import (
    CASES,
    IN_PARTS,
    Case,
    coverage_in_parts,
    dirichlet,
    gold_alone,
    linear,
    ours,
    plain,
    score,
)
from claude_parallel.statistics.shares import corrected_shares, rows_to_halve

tables = st.integers(2, 5).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 9), min_size=size, max_size=size), min_size=size, max_size=size)
)


def rows_of(table: Any) -> tuple[Any, Any]:
    """Return answers and truth of each gold row."""
    counts = np.asarray(table)
    answers, truth = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    return answers, truth


@given(tables, st.integers(0, 500), st.integers(0, 2**32 - 1))
def test_shares_add_up_to_one_and_lie_in_their_intervals(table: Any, more: int, seed: int) -> None:
    """Whatever the gold rows look like: no error, no row of a class, all rows gold."""
    answers, truth = rows_of(table)
    if not len(answers):
        return
    gold = np.asarray(table).sum(axis=1)
    population = gold + np.random.default_rng(seed).multinomial(more, np.full(len(gold), 1 / len(gold)))
    found = corrected_shares(answers, truth, population)
    assert sum(share.corrected.estimate for share in found) == pytest.approx(1.0)
    for share in found:
        assert 0.0 <= share.corrected.low <= share.corrected.estimate + 1e-12
        assert share.corrected.estimate <= share.corrected.high + 1e-12 <= 1.0 + 2e-12


def test_a_sample_without_errors_has_a_width_all_the_same() -> None:
    """30 right answers do not prove that 3,000 are right."""
    answers, truth = rows_of([[20, 0], [0, 10]])
    first, second = corrected_shares(answers, truth, np.array([2_000, 1_000]))
    assert first.corrected.estimate == pytest.approx(2 / 3)
    assert 0.02 < first.corrected.width < 0.2
    assert second.corrected.width == pytest.approx(first.corrected.width)


def test_gold_for_every_row_is_the_truth_itself() -> None:
    """Nothing is left to estimate."""
    answers, truth = rows_of([[3, 1], [2, 4]])
    found = corrected_shares(answers, truth, np.array([4, 6]))
    assert [share.corrected.estimate for share in found] == pytest.approx([0.5, 0.5])
    assert [share.corrected.width for share in found] == [0.0, 0.0]


def test_errors_that_lean_are_taken_back() -> None:
    """A tenth of the first class is answered as the second: the counted shares are off, the corrected ones are not."""
    answers, truth = rows_of([[90, 0], [10, 100]])
    first, _ = corrected_shares(answers, truth, np.array([9_000, 11_000]))
    assert first.plain == pytest.approx(0.45)
    assert first.corrected.estimate == pytest.approx(0.5)
    assert first.corrected.low < 0.5 < first.corrected.high
    assert first.corrected.low > first.plain


def test_weights_undo_a_sample_that_favours_a_class() -> None:
    """Equal parts of a large and a small predicted class, weighted, say what a random sample says."""
    answers, truth = rows_of([[45, 5], [10, 40]])
    population = np.array([9_000, 1_000])
    weights = np.where(answers == 0, 180.0, 20.0)
    weighted = corrected_shares(answers, truth, population, weights)
    assert [s.corrected.estimate for s in weighted] == pytest.approx([0.9 * 0.9 + 0.1 * 0.2, 0.9 * 0.1 + 0.1 * 0.8])
    assert weighted == corrected_shares(answers, truth, population)  # constant within what was answered


def test_rare_classes_are_told_by_their_gold_rows() -> None:
    """Fewer than five: too few to tell."""
    answers, truth = rows_of([[20, 4], [0, 0]])
    first, second = corrected_shares(answers, truth, np.array([900, 100]))
    assert first.is_known
    assert not second.is_known
    assert second.gold_rows == 4
    everything = corrected_shares(answers, truth, np.array([24, 0]))
    assert all(share.is_known for share in everything)


def test_how_many_more_rows_halve_an_interval() -> None:
    """Four times as many in a large frame, fewer in a small one, never more than there are."""
    assert rows_to_halve(100, 10_000_000) == 300
    assert rows_to_halve(100, 400) == pytest.approx(129, abs=1)
    assert rows_to_halve(100, 100) == 0


@pytest.mark.parametrize("is_tuned", [False, True])
def test_the_linear_estimators_as_ppi_python(is_tuned: bool) -> None:
    """The losers of the simulation lost as what they are: estimate and interval as ppi-python computes them.

    Its gold rows are not among the others and its variances divide by n, so both are compared on a large frame.
    """
    ppi = pytest.importorskip("ppi_py")
    gold = np.array([[50, 8], [12, 130]])
    answers, truth = rows_of(gold)
    others = np.repeat([0, 1], [31_000, 69_000])
    estimate, error = linear(gold, np.array([31_000, 69_000]), is_tuned=is_tuned)
    lam = None if is_tuned else 1.0
    y, yhat, rest = ((column == 1).astype(float) for column in (truth, answers, others))
    low, high = ppi.ppi_mean_ci(y, yhat, rest, alpha=0.05, lam=lam)
    assert estimate[1] == pytest.approx(ppi.ppi_mean_pointestimate(y, yhat, rest, lam=lam), abs=2e-3)
    assert 2 * 1.96 * error[1] == pytest.approx(float((high - low)[0]), rel=0.02)


# -- a sample of benchmarks/shares.py --------------------------------------------------------------------------------

SAMPLED = [case for number, case in enumerate(CASES) if number % 17 == 4]


@pytest.mark.parametrize("case", SAMPLED, ids=str)
def test_the_interval_covers_where_counting_does_not(case: Case) -> None:
    """100 worlds each: at least 94 % less two standard errors of the simulation, and not wider than gold alone."""
    found = score(case, ours, 100, seed=3)
    assert found.right_claims >= 0.94 - 2 * np.sqrt(0.94 * 0.06 / 100)
    assert found.width <= 1.02


def test_gold_rows_in_equal_parts_cover_too() -> None:
    """150 worlds of this seed; with Kish's size alone it is 93.2 %."""
    assert coverage_in_parts(IN_PARTS, 150, seed=1) >= 0.94


def test_counting_the_answers_of_a_leaning_model_is_wrong() -> None:
    """However many rows: the interval is narrow and in the wrong place."""
    case = Case(100_000, 100, 0.9, "two", True)
    assert score(case, plain, 100).coverage < 0.05
    assert score(case, ours, 100).coverage > 0.9


def test_the_other_estimators_run() -> None:
    """What the decision compares: gold alone is as wide as itself, the posterior covers a plain case."""
    case = Case(3_000, 100, 0.7, "two", False)
    assert score(case, gold_alone, 50).width == pytest.approx(1.0)
    assert score(case, dirichlet, 50).coverage > 0.8
