"""Frames of figures that people read: texts wrap instead of being cut, whole numbers are whole, dollars are dollars.

They are DataFrames with another look; what stands in them is decided by whoever makes them.
"""

from __future__ import annotations

import math
import shutil
import textwrap
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import pandas as pd

from ..text import escaped, format_usd

_LEAST_TEXT = 16
"""Letters: a narrower column of text is a column of single words."""
_LONGEST_CELL = 2_000
_MOST_ROWS = 60
"""As many rows as pandas shows of a frame; longer ones are shown as pandas shows them."""


class ShownFrame(pd.DataFrame):
    """A DataFrame whose display wraps text and writes columns that end in ``_usd`` as dollars."""

    @property
    def _constructor(self) -> type[ShownFrame]:
        return ShownFrame

    def __repr__(self) -> str:
        width = shutil.get_terminal_size().columns
        table = _as_text(self, width) if 0 < len(self) <= _MOST_ROWS else None
        return repr(pd.DataFrame(self)) if table is None else table

    def _repr_html_(self) -> str | None:
        """Return a table whose dollar signs no notebook typesets as mathematics."""
        if not 0 < len(self) <= _MOST_ROWS:
            shown = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]  # missing in pandas' stubs
            return None if shown is None else _untypeset(str(shown))
        is_text = _text_columns(self)
        heads = "".join(_tag("th", name, is_left=left) for name, left in zip(_heads(self), is_text, strict=True))
        rows = "".join(
            "<tr>"
            + "".join(
                _tag("th" if place < self.index.nlevels else "td", cell, is_left=left)
                for place, (cell, left) in enumerate(zip(row, is_text, strict=True))
            )
            + "</tr>"
            for row in _rows(self)
        )
        return _untypeset(f'<table class="dataframe"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>')


def _untypeset(markup: str) -> str:
    return f'<div class="tex2jax_ignore mathjax_ignore">{markup}</div>'


def _tag(name: str, text: str, *, is_left: bool) -> str:
    style = f"text-align:{'left' if is_left else 'right'};vertical-align:top" + (";max-width:28em" if is_left else "")
    return f'<{name} style="{style}">{escaped(text, _LONGEST_CELL)}</{name}>'


def _as_text(frame: pd.DataFrame, width: int) -> str | None:
    """Return the table in lines of at most `width` letters; None where it is too wide for any."""
    heads, rows, is_text = _heads(frame), _rows(frame), _text_columns(frame)
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
    room = width - gap * (len(widths) - 1)
    texts = [place for place, left in enumerate(is_text) if left]
    while sum(widths) > room:
        widest = max(texts, key=lambda place: widths[place], default=None)
        if widest is None or widths[widest] <= _LEAST_TEXT:
            return None
        widths[widest] -= 1
    lines = [line for row in (heads, *rows) for line in _lines(row, widths, is_text, " " * gap)]
    return "\n".join(lines)


def _lines(row: list[str], widths: list[int], is_text: list[bool], gap: str) -> list[str]:
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
    lines = []
    for parts in zip_longest(*wrapped, fillvalue=""):
        cells = [
            part.ljust(width) if left else part.rjust(width)
            for part, width, left in zip(parts, widths, is_text, strict=True)
        ]
        lines.append(gap.join(cells).rstrip())
    return lines


def _heads(frame: pd.DataFrame) -> list[str]:
    return [*(str(name or "") for name in frame.index.names), *map(str, frame.columns)]


def _text_columns(frame: pd.DataFrame) -> list[bool]:
    """Say for each level of the index and each column whether it is set left and may be wrapped."""
    levels = [frame.index.get_level_values(level).dtype for level in range(frame.index.nlevels)]
    return [not pd.api.types.is_numeric_dtype(dtype) for dtype in (*levels, *frame.dtypes)]


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    keys = frame.index.to_list()
    parts = [list(key) if isinstance(key, tuple) else [key] for key in keys]
    columns = [[_cell(value, str(name)) for value in frame.iloc[:, place]] for place, name in enumerate(frame.columns)]
    cells = zip(*columns, strict=True) if columns else ([] for _key in keys)
    return [[*(_cell(part, "") for part in key), *row] for key, row in zip(parts, cells, strict=True)]


def _cell(value: Any, column: str) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return ""
    if column.endswith("usd"):
        return format_usd(Decimal(repr(float(value))))
    if isinstance(value, float):
        return f"{value:.4g}"
    is_day = isinstance(value, pd.Timestamp) and value == value.normalize()
    if is_day:
        return str(value.date())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
