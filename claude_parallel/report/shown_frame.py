"""Frames of figures that people read: texts wrap instead of being cut, whole numbers are whole, dollars are dollars.

They are DataFrames with another look; what stands in them is decided by whoever makes them.
"""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any, ClassVar

import pandas as pd

from ..text import escaped, format_usd

_LEAST_TEXT = 16
"""Letters: a narrower column of text is a column of single words."""
_LONGEST_CELL = 2_000
"""Letters of a cell that are shown: a screen full. The frame itself has all of them."""
_MOST_ROWS = 60
"""As many rows as pandas shows of a frame; longer ones are shown as pandas shows them."""


class ShownFrame(pd.DataFrame):
    """A DataFrame whose display wraps text and writes columns that end in ``_usd`` as dollars."""

    _metadata: ClassVar[list[str]] = ["_words"]  # what is made of us keeps these
    _words: str | None

    @classmethod
    def of(cls, frame: pd.DataFrame, when_empty: str) -> ShownFrame:
        """Return a frame that says so in words where it has no rows."""
        shown = cls(frame)
        shown._words = when_empty
        return shown

    @property
    def _constructor(self) -> type[ShownFrame]:
        return ShownFrame

    def __repr__(self) -> str:
        if not len(self) and getattr(self, "_words", None):
            return str(self._words)
        if not 0 < len(self) <= _MOST_ROWS:
            return repr(pd.DataFrame(self))
        return as_text(self, shutil.get_terminal_size().columns)

    def _repr_html_(self) -> str | None:
        """Return a table whose dollar signs no notebook typesets as mathematics."""
        if not len(self) and getattr(self, "_words", None):
            return _untypeset(f"<p>{escaped(self._words)}</p>")
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
    style = f"padding:.25em .6em;text-align:{'left' if is_left else 'right'};vertical-align:top" + (
        ";max-width:28em" if is_left else ""
    )
    return f'<{name} style="{style}">{escaped(text, _LONGEST_CELL)}</{name}>'


def as_text(frame: pd.DataFrame, width: int) -> str:
    """Return the table in lines of at most `width` letters: columns that do not fit stand below the others."""
    heads, rows, is_text = _heads(frame), _rows(frame), _text_columns(frame)
    columns = list(zip(heads, *rows, strict=True))
    keys = range(frame.index.nlevels)
    least = [
        min(natural, _LEAST_TEXT) if may_wrap else natural
        for natural, may_wrap in zip((max(map(len, column)) for column in columns), _may_wrap(frame), strict=True)
    ]
    blocks: list[list[int]] = [[*keys]]
    for place in range(len(keys), len(columns)):
        if len(blocks[-1]) > len(keys) and sum(least[at] + 1 for at in (*blocks[-1], place)) - 1 > width:
            blocks.append([*keys])
        blocks[-1].append(place)
    drawn = [
        _block([columns[at] for at in block], [is_text[at] for at in block], [least[at] for at in block], width)
        for block in blocks
    ]
    return "\n\n".join(drawn)


def _block(columns: list[tuple[str, ...]], is_text: list[bool], least: list[int], width: int) -> str:
    """Return some columns side by side; texts are wrapped as far as that is needed."""
    widths = [max(map(len, column)) for column in columns]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
    room = width - gap * (len(widths) - 1)
    while sum(widths) > room and (wide := [place for place in range(len(widths)) if widths[place] > least[place]]):
        widths[max(wide, key=lambda place: widths[place])] -= 1
    rows = zip(*columns, strict=True)
    return "\n".join(line for row in rows for line in _lines(row, widths, is_text, " " * gap))


def _lines(row: Sequence[str], widths: list[int], is_text: list[bool], gap: str) -> list[str]:
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
    """Say for each level of the index and each column whether it is set left."""
    levels = [frame.index.get_level_values(level).dtype for level in range(frame.index.nlevels)]
    return [not pd.api.types.is_numeric_dtype(dtype) for dtype in (*levels, *frame.dtypes)]


def _may_wrap(frame: pd.DataFrame) -> list[bool]:
    """Say the same for what may be broken: texts; no name of a row, which one copies, no number and no time."""
    texts = [pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype) for dtype in frame.dtypes]
    return [*[False] * frame.index.nlevels, *texts]


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
