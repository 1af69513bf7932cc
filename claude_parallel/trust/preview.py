"""A few random rows first: what they answer, and what all rows would cost and take.

The sample is mapped like any frame, so the whole run has its answers for nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import numpy as np

from ..engine.session import Session
from ..forecast.estimate import Estimate, estimate_frame
from ..frames.frame_map import FrameMap
from ..statistics.intervals import mean_interval
from ..store.journal import Journal
from .drawing import draw_rows
from .variants import rows_used


def preview_frame(
    frame: Any,
    prompt: Any,
    *,
    rows: int = 20,
    by: str | None = None,
    seed: int = 0,
    out: str = "response",
    estimate: bool = False,
    options: Mapping[str, Any],
) -> Any:
    """Return a mapped sample whose run says what the whole would cost; see ``ClaudeFrame.preview``."""
    sample = frame.iloc[sorted(draw_rows(frame, rows, by, seed))]
    prepared = FrameMap(sample, prompt, out, options)
    if estimate:
        return estimate_frame(prepared)
    result = prepared.run()
    if len(sample) == 0 or prepared.last_session is None:
        return result
    session = prepared.last_session
    whole = estimate_frame(FrameMap(frame, prompt, out, options))
    _keep(session, project(prepared, len(frame), whole, is_even=by is None))
    return result


def project(prepared: FrameMap, rows: int, whole: Estimate, *, is_even: bool = True) -> dict[str, Any]:
    """Return dollars and seconds of all rows from a mapped sample.

    Dollars are the sample's mean per row, whenever its answers were bought, times all rows, with Student's interval and
    the finite population correction. Seconds come from rehearsing the rest of the run; their interval follows the
    dollars', since both go with the tokens.

    Parameters
    ----------
    prepared : FrameMap
        The sample's map, after its run.
    rows : int
        Rows of the whole frame.
    whole : Estimate
        Of the whole frame, after the sample.
    is_even : bool
        False where the sample was drawn in equal parts of a column: then its mean is not that of the frame.
    """
    session = prepared.last_session
    assert session is not None
    usd = np.array(
        [0.0 if one is None else math.nan if one.usd is None else one.usd for one in rows_used(session, prepared)]
    )
    name = "batch" if prepared.settings.batch else "live"
    seconds = float(next(one.seconds for one in whole.strategies if one.name == name))
    found = mean_interval(usd, rows)
    low, mean, high = (max(0.0, value) * rows for value in (found.low, found.estimate, found.high))
    scale = (low / mean, high / mean) if mean and math.isfinite(high) else (1.0, 1.0)
    return {
        "rows": rows,
        "usd": [low, mean, high],
        "left_usd": max(0.0, mean - float(usd.sum())),
        "seconds": [seconds * scale[0], seconds, seconds * scale[1]],
        "is_even": is_even,
    }


def _keep(session: Session, whole: dict[str, Any]) -> None:
    """Write the projection into the run's record."""
    if session.journal.path is None:
        _update(session.journal, session.run_id, whole)
        return
    with closing(Journal.open(session.journal.path)) as journal:
        _update(journal, session.run_id, whole)


def _update(journal: Journal, run_id: str, whole: dict[str, Any]) -> None:
    ((totals,),) = journal.query("SELECT totals FROM runs WHERE id = ?", (run_id,))
    text = json.dumps({**json.loads(totals or "{}"), "whole": whole})
    journal.execute("UPDATE runs SET totals = ? WHERE id = ?", (text, run_id))
