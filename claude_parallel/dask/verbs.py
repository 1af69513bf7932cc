"""What ``claude`` can do on Dask frames and series alike; documentation and delegation.

``cluster_map`` runs the maps; the verbs that look at a sample stand in ``trust``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from ..frames.made import made_of
from ..options import MapOptions, PreviewOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from ..trust.sample_verbs import SampleVerbs
from .cluster_map import ClusterMap, errors_and_costs, retried

if TYPE_CHECKING:
    from ..background.job import Job
    from ..forecast.estimate import Estimate
    from ..report.run import Run
    from ..trust.elsewhere import Elsewhere
    from ..trust.preview import Preview


class ClaudeDask(SampleVerbs):
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

    def _elsewhere(self) -> Elsewhere:
        from .trust import elsewhere

        return elsewhere(self._collection)

    def _preview_of(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Preview:
        from .trust import preview_of

        return preview_of(self._collection, prompt, **options)

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

        The new answers lie on the workers. Of a result in a folder (of `into`) the rest is read from there whenever it
        is needed, and the folder stays as it is: ``to_parquet`` writes another one.

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
