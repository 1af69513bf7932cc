"""What the maps of a frame came to: errors by kind, rows and dollars by column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, count_fates
from ..report.error_kinds import kinds_of, table_of_errors
from ..report.run import find_run, run_of
from ..report.shown_frame import ShownFrame
from .calls import INDEX_ATTRIBUTE, answer_runs, call_of, calls_of, index_digest, maps_of
from .columns import AnswerColumns, plan_columns
from .outputs import attach, column_label, text_array


def error_table(frame: pd.DataFrame, answers: Sequence[AnswerColumns] | None = None) -> pd.DataFrame:
    """Return the kinds of error of a mapped frame; see ``ClaudeFrame.errors``.

    Parameters
    ----------
    frame : DataFrame
        Holds the errors.
    answers : sequence of AnswerColumns, optional
        Where; by default in the columns of all maps that the frame knows.
    """
    columns = [frame[column_label(frame, answer.error)].astype(object) for answer in answers or _answers(frame)]
    return table_of_errors(pd.concat(columns).dropna())


def cost_table(frame: pd.DataFrame, answers: Sequence[AnswerColumns] | None = None) -> pd.DataFrame:
    """Return rows and dollars of a mapped frame; see ``ClaudeFrame.cost``, and :func:`error_table` for `answers`."""
    answers = answers or _answers(frame)
    table = pd.DataFrame(
        [_counts(frame, answer) for answer in answers],
        index=[answer.names[0] for answer in answers],
    )
    total = pd.DataFrame([table.sum(min_count=1)], index=["total"])  # a column of answers may have that name as well
    table = pd.concat([table, total]).rename_axis("column")
    counts = table.columns.drop("total_usd")
    table = table.astype(dict.fromkeys(counts, "int64"))
    priced = table["rows"] - table["unpriced"]  # the sums hold their dollars, and no others
    table.insert(len(counts), "mean_usd", table["total_usd"] / priced.clip(lower=1))
    return ShownFrame(table)


def details_of(
    series: pd.Series[Any], mapped: pd.Index[Any] | None = None, journal: bool | str | Path = True
) -> pd.DataFrame:
    """Return answers with their errors and costs; see ``ClaudeSeries.details``.

    Parameters
    ----------
    series : Series
        What map gave.
    mapped : Index, optional
        That of the values that were asked, where the caller knows it.
    journal : bool or path, default True
        Where to look for the runs of another process.
    """
    if not len(series):  # no run made it
        asked = next((call.columns for call in calls_of(series)), plan_columns(str(series.name or "response")))
        return _beside(series, asked.answers[0], [], np.zeros(0))
    run = run_of(series, journal)  # for its complaint
    first, *retries = answer_runs(series)
    call = call_of(first)
    record = run.requests() if first == run.id else find_run(first, journal).requests()
    errors, costs = record["error"].to_numpy(dtype=object, copy=True), record["cost_usd"].to_numpy(copy=True)
    for retry in retries:
        again = call_of(retry)
        if again is None or again.places is None:
            raise InputError(
                "these answers were retried in another process, and what they cost there is not known here"
            )
        later, places = find_run(retry, journal).requests(), list(again.places)
        errors[places] = later["error"].to_numpy(dtype=object)
        costs[places] += later["cost_usd"].to_numpy()
    columns = call.columns if call is not None else plan_columns(run.settings.get("out", "response"))
    if mapped is None and call is not None and call.given is not None:
        mapped = call.given.index
    at = places_of(series, mapped, len(record))
    return _beside(series, columns.answers[0], errors[at], costs[at])


def _beside(series: pd.Series[Any], answer: AnswerColumns, errors: Sequence[Any], costs: Any) -> pd.DataFrame:
    """Return answers with what went wrong and what they cost beside them."""
    arrays = {
        answer.names[0]: series.array,
        answer.error: text_array([error if isinstance(error, str) else None for error in errors]),
        answer.cost: costs,
    }
    result = attach(pd.DataFrame(index=series.index), arrays)
    result.attrs = {**series.attrs}
    return result


def places_of(series: pd.Series[Any] | pd.DataFrame, mapped: pd.Index[Any] | None, rows: int) -> Any:
    """Return the position in the first run of each row that is there now.

    Parameters
    ----------
    series : Series or DataFrame
        Answers, or what was made of them.
    mapped : Index or None
        That of the values that were asked; None where it is not known any more.
    rows : int
        How many these were.

    Raises
    ------
    InputError
        Where that cannot be told.
    """
    index = series.index
    if len(index) == rows and (index.equals(mapped) if mapped is not None else _is_as_mapped(series)):
        return np.arange(rows)
    if mapped is None or not mapped.is_unique:
        raise InputError("these answers were filtered or sorted, and their index does not tell which row is which")
    places = mapped.get_indexer(index)
    if (places < 0).any():
        raise InputError("these answers have another index than map gave them")
    return places


def _is_as_mapped(series: pd.Series[Any] | pd.DataFrame) -> bool:
    """Say whether the rows stand as they were mapped, by the digest that older versions did not write."""
    return series.attrs.get(INDEX_ATTRIBUTE) in (None, index_digest(series.index))


def _answers(frame: pd.DataFrame) -> list[AnswerColumns]:
    return [answer for made in maps_of(frame) for answer in made.columns.answers]


def _counts(frame: pd.DataFrame, answer: AnswerColumns) -> dict[str, float]:
    kinds = kinds_of(frame[column_label(frame, answer.error)]).value_counts()
    costs = frame[column_label(frame, answer.cost)]
    fates = count_fates({str(kind): int(count) for kind, count in kinds.items()}, len(frame))
    return {
        "rows": len(frame),
        "answered": fates.answered,
        "failed": fates.failed,
        "skipped": fates.skipped,
        "cancelled": fates.cancelled,
        "unpriced": int(costs.isna().sum()),
        # Dollars that nobody knows are not no dollars.
        "total_usd": float(costs.sum(min_count=1)) if len(frame) else 0.0,
    }
