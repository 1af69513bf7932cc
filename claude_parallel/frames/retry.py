"""Asks again the rows of a mapped frame that failed, or that the analyst rejects.

Answers that the journal holds are used as always, except those that are the very reason for asking again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..config import resolve_settings
from ..errors import InputError, fate_of
from ..prompt.template import PromptFunction
from ..report.error_kinds import kinds_of
from ..report.recent_runs import RUN_ATTRIBUTE
from ..report.run import run_of
from .calls import (
    ANSWERS_ATTRIBUTE,
    INDEX_ATTRIBUTE,
    RUNS_ATTRIBUTE,
    MadeBy,
    MapCall,
    answer_runs,
    call_of,
    index_digest,
    maps_of,
    remember_call,
)
from .columns import OTHER_COLUMNS, Columns, asked_name, plan_columns
from .frame_map import FrameMap
from .made import answers_to_ask_again
from .outputs import attach, column_label
from .totals import details_of, places_of

_NEEDS_SCHEMA = "this run had a schema=, which is not stored: give it to retry() once more"

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def retry_frame(
    frame: pd.DataFrame, prompt: str | PromptFunction | None, where: Any, overrides: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the frame with its failed (or rejected) rows asked again; see ``ClaudeFrame.retry``."""
    if not len(frame):  # no run made it
        return frame.copy()
    journal = overrides.get("journal") or True
    run = run_of(frame, journal)
    made = _map_made_by(maps_of(frame, journal), run.id)
    call = _call(run.id, run.settings, made, prompt, overrides)
    masks = _masks(frame, made.columns, where)
    chosen = np.logical_or.reduce(masks)
    if not chosen.any():
        return frame.copy()
    asked, places = _asked(frame, call, chosen)
    again = FrameMap(
        asked,
        call.prompt,
        made.columns.out,
        call.options,
        bypass_cache=answers_to_ask_again(made.run_ids, journal, badly=where is None),
        not_asked=_good(masks) if resolve_settings(call.options).journal is False else frozenset(),
        as_frame=True,
        completes=made.columns.names if call_of(run.id) is None else (),
    )
    _check_places(frame, again.columns)
    answers = again.run()
    if places is not None:
        remember_call(str(answers.attrs[RUN_ATTRIBUTE]), replace(call, places=places))
    return _merge(frame, answers, again.columns, masks)


def _check_places(frame: pd.DataFrame, columns: Columns) -> None:
    """Refuse to pay for answers that have no column to go to.

    Raises
    ------
    InputError
        Where all of them were renamed or dropped.
    """
    names = [name for answer in columns.answers for name in (*answer.fields, answer.text) if name is not None]
    if not any(column_label(frame, name) in frame.columns for name in names):
        raise InputError(
            f"the column {names[0]!r}, where the new answers would go, was renamed or dropped; call retry() first, or "
            "rename it back"
        )


def _asked(
    frame: pd.DataFrame, call: MapCall, chosen: Mask
) -> tuple[pd.DataFrame | pd.Series[Any], tuple[int, ...] | None]:
    """Return what is asked again: rows of the frame, or the values of the series that it was made of, and their places.

    Raises
    ------
    InputError
        Where the values are not known any more.
    """
    if not call.of_series:
        return frame.iloc[np.flatnonzero(chosen)], None
    if call.given is None:
        raise InputError(
            "the values that were asked are gone from memory; run the series' map again: what is answered costs nothing"
        )
    places = tuple(map(int, np.asarray(places_of(frame, call.given.index, len(call.given)))[chosen]))
    return call.given.iloc[list(places)], places


