"""The cells that a prompt reads, as Python values."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.frames.quotes import stands_in
from claude_parallel.frames.rows import FrameRows, SeriesRows, python_values
from claude_parallel.prompt.template import cell_text, compile_prompt
from claude_parallel.tables.chunk import cells

KINDS = ("float32", "Float32", "float[pyarrow]", "float16")


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_fraction_is_asked_about_as_it_is_shown(kind: str) -> None:
    """The frame shows 0.1, and the prompt said 0.10000000149011612 (or 0.0999755859375), at five times the tokens."""
    column = pd.Series([0.1, None, 3.0], dtype=kind)
    assert python_values(column) == [0.1, None, 3.0]
    if kind != "float16":
        assert python_values(pd.Index(column.dropna())) == [0.1, 3.0]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_a_file_asks_as_a_frame_does(kind: Any) -> None:
    """Missing cells among them, and no rows at all."""
    column = pa.array([np.float16(0.1), None] if kind == pa.float16() else [0.1, None], kind)
    assert cells(pa.chunked_array([column])) == [0.1, None]
    assert cells(column.dictionary_encode() if kind == pa.float32() else column) == [0.1, None]
    assert cells(column[:0]) == []


def test_lists_of_a_file_are_asked_about_as_a_frame_has_them(tmp_path: Path) -> None:
    """For pandas a list is an array: the same rows were other questions, and paid twice, and long lists cut short."""
    columns = {
        "words": [["a", "it's"], [], None],
        "nested": [[["a"], ["b", "c"]], [[]], None],
        "parts": [[{"x": 1, "y": ["p"]}], [], None],
        "flags": [[True, None], [False], None],
        "long": [list(range(2_000)), [1], None],
        "times": [[datetime(2020, 1, 1, 12)], [], None],
    }
    pq.write_table(table := pa.table(columns), tmp_path / "lists.parquet")
    frame = pd.read_parquet(tmp_path / "lists.parquet")
    for name in columns:
        asked = [cell_text(cell) for cell in python_values(frame[name])]
        assert asked == [cell_text(cell) for cell in cells(table.column(name))]


def test_a_quote_from_the_middle_of_a_long_list_is_found() -> None:
    """It was looked for in the text of an array, which leaves the middle out."""
    sentences = np.array([f"Sentence number {number}." for number in range(2_000)], dtype=object)
    frame = pd.DataFrame({"sentences": [sentences]})
    rows = FrameRows(frame, compile_prompt("{sentences}", ["sentences"]))
    (own,) = rows.own_texts()
    assert stands_in("Sentence number 1000.", own.text)
    (own,) = SeriesRows(frame["sentences"], compile_prompt("{}", ["sentences"], is_series=True)).own_texts()
    assert stands_in("Sentence number 1000.", own.text)


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_no_short_fraction_becomes_another(values: list[float]) -> None:
    """A law: what is asked is the very number of the cell, and infinite where that is."""
    column = np.array(values, dtype=np.float32)
    asked = python_values(pd.Series(column))
    assert np.array(asked, dtype=np.float32).tolist() == values
    assert cells(pa.array(column)) == asked
