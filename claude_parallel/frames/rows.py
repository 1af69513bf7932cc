"""Frames, series and lists become rows to ask.

Everything goes by position, so that duplicate labels, a MultiIndex or an unsorted index do no harm. ``prompt`` knows
what is made of a row, ``outputs`` what becomes of the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Protocol

import pandas as pd

from ..attachments.blocks import AttachmentError, check_blocks, document_blocks, image_blocks
from ..errors import InputError
from ..prompt.content import attach_blocks, check_content, not_json
from ..prompt.template import Content, Prompt, RowProblem, Skipped, cell_text, is_missing, lack_of
from ..text import SHORT_FLOATS, as_written
from .quotes import OwnText
from .row import Row, lack_of_row, no_method

_ROWS_OF_TEXT = 1_000
"""Rows that are filled in at a time: a few milliseconds of work, and no more in memory than the calls need soon. Each
time costs a millisecond, whatever its rows."""
_ROWS_OF_A_FUNCTION = 25
"""A prompt function may take its time: few rows at once let the first call go early."""
ROWS_WITH_FILES = 8
"""A row may bring megabytes of images, so that eight are what memory bears beside the calls in flight."""
_ROWS_TO_TRY_FORMATS_ON = 20
"""One odd cell among these is its row's own problem; a format that fits none of them is a mistake."""


Asked = Content | Skipped | RowProblem


