"""Task verbs over ``map``: classify and extract, and the objects behind typed columns.

Thin: they only choose options; everything else is the map's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from ..errors import InputError
from ..report.recent_runs import RUN_ATTRIBUTE
from ..schema.schema import compile_schema
from .calls import call_of
from .outputs import column_label
from .rows import python_values


def classification(labels: Sequence[str], options: Mapping[str, Any], *, multiple: bool) -> dict[str, Any]:
    """Return the options of a classification.

    Raises
    ------
    InputError
        For fewer than two labels, a label twice, or a label that is not text.
    """
    if isinstance(labels, str) or not all(isinstance(label, str) and label.strip() for label in labels):
        raise InputError("labels must be a list of texts")
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise InputError("labels must be at least two, all different")
    one: Any = Literal[tuple(labels)]
    task = "Choose every label that fits" if multiple else "Choose the one label that fits best"
    system = f"{task}. The labels are: {', '.join(labels)}."
    given = options.get("system")
    return {
        **options,
        "schema": list[one] if multiple else one,
        "system": f"{given}\n\n{system}" if given else system,
    }


def extraction(schema: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an extraction."""
    task = "Extract the asked fields from the text. Use only what the text says."
    given = options.get("system")
    return {**options, "schema": schema, "system": f"{given}\n\n{task}" if given else task}


def models_of(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return the validated objects behind a frame's typed columns; see ``ClaudeFrame.models``."""
    call = call_of(str(frame.attrs.get(RUN_ATTRIBUTE)))
    spec = call.options.get("schema") if call else None
    if call is None or spec is None:
        raise InputError("this frame was not made by map(..., schema=...) in this process")
    out, answer = call.columns.out, call.columns.answers[0]
    schema = compile_schema(spec, out)
    cells = (python_values(frame[column_label(frame, name)]) for name in answer.fields)
    objects = [schema.rebuild(row) for row in zip(*cells, strict=True)]
    return pd.Series(objects, index=frame.index, name=out, dtype=object)