def retry_series(
    series: pd.Series[Any],
    values: pd.Series[Any] | None,
    prompt: str | PromptFunction | None,
    where: Any,
    overrides: Mapping[str, Any],
) -> pd.Series[Any]:
    """Return answers of which the failed (or rejected) ones were asked again; see ``ClaudeSeries.retry``."""
    if not len(series):  # no run made it
        return series.copy()
    journal = overrides.get("journal") or True
    run = run_of(series, journal)  # for its complaint
    ids = answer_runs(series)
    known = call_of(ids[0])
    call = known or _call_as_told(run.settings, values, prompt, overrides)
    if "sample" in overrides or (known is not None and "schema" in overrides):
        raise InputError(OTHER_COLUMNS)
    given = call.given if values is None else values
    if given is None:
        raise InputError("the values that were asked are gone from memory: give them to retry(values)")
    _check_whole(given, call, series)
    details = details_of(series, given.index, journal)
    (mask,) = _masks(details, call.columns, where)
    if not mask.any():
        return series.copy()
    places = np.asarray(places_of(series, given.index, len(given)))[mask]
    again = FrameMap(
        given.iloc[places],
        call.prompt if prompt is None else prompt,
        call.columns.out,
        {**call.options, **overrides},
        bypass_cache=answers_to_ask_again(ids, journal, badly=where is None),
    )
    if not again.columns.is_one_answer:
        raise InputError(OTHER_COLUMNS)
    answers = again.run()
    run_id = str(answers.attrs[RUN_ATTRIBUTE])
    remember_call(run_id, replace(call, given=given, places=tuple(map(int, places))))
    merged = _replaced(series.array, answers.array, mask, np.ones(len(answers), dtype=bool))
    result: pd.Series[Any] = pd.Series(merged, index=series.index, name=series.name, dtype=merged.dtype)
    result.attrs = {**series.attrs, RUN_ATTRIBUTE: run_id, ANSWERS_ATTRIBUTE: " ".join([*ids, run_id])}
    return result


def _check_whole(values: pd.Series[Any], call: MapCall, series: pd.Series[Any]) -> None:
    """Refuse values that are not those of the map, one by one: its answers would go to other rows."""
    if call.given is not None:
        is_whole = values.index.equals(call.given.index)
    else:
        is_whole = series.attrs.get(INDEX_ATTRIBUTE) in (None, index_digest(values.index))
    if not is_whole:
        raise InputError("values must be the whole series that was mapped")


def with_values(series: pd.Series[Any]) -> tuple[pd.DataFrame, str | None]:
    """Return a frame of the values that were asked and their answers, and the name of the values' column.

    Only the answers, and None, where the values are not known any more.
    """
    answers = str(series.name or "response")
    ids = answer_runs(series)
    call = call_of(ids[0]) if ids else None
    if call is None or call.given is None:
        return series.to_frame(answers), None
    given = call.given
    value = asked_name(given.name, answers)
    places = places_of(series, given.index, len(given))
    return pd.DataFrame({value: given.array[places], answers: series.array}, index=series.index), value


def _good(masks: list[Mask]) -> frozenset[int]:
    """Return the positions, among the rows asked again, of the samples that are to stay as they are."""
    chosen = np.logical_or.reduce(masks)
    samples = np.stack([mask[chosen] for mask in masks], axis=1)
    return frozenset(map(int, np.flatnonzero(~samples.ravel())))


def _map_made_by(maps: list[MadeBy], run_id: str) -> MadeBy:
    """Return the map whose last run this is."""
    found = [made for made in maps if run_id in made.run_ids]
    if not found:
        raise InputError("the error and cost columns of this frame's last map were renamed or dropped")
    return found[0]


def _call(
    run_id: str,
    settings: Mapping[str, Any],
    made: MadeBy,
    prompt: str | PromptFunction | None,
    overrides: Mapping[str, Any],
) -> MapCall:
    """Return how to ask again: as the run was asked, if this process knows it, else as the caller says."""
    known = call_of(run_id)
    if known is not None:
        if "schema" in overrides or "sample" in overrides:
            raise InputError(OTHER_COLUMNS)
        return replace(known, prompt=known.prompt if prompt is None else prompt, options={**known.options, **overrides})
    if prompt is None:
        raise InputError(
            "this run was made by another process, and prompts are not stored: call retry(prompt=...) with the prompt "
            "and the options of the run, or run the map again: what is in the journal costs nothing"
        )
    if settings.get("schema") and "schema" not in overrides:
        raise InputError(_NEEDS_SCHEMA)
    if isinstance(prompt, str) and "{}" in prompt.replace("{{}}", ""):
        raise InputError(
            "the values of a series stand in no column of its answers; run its map again: what is answered costs "
            "nothing"
        )
    columns = made.columns
    return MapCall(prompt, {"sample": columns.samples, "vote": columns.has_vote, **overrides}, columns)


