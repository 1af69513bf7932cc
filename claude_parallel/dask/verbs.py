"""What ``claude`` can do on Dask frames and series alike; documentation and delegation.

What a map over partitions is, is in ``cluster_map``; the verbs that look at a sample stand in ``trust``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from ..frames.made import made_of
from ..options import CompareOptions, MapOptions, PreviewOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options, shows_options_like, shows_options_of
from .cluster_map import ClusterMap, errors_and_costs, retried

if TYPE_CHECKING:
    from ..background.job import Job
    from ..forecast.estimate import Estimate
    from ..report.run import Run


class ClaudeDask:
    """What frames and series have in common."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __repr__(self) -> str:
        return f"<claude accessor of {self._collection.npartitions:,} partitions; see ddf.claude.map?>"

    @shows_options
    def map(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        into: str | Path | None = None,
        overwrite: bool = False,
        **options: Unpack[MapOptions],
    ) -> Any:
        """Ask Claude once per row, at once: a paid call is never lazy, and never made twice.

        The cluster computes partitions, a few at a time. What the prompt reads of them travels to this process, which
        sends the calls: workers see neither the key nor the prompt. A partition that is lost with its worker is
        computed again, and the journal answers it for nothing. Files of ``images=`` and ``documents=`` are read here.

        Parameters
        ----------
        prompt : str or callable
            As in the pandas accessor. A callable runs in this process.
        out : str, default "response"
            Names the new columns.
        into : path, optional
            A folder that client and workers share (a disk, an object store), for results larger than the cluster's
            memory: a worker writes each partition there, as one Parquet file. A part that is complete is never written
            again, nor computed: run it again, and it goes on.
        overwrite : bool, default False
            Replace what another map has left in that folder.
        **options
            As in ``ClaudeFrame.map``, without ``quotes``.

        Returns
        -------
        Dask DataFrame or Series
            The same partitions and divisions with the new columns, in the memory of the workers (as ``persist`` leaves
            them) or in the folder. Of a series the answers, as in the pandas accessor.

        Raises
        ------
        InputError
            When no cluster is connected, for everything else that can be known to fail before the first call, and for
            a partition that cannot be computed. What was answered is then in the journal.
        RunStopped, RowFailed
            As ``ClaudeFrame.map``.
        """
        return ClusterMap(self._collection, prompt, out, options, into=into, overwrite=overwrite).run()

    @shows_options
    async def amap(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        into: str | Path | None = None,
        overwrite: bool = False,
        **options: Unpack[MapOptions],
    ) -> Any:
        """Do what :meth:`map` does on the caller's own event loop."""
        return await ClusterMap(self._collection, prompt, out, options, into=into, overwrite=overwrite).arun()

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
        """Say what :meth:`map` would cost and how long it would take; computes the partitions once, a few at a time."""
        from ..forecast.estimate import estimate_frame

        table_map = ClusterMap(self._collection, prompt, out, options).table_map
        return estimate_frame(table_map, likely_output_tokens, latency_seconds)

    @shows_options_like("ClaudeFrame.preview")
    def preview(
        self, prompt: str | PromptFunction, *, estimate: bool = False, **options: Unpack[PreviewOptions]
    ) -> Any:
        """Map a few random rows of all partitions first, and see what all of them would cost.

        The sample is a pandas frame, in the order of the partitions; see :meth:`ClaudeFrame.preview`. The rows are
        counted once, those drawn are computed, and the partitions once more for what all of them would cost.
        """
        from .trust import preview_of

        preview = preview_of(self._collection, prompt, **options)
        return preview.estimate() if estimate else preview.run()

    @shows_options_of(preview)
    async def apreview(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Any:
        """Do what :meth:`preview` does on the caller's own event loop."""
        from .trust import preview_of

        preview = await asyncio.to_thread(preview_of, self._collection, prompt, **options)
        return await preview.arun()

    @shows_options_like("ClaudeFrame.compare")
    def compare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        estimate: bool = False,
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Try several prompts, models or options on the same random rows; see :meth:`ClaudeFrame.compare`.

        `gold` is a column, a Series of pandas or Dask, or what :meth:`review` returned. The comparison's ``run(name)``
        is this frame's :meth:`map`.
        """
        from .trust import elsewhere

        comparing = elsewhere(self._collection).comparing(prompt, variants, options)
        return comparing.estimates() if estimate else comparing.run()

    @shows_options_of(compare)
    async def acompare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Do what :meth:`compare` does on the caller's own event loop."""
        from .trust import elsewhere

        comparing = await asyncio.to_thread(elsewhere(self._collection).comparing, prompt, variants, options)
        return await comparing.arun()

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
        """Begin a map in the background of this process and return at once; with ``batch=True``, when all is submitted.

        Partitions are computed, and rows travel here, while other cells run. Should this process end, answers are in
        the journal and batches go on at the API: running the same cell again takes both up.

        Returns
        -------
        Job
            Its ``result()`` is what :meth:`map` returns, its ``partial()`` the partitions that are complete.
        """
        from ..background.job import Job

        prepared = ClusterMap(self._collection, prompt, out, options, into=into, overwrite=overwrite)
        return Job(prepared, panel=panel)

    @shows_options
    def retry(
        self, *, where: Any = None, prompt: str | PromptFunction | None = None, **overrides: Unpack[MapOptions]
    ) -> Any:
        """Ask again the rows of this map that failed, and no others; costs add up.

        Parameters
        ----------
        where : Dask Series of bool, optional
            Which rows to ask again instead (answers that you reject), such as ``out["response"] == "wrong"``.
        prompt : str or callable, optional
            Another prompt.
        **overrides
            Options that are to differ, such as ``model=`` or ``max_tokens=``.
        """
        return retried(self._collection, where, prompt, overrides)

    @property
    def run(self) -> Run:
        """The record of the run that made these columns."""
        from ..report.run import find_run

        return find_run(made_of(self._collection).run_id)

    @property
    def errors(self) -> pd.DataFrame:
        """The kinds of error of this result's maps, with how many rows, an example and what to do."""
        from ..frames.totals import error_table

        return error_table(*errors_and_costs(self._collection))

    @property
    def cost(self) -> pd.DataFrame:
        """Rows by what they came to, and dollars; see ``ClaudeFrame.cost``."""
        from ..frames.totals import cost_table

        return cost_table(*errors_and_costs(self._collection))