class FrameRows:
    """The rows of a frame, as a prompt asks them.

    Parameters
    ----------
    frame : DataFrame
        The input; never changed.
    prompt : Prompt
        A prompt checked against the frame's columns and index levels.
    images, documents : sequence of str
        Columns whose cells are attached to the message, before its text.
    max_pixels : int, optional
        Most pixels of an image, width times height; larger ones are scaled down.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        prompt: Prompt,
        *,
        images: Sequence[str] = (),
        documents: Sequence[str] = (),
        max_pixels: int | None = None,
    ) -> None:
        self._frame = frame
        self._prompt = prompt
        self._read = [_reader(frame, name) for name in prompt.columns] if prompt.function is None else []
        self._attached = [
            *((_place(frame, name), name, lambda cell: image_blocks(cell, max_pixels)) for name in images),
            *((_place(frame, name), name, document_blocks) for name in documents),
        ]
        self.rows_at_once = ROWS_WITH_FILES if self._attached else rows_of_text(prompt)

    @property
    def total(self) -> int:
        """Rows of the frame."""
        return len(self._frame)

    def reach(self, start: int) -> int:
        """Return the row behind the last one: all of them are at hand."""
        return len(self._frame)

    def contents(self, start: int, stop: int) -> list[Asked]:
        """Return what the rows from `start` to `stop` ask; attached files are read here, and nowhere kept."""
        texts = self.texts(start, stop)
        if not self._attached:
            return texts
        columns = [(name, make, python_values(self._frame.iloc[start:stop, at])) for at, name, make in self._attached]
        return [
            attach_files(text, [(name, make, cells[offset]) for name, make, cells in columns], self._prompt)
            for offset, text in enumerate(texts)
        ]

    def own_texts(self) -> list[OwnText]:
        """Return what each row says itself: the cells that the prompt reads, without the prompt's own words.

        A prompt function is called once more for each row, since only it knows what it reads.
        """
        has_files = bool(self._attached)
        if self._prompt.function is not None:
            return [OwnText(content_text(content), has_files) for content in self.texts(0, len(self._frame))]
        rows = self._values(0, len(self._frame))
        return [OwnText("\n".join(cell_text(cell) for cell in row if cell is not None), has_files) for row in rows]

    def texts(self, start: int, stop: int) -> list[Asked]:
        """Return what the rows from `start` to `stop` ask, without attached files."""
        if self._prompt.function is not None:
            return [self._call(Row.of(self._frame, position)) for position in range(start, stop)]
        return [self._prompt.fill(values) for values in self._values(start, stop)]

    def _values(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        """Return the values that a template reads, row by row."""
        columns = [read(start, stop) for read in self._read]
        return list(zip(*columns, strict=True)) if columns else [()] * (stop - start)

    def _call(self, row: Row) -> Asked:
        assert self._prompt.function is not None
        asked = ask_function(self._prompt.function, row)
        lacks = lack_of_row(row)
        return Skipped(lacks) if lacks and self._prompt.skips_missing else asked


def rows_of_text(prompt: Prompt) -> int:
    """Return how many rows without files to prepare at a time."""
    return _ROWS_OF_TEXT if prompt.function is None else _ROWS_OF_A_FUNCTION


class SeriesRows:
    """The values of a series, as a prompt asks them; see :class:`FrameRows`."""

    def __init__(self, series: pd.Series[Any], prompt: Prompt) -> None:
        self.rows_at_once = rows_of_text(prompt)
        self._series = series
        self._prompt = prompt
        value_name = value_names(series)[0]
        self._read = [
            (lambda start, stop: python_values(self._series.iloc[start:stop]))
            if name == value_name
            else _level_reader(series.index, name)
            for name in prompt.columns
        ]

    @property
    def total(self) -> int:
        """Values of the series."""
        return len(self._series)

    def reach(self, start: int) -> int:
        """Return the place behind the last value: all of them are at hand."""
        return len(self._series)

    def contents(self, start: int, stop: int) -> list[Asked]:
        """Return what the values from `start` to `stop` ask."""
        return self.texts(start, stop)

    def texts(self, start: int, stop: int) -> list[Asked]:
        """Return what the values from `start` to `stop` ask; a series brings no files."""
        if self._prompt.function is None:
            columns = [read(start, stop) for read in self._read]
            return [self._prompt.fill(values) for values in zip(*columns, strict=True)]
        return [self._call(self._prompt.function, value) for value in self._series.iloc[start:stop]]

    def _call(self, function: Callable[[Any], Any], value: Any) -> Asked:
        lacks = lack_of(None if is_missing(value) else value)
        return Skipped(f"the value {lacks}") if lacks and self._prompt.skips_missing else ask_function(function, value)

    def own_texts(self) -> list[OwnText]:
        """Return what each value says itself; see :meth:`FrameRows.own_texts`."""
        if self._prompt.function is not None:
            return [OwnText(content_text(content)) for content in self.contents(0, len(self._series))]
        return [OwnText(cell_text(value)) for value in python_values(self._series)]


def series_of(items: Any) -> pd.Series[Any]:
    """Return items as a series.

    Raises
    ------
    InputError
        For what is no list of items, naming what to write instead.
    """
    if isinstance(items, pd.Series):
        return items
    wrong = None
    if isinstance(items, str | bytes):
        wrong = "one text, of which each letter would be asked; write cp.map([text])"
    elif isinstance(items, pd.DataFrame):
        wrong = 'a frame, of which the column names would be asked; write df.claude.map("... {column} ...")'
    elif isinstance(items, Mapping):
        wrong = "a mapping, of which the keys would be asked; write cp.map(list(items.values())), or make it a Series"
    elif isinstance(items, Set):
        wrong = "a set, which has no order to return the answers in; write cp.map(sorted(items))"
    elif not isinstance(items, Iterable):
        wrong = f"{type(items).__name__}, not a list"
    if wrong is not None:
        raise InputError(f"cp.map takes a list of prompts or values, and got {wrong}")
    return pd.Series(list(items), dtype=object)


def content_text(content: object) -> str:
    """Return all text of a message's content: of a text, of blocks, of messages."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return content_text(content.get("text") or content.get("content"))
    return "\n".join(map(content_text, content)) if isinstance(content, list | tuple) else ""


def column_names(frame: pd.DataFrame) -> list[str]:
    """Return the frame's column labels as text; a tuple below MultiIndex columns as its parts, joined by ``/``."""
    if frame.columns.nlevels == 1:
        return [str(label) for label in frame.columns]
    return ["/".join(str(part) for part in label if part != "") for label in frame.columns]


def prompt_names(frame: pd.DataFrame) -> list[str]:
    """Return what a template can name: the columns, then those index levels whose name no column has."""
    names = column_names(frame)
    return [*names, *(name for name in level_names(frame.index) if name not in names)]


def value_names(series: pd.Series[Any]) -> list[str]:
    """Return what a template over a series can name: its value, then its index levels."""
    own = "value" if series.name is None else str(series.name)
    return [own, *(name for name in level_names(series.index) if name != own)]


def level_names(index: pd.Index[Any]) -> list[str]:
    """Return the names of an index's levels; those without a name cannot be named."""
    return [str(name) for name in index.names if name is not None]


def check_prompt_cells(frame: pd.DataFrame, column: str) -> None:
    """Refuse a column of prompts in which a cell is not text.

    Raises
    ------
    InputError
        Naming the first such cell.
    """
    values = frame.iloc[:, _place(frame, column)]
    for position, value in enumerate(python_values(values)):
        if value is not None and not isinstance(value, str):
            raise InputError(
                f"column {column!r} is the prompt, but row {position} holds {type(value).__name__}, not text; "
                f'convert it with astype("string"), or use a template such as "... {{{column}}}"'
            )


