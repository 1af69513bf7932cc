"""Numbers that a user gives, of Python and of NumPy alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import claude_parallel as cp
from claude_parallel.given_numbers import positive, whole_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_is_one_of_python_whatever_made_it(value: Any) -> None:
    """The journal, JSON and SQLite take no other."""
    assert type(whole_number("rows", value)) is int
    assert type(positive("rows", value)) is float
    policy = cp.RetryPolicy(max_retries=value, base_seconds=np.float32(0.5))  # type: ignore[arg-type]
    assert (type(policy.max_retries), type(policy.base_seconds)) == (int, float)


@pytest.mark.parametrize("value", [True, 0, -1, 2.0, "3", None, np.bool_(True), np.float64(2.0), Decimal(2)])
def test_what_is_none_is_refused_by_its_name(value: Any) -> None:
    """With what it may be."""
    with pytest.raises(cp.InputError, match="rows must be a whole number of at least 1, not"):
        whole_number("rows", value)


@pytest.mark.parametrize("value", [True, 0, -0.5, float("nan"), float("inf"), "3", None, np.float32("nan")])
def test_what_is_not_above_zero_is_refused_by_its_name(value: Any) -> None:
    """A number that is none may come out of a frame."""
    with pytest.raises(cp.InputError, match="timeout must be a number above 0, not"):
        positive("timeout", value)


def test_a_limit_of_rows_may_be_a_number_of_numpy(tmp_path: Any) -> None:
    """It was said to be none: "must be a whole number of at least 1, not np.int64(2)"."""
    source = tmp_path / "in.csv"
    source.write_text("t\none\ntwo\nthree\n")
    with cp.simulator(None, latency_seconds=0):
        done = cp.map_file(source, tmp_path / "out.csv", "Say {t}", limit=np.int64(2), progress=False)
    assert done.rows == 2
