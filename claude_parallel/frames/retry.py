"""Asks again the rows of a mapped frame that failed, or that the analyst rejects.

Answers that the journal holds are used as always, except those that are the very reason for asking again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import HINTS, InputError, Kind
from ..prompt.template import PromptFunction
from ..report.recent_runs import RUN_ATTRIBUTE, MapCall, call_of
from ..report.run import run_of
from .frame_map import FrameMap
from .rows import column_names


def retry_frame(
    frame: pd.DataFrame, prompt: str | PromptFunction | None, where: Any, overrides: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the frame with its failed (or rejected) rows asked again; see ``ClaudeFrame.retry``."""
    run = run_of(frame)
    call = _call(run.id, prompt, run.settings.get("out", "response"))
    mask = _mask(frame, call.out, where)
    if "schema" in overrides or "sample" in overrides:
        raise InputError("retry() cannot change schema= or sample=, which make the columns; run the map again instead")
    if not mask.any():
        return frame.copy()
    chosen = frame.iloc[np.flatnonzero(mask)]
    options = {**call.options, **overrides}
    again = FrameMap(chosen, call.prompt, call.out, options, bypass_cache=run.fingerprints_answered())
    return _merge(frame, again.run(), mask, again.made)


def error_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the kinds of error of a mapped frame; see ``ClaudeFrame.errors``."""
    errors = frame[error_column(frame)].dropna()
    kinds = errors.str.split(":").str[0]
    table = pd.DataFrame({"rows": kinds.value_counts()}).rename_axis("kind")
    table["example"] = [errors[kinds == kind].iloc[0] for kind in table.index]
    table["advice"] = [_advice(str(kind)) for kind in table.index]
    return table


def cost_table(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return totals of a mapped frame; see ``ClaudeFrame.cost``."""
    out = error_column(frame).removesuffix("_error")
    costs = frame[f"{out}_cost"]
    errors = frame[f"{out}_error"]
    return pd.Series(
        {
            "rows": float(len(frame)),
            "answered": float(errors.isna().sum()),
            "errors": float(errors.notna().sum()),
            "total_usd": float(costs.sum()),
            "mean_usd": float(costs.mean()) if len(frame) else 0.0,
            "unpriced": float(costs.isna().sum()),
        },
        name="cost",
    )


def error_column(frame: pd.DataFrame) -> str:
    """Return the name of the error column of a mapped frame.

    Raises
    ------
    InputError
        When there is none, or several and the run is not known.
    """
    run_id = frame.attrs.get(RUN_ATTRIBUTE)
    call = call_of(run_id) if isinstance(run_id, str) else None
    if call is not None and f"{call.out}_error" in frame:
        return f"{call.out}_error"
    names = column_names(frame)
    found = [name for name in names if name.endswith("_error") and f"{name.removesuffix('_error')}_cost" in names]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError("this frame has no columns of df.claude.map (an ..._error and a ..._cost column)")
    if isinstance(run_id, str):
        return f"{run_of(frame).settings.get('out', 'response')}_error"
    raise InputError(f"this frame was mapped several times ({', '.join(found)}) and does not know its last run")


def _advice(kind: str) -> str:
    hints: Mapping[str, str] = {str(name): hint for name, hint in HINTS.items()}
    return hints.get(kind, HINTS["unknown"])


def _call(run_id: str, prompt: str | PromptFunction | None, out: str) -> MapCall:
    known = call_of(run_id)
    if known is None and prompt is None:
        raise InputError(
            "this run was made by another process, and prompts are not stored: call retry(prompt=...) with the prompt "
            "and the options of the run, or run the map again: what is in the journal costs nothing"
        )
    if known is None:
        assert prompt is not None
        return MapCall(prompt, out, {})
    return known if prompt is None else MapCall(prompt, known.out, known.options)


def _mask(frame: pd.DataFrame, out: str, where: Any) -> Any:
    """Return which rows to ask again, by position."""
    if where is None:
        errors = frame[f"{out}_error"]
        skipped: Kind = "skipped"
        return (errors.notna() & ~errors.fillna("").str.startswith(f"{skipped}:")).to_numpy(dtype=bool)
    mask = np.asarray(where, dtype=bool)
    if mask.shape != (len(frame),):
        raise InputError(f"where= must be one True or False per row ({len(frame)}), not of shape {mask.shape}")
    return mask


def _merge(frame: pd.DataFrame, again: pd.DataFrame, mask: Any, made: tuple[str, ...]) -> pd.DataFrame:
    """Put new answers in the place of the old ones; costs add up."""
    columns: dict[str, Any] = {}
    for name in made:
        new = again[name].array
        values = frame[name].array.copy()
        values[mask] = values[mask] + new if name.endswith("_cost") else new
        columns[name] = values
    result = frame.assign(**columns)
    result.attrs = {**frame.attrs, RUN_ATTRIBUTE: again.attrs[RUN_ATTRIBUTE]}
    return result
