"""What a map made, as Polars has it: frames and series that know their map, what went wrong, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from ..errors import InputError, count_fates, fate_of
from ..frames.calls import MapCall
from ..frames.columns import AnswerColumns
from ..frames.made import Made, made_of, maps_of, sign
from ..frames.outputs import warn_of_missing
from ..prompt.template import PromptFunction
from .frames import of_value, prepare, typed

if TYPE_CHECKING:
    from ..tables.memory import MemoryMap


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


def answers_of(details: pl.DataFrame, *, is_new: bool = True) -> pl.Series | pl.DataFrame:
    """Return what a map made of a series: a series where one column holds all that was answered, else a frame.

    Where something went wrong the value of a series is missing, and one warning counts them.
    """
    made = made_of(details)
    if not made.call.columns.is_one_answer:
        return details
    answer, out = made.answers[0], made.call.columns.out
    if is_new:
        kinds = details[answer.error].drop_nulls().str.split(":").list.first().value_counts()
        counts = {str(kind): int(count) for kind, count in kinds.iter_rows() if fate_of(kind)}
        warn_of_missing(count_fates(counts, details.height), made.run_ids[-1] if made.run_ids else None)
    series = details.select(pl.when(pl.col(answer.error).is_null()).then(pl.col(out)).alias(out)).to_series()
    return sign(series, replace(made, details=details))


def details_of(series: pl.Series) -> pl.DataFrame:
    """Return the answers of a series with their errors and costs."""
    details = made_of(series).details
    assert isinstance(details, pl.DataFrame)
    return details


# -- asking again ----------------------------------------------------------------------------------------------------


def retry_frame(
    frame: pl.DataFrame, where: Any, prompt: str | PromptFunction | None, options: Mapping[str, Any]
) -> pl.DataFrame:
    """Return a frame with its failed (or rejected) rows asked again."""
    return _asked_again(frame, frame, made_of(frame), where, prompt, options)


def retry_series(
    series: pl.Series, where: Any, prompt: str | PromptFunction | None, options: Mapping[str, Any]
) -> pl.Series | pl.DataFrame:
    """Return answers of which the failed (or rejected) ones were asked again."""
    made = made_of(series)
    if callable(prompt):
        prompt = of_value(prompt, made.call.given.name)
    asked = made.call.given.to_frame()
    return answers_of(_asked_again(asked, details_of(series), made, where, prompt, options, is_series=True))


def _asked_again(
    asked: pl.DataFrame,
    answers: pl.DataFrame,
    made: Made,
    where: Any,
    prompt: str | PromptFunction | None,
    options: Mapping[str, Any],
    *,
    is_series: bool = False,
) -> pl.DataFrame:
    """Return the answers with new ones in the place of those that failed; what `asked` holds was asked."""
    chosen = _chosen(answers, made, where)
    if not chosen.any():
        return sign(answers.clone(), made, answers)
    call = made.call
    given = {**call.options, **options}
    again = prepare(
        asked.filter(chosen),
        call.prompt if prompt is None else prompt,
        call.columns.out,
        given,
        is_series=is_series,
        bypass_cache=made.rejected(given.get("journal") or True, badly=where is None),
        replaced=made.names,
    )
    table_map = again.table_map
    if table_map.columns != call.columns:
        raise InputError("retry() cannot change schema= or sample=, which make the columns; run the map again instead")
    new = pl.DataFrame(typed(table_map.columns, table_map.schema, again.run()))
    costs = [answer.cost for answer in made.answers]
    new = new.with_columns([new[name] + answers.filter(chosen)[name] for name in costs if name in answers.columns])
    places = chosen.arg_true()
    merged = answers.with_columns(
        [answers[name].scatter(places, new[name]) for name in new.columns if name in answers.columns]
    )
    return sign(merged, replace(made, run_ids=(*made.run_ids, *again.run_ids)), answers)


def _chosen(answers: pl.DataFrame, made: Made, where: Any) -> pl.Series:
    """Return which rows are to be asked again: asking again mends no missing cell."""
    if where is None:
        errors = (pl.col(answer.error) for answer in made.answers)
        failed = (error.is_not_null() & ~error.str.starts_with("skipped:") for error in errors)
        return answers.select(pl.any_horizontal(failed)).to_series()
    chosen = pl.Series(where, dtype=pl.Boolean)
    if len(chosen) != answers.height:
        raise InputError(f"where= must be one True or False per row ({answers.height:,}), not {len(chosen):,}")
    return chosen.fill_null(value=False)


# -- what it came to -------------------------------------------------------------------------------------------------


def error_table(result: pl.DataFrame | pl.Series) -> pl.DataFrame:
    """Return the kinds of error in all maps of a result, with how many rows, an example each, and what to do."""
    from ..frames.totals import error_table as of_pandas

    return pl.from_pandas(of_pandas(*_errors_and_costs(result)).reset_index())


def cost_table(result: pl.DataFrame | pl.Series) -> pl.DataFrame:
    """Return rows by what they came to, and dollars, for each answer."""
    from ..frames.totals import cost_table as of_pandas

    return pl.from_pandas(of_pandas(*_errors_and_costs(result)).drop(index="total").reset_index())


def _errors_and_costs(result: pl.DataFrame | pl.Series) -> tuple[pd.DataFrame, list[AnswerColumns]]:
    answers = [answer for made in maps_of(result) for answer in made.answers]
    frame = details_of(result) if isinstance(result, pl.Series) else result
    errors = {answer.error: pd.Series(frame[answer.error].to_list(), dtype=object) for answer in answers}
    costs = {answer.cost: frame[answer.cost].to_numpy() for answer in answers}
    return pd.DataFrame({**errors, **costs}), answers
