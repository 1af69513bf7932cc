"""``lf.claude``: maps over queries, streamed; documentation and delegation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from .frames import prepare_query
from .verbs import ClaudePolarsTable

if TYPE_CHECKING:
    from ..background.job import Job
    from ..forecast.estimate import Estimate
    from ..frames.tasks import Labels


class ClaudePolarsLazyFrame(ClaudePolarsTable):
    """Ask Claude about every row of a Polars LazyFrame; reached as ``lf.claude``.

    The query is streamed: no more than a window of its rows lies in memory. A paid call is never lazy, so a map runs at
    once.
    """

    _frame: pl.LazyFrame

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
        from .query_map import QueryMap

        return await QueryMap(self._frame, prompt, out, options, into, overwrite=overwrite).arun()

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
        from .query_map import QueryMap

        return QueryMap(self._frame, prompt, out, options, into, overwrite=overwrite).run()

    @shows_options
    def submit(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        into: str | Path | None = None,
        overwrite: bool = False,
        panel: bool = True,
        **options: Unpack[MapOptions],
    ) -> Job:
        """Begin a map in the background and return at once; with ``batch=True``, once all that can go now is submitted.

        Returns
        -------
        Job
            Its ``result()`` is what :meth:`map` returns, its ``partial()`` the rows whose chunks are complete.
        """
        from ..background.job import Job
        from .query_map import QueryMap

        return Job(QueryMap(self._frame, prompt, out, options, into, overwrite=overwrite), panel=panel)

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