def _call_as_told(
    settings: Mapping[str, Any],
    values: pd.Series[Any] | None,
    prompt: str | PromptFunction | None,
    overrides: Mapping[str, Any],
) -> MapCall:
    """Return how to ask again for answers of another process: as the caller says, since prompts are not stored."""
    if values is None or prompt is None:
        raise InputError(
            "these answers are from another process, and prompts are not stored: call retry(values, prompt=...) with "
            "the series that was asked and the options of that run, or run the map again: what is answered costs "
            "nothing"
        )
    if settings.get("schema") and "schema" not in overrides:
        raise InputError(_NEEDS_SCHEMA)
    return MapCall(prompt, {}, plan_columns(settings.get("out", "response")))


def _masks(frame: pd.DataFrame, columns: Columns, where: Any) -> list[Mask]:
    """Return for each answer of a row which rows are to be asked again, by position."""
    if where is None:
        return [_failed(frame[column_label(frame, answer.error)]) for answer in columns.answers]
    return [_chosen(where, frame.index)] * len(columns.answers)


def _chosen(where: Any, index: pd.Index[Any]) -> Mask:
    """Return which rows `where` means; one for which it is missing, as it is of a missing answer, is not meant.

    A series is laid beside the frame by its index, as ``frame[where]`` does.
    """
    rows = len(index)
    if isinstance(where, pd.Series) and not where.index.equals(index):
        if not (where.index.is_unique and index.isin(where.index).all()):
            raise InputError("where= has another index than the frame; where.to_numpy() means its rows in their order")
        where = where.reindex(index)
    flags = np.asarray(where, dtype=object)
    if flags.shape != (rows,):
        raise InputError(f"where= must be one True or False per row ({rows}), not of shape {flags.shape}")
    try:
        return pd.array(flags, dtype="boolean").to_numpy(dtype=bool, na_value=False)
    except TypeError as error:
        raise InputError("where= must be True or False for each row, such as out['score'] < 3") from error


def _failed(errors: pd.Series[Any]) -> Mask:
    """Return which rows have an error that asking again may mend: it mends no missing cell."""
    kinds = kinds_of(errors).tolist()
    return np.array([isinstance(kind, str) and fate_of(kind) != "skipped" for kind in kinds], dtype=bool)


def _merge(frame: pd.DataFrame, again: pd.DataFrame, columns: Columns, masks: list[Mask]) -> pd.DataFrame:
    """Put the new answers in the place of the old ones; costs add up."""
    chosen = np.logical_or.reduce(masks)
    arrays: dict[str, Any] = {}
    for answer, mask in zip(columns.answers, masks, strict=True):
        for name in answer.names:
            label = column_label(frame, name)
            if label not in frame.columns:  # the analyst dropped it
                continue
            old, new = frame[label].array, again[label].array
            arrays[name] = _added(old, new, chosen) if name == answer.cost else _replaced(old, new, mask, mask[chosen])
    result = attach(frame, arrays)
    result.attrs = {**frame.attrs, **{name: again.attrs[name] for name in (RUN_ATTRIBUTE, RUNS_ATTRIBUTE)}}
    return result


def _added(old: Any, new: Any, chosen: Mask) -> Any:
    """Add what the chosen rows have cost this time, whichever of their answers was asked again."""
    # The frame may come from convert_dtypes() or a file: arrays of other kinds do not add up, and 0 may be an integer.
    dollars = pd.Series(old).to_numpy(dtype="float64", na_value=np.nan, copy=True)
    dollars[chosen] += pd.Series(new).to_numpy(dtype="float64", na_value=np.nan)
    return pd.array(dollars, dtype=old.dtype if pd.api.types.is_float_dtype(old.dtype) else "float64")


def _replaced(old: Any, new: Any, mask: Mask, taken: Mask) -> Any:
    """Put new values in the place of old ones, as objects where the old dtype cannot hold them."""
    values = old.copy()
    try:
        values[mask] = new[taken]
    except (TypeError, ValueError, OverflowError, NotImplementedError):  # the last one is Arrow's
        values = pd.array(list(old), dtype=object)
        values[mask] = np.array([*new[taken], None], dtype=object)[:-1]
    return values
