"""A few random rows first: what they answer, and what all rows would cost and take.

The sample is mapped like any frame, so the whole run has its answers for nothing.
"""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
from contextlib import closing, suppress
from typing import Any

from ..engine.session import Session
from ..forecast.estimate import Estimate, PreparedMap, estimate_frame
from ..frames.frame_map import FrameMap
from ..statistics.intervals import FloatArray, linearised, mean_interval
from ..store.journal import Journal
from ..warning import warn_and_go_on
from .drawing import draw_rows
from .used import rows_reached, rows_usd, rows_used


class Preview:
    """A sample to be mapped, whose run then says what the whole would cost.

    Parameters
    ----------
    sample : FrameMap
        The map of the sample.
    whole : FrameMap or TableMap
        The map of all rows.
    rows : int
        How many these are.
    weights : array, optional
        How many rows each row of the sample stands for, where it was drawn in equal parts of a column.
    """

    def __init__(self, sample: FrameMap, whole: PreparedMap, rows: int, weights: FloatArray | None = None) -> None:
        self._prepared = sample
        self._whole = whole
        self._rows = rows
        self._weights = weights

    def estimate(self) -> Estimate:
        """Return what the sample itself would cost."""
        return estimate_frame(self._prepared)

    def run(self) -> Any:
        """Map the sample, blocking."""
        result = self._prepared.run()
        self._project()
        return result

    async def arun(self) -> Any:
        """Map the sample on the caller's own event loop."""
        result = await self._prepared.arun()
        await asyncio.to_thread(self._project)  # it counts tokens and rehearses the rest, which would hold up the loop
        return result

    def _project(self) -> None:
        """Tell the run what all rows would cost; the sample is paid, so whatever keeps it from that is a warning."""
        session = self._prepared.last_session
        if session is None or not rows_reached(session, self._prepared.columns.samples).any():
            return
        try:
            whole = estimate_frame(self._whole)
        except Exception as error:  # a query or a cluster may fail behind the sample
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            warn_and_go_on(f"what all rows would cost is not known, since going through them ended with {why}")
        else:
            _keep(session, project(self._prepared, self._rows, whole, self._weights))


def preview_of(
    frame: Any,
    prompt: Any,
    *,
    rows: int = 20,
    by: str | None = None,
    seed: int = 0,
    out: str = "response",
    **options: Any,
) -> Preview:
    """Return the preview of a pandas frame or series; see ``ClaudeFrame.preview``.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """
    drawn = draw_rows(frame, rows, by, seed).in_order()
    sample = FrameMap(frame.iloc[drawn.positions], prompt, out, options)
    return Preview(sample, FrameMap(frame, prompt, out, options), len(frame), drawn.weights)


def project(prepared: FrameMap, rows: int, whole: Estimate, weights: FloatArray | None = None) -> dict[str, Any]:
    """Return dollars and seconds of all rows from a mapped sample, of which the run came to some row.

    Dollars are the sample's mean per row, whenever its answers were bought, times all rows, with Student's interval and
    the finite population correction; of rows that ask the same, one is paid. What is left to pay are the requests that
    the journal does not answer. Seconds come from rehearsing these; their interval follows the dollars', since both go
    with the tokens.

    Parameters
    ----------
    prepared : FrameMap
        The sample's map, after its run.
    rows : int
        Rows of the whole frame.
    whole : Estimate
        Of the whole frame, after the sample.
    weights : array, optional
        How many rows each row of the sample stands for, where it was drawn in equal parts of a column.
    """
    session = prepared.last_session
    assert session is not None
    reached = rows_reached(session, prepared.columns.samples)
    usd = rows_usd(rows_used(session, prepared.columns.samples))[reached]
    usd = linearised(usd, None if weights is None else weights[reached])
    seconds = whole.strategy_of(prepared.settings).seconds
    found, work = mean_interval(usd, rows), whole.workload
    paying = rows * work.unique / work.asking if work.asking else 0.0
    low, mean, high = (max(0.0, value) * paying for value in (found.low, found.estimate, found.high))
    scale = (low / mean, high / mean) if mean and math.isfinite(high) else (1.0, 1.0)
    return {
        "rows": rows,
        "usd": [low, mean, high],
        "left_usd": mean * work.calls / work.unique if work.unique else 0.0,
        "seconds": [seconds * scale[0], seconds, seconds * scale[1]],
    }


def _keep(session: Session, whole: dict[str, Any]) -> None:
    """Write the projection into the run's record, if the disk has taken one: no answer is lost for it."""
    if session.journal.path is None:
        _update(session.journal, session.run_id, whole)
        return
    with closing(Journal.open(session.journal.path)) as journal:
        _update(journal, session.run_id, whole)


def _update(journal: Journal, run_id: str, whole: dict[str, Any]) -> None:
    for (totals,) in journal.look("SELECT totals FROM runs WHERE id = ?", (run_id,)):
        text = json.dumps({**json.loads(totals or "{}"), "whole": whole})
        with suppress(sqlite3.Error):  # the run has told that its journal cannot be written
            journal.execute("UPDATE runs SET totals = ? WHERE id = ?", (text, run_id))
