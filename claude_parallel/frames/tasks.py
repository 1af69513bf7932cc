"""Task verbs over ``map``: classify and extract, and the objects behind typed columns.

Thin: they only choose options; everything else is the map's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from numbers import Integral
from typing import Any, Literal, TypeAlias, get_args, get_origin

import pandas as pd

from ..config import resolve_settings
from ..errors import InputError
from ..schema.schema import compile_schema
from .calls import MapCall, calls_of
from .outputs import column_label
from .rows import python_values

Labels: TypeAlias = Iterable[Any]
"""Classes to choose from: texts or whole numbers, a dict of label to description, an Enum, a Literal, or a Series."""


def classification(labels: Labels, options: Mapping[str, Any], *, multiple: bool) -> dict[str, Any]:
    """Return the options of a classification.

    Parameters
    ----------
    labels : list, dict, Enum, Literal or Series
        See ``ClaudeFrame.classify``.
    options : mapping
        The options of the map.
    multiple : bool
        True = any number of labels per row.

    Raises
    ------
    InputError
        For fewer than two labels, a label twice, a label that is neither text nor a whole number, or a schema beside
        the one that labels make.
    """
    if options.get("schema") is not None:
        raise InputError("labels make the schema themselves: leave schema= out, or map with a schema that has them")
    described = _labels(labels)
    one: Any = Literal[tuple(described)]
    task = "Choose every label that fits" if multiple else "Choose the one label that fits best"
    if any(described.values()):
        lines = (f"- {label}: {words}" if words else f"- {label}" for label, words in described.items())
        task = f"{task}. The labels are:\n" + "\n".join(lines)
    else:
        task = f"{task}. The labels are: {', '.join(map(str, described))}."
    return _with_task({**options, "schema": list[one] if multiple else one}, task)


def extraction(schema: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an extraction."""
    task = "Extract the asked fields from the text. Use only what the text says."
    return _with_task({**options, "schema": schema}, task)


def _with_task(options: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return options whose system prompt has our task behind the user's words, of this call or configured.

    Braces are doubled: neither labels nor words are placeholders.
    """
    given = resolve_settings(options).system
    system = f"{given}\n\n{task}" if given else task
    return {**options, "system": system.replace("{", "{{").replace("}", "}}")}


def _labels(labels: Labels) -> dict[str | int, str]:
    """Return the labels with their descriptions, empty where there are none."""
    described = {_label(label): _words(words) for label, words in _label_items(labels)}
    if len(described) < 2 or len(described) < len(_label_items(labels)):
        raise InputError("labels must be at least two, all different")
    return described


def _label_items(labels: object) -> list[tuple[Any, Any]]:
    if get_origin(labels) is Literal:
        labels = get_args(labels)
    if isinstance(labels, Mapping):
        return list(labels.items())
    if isinstance(labels, pd.Series | pd.Index | pd.Categorical):
        dtype = labels.dtype
        return [(label, None) for label in (dtype.categories if isinstance(dtype, pd.CategoricalDtype) else labels)]
    if isinstance(labels, set | frozenset):
        raise InputError(
            "labels as a set have another order in each process, so that paid answers would not be found again; write "
            "sorted(labels)"
        )
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise InputError(
            "labels must be a list, a dict of label to description, an Enum, a Literal, or a categorical Series"
        )
    return [(label, None) for label in labels]


def _label(label: Any) -> str | int:
    value = label.value if isinstance(label, Enum) else label
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"labels must be texts or whole numbers, not {value!r}")
    return value


def _words(words: Any) -> str:
    if words is None:
        return ""
    if not isinstance(words, str):
        raise InputError(f"the descriptions of labels must be texts, not {words!r}")
    return " ".join(words.split())


def typed_call(calls: Iterable[MapCall]) -> MapCall:
    """Return the first of some maps that has a schema.

    Raises
    ------
    InputError
        When there is none.
    """
    call = next((call for call in calls if call.options.get("schema") is not None), None)
    if call is None:
        raise InputError("this frame was not made by map(..., schema=...) in this process")
    return call


def models_of(frame: pd.DataFrame, call: MapCall | None = None) -> pd.Series[Any]:
    """Return the validated objects behind a frame's typed columns; see ``ClaudeFrame.models``.

    Parameters
    ----------
    frame : DataFrame
        Has the typed columns.
    call : MapCall, optional
        The map that made them; by default the last one with a schema that the frame knows.
    """
    call = call or typed_call(calls_of(frame))
    out, answer = call.columns.out, call.columns.answers[0]
    schema = compile_schema(call.options["schema"], out)
    lost = next((name for name in answer.fields if column_label(frame, name) not in frame.columns), None)
    if lost is not None:
        raise InputError(f"the column {lost!r}, of which the objects are made, was renamed or dropped")
    cells = (python_values(frame[column_label(frame, name)]) for name in answer.fields)
    objects = [schema.rebuild(row) for row in zip(*cells, strict=True)]
    return pd.Series(objects, index=frame.index, name=out, dtype=object)
