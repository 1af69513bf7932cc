"""How the maps of this process were asked, and which of them made a frame's columns.

Prompts are never written to disk, so how a map was asked is gone with the process; which columns it made can be told
from the run's record, too. The records themselves are the business of ``report``.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

from ..errors import InputError
from ..prompt.template import PromptFunction
from ..report.recent_runs import RUN_ATTRIBUTE
from ..report.run import find_run
from .columns import Columns, plan_columns
from .outputs import column_label

ANSWERS_ATTRIBUTE = "claude_parallel_answers"
"""Key in the ``attrs`` of a series that holds the ids of its map and of each ``retry()``, as one string."""

INDEX_ATTRIBUTE = "claude_parallel_index"
"""Key in the ``attrs`` of a series that holds a digest of its index as it was mapped: where the index itself is not
known any more, it says whether the rows still stand as they stood."""

RUNS_ATTRIBUTE = "claude_parallel_runs"
"""Key in ``attrs`` that holds the ids of all runs that made columns, oldest first, as one string."""

_LABELS_AT_ONCE = 10_000
"""Their text is a megabyte or less."""

_MOST = 200
"""Calls kept in mind. They are small beside frames, and nobody retries the run before the last 200."""

_MOST_GIVEN = 20
"""Calls whose series is kept in mind as well: it may be the last thing that holds its texts."""

_calls: OrderedDict[str, MapCall] = OrderedDict()


@dataclass(frozen=True, slots=True)
class MapCall:
    """How a map was asked.

    Attributes
    ----------
    prompt : str or callable
        As the user gave it.
    options : mapping
        As the user gave them.
    columns : Columns
        What it made.
    given : Series, optional
        The values of a series that was mapped: its index finds the rows of the run after the answers were sorted or
        filtered, its values are asked again by ``retry()``. pandas shares them with the user's own frame.
    places : tuple of int, optional
        For a ``retry()`` of a series: the positions that its rows had in the first run.
    of_series : bool
        True where a series was mapped, also once its values are forgotten.
    """

    prompt: str | PromptFunction
    options: Mapping[str, Any]
    columns: Columns
    given: Any = None
    places: tuple[int, ...] | None = None
    of_series: bool = False


@dataclass(frozen=True, slots=True)
class MadeBy:
    """One map of a frame: its columns, and the runs that filled them (the first one, then each ``retry()``)."""

    columns: Columns
    run_ids: tuple[str, ...]


def remember_call(run_id: str, call: MapCall) -> None:
    """Keep in mind how a run was asked; the oldest of 200 is forgotten."""
    _calls[run_id] = call
    if len(_calls) > _MOST_GIVEN:
        old = [*_calls][-_MOST_GIVEN - 1]
        _calls[old] = replace(_calls[old], given=None)
    while len(_calls) > _MOST:
        _calls.popitem(last=False)


def call_of(run_id: str) -> MapCall | None:
    """Return how a run was asked; None for a run of another process."""
    return _calls.get(run_id)


def calls_of(frame: pd.DataFrame | pd.Series[Any]) -> list[MapCall]:
    """Return the maps of this process that made a frame's columns, the last one first."""
    calls = (call_of(run_id) for run_id in reversed(_run_ids(frame)))
    return [call for call in calls if call is not None]


def sign(result: pd.DataFrame | pd.Series[Any], given: pd.DataFrame | pd.Series[Any], run_id: str) -> None:
    """Write into the result's ``attrs`` which run made it, beside the runs that made what was given."""
    result.attrs = {
        **given.attrs,
        RUN_ATTRIBUTE: run_id,
        RUNS_ATTRIBUTE: " ".join([*_run_ids(given), run_id]),
    }
    result.attrs.pop(ANSWERS_ATTRIBUTE, None)
    result.attrs.pop(INDEX_ATTRIBUTE, None)
    if isinstance(result, pd.Series):
        result.attrs[INDEX_ATTRIBUTE] = index_digest(result.index)


