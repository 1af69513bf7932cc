"""What is judged: the answer column of a mapped frame, and the gold that it is held against.

Everything goes by position, so that duplicate labels do no harm where both sides have the same index.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, nearest
from ..frames.calls import maps_of
from ..frames.outputs import column_label
from ..frames.rows import column_names, python_values
from ..statistics.samples import stratum_weights

SAMPLE_ATTRIBUTE = "claude_parallel_sample"
"""Key in ``Series.attrs`` that holds how gold rows were drawn: sizes of the groups, and the group of each position."""


@dataclass(frozen=True, slots=True, eq=False)
class Gold:
    """Rows whose truth is known.

    Attributes
    ----------
    positions : array of int
        Their places in the frame.
    values : list
        The truth.
    weights : array or None
        How many rows each one stands for; None where all had the same chance.
    """

    positions: npt.NDArray[np.int64]
    values: list[Any]
    weights: npt.NDArray[np.float64] | None = None


def answer_column(frame: pd.DataFrame, column: str | None = None) -> Hashable:
    """Return the label of the column that holds the answers.

    Parameters
    ----------
    frame : DataFrame
        What a map returned.
    column : str, optional
        The column by its name; None = the one that the last map made.

    Raises
    ------
    InputError
        When there is none, or the map made several.
    """
    if column is not None:
        names = column_names(frame)
        if column not in names:
            raise InputError(f"there is no column {column!r}; {nearest(column, names)}")
        return frame.columns[names.index(column)]
    answer = maps_of(frame)[-1].columns.answers[0]
    made = answer.fields or ((answer.text,) if answer.text is not None else ())
    if len(made) > 1:
        raise InputError(f"the last map made several columns; say which with column=, one of {', '.join(made)}")
    if not made or column_label(frame, made[0]) not in frame.columns:
        raise InputError("say which column holds the answers, with column=")
    return column_label(frame, made[0])


def classes_of(values: pd.Series[Any]) -> list[Any]:
    """Return a column's answers as values to compare, missing ones as None.

    Raises
    ------
    InputError
        For lists and other cells that are no classes.
    """
    cells = python_values(values)
    odd = next((cell for cell in cells if cell is not None and not isinstance(cell, Hashable)), None)
    if odd is not None:
        raise InputError(f"column {values.name!r} holds {type(odd).__name__}, not one class per row")
    return [cell.strip() if isinstance(cell, str) else cell for cell in cells]


def find_gold(frame: pd.DataFrame, gold: Any, weights: Any = None) -> Gold:
    """Return the rows of a frame whose truth is known.

    Parameters
    ----------
    frame : DataFrame
        The rows.
    gold : str, Series or review
        A column of the frame, a Series on (some rows of) its index, or what ``review()`` returned.
    weights : Series or sequence, optional
        How many rows each gold row stands for: a Series like `gold`, or one number per gold row.

    Raises
    ------
    InputError
        Where the gold cannot be laid beside the rows, or there is none.
    """
    series = _gold_series(frame, gold)
    places = _places(frame, series)
    given = classes_of(series)
    known = [place for place, value in enumerate(given) if value is not None]
    if not known:
        raise InputError("there is no gold row: every value of gold is missing")
    positions = places[known]
    found = Gold(positions, [given[place] for place in known])
    if weights is not None:
        return Gold(positions, found.values, _given_weights(weights, series, known))
    design = series.attrs.get(SAMPLE_ATTRIBUTE)
    if not isinstance(design, dict):
        return found
    groups = [design["groups"].get(int(position)) for position in positions]
    if None in groups:
        raise InputError("some gold rows are not in the sample that review() drew; give weights=, or drop them")
    return Gold(positions, found.values, stratum_weights(groups, design["sizes"]))


def _gold_series(frame: pd.DataFrame, gold: Any) -> pd.Series[Any]:
    labels = getattr(gold, "labels", None)
    if isinstance(labels, pd.Series):
        return labels
    if isinstance(gold, str):
        column = frame[answer_column(frame, gold)]
        assert isinstance(column, pd.Series)
        return column
    if isinstance(gold, pd.Series):
        return gold
    raise InputError(f"gold must be a column, a Series or a review(), not {type(gold).__name__}")


def _places(frame: pd.DataFrame, series: pd.Series[Any]) -> npt.NDArray[np.int64]:
    if series.index.equals(frame.index):
        return np.arange(len(frame), dtype=np.int64)
    if not frame.index.is_unique or not series.index.is_unique:
        raise InputError("labels of the index occur twice, so gold must be a Series of all rows, in the same order")
    places = frame.index.get_indexer(series.index)
    if (places < 0).any():
        missing = series.index[places < 0][0]
        raise InputError(f"gold has the row {missing!r}, which the frame does not have")
    return np.asarray(places, dtype=np.int64)


def _given_weights(weights: Any, series: pd.Series[Any], known: list[int]) -> npt.NDArray[np.float64]:
    values = weights.reindex(series.index) if isinstance(weights, pd.Series) and series.index.is_unique else weights
    array = np.asarray(values, dtype=np.float64)
    array = array[known] if len(array) == len(series) else array
    if array.shape != (len(known),) or not np.isfinite(array).all() or (array <= 0).any():
        raise InputError(f"weights must be one number above 0 for each of the {len(known)} gold rows")
    return array
