"""What requests really weigh, learnt from answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.load import LoadEstimator
from claude_parallel.records import Load, Usage

ratios = st.floats(0.2, 5.0)


def test_the_first_estimate_is_charged_as_it_is() -> None:
    """Nothing is known before the first answer."""
    assert LoadEstimator().weigh(Load(100.0, 7.0)) == Load(100.0, 7.0)


def test_output_is_charged_as_the_mean_of_the_answers() -> None:
    """Output cannot be known before; the mean so far is charged."""
    estimator = LoadEstimator()
    for tokens in (100, 200, 300):
        estimator.learn(Load(10.0), Usage(input_tokens=10, output_tokens=tokens))
    assert estimator.weigh(Load(10.0)).output_tokens == pytest.approx(200.0)


def test_cache_writes_count_and_reads_do_not() -> None:
    """The input limit is cache-aware: what was read from the cache is free of it."""
    usage = Usage(input_tokens=10, cache_write_5m_tokens=300, cache_write_1h_tokens=40, cache_read_tokens=5_000)
    assert LoadEstimator().learn(Load(5_350.0), usage) == Load(350.0, 0.0)


def test_a_request_that_weighs_nothing_by_estimate_does_no_harm() -> None:
    """An estimate of zero tokens must not divide by zero."""
    estimator = LoadEstimator()
    estimator.learn(Load(0.0), Usage(input_tokens=5))
    assert estimator.input_ratio == 1.0


@given(ratios, st.lists(st.floats(10, 10_000), min_size=1, max_size=100))
def test_a_constant_bias_is_found(ratio: float, estimates: list[float]) -> None:
    """A tokenizer that counts `ratio` times the estimate is met from the first answer on."""
    estimator = LoadEstimator()
    for estimate in estimates:
        estimator.learn(Load(estimate), Usage(input_tokens=round(estimate * ratio)))
    assert estimator.weigh(Load(1_000.0)).input_tokens == pytest.approx(1_000 * ratio, rel=0.3)


@given(ratios, ratios)
def test_a_frame_that_changes_along_the_way_is_followed(first: float, second: float) -> None:
    """Two hundred answers later, the old bias is forgotten to within a few percent."""
    estimator = LoadEstimator()
    for ratio in [first] * 50 + [second] * 200:
        estimator.learn(Load(1_000.0), Usage(input_tokens=round(1_000 * ratio)))
    assert estimator.input_ratio == pytest.approx(second, abs=0.03 * abs(first - second) + 0.001)
