"""A map over a Polars frame or series in the background: pandas carries the rows, Polars comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from ..engine.results import Results
from ..frames.calls import MapCall
from ..frames.frame_map import FrameMap
from ..frames.made import Made, sign, snapshot
from ..frames.planning import refuse_quotes
from ..progress.stats import RunStats
from ..prompt.template import PromptFunction
from .frames import to_pandas, typed
from .results import answers_of


class PolarsFrameMap(FrameMap):
    """A map over a Polars frame or series as a background job runs it; parameters as of ``FrameMap``."""

    def __init__(
        self, given: pl.DataFrame | pl.Series, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]
    ) -> None:
        self._given = snapshot(given, given.clone())
        is_series = isinstance(given, pl.Series)
        super().__init__(to_pandas(given), prompt, out, options, as_frame=True)
        refuse_quotes(self.settings)
        self._asked = MapCall(prompt, dict(options), self.columns, self._given if is_series else None)

    def _empty(self) -> Any:
        """Return the empty frame (or series) with its new columns, which no run made."""
        return self.assemble(Results.empty(0, RunStats()), "")

    def assemble(self, results: Results, run_id: str) -> Any:
        """Return the frame (or series) with the answers that there are."""
        from ..tables.answers import AnswerTables

        outcomes = [outcome for outcome in results.outcomes if outcome is not None]
        new = typed(self.columns, self.schema, AnswerTables(self.columns, self.schema).table(outcomes))
        made = Made(self._asked, (run_id,) if run_id else ())
        if isinstance(self._given, pl.DataFrame):
            return sign(self._given.with_columns(new), made, self._given)
        return answers_of(sign(pl.DataFrame(new), made))
