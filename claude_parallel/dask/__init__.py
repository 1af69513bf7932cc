"""``claude`` on Dask frames and series: for who has outgrown one machine.

Imported by ``import claude_parallel.dask``, and by ``import claude_parallel`` itself where Dask's frames are imported
already. Partitions are computed by the cluster; rows travel to the one gate, journal and budget in this process, and
answers back to the partitions. Documentation and delegation; what a map over partitions is, is in ``cluster_map``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd
from dask.dataframe.extensions import register_dataframe_accessor, register_series_accessor

from ..errors import InputError
from ..frames.made import made_of
from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from ..tables.extras import need

need("distributed", "maps over Dask frames", "dask")

from .cluster_map import ClusterMap, details_of, errors_and_costs, retried  # noqa: E402  # after its packages

if TYPE_CHECKING:
    from ..forecast.estimate import Estimate
    from ..frames.tasks import Labels
    from ..report.run import Run


class _ClaudeDask:
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

    @shows_options
    def retry(self, **overrides: Unpack[MapOptions]) -> Any:
        """Ask again the rows of this map that failed; what the journal holds costs nothing, costs add up."""
        return retried(self._collection, overrides)

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


class ClaudeDaskFrame(_ClaudeDask):
    """Ask Claude about every row of a Dask DataFrame; reached as ``ddf.claude``.

    Examples
    --------
    >>> from distributed import Client  # doctest: +SKIP
    >>> import dask.dataframe as dd, claude_parallel as cp  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> out = dd.read_parquet("reviews/").claude.map("Classify the tone: {review}")  # doctest: +SKIP
    """

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
    ) -> Any:
        """Put every row into one of several classes: a categorical column with all labels known, or lists."""
        from ..frames.tasks import classification

        task = classification(labels, options, multiple=multiple)
        return ClusterMap(self._collection, prompt, out, task, into=into, overwrite=overwrite).run()

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
    ) -> Any:
        """Read fields out of every row's text into typed columns."""
        from ..frames.tasks import extraction

        task = extraction(schema, options)
        return ClusterMap(self._collection, prompt, out, task, into=into, overwrite=overwrite).run()


class ClaudeDaskSeries(_ClaudeDask):
    """Ask Claude about every value of a Dask Series; reached as ``series.claude``. ``{}`` stands for the value."""

    @shows_options
    def classify(
        self,
        labels: Labels,
        prompt: str | PromptFunction = "{}",
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> Any:
        """Put every value into one of several classes."""
        from ..frames.tasks import classification

        task = classification(labels, options, multiple=multiple)
        return ClusterMap(self._collection, prompt, out, task).run()

    @shows_options
    def extract(
        self, schema: Any, prompt: str | PromptFunction = "{}", *, out: str = "response", **options: Any
    ) -> Any:
        """Read fields out of every value into typed columns: a frame."""
        from ..frames.tasks import extraction

        return ClusterMap(self._collection, prompt, out, extraction(schema, options), as_frame=True).run()

    def details(self) -> Any:
        """Return the answers that :meth:`map` gave with their errors and costs: a Dask frame."""
        return details_of(self._collection)


def map_dask(items: Any, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> Any:
    """Map a Dask frame or series; see ``claude_parallel.map``."""
    if not hasattr(items, "_meta") or getattr(items._meta, "ndim", 0) not in (1, 2):
        raise InputError(f"{type(items).__name__} is no frame or series of Dask")
    return ClusterMap(items, prompt, out, options, as_frame=True).run()


def register() -> None:
    """Register the ``claude`` accessors; called at import."""
    register_dataframe_accessor("claude")(ClaudeDaskFrame)
    register_series_accessor("claude")(ClaudeDaskSeries)


register()
