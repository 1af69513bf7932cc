"""Frames, series and lists become rows to ask.

Everything goes by position, so that duplicate labels, a MultiIndex or an unsorted index do no harm. ``prompt`` knows
what is made of a row, ``outputs`` what becomes of the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ..attachments.blocks import AttachmentError, check_blocks, document_blocks, image_blocks
from ..errors import InputError
from ..prompt.template import Content, Prompt, RowProblem, Skipped, attach_blocks, check_content
from .quotes import OwnText

_ROWS_OF_TEXT = 500
_ROWS_OF_A_FUNCTION = 25
"""A prompt function may take its time: few rows at once let the first call go early."""
_ROWS_WITH_FILES = 8


class FrameRows:
    """The rows of a frame, as a prompt asks them.

    Parameters
    ----------
    frame : DataFrame
        The input; never changed.
    prompt : Prompt
        A prompt checked against the frame's columns.
    images, documents : sequence of str
        Columns whose cells are attached to the message, before its text.
    max_pixels : int, optional
        Longest edge of an image; larger ones are scaled down.
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
        self._places = [_place(frame, name) for name in prompt.columns] if prompt.function is None else []
        self._attached = [
            *((_place(frame, name), name, lambda cell: image_blocks(cell, max_pixels)) for name in images),
            *((_place(frame, name), name, document_blocks) for name in documents),
        ]
        self.rows_at_once = _ROWS_WITH_FILES if self._attached else rows_of_text(prompt)

    def __len__(self) -> int:
        return len(self._frame)

    def contents(self, start: int, stop: int) -> list[Content | Skipped | RowProblem]:
        """Return what the rows from `start` to `stop` ask; attached files are read here, and nowhere kept."""
        texts = self._texts(start, stop)
        if not self._attached:
            return texts
        columns = [
            (name, make, python_values(self._frame.iloc[start:stop, place])) for place, name, make in self._attached
        ]
        return [
            _attach(text, [(name, make, cells[offset]) for name, make, cells in columns])
            for offset, text in enumerate(texts)
        ]

    def own_texts(self) -> list[OwnText]:
        """Return what each row says itself: the cells that the prompt reads, without the prompt's own words.

        A prompt function is called once more for each row, since only it knows what it reads.
        """
        has_files = bool(self._attached)
        if self._prompt.function is not None:
            return [OwnText(content_text(content), has_files) for content in self._texts(0, len(self._frame))]
        cells = [python_values(self._frame.iloc[:, place]) for place in self._places]
        return [
            OwnText("\n".join(str(cell) for cell in row if cell is not None), has_files)
            for row in zip(*cells, strict=True)
        ]

    def _texts(self, start: int, stop: int) -> list[Content | Skipped | RowProblem]:
        if self._prompt.function is not None:
            rows = (self._frame.iloc[position] for position in range(start, stop))
            return [_call(self._prompt.function, row) for row in rows]
        cells = [python_values(self._frame.iloc[start:stop, place]) for place in self._places]
        return [self._prompt.fill(values) for values in zip(*cells, strict=True)]


def rows_of_text(prompt: Prompt) -> int:
    """Return how many rows without files to prepare at a time."""
    return _ROWS_OF_TEXT if prompt.function is None else _ROWS_OF_A_FUNCTION


class SeriesRows:
    """The values of a series, as a prompt asks them; see :class:`FrameRows`."""

    def __init__(self, series: pd.Series[Any], prompt: Prompt) -> None:
        self.rows_at_once = rows_of_text(prompt)
        self._series = series
        self._prompt = prompt

    def __len__(self) -> int:
        return len(self._series)

    def contents(self, start: int, stop: int) -> list[Content | Skipped | RowProblem]:
        """Return what the values from `start` to `stop` ask."""
        cells = python_values(self._series.iloc[start:stop])
        if self._prompt.function is None:
            return [self._prompt.fill((value,)) for value in cells]
        function = self._prompt.function
        return [Skipped("the value is missing") if value is None else _call(function, value) for value in cells]

    def own_texts(self) -> list[OwnText]:
        """Return what each value says itself; see :meth:`FrameRows.own_texts`."""
        if self._prompt.function is not None:
            return [OwnText(content_text(content)) for content in self.contents(0, len(self._series))]
        return [OwnText("" if value is None else str(value)) for value in python_values(self._series)]


def content_text(content: object) -> str:
    """Return all text of a message's content: of a text, of blocks, of messages."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return content_text(content.get("text") or content.get("content"))
    return "\n".join(map(content_text, content)) if isinstance(content, list | tuple) else ""


def column_names(frame: pd.DataFrame) -> list[str]:
    """Return the frame's column labels as a template can name them."""
    return [str(label) for label in frame.columns]


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


def check_first_row(prompt: Prompt, rows: FrameRows | SeriesRows) -> None:
    """Try a prompt function on the first row, so that a mistake in it shows before anything is paid.

    Raises
    ------
    InputError
        Caused by what the function raised, or naming what is wrong with its result.
    """
    if prompt.function is None or len(rows) == 0:
        return
    first = rows.contents(0, 1)[0]
    if isinstance(first, RowProblem):
        raise InputError(f"on the first row, {first.message}")


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


def _place(frame: pd.DataFrame, name: str) -> int:
    places = [place for place, label in enumerate(frame.columns) if str(label) == name]
    if len(places) > 1:
        raise InputError(
            f"the frame has {len(places)} columns named {name!r}; rename them before using one in a prompt"
        )
    return places[0]


def python_values(values: pd.Series[Any]) -> list[Any]:
    """Return cells as Python values, missing ones as None."""
    missing = values.isna()
    cells: list[Any] = values.tolist()
    if missing.any():
        return [None if is_missing else cell for cell, is_missing in zip(cells, missing.tolist(), strict=True)]
    return cells


def _attach(
    text: Content | Skipped | RowProblem, attachments: list[tuple[str, Callable[[Any], list[dict[str, Any]]], Any]]
) -> Content | Skipped | RowProblem:
    """Return the row's content with its files before the text; a missing or broken file is this row's problem alone."""
    if isinstance(text, Skipped | RowProblem):
        return text
    blocks: list[dict[str, Any]] = []
    for name, make, cell in attachments:
        try:
            attached = [] if cell is None else make(cell)
            blocks.extend(attached)
            check_blocks(blocks)
        except AttachmentError as error:
            return RowProblem(f"column {name!r}: {error}")
        if not attached:
            return Skipped(f"column {name!r} is missing")
    return attach_blocks(blocks, text)


def _call(function: Callable[[Any], Any], row: Any) -> Content | Skipped | RowProblem:
    """Return what a prompt function gives for a row; what it raises is this row's problem alone."""
    try:
        return check_content(function(row))
    except Exception as error:
        return RowProblem(f"the prompt function raised {type(error).__name__}: {error}")
