"""What a map made, as Polars has it: frames and series that know their map, what went wrong, and what it cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from ..errors import count_fates
from ..frames.calls import MapCall
from ..frames.columns import AnswerColumns
from ..frames.made import Made, made_of, maps_of, sign
from ..frames.outputs import warn_of_missing
from .frames import typed

if TYPE_CHECKING:
    from ..tables.memory import MemoryMap

Result = pl.DataFrame | pl.LazyFrame | pl.Series
"""What a map returned."""


def with_columns(frame: pl.DataFrame, prepared: MemoryMap, new: Any, given: pl.LazyFrame | None = None) -> pl.DataFrame:
    """Return a frame with the new columns of its map; of a query, `given` knows earlier maps."""
    table_map = prepared.table_map
    result = frame.with_columns(typed(table_map.columns, table_map.schema, new))
    return sign(result, Made(table_map.call, prepared.run_ids), frame if given is None else given)


def answer_frame(prepared: MemoryMap, new: Any, call: MapCall) -> pl.DataFrame:
    """Return the new columns of a map over a series."""
    table_map = prepared.table_map
    result = pl.DataFrame(typed(table_map.columns, table_map.schema, new))
    return sign(result, Made(call, prepared.run_ids))


def answers_of(details: pl.DataFrame) -> pl.Series | pl.DataFrame:
    """Return what a map made of a series: a series where one column holds all that was answered, else a frame.

    Where something went wrong the value of a series is missing, and one warning counts them.
    """
    made = made_of(details)
    if not made.call.columns.is_one_answer:
        return details
    answer, out = made.answers[0], made.call.columns.out
    kinds = details[answer.error].drop_nulls().str.split(":").list.first().value_counts()
    counts = {str(kind): int(count) for kind, count in kinds.iter_rows()}
    warn_of_missing(count_fates(counts, details.height), made.run_id or None)
    series = details.select(pl.when(pl.col(answer.error).is_null()).then(pl.col(out)).alias(out)).to_series()
    return sign(series, replace(made, details=details))


def details_of(series: pl.Series) -> pl.DataFrame:
    """Return the answers of a series with their errors and costs."""
    details = made_of(series).details
    assert isinstance(details, pl.DataFrame)
    return details


# -- what it came to -------------------------------------------------------------------------------------------------


def error_table(result: Result) -> pl.DataFrame:
    """Return the kinds of error in all maps of a result, with how many rows, an example each, and what to do."""
    from ..frames.totals import error_table as of_pandas

    return pl.from_pandas(of_pandas(*_errors_and_costs(result)).reset_index())


def cost_table(result: Result) -> pl.DataFrame:
    """Return rows by what they came to, and dollars, for each answer."""
    from ..frames.totals import cost_table as of_pandas

    return pl.from_pandas(of_pandas(*_errors_and_costs(result)).iloc[:-1].reset_index())  # without the total


def _errors_and_costs(result: Result) -> tuple[pd.DataFrame, list[AnswerColumns]]:
    answers = [answer for made in maps_of(result) for answer in made.answers]
    frame = details_of(result) if isinstance(result, pl.Series) else result
    if isinstance(frame, pl.LazyFrame):
        frame = frame.select([name for one in answers for name in (one.error, one.cost)]).collect(engine="streaming")
    errors = {answer.error: pd.Series(frame[answer.error].to_list(), dtype=object) for answer in answers}
    costs = {answer.cost: frame[answer.cost].to_numpy() for answer in answers}
    return pd.DataFrame({**errors, **costs}), answers