class TriedRows(Protocol):
    """Rows whose first ones can be tried."""

    def reach(self, start: int) -> int:
        """Return how far the rows reach that are at hand from `start` on."""
        ...

    def texts(self, start: int, stop: int) -> list[Asked]:
        """Return what rows ask, without their files."""


def check_first_row(prompt: Prompt, rows: TriedRows) -> None:
    """Try a prompt function on the first row, and formats on the first few, so that a mistake shows before it is paid.

    Raises
    ------
    InputError
        Naming what the function raised or gave, or the format that fits no cell.
    """
    if prompt.function is None and not prompt.has_formats:
        return
    tried = rows.texts(0, min(rows.reach(0), 1 if prompt.function is not None else _ROWS_TO_TRY_FORMATS_ON))
    problems = [row.message for row in tried if isinstance(row, RowProblem)]
    if problems and not any(isinstance(row, str | list) for row in tried):
        raise InputError(f"on the first row, {problems[0]}")


def check_output_names(taken: Sequence[str], read: Sequence[str], output_columns: Iterable[str]) -> None:
    """Refuse an output column that the prompt reads, or that stands several times in the frame.

    Raises
    ------
    InputError
        Naming the column.
    """
    for name in output_columns:
        if name in read:
            raise InputError(
                f"the output column {name!r} is read by the prompt and would be replaced; choose another out="
            )
        if list(taken).count(name) > 1:
            raise InputError(f"the frame has several columns {name!r}, so it cannot be replaced; choose another out=")


MakeBlocks = Callable[[Any], list[dict[str, Any]]]
_Read = Callable[[int, int], list[Any]]


def _reader(frame: pd.DataFrame, name: str) -> _Read:
    """Return what reads the cells of a column, or of an index level, from one position to another."""
    if name not in column_names(frame):
        return _level_reader(frame.index, name)
    at = _place(frame, name)
    return lambda start, stop: python_values(frame.iloc[start:stop, at])


def _level_reader(index: pd.Index[Any], name: str) -> _Read:
    level = [str(label) for label in index.names].index(name)
    nameless = index.set_names([None] * index.nlevels)  # pandas takes a number for a level's name where one has it
    return lambda start, stop: python_values(nameless[start:stop].get_level_values(level))


def _place(frame: pd.DataFrame, name: str) -> int:
    places = [place for place, label in enumerate(column_names(frame)) if label == name]
    if len(places) > 1:
        raise InputError(
            f"the frame has {len(places)} columns named {name!r}; rename them before using one in a prompt"
        )
    return places[0]


def python_values(values: pd.Series[Any] | pd.Index[Any]) -> list[Any]:
    """Return cells as Python values, missing ones as None."""
    missing, kind = values.isna(), str(getattr(values.dtype, "numpy_dtype", values.dtype))
    cells: list[Any] = as_written(values, kind) if kind in SHORT_FLOATS else values.tolist()
    if missing.any():
        return [None if is_missing else cell for cell, is_missing in zip(cells, missing.tolist(), strict=True)]
    return cells


def attach_files(text: Asked, attachments: list[tuple[str, MakeBlocks, Any]], prompt: Prompt) -> Asked:
    """Return the row's content with its files first; a missing or broken file is this row's problem alone."""
    if isinstance(text, Skipped | RowProblem):
        return text
    blocks: list[dict[str, Any]] = []
    for name, make, cell in attachments:
        try:
            attached = [] if cell is None else make(cell)
            check_blocks(blocks := [*blocks, *attached])
        except AttachmentError as error:
            return RowProblem(f"column {name!r}: {error}")
        if (wrong := not_json(attached)) is not None:
            return RowProblem(f"column {name!r}: the cell's content block holds {wrong}, which cannot be sent as JSON")
        if not attached and prompt.skips_missing:
            return Skipped(f"column {name!r} is missing")
    return attach_blocks(blocks, text) if blocks else text


def ask_function(function: Callable[[Any], Any], row: Any) -> Asked:
    """Return what a prompt function gives for a row; what it raises is this row's problem alone."""
    try:
        return check_content(no_method(function(row)))
    except InputError as error:
        return RowProblem(str(error))
    except Exception as error:
        return RowProblem(f"the prompt function raised {type(error).__name__}: {error}")
