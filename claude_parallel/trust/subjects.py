"""What is judged: the answer column of a mapped frame, and the gold that it is held against.

Everything goes by position, so that duplicate labels do no harm where both sides have the same index.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, nearest
from ..frames.calls import maps_of
from ..frames.outputs import column_label
from ..frames.rows import column_names, python_values
from ..statistics.agreement import sorted_classes
from ..statistics.samples import stratum_weights

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
"""What files and spreadsheets hold of a moment, after ISO 8601."""

SAMPLE_ATTRIBUTE = "claude_parallel_sample"
"""Key in ``Series.attrs`` that holds how gold rows were drawn: sizes of the groups, and the group of each row."""


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
    doubts : tuple of str
        What speaks against taking them for a sample of all rows.
    """

    positions: npt.NDArray[np.int64]
    values: list[Any]
    weights: npt.NDArray[np.float64] | None = None
    doubts: tuple[str, ...] = ()


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
        if names.count(column) > 1:
            raise InputError(f"the frame has several columns {column!r}; rename them")
        return frame.columns[names.index(column)]
    answer = maps_of(frame)[-1].columns.answers[0]
    made = answer.fields or ((answer.text,) if answer.text is not None else ())
    if len(made) > 1:
        raise InputError(f"the last map made several columns; say which with column=, one of {', '.join(made)}")
    if not made or column_label(frame, made[0]) not in frame.columns:
        raise InputError("say which column holds the answers, with column=")
    return column_label(frame, made[0])


def labelled_column(frame: pd.DataFrame, name: str) -> Hashable:
    """Return the label of a column that a map made or a prompt reads."""
    label = column_label(frame, name)
    return label if label in frame.columns else answer_column(frame, name)


def classes_of(values: pd.Series[Any]) -> list[Any]:
    """Return a column's answers as values to compare: missing ones as None, members of an Enum as their values.

    Raises
    ------
    InputError
        For lists and other cells that are no classes.
    """
    cells = [cell.value if isinstance(cell, Enum) else cell for cell in python_values(values)]
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
    return (
        found if not isinstance(design, dict) else _weighed(found, design, [names_of(series.index)[at] for at in known])
    )


def names_of(index: pd.Index[Any]) -> list[str]:
    """Return what the rows of a frame are called in the record of a sample: by label, by place where labels repeat.

    As text, since the record travels in ``attrs``, which files keep as JSON.
    """
    return [repr(name) for name in (index.tolist() if index.is_unique else range(len(index)))]


def _weighed(found: Gold, design: Mapping[str, Any], names: Sequence[str]) -> Gold:
    """Return gold rows with the weights of the sample they were drawn in."""
    groups = [design["groups"].get(name) for name in names]
    if None in groups:
        raise InputError("some gold rows are not in the sample that review() drew; give weights=, or drop them")
    sizes: Mapping[Hashable, int] = design["sizes"]
    unseen = {group: size for group, size in sizes.items() if group not in groups}
    doubts = [
        f"None of the {size:,} rows of the group {group!r} is labelled yet, so the figures say nothing about them."
        for group, size in unseen.items()
    ]
    return Gold(found.positions, found.values, stratum_weights(groups, sizes), tuple(doubts))


# -- what gold means -----------------------------------------------------------------------------------------------


def labels_meant(value: Any, labels: Sequence[Any]) -> list[Any]:
    """Return the labels that a value may mean: the one that equals it, else those that read the same."""
    equal = [label for label in labels if label == value]
    text = _as_text(value)  # of 2.0 a spreadsheet makes 2, and review().to_csv() wrote 2.0
    return equal[:1] or [label for label in labels if text in (_as_text(label), str(label).strip().casefold())]


def fit_labels(values: Sequence[Any], labels: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Return gold values as the labels that they mean, and a word on those that are none.

    A value is a label where it equals it (1.0 is 1), or where only the letter case, the space around it or the type
    differs: gold often comes out of a spreadsheet, where 1 is ``"1"`` and True is ``"TRUE"``.

    Raises
    ------
    InputError
        When no value is any of the labels.
    """
    meanings = {value: labels_meant(value, labels) for value in dict.fromkeys(values)}
    found = [meanings[value][0] if len(meanings[value]) == 1 else value for value in values]
    unknown = [value for value in values if len(meanings[value]) != 1]
    if not unknown:
        return found, []
    shown = ", ".join(repr(value) for value in sorted_classes(unknown)[:3])
    if len(unknown) == len(values):
        known = ", ".join(repr(label) for label in labels[:3])
        raise InputError(f"gold holds {shown}, but the answers are {known}; they must be the same labels")
    return found, [
        f"Gold holds {shown}, which no answer is, in {len(unknown):,} of {len(values):,} rows: these count as wrong. "
        "If it is another word for a label, replace it in gold."
    ]


def fit_numbers(values: Sequence[Any]) -> list[float]:
    """Return gold values as numbers; text that is a number counts as one.

    Raises
    ------
    InputError
        For what is no finite number.
    """
    found = []
    for value in values:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"gold holds {value!r}, but the answers are numbers")
        found.append(number)
    return found


def plain_text(value: Any) -> str:
    """Return a value as people write it, whatever type pandas gave it.

    A whole number has no fraction; a moment is told in UTC, and without its time where that is midnight, since pandas
    has no days of their own: a column of dates is one of midnights.
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, pd.Timedelta):  # of which pandas tells the days, also where there are none
        return str(value.to_pytimedelta())
    moment = _moment(value)
    return str(value) if moment is None else str(moment).removesuffix(" 00:00:00")


def _moment(value: Any) -> datetime | None:
    """Return what a value says as a moment without a zone, also where it says so as text; None where it is none."""
    if isinstance(value, str) and _MOMENT.fullmatch(value.strip()):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:  # such as a 13th month
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _as_text(value: Any) -> str:
    return plain_text(value).strip().casefold()


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
        missing = python_values(series.index[places < 0][:1])[0]
        raise InputError(f"gold has the row {missing!r}, which the frame does not have")
    return np.asarray(places, dtype=np.int64)


def _given_weights(weights: Any, series: pd.Series[Any], known: list[int]) -> npt.NDArray[np.float64]:
    values = weights.reindex(series.index) if isinstance(weights, pd.Series) and series.index.is_unique else weights
    try:
        array = np.asarray(values, dtype=np.float64)
        array = array[known] if len(array) == len(series) else array
    except (TypeError, ValueError):  # the name of a column, a single number
        array = np.empty(0)
    if array.shape != (len(known),) or not np.isfinite(array).all() or (array <= 0).any():
        raise InputError(f"weights must be one number above 0 for each of the {len(known)} gold rows")
    return array
