"""Which of two is better: McNemar's mid-p and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.statistics.pairs import holm, mcnemar_mid_p, sign_flip_mid_p


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    # the first is the example of Fagerland, Lydersen and Laake 2013 (airway hyper-responsiveness); the others by hand
    [(1, 7, 0.0391), (0, 0, 1.0), (1, 1, 0.75), (0, 5, 0.03125), (1, 2, 0.625)],
)
def test_mid_p_by_hand(first: int, second: int, p_value: float) -> None:
    """And the same whichever comes first."""
    assert mcnemar_mid_p(first, second) == pytest.approx(p_value, abs=5e-5)
    assert mcnemar_mid_p(second, first) == pytest.approx(p_value, abs=5e-5)


@given(st.integers(0, 2_000), st.integers(0, 2_000))
def test_mid_p_is_the_exact_p_less_half_a_point(first: int, second: int) -> None:
    """The oracle is SciPy's exact binomial test."""
    stats = pytest.importorskip("scipy.stats")
    total = first + second
    found = mcnemar_mid_p(first, second)
    assert 0.0 <= found <= 1.0
    if total:
        point = float(stats.binom.pmf(min(first, second), total, 0.5))
        exact = float(stats.binomtest(first, total).pvalue)
        expected = 1 - point / 2 if first == second else exact - point
        assert found == pytest.approx(expected, abs=1e-9)


def test_holm_by_hand() -> None:
    """Holm 1979: times 3, 2, 1 in order of size, never falling."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0.0, 1.0), max_size=12))
def test_holm_keeps_order_and_never_helps(p_values: list[float]) -> None:
    """Corrected values are no smaller, in the same order, and at most Bonferroni's."""
    found = holm(p_values)
    for before, after in zip(p_values, found, strict=True):
        assert before <= after <= min(1.0, before * len(p_values)) + 1e-12 or after == 1.0 or after >= before
    assert [after for _before, after in sorted(zip(p_values, found, strict=True))] == sorted(found)


@pytest.mark.parametrize(("ahead", "behind"), [(0, 0), (3, 3), (8, 1), (12, 4), (40, 25)])
def test_random_signs_say_what_mcnemar_says_where_all_rows_count_the_same(ahead: int, behind: int) -> None:
    """The exact test is the special case."""
    gaps = np.array([2.0] * ahead + [-2.0] * behind + [0.0] * 10)
    assert sign_flip_mid_p(gaps) == pytest.approx(mcnemar_mid_p(ahead, behind), abs=0.012)


def test_rows_that_stand_for_many_count_for_more() -> None:
    """One heavy row may outweigh five light ones, and alone proves nothing."""
    light = [1.0] * 9
    assert sign_flip_mid_p(np.array(light)) < 0.01
    assert sign_flip_mid_p(np.array([*light, -50.0])) > 0.5
