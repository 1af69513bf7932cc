"""Outcomes become columns on the frame's own index: by position, each built once, never cell by cell.

Which names they get is decided in ``columns``; the dtypes of typed values in ``typed_columns``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from ..engine.results import Results
from ..errors import FateCounts
from ..records import Outcome
from ..schema.schema import Schema
from ..text import encodable
from ..warning import warn
from .columns import AnswerColumns, Columns
from .quotes import OwnText, quote_arrays
from .typed_columns import typed_columns
from .votes import elect

_IS_PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3

_IN_CACHE = 1_000
"""Outcomes that the processor's caches hold, some 300 kB: a million of them are fetched from memory for each column."""

T = TypeVar("T", bound="pd.DataFrame | pd.Series[Any]")


def output_arrays(
    columns: Columns,
    results: Results,
    schema: Schema | None = None,
    own_texts: Callable[[], Sequence[OwnText]] = lambda: (),
) -> dict[str, Any]:
    """Return the columns of a run.

    Parameters
    ----------
    columns : Columns
        Their names.
    results : Results
        Complete results.
    schema : Schema, optional
        How the values of typed columns are built.
    own_texts : callable
        Returns the text of each row, to look for quotes in; called only where there are quotes.

    Returns
    -------
    dict of str to array
        In the order in which they stand in the frame.
    """
    arrays: dict[str, Any] = {}
    outcomes = [outcome for outcome in results.outcomes if outcome is not None]
    if columns.has_vote:
        elected, agreements = elect(outcomes, columns.samples, schema)
        (answer,) = columns.answers
        found = _answer_arrays(answer, elected, schema)
        found.update(zip(answer.agreements, agreements, strict=True))
        draws = [(answer, elected, found)]
    else:
        parts = [outcomes[sample :: columns.samples] for sample in range(columns.samples)]
        draws = [
            (answer, part, _answer_arrays(answer, part, schema))
            for answer, part in zip(columns.answers, parts, strict=True)
        ]
    texts = own_texts() if any(answer.quotes for answer in columns.answers) else ()
    for answer, part, found in draws:
        if answer.quotes:
            found.update(quote_arrays(answer.quotes, part, texts))
        arrays.update({name: found[name] for name in answer.names})
    return arrays


def _answer_arrays(answer: AnswerColumns, outcomes: Sequence[Outcome], schema: Schema | None) -> dict[str, Any]:
    costs: list[float] = []
    errors: list[str | None] = []
    texts: list[str | None] = []
    for start in range(0, len(outcomes), _IN_CACHE):
        part = outcomes[start : start + _IN_CACHE]
        costs += [math.nan if outcome.cost is None else float(outcome.cost) for outcome in part]
        errors += [outcome.error for outcome in part]
        texts += [outcome.text for outcome in part]
    arrays: dict[str, Any] = {answer.error: text_array(errors), answer.cost: np.array(costs, dtype=np.float64)}
    if answer.text is not None:
        arrays[answer.text] = text_array(texts)
    if schema is not None:
        typed = typed_columns(schema, [outcome.values for outcome in outcomes])
        arrays.update(zip(answer.fields, typed.values(), strict=True))
    return arrays


def answer_series(answer: AnswerColumns, arrays: Mapping[str, Any], index: pd.Index[Any]) -> pd.Series[Any]:
    """Return the answers alone; where something went wrong the value is missing, even where there is a cut text."""
    name = answer.names[0]
    values = arrays[name].copy()
    values[~pd.isna(arrays[answer.error])] = None
    series: pd.Series[Any] = pd.Series(values, index=index, name=name, dtype=values.dtype)
    return series


def warn_of_missing(fates: FateCounts, run_id: str | None) -> None:
    """Say how many answers are missing in a series, which has no column for the reason; skipped ones were to be.

    The run is named, since a series that becomes a column of a frame forgets where it came from.
    """
    if fates.failed or fates.cancelled:
        words = [f"{fates.failed:,} failed" if fates.failed else "", f"{fates.cancelled:,} were cancelled"]
        what = " and ".join(filter(None, words if fates.cancelled else words[:1]))
        rows = fates.answered + fates.failed + fates.skipped + fates.cancelled
        why = f"claude_parallel.run({run_id!r}).errors" if run_id else ".claude.errors of the result"
        warn(
            f"of {rows:,} rows {what} and are missing in the series; {why} says why, .claude.details() of the result "
            "in which rows"
        )


def text_array(values: list[str | None]) -> Any:
    """Return text as pandas text.

    Half a character (a lone surrogate), which neither Arrow nor a file can hold, is written as its escape; the answer
    as it came is in ``run.messages()``.
    """
    # Arrow refuses half a character, text kept by Python does not.
    texts = [value if value is None or value.isascii() else encodable(value) for value in values]
    return pd.array(texts, dtype=text_dtype())


def text_dtype() -> pd.StringDtype:
    """Return the dtype of text that this pandas would infer: ``str`` from version 3 on, ``string`` before.

    The object, since pandas asks each dtype in turn whether a name is its own.
    """
    return pd.StringDtype(na_value=math.nan) if _IS_PANDAS_3 else pd.StringDtype()


def own_copy(data: T) -> T:
    """Return a copy of a frame or a series that is not changed by what is done to the other one."""
    return cast(T, data.copy(deep=not _IS_PANDAS_3))  # pandas 3 copies when somebody writes


def attach(frame: pd.DataFrame, arrays: Mapping[str, Any]) -> pd.DataFrame:
    """Return a new frame with columns added or replaced; the input keeps its own."""
    result = own_copy(frame)
    for name, values in arrays.items():
        result[column_label(frame, name)] = _as_it_is(values, frame.index)
    return result


def column_label(frame: pd.DataFrame, name: str) -> Hashable:
    """Return the label of one of our columns: below MultiIndex columns it is padded to a full tuple."""
    levels = frame.columns.nlevels
    return name if levels == 1 else (name, *[""] * (levels - 1))


def _as_it_is(values: Any, index: pd.Index[Any]) -> Any:
    """Return an array in a form that pandas takes over with its dtype.

    Of objects, pandas 3 would infer text once more, and fail on what Arrow cannot store.
    """
    return pd.Series(values, index=index, dtype=object) if pd.api.types.is_object_dtype(values.dtype) else values
