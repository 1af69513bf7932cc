"""Which rows are tried: a random, repeatable sample of a frame, in equal parts of a column if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import InputError
from ..frames.rows import python_values
from ..statistics.samples import simple_sample, stratified_sample
from .subjects import answer_column


def draw_rows(frame: Any, rows: int, by: str | None, seed: int, among: Sequence[int] | None = None) -> list[int]:
    """Return positions of a random, repeatable sample in random order; with `by` in equal parts.

    Raises
    ------
    InputError
        For a number of rows that makes no sense, or `by` on a series.
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise InputError(f"rows must be a whole number of at least 1, not {rows!r}")
    places = list(range(len(frame))) if among is None else list(among)
    if by is None:
        return [places[place] for place in simple_sample(len(places), rows, seed)]
    if not isinstance(frame, pd.DataFrame):
        raise InputError("by= names a column, so it needs a frame: use series.to_frame()")
    cells = python_values(frame[answer_column(frame, by)])
    drawn = stratified_sample([str(cells[place]) for place in places], rows, seed)
    every = [places[int(place)] for part in drawn.values() for place in part]
    return [every[place] for place in simple_sample(len(every), len(every), seed)]
