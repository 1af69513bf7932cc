"""Frames of figures: their texts wrap, their dollars are dollars, and they are frames all the same."""

from __future__ import annotations

import pandas as pd
import pytest

from claude_parallel.report.shown_frame import ShownFrame

LONG = "the answer does not fit the schema; loosen it, or retry(model=...) " * 3


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def frame() -> ShownFrame:
    """Return two lines of figures."""
    columns = {"rows": [12_000, 1], "example": [LONG, "short"], "total_usd": [0.000123, float("nan")]}
    return ShownFrame(columns, index=pd.Index(["schema", "refusal"], name="kind"))


def test_text_wraps_in_a_terminal(narrow: None) -> None:
    """Nothing is cut, no line is longer than the terminal, whole numbers are whole."""
    shown = repr(frame())
    assert max(map(len, shown.splitlines())) <= 80
    assert "..." not in shown.replace("(model=...)", "")
    assert shown.count("schema;") == 3
    assert "12,000" in shown
    assert "$0.00012" in shown
    assert "nan" not in shown.lower()


def test_text_wraps_in_a_notebook_and_dollars_are_no_formulas() -> None:
    """The whole text, escaped, in a table that MathJax leaves alone."""
    shown = ShownFrame({"t": [f"<b>{LONG}</b>"], "a_usd": [1.5]})._repr_html_()
    assert shown is not None
    assert shown.count("loosen it") == 3
    assert "<b>" not in shown
    assert "$1.50" in shown
    assert "tex2jax_ignore mathjax_ignore" in shown


def test_columns_that_do_not_fit_stand_below_the_others(narrow: None) -> None:
    """None is left out, as pandas does in a terminal; the index stands before each block."""
    wide = ShownFrame({f"column_number_{n}": [n] for n in range(12)}, index=pd.Index(["r-1"], name="run"))
    lines = repr(wide).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(f"column_number_{n}" in repr(wide) for n in range(12))
    assert sum(line.startswith("r-1") for line in lines) == 3


def test_what_is_too_long_is_shown_as_pandas_does(narrow: None) -> None:
    """With its own way of leaving out."""
    long = ShownFrame({"n": range(100)})
    assert repr(long) == repr(pd.DataFrame(long))
    assert "mathjax_ignore" in str(long._repr_html_())
    assert repr(ShownFrame()) == repr(pd.DataFrame())


def test_it_is_a_frame_and_so_are_its_parts() -> None:
    """Their look stays; the values are untouched."""
    part = frame().head(1)
    assert isinstance(part, ShownFrame)
    assert part["total_usd"].iloc[0] == 0.000123
    assert isinstance(part["rows"], pd.Series)
    pd.testing.assert_frame_equal(frame(), pd.DataFrame(frame()), check_frame_type=False)


def test_a_frame_without_rows_says_so_in_words_and_is_still_a_frame() -> None:
    """Nobody should read "Empty DataFrame" where everything went well."""
    empty = ShownFrame.of(pd.DataFrame({"rows": []}, index=pd.Index([], name="kind")), "No row failed.")
    assert repr(empty) == "No row failed."
    assert "<p>No row failed.</p>" in str(empty._repr_html_())
    assert list(empty.columns) == ["rows"]
    assert repr(empty.head()) == "No row failed."
    full = ShownFrame.of(pd.DataFrame({"rows": [1]}), "No row failed.")
    assert "1" in repr(full)
    assert repr(full[full["rows"] > 1]) == "No row failed."
