"""Agreement with the truth: by hand, against scikit-learn, and laws."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.agreement import accuracy_interval, confusion, design_size, kish_size

pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=60)


def test_a_table_by_hand() -> None:
    """Cohen's own kind of example: 20 and 15 right, 5 and 10 wrong."""
    answers = ["yes"] * 25 + ["no"] * 25
    truth = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = confusion(answers, truth, ("yes", "no"))
    assert found.counts.tolist() == [[20, 5], [10, 15]]
    assert found.accuracy == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.precision.tolist() == pytest.approx([0.8, 0.6])
    assert found.recall.tolist() == pytest.approx([20 / 30, 15 / 20])


@given(pairs)
def test_the_figures_as_scikit_learn(rows: list[tuple[str, str]]) -> None:
    """The oracle for kappa, macro F1, precision and recall, classes that never occur included."""
    metrics = pytest.importorskip("sklearn.metrics")
    answers, truth = [row[0] for row in rows], [row[1] for row in rows]
    found = confusion(answers, truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, answers))
        assert found.macro_f1 == pytest.approx(metrics.f1_score(truth, answers, average="macro"))
        kappa = metrics.cohen_kappa_score(truth, answers)
        labels = list(found.classes)
        precision = metrics.precision_score(truth, answers, labels=labels, average=None, zero_division=np.nan)
        recall = metrics.recall_score(truth, answers, labels=labels, average=None, zero_division=np.nan)
    assert found.kappa == pytest.approx(kappa, nan_ok=True)
    assert found.precision == pytest.approx(precision, nan_ok=True)
    assert found.recall == pytest.approx(recall, nan_ok=True)


@given(pairs, st.integers(2, 5))
def test_a_weight_is_as_many_rows(rows: list[tuple[str, str]], times: int) -> None:
    """A row with weight k says what k equal rows say, and weights of 1 change nothing."""
    answers, truth = [row[0] for row in rows], [row[1] for row in rows]
    weights = np.array([times] + [1] * (len(rows) - 1), dtype=float)
    weighted = confusion(answers, truth, weights=weights)
    repeated = confusion([answers[0]] * (times - 1) + answers, [truth[0]] * (times - 1) + truth)
    assert weighted.accuracy == pytest.approx(repeated.accuracy)
    assert weighted.kappa == pytest.approx(repeated.kappa, nan_ok=True)
    assert weighted.size == len(rows)


def test_nothing_to_compare_is_unknown() -> None:
    """No rows, or one class only: a number would be made up."""
    empty = confusion([], [], ("a", "b"))
    assert math.isnan(empty.accuracy)
    assert math.isnan(empty.macro_f1)
    assert math.isnan(confusion(["a"], ["a"]).kappa)
    assert math.isnan(accuracy_interval(np.array([])).estimate)


def test_unequal_weights_tell_less() -> None:
    """Kish: rows of equal weight count in full, one heavy row counts as little more than one."""
    assert kish_size(np.ones(10)) == pytest.approx(10.0)
    assert kish_size(np.array([100.0, 1.0, 1.0])) == pytest.approx(1.04, abs=0.01)
    hits = np.array([1.0, 0.0, 1.0, 1.0])
    assert accuracy_interval(hits, np.array([9.0, 1.0, 1.0, 1.0])).width > accuracy_interval(hits).width


def test_rows_that_stand_for_many_and_differ_tell_less() -> None:
    """By hand: 5 errors of 50 in the part of 80 %, none in the other: p = 0.92, its variance 0.001162."""
    weights = np.array([8.0] * 50 + [2.0] * 50)
    hits = np.array([0.0] * 5 + [1.0] * 95)
    assert design_size(hits, weights) == pytest.approx(63.3, abs=0.05)
    assert design_size(hits[::-1], weights) == kish_size(weights) == pytest.approx(73.5, abs=0.05)
    assert design_size(np.ones(100), weights) == kish_size(weights)
    assert design_size(hits, np.full(100, 3.0)) == 100
    assert design_size(np.array([]), np.array([])) == 0


def test_classes_of_several_types_have_an_order() -> None:
    """Labels may be anything that a column holds."""
    assert confusion([1, "a"], ["a", 1]).size == 2
