"""What a map remembers: the digest of an index says whether rows still stand as they stood."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from claude_parallel.frames.calls import index_digest

MOMENTS = pd.date_range("2026-11-26", periods=3, freq="h", tz="Europe/Berlin")


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(3),
        pd.Index(["a", "b", "a", None]),
        MOMENTS,
        MOMENTS - MOMENTS[0],
        pd.period_range("2026-11", periods=3, freq="M"),
        pd.interval_range(0, 3),
        pd.MultiIndex.from_product([MOMENTS, ["a", "b"]]),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "a"), (3, "b")], names=[1, "x"]),
        pd.Index([[1], {"a": 2}, "\ud800"], dtype=object),
    ],
    ids=lambda index: type(index).__name__,
)
def test_an_index_is_told_from_itself_in_another_order(index: Any) -> None:
    """Whatever its labels are; a copy is the same."""
    assert index_digest(index.copy()) == index_digest(index) != index_digest(index[::-1])


def test_every_level_of_an_index_counts() -> None:
    """Also where the names of levels are numbers, which pandas takes for their places."""
    index = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=[1, "x"])
    assert index_digest(index) != index_digest(index.set_levels(["a", "c"], level="x"))
    assert index_digest(index) != index_digest(index.set_levels([1, 3], level=1))
