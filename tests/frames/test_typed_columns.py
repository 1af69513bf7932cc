"""Typed columns: one array a field, with the right dtype whatever is missing or too large."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator

from claude_parallel.frames.typed_columns import typed_columns
from claude_parallel.schema.schema import Field, Schema, Values, compile_schema


def column(dtype: str, cells: list[Any], categories: tuple[Any, ...] = ()) -> Any:
    """Return the array for one field of `dtype`."""
    schema = Schema({}, (Field("a", "a", dtype, categories),), False, None)
    return typed_columns(schema, [None if cell is None else Values((cell,)) for cell in cells])["a"]


INSTANT = datetime(2026, 11, 23, 12, tzinfo=UTC)

EVERY: list[tuple[str, list[Any], list[Any]]] = [
    ("boolean", [True, None, False], [True, pd.NA, False]),
    ("Int64", [1, None, -(2**63)], [1, pd.NA, -(2**63)]),
    ("Float64", [0.5, None, 2], [0.5, pd.NA, 2.0]),
    ("string", ["a", None, ""], ["a", pd.NA, ""]),
    ("datetime64[ns, UTC]", [INSTANT, None], [pd.Timestamp(INSTANT), pd.NaT]),
    ("datetime64[ns]", [date(2026, 11, 23), None], [pd.Timestamp("2026-11-23"), pd.NaT]),
    ("object", [[1], None, {"a": 1}], [[1], None, {"a": 1}]),
    ("object", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
]


@pytest.mark.parametrize(("dtype", "cells", "wanted"), EVERY)
def test_every_dtype_holds_values_and_gaps(dtype: str, cells: list[Any], wanted: list[Any]) -> None:
    """Values come back as they are, gaps as that dtype's missing value."""
    array = column(dtype, cells)

    assert str(array.dtype) == dtype
    for found, one in zip(list(array), wanted, strict=True):
        assert found is one or found == one


@pytest.mark.parametrize("dtype", sorted({dtype for dtype, _, _ in EVERY}))
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_column_without_any_value_keeps_its_dtype(dtype: str, rows: int) -> None:
    """A run in which nothing succeeded has the same dtypes as one in which all did."""
    array = column(dtype, [None] * rows)

    assert str(array.dtype) == dtype
    assert len(array) == rows
    assert pd.isna(array).all()


def test_labels_keep_the_schemas_order_and_unused_labels_stay() -> None:
    """Categories come from the schema, not from what the answers happened to hold."""
    array = column("category", ["low", None, "high"], ("low", "middle", "high"))

    assert list(array.categories) == ["low", "middle", "high"]
    assert pd.isna(array[1])
    assert list(column("category", [None], ("low", "high")).categories) == ["low", "high"]


@pytest.mark.parametrize(
    ("dtype", "cells"),
    [
        ("Int64", [1, 2**63, None]),
        ("Int64", [1, "two"]),
        ("boolean", [True, 2.5]),
        ("Float64", ["much"]),
        ("category", ["low", "unheard of"]),
        ("category", [["low"]]),
        ("datetime64[ns, UTC]", [INSTANT, "later"]),
        ("datetime64[ns, UTC]", [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))]),
        ("datetime64[ns]", [date(2026, 1, 1), "later"]),
        ("datetime64[ns]", [INSTANT]),
    ],
)
def test_what_does_not_fit_its_dtype_makes_an_object_column_without_loss(dtype: str, cells: list[Any]) -> None:
    """Nothing is rounded, cut or dropped."""
    array = column(dtype, cells, ("low", "high"))

    assert str(array.dtype) == "object"
    assert list(array) == cells


@pytest.mark.parametrize(
    ("dtype", "cell", "wanted"),
    [
        ("datetime64[ns, UTC]", datetime(1492, 10, 12, tzinfo=UTC), "datetime64[us, UTC]"),
        ("datetime64[ns, UTC]", datetime(1678, 1, 1, tzinfo=UTC), "datetime64[ns, UTC]"),
        ("datetime64[ns, UTC]", datetime(2262, 1, 1, tzinfo=UTC), "datetime64[us, UTC]"),
        ("datetime64[ns]", date(1492, 10, 12), "datetime64[us]"),
        ("datetime64[ns]", date(9999, 12, 31), "datetime64[us]"),
        ("datetime64[ns]", date(2261, 12, 31), "datetime64[ns]"),
    ],
)
def test_times_beyond_nanoseconds_are_kept_in_microseconds(dtype: str, cell: Any, wanted: str) -> None:
    """Old and far dates are still dates."""
    array = column(dtype, [cell, None])

    assert str(array.dtype) == wanted
    assert (array[0].year, array[0].month, array[0].day) == (cell.year, cell.month, cell.day)


def test_moments_of_any_zone_become_utc_and_naive_ones_are_taken_as_utc() -> None:
    """One column has one zone."""
    cells = [datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 1, 12)]
    array = column("datetime64[ns, UTC]", cells)

    assert [stamp.hour for stamp in array] == [10, 12]


def test_a_whole_answer_becomes_a_frame() -> None:
    """Fields keep their order, rows theirs, and assignment is by position."""
    schema = compile_schema({"tone": Literal["good", "bad"], "score": int, "tags": list[str]}, "out", ["score"])
    read = [schema.read(json.dumps({"tone": "Good", "score": place, "tags": ["x"]})) for place in range(2)]
    answers = [answer for answer in read if isinstance(answer, Values)]
    frame = pd.DataFrame({"score": [0.0, 0.0, 0.0]}, index=[7, 7, 8])
    frame = frame.assign(**typed_columns(schema, [answers[0], None, answers[1]]))

    assert list(frame.columns) == ["score", "tone", "out_score", "tags"]
    assert frame["out_score"].tolist() == [0, pd.NA, 1]
    assert frame["tone"].dtype == pd.CategoricalDtype(["good", "bad"])
    assert frame["tags"].tolist() == [["x"], None, ["x"]]


def test_a_validator_that_changes_the_kind_of_value_is_respected() -> None:
    """The cell holds what the user's own code made of the answer."""
    from typing import Annotated

    schema = compile_schema({"n": Annotated[int, AfterValidator(lambda value: f"#{value}")]}, "out")
    answer = schema.read('{"n": 5}')

    assert isinstance(answer, Values)
    assert list(typed_columns(schema, [answer])["n"]) == ["#5"]


@given(st.lists(st.none() | st.integers()), st.sampled_from(["Int64", "object"]))
@settings(max_examples=100, deadline=None)
def test_integers_are_never_changed(cells: list[int | None], dtype: str) -> None:
    """Whatever the size, the number in the cell is the number in the answer."""
    assert [None if pd.isna(cell) else int(cell) for cell in column(dtype, cells)] == cells


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC)), max_size=5))
@settings(max_examples=100, deadline=None)
def test_moments_are_never_changed(cells: list[datetime | None]) -> None:
    """Every moment that Python has fits."""
    array = column("datetime64[ns, UTC]", cells)

    assert [None if pd.isna(stamp) else stamp.to_pydatetime() for stamp in array] == cells