def index_digest(index: pd.Index[Any]) -> str:
    """Return what tells an index from one with other labels, or with the same in another order, whatever they are."""
    found = hashlib.sha256()
    nameless = index.set_names([None] * index.nlevels)  # pandas takes a number for a level's name where one has it
    for level in range(index.nlevels):
        for text in _label_texts(nameless.get_level_values(level)):
            found.update(text)
    return found.hexdigest()


def _label_texts(labels: pd.Index[Any]) -> Iterator[bytes]:
    """Yield what tells labels from others: pandas hashes no lists, no half characters, and intervals by its version."""
    if isinstance(labels, pd.DatetimeIndex | pd.TimedeltaIndex):  # a million of them take ten seconds as text
        yield labels.unit.encode()
        yield labels.asi8.tobytes()
        return
    for start in range(0, len(labels), _LABELS_AT_ONCE):
        yield repr(labels[start : start + _LABELS_AT_ONCE].tolist()).encode("utf-8", "backslashreplace")


def sign_empty(result: pd.DataFrame | pd.Series[Any], given: pd.DataFrame | pd.Series[Any], call: MapCall) -> None:
    """Write into the ``attrs`` of a result without rows how it was asked, since no run made it."""
    key = f"none-{uuid4().hex}"
    remember_call(key, call)
    result.attrs = {**given.attrs, RUNS_ATTRIBUTE: " ".join([*_run_ids(given), key])}


def answer_runs(series: pd.Series[Any]) -> list[str]:
    """Return the ids of the runs that made a series of answers: its map, then each ``retry()``."""
    every = series.attrs.get(ANSWERS_ATTRIBUTE, series.attrs.get(RUN_ATTRIBUTE))
    return every.split() if isinstance(every, str) else []


def maps_of(frame: pd.DataFrame, journal: bool | str | Path = True) -> list[MadeBy]:
    """Return the maps whose error columns stand in a frame, oldest first.

    A map that was made once more under the same name counts once, with the columns of the last one. A frame that lost
    its ``attrs`` is known by the columns of a map without ``out=``, if it has them.

    Parameters
    ----------
    frame : DataFrame
        What a map returned, or a part of it.
    journal : bool or path, default True
        Where to look for the runs of another process.

    Raises
    ------
    InputError
        When there is none.
    """
    found: dict[str, MadeBy] = {}
    for run_id in _run_ids(frame):
        columns = _columns_of(run_id, journal)
        if columns is not None and _stand_in(columns, frame):
            earlier = found.pop(columns.out, None)
            found[columns.out] = MadeBy(columns, (*(earlier.run_ids if earlier else ()), run_id))
    usual = plan_columns("response")
    if not found and _stand_in(usual, frame):
        found[usual.out] = MadeBy(usual, ())
    if not found:
        raise InputError(
            "this frame does not know which columns df.claude.map made: it was not made by it, they were renamed, or "
            "pandas dropped its attrs (merge, join and concat do). Use the frame that map returned"
        )
    return list(found.values())


def columns_made_as(frame: pd.DataFrame, out: str) -> tuple[str, ...]:
    """Return the columns that an earlier map of this process made under the same name, to be replaced by the next."""
    return tuple(name for call in calls_of(frame) if call.columns.out == out for name in call.columns.names)


def _run_ids(frame: pd.DataFrame | pd.Series[Any]) -> list[str]:
    last = frame.attrs.get(RUN_ATTRIBUTE)
    every = frame.attrs.get(RUNS_ATTRIBUTE, last)
    return every.split() if isinstance(every, str) else []


def _columns_of(run_id: str, journal: bool | str | Path) -> Columns | None:
    """Return what a run made; of a run of another process, without its typed columns, which no total needs."""
    call = call_of(run_id)
    if call is not None:
        return call.columns
    try:
        asked = find_run(run_id, journal).settings
    except InputError:
        return None
    return plan_columns(asked.get("out", "response"), asked.get("sample", 1), vote=asked.get("vote", False))


def _stand_in(columns: Columns, frame: pd.DataFrame) -> bool:
    return all(
        column_label(frame, name) in frame.columns for answer in columns.answers for name in (answer.error, answer.cost)
    )
