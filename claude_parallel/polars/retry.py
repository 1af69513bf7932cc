"""Asks again the rows of a mapped frame, series or folder that failed, or that the analyst rejects.

``tables.mending`` puts new answers in the place of old ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl

from ..errors import InputError
from ..frames.columns import OTHER_COLUMNS
from ..frames.made import Made, made_of, sign
from ..prompt.template import PromptFunction
from .frames import from_arrow, of_value, scan_as_written, scan_of, to_arrow, typed
from .results import answers_of, details_of

if TYPE_CHECKING:
    from ..tables.arrow_source import ArrowSource
    from ..tables.memory import MemoryMap
    from ..tables.mending import FinishedParts


def retry(
    given: pl.DataFrame | pl.LazyFrame,
    where: Any,
    prompt: str | PromptFunction | None,
    options: Mapping[str, Any],
) -> pl.DataFrame | pl.LazyFrame:
    """Return a frame, or the scan of a folder, with its failed (or rejected) rows asked again."""
    made = made_of(given)
    if isinstance(given, pl.LazyFrame):
        return _retry_folder(given, made, where, prompt, options)
    if made.call.given is not None:
        return _series_asked_again(made, given, where, prompt, options)
    return _asked_again(given, given, made, where, prompt, options)


def retry_series(
    series: pl.Series, where: Any, prompt: str | PromptFunction | None, options: Mapping[str, Any]
) -> pl.Series | pl.DataFrame:
    """Return answers of which the failed (or rejected) ones were asked again."""
    return answers_of(_series_asked_again(made_of(series), details_of(series), where, prompt, options))


def _series_asked_again(
    made: Made, answers: pl.DataFrame, where: Any, prompt: str | PromptFunction | None, options: Mapping[str, Any]
) -> pl.DataFrame:
    """Return the answers to the values of a series, which stand alone: what was asked is known by their map."""
    if callable(prompt):
        prompt = of_value(prompt, made.call.given.name)
    asked = made.call.given.to_frame()
    return _asked_again(asked, answers, made, where, prompt, options, is_series=True)


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
    from ..tables.arrow_source import table_source
    from ..tables.mending import merged

    chosen = _chosen(answers, made, where)
    if not chosen.any():
        return sign(answers.clone(), made, answers)
    rows = asked.filter(chosen)
    if not is_series:  # whose one column may have the name of an answer
        rows = rows.drop(made.names, strict=False)
    again = _map_again(table_source(to_arrow(rows)), made, where, prompt, options, is_series=is_series)
    old = to_arrow(answers.select(name for name in made.names if name in answers.columns))
    new = merged(old, chosen.arg_true().to_list(), again.run(), _costs(made))
    result = answers.with_columns(typed(made.call.columns, again.table_map.schema, new))
    return sign(result, replace(made, run_ids=(*made.run_ids, *again.run_ids)), answers)


def _retry_folder(
    scan: pl.LazyFrame, made: Made, where: Any, prompt: str | PromptFunction | None, options: Mapping[str, Any]
) -> pl.LazyFrame:
    """Ask again the failed rows of a folder as one run, and put the answers into its parts."""
    from ..tables.mending import finished_parts, merged
    from ..tables.places import place_of

    folder = made.folder
    assert folder is not None
    with finished_parts(place_of(folder)) as parts:
        chosen = _chosen_of_parts(parts, made, _of_all_rows(scan, made, where))
        if not chosen:
            return sign(scan.clone(), made, scan)  # a new object, as of a frame
        again = _map_again(_rows_of(parts, chosen, made), made, where, prompt, options)
        new = again.run()
        made = replace(made, run_ids=(*made.run_ids, *again.run_ids))
        starts = accumulate((len(places) for places in chosen.values()), initial=0)
        for (name, places), start in zip(chosen.items(), starts, strict=False):
            part = merged(parts.read(name), places, new.slice(start, len(places)), _costs(made))
            parts.replace(name, part, [answer.error for answer in made.answers], made.run_ids)
    mended = scan_of(folder, made.call.columns, again.table_map.schema)  # the old one may know where things stood
    return sign(mended, made, scan)


def _map_again(
    rows: ArrowSource,
    made: Made,
    where: Any,
    prompt: str | PromptFunction | None,
    options: Mapping[str, Any],
    *,
    is_series: bool = False,
) -> MemoryMap:
    """Return a map over rows that are to be asked once more.

    Raises
    ------
    InputError
        For options that would make other columns.
    """
    from ..tables.memory import MemoryMap
    from ..tables.table_map import TableMap

    call = made.call
    given = {**call.options, **options}
    table_map = TableMap(
        rows,
        call.prompt if prompt is None else prompt,
        call.columns.out,
        given,
        is_series=is_series,
        bypass_cache=made.rejected(given.get("journal") or True, badly=where is None),
    )
    if table_map.columns != call.columns:
        raise InputError(OTHER_COLUMNS)
    return MemoryMap(table_map)


def _rows_of(parts: FinishedParts, chosen: Mapping[str, Sequence[int]], made: Made) -> ArrowSource:
    """Return the rows of a folder that are to be asked again, as a source that reads them part by part."""
    from ..tables.arrow_source import ArrowSource

    def asked(name: str) -> Any:
        part = parts.read(name)
        return part.drop_columns([one for one in made.names if one in part.schema.names])

    return ArrowSource(
        asked(next(iter(chosen))).schema,
        lambda: (asked(name).take(places) for name, places in chosen.items()),
        sum(map(len, chosen.values())),
    )


def _costs(made: Made) -> list[str]:
    return [answer.cost for answer in made.answers]


# -- which rows ------------------------------------------------------------------------------------------------------


def _of_all_rows(scan: pl.LazyFrame, made: Made, where: Any) -> Any:
    """Return what an expression says of all rows of a folder: its mean, or its rank, is not that of a part alone."""
    if not isinstance(where, pl.Expr):
        return where
    assert made.folder is not None
    parts = scan_as_written(made.folder)  # the scan that is given may know where things stood
    enums = [pl.col(name).cast(dtype) for name, dtype in scan.collect_schema().items() if isinstance(dtype, pl.Enum)]
    return parts.with_columns(enums).select(where).collect(engine="streaming").to_series()


def _chosen_of_parts(parts: FinishedParts, made: Made, where: Any) -> dict[str, list[int]]:
    """Return for each part with such rows which of them are to be asked again."""
    flags = None if where is None else _flags(where)
    if flags is not None and len(flags) != parts.rows:
        raise InputError(_one_per_row(parts.rows, len(flags)))
    found: dict[str, list[int]] = {}
    start = 0
    for name in parts.names:
        part = from_arrow(parts.read(name))
        part_where = None if flags is None else flags.slice(start, part.height)
        start += part.height
        if places := _chosen(part, made, part_where).arg_true().to_list():
            found[name] = places
    return found


def _chosen(answers: pl.DataFrame, made: Made, where: Any) -> pl.Series:
    """Return which rows are to be asked again: asking again mends no missing cell."""
    if where is None:
        errors = (pl.col(answer.error) for answer in made.answers)
        failed = (error.is_not_null() & ~error.str.starts_with("skipped:") for error in errors)
        return answers.select(pl.any_horizontal(failed)).to_series()
    if isinstance(where, pl.Expr):
        where = answers.select(where).to_series()
    chosen = _flags(where)
    if len(chosen) != answers.height:
        raise InputError(_one_per_row(answers.height, len(chosen)))
    return chosen.fill_null(value=False)


def _flags(where: Any) -> pl.Series:
    try:
        return pl.Series("where", where, dtype=pl.Boolean)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise InputError("where= must be True or False for each row, such as pl.col('score') < 3") from error


def _one_per_row(rows: int, given: int) -> str:
    return f"where= must be one True or False per row ({rows:,}), not {given:,}"
