"""``lf.claude``: maps over queries, streamed; documentation and delegation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..frames.made import Made, made_of, sign
from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from .frames import empty, from_arrow, prepare_query
from .results import with_columns

if TYPE_CHECKING:
    from ..forecast.estimate import Estimate
    from ..frames.tasks import Labels
    from ..report.run import Run
    from ..tables.memory import IntoFolder, MemoryMap


class ClaudePolarsLazyFrame:
    """Ask Claude about every row of a Polars LazyFrame; reached as ``lf.claude``.

    The query is streamed: no more than a window of its rows lies in memory. A paid call is never lazy, so a map runs at
    once.
    """

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return "<claude namespace of a lazy frame; see lf.claude.map?>"

    @shows_options
    def map(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        into: str | Path | None = None,
        overwrite: bool = False,
        **options: Unpack[MapOptions],
    ) -> pl.DataFrame | pl.LazyFrame:
        """Ask Claude once per row of the query's result.

        Parameters
        ----------
        prompt, out, **options
            As in :meth:`ClaudePolarsFrame.map`.
        into : path, optional
            A folder for the result, one Parquet file per chunk, for what is larger than memory. A part that is
            complete is never written again: run it again, and it goes on.
        overwrite : bool, default False
            Replace what another map has left in that folder.

        Returns
        -------
        DataFrame or LazyFrame
            The rows with their new columns; with `into`, a scan of that folder.
        """
        return self._run(prompt, out, options, into, overwrite)

    @shows_options
    async def amap(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        into: str | Path | None = None,
        overwrite: bool = False,
        **options: Unpack[MapOptions],
    ) -> pl.DataFrame | pl.LazyFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        prepared = self._prepared(prompt, out, options, into, overwrite)
        return self._result(prepared, await prepared.arun())

    @shows_options
    def classify(
        self,
        prompt: str | PromptFunction,
        labels: Labels,
        *,
        multiple: bool = False,
        out: str = "label",
        into: str | Path | None = None,
        overwrite: bool = False,
        **options: Unpack[MapOptions],
    ) -> pl.DataFrame | pl.LazyFrame:
        """Put every row into one of several classes; returns as :meth:`map` does."""
        from ..frames.tasks import classification

        return self._run(prompt, out, classification(labels, options, multiple=multiple), into, overwrite)

    @shows_options
    def extract(
        self,
        prompt: str | PromptFunction,
        schema: Any,
        *,
        out: str = "response",
        into: str | Path | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> pl.DataFrame | pl.LazyFrame:
        """Pull typed fields out of every row; returns as :meth:`map` does."""
        from ..frames.tasks import extraction

        return self._run(prompt, out, extraction(schema, options), into, overwrite)

    def _run(
        self,
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        into: str | Path | None,
        overwrite: bool,
    ) -> pl.DataFrame | pl.LazyFrame:
        prepared = self._prepared(prompt, out, options, into, overwrite)
        return self._result(prepared, prepared.run())

    def _prepared(
        self,
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        into: str | Path | None,
        overwrite: bool,
    ) -> MemoryMap | IntoFolder:
        from ..tables.memory import IntoFolder, MemoryMap

        table_map = prepare_query(self._frame, prompt, out, options)
        if into is None:
            return MemoryMap(table_map, keeps_rows=True)
        return IntoFolder(table_map, into, overwrite=overwrite)

    def _result(self, prepared: MemoryMap | IntoFolder, came: Any) -> pl.DataFrame | pl.LazyFrame:
        """Return the rows with their new columns, or a scan of the folder that they are in."""
        from ..tables.memory import IntoFolder

        if isinstance(prepared, IntoFolder):
            made = Made(prepared.table_map.call, came.run_ids)
            return sign(pl.scan_parquet(prepared.pattern), made, self._frame)
        rows = prepared.target.rows
        frame = pl.concat([from_arrow(table) for table in rows]) if rows else empty(self._frame)
        frame = frame.cast(self._frame.collect_schema())
        return with_columns(frame, prepared, came.slice(0, frame.height), self._frame)

    @shows_options
    def estimate(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        likely_output_tokens: float | None = None,
        latency_seconds: float | None = None,
        **options: Unpack[MapOptions],
    ) -> Estimate:
        """Say what :meth:`map` would cost and how long it would take; streams the query once."""
        from ..forecast.estimate import estimate_frame

        return estimate_frame(prepare_query(self._frame, prompt, out, options), likely_output_tokens, latency_seconds)

    @property
    def run(self) -> Run:
        """The record of the run that filled the folder which this frame scans."""
        from ..report.run import find_run

        return find_run(made_of(self._frame).run_id)
