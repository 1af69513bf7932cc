"""``claude`` on Dask frames and series: for who has outgrown one machine.

Imported by ``import claude_parallel.dask``, and by ``import claude_parallel`` itself where Dask's frames are imported
already. Partitions are computed by the cluster; rows travel to the one gate, journal and budget in this process, and
answers back to the partitions. Documentation and delegation; ``cluster_map`` runs the maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from dask.dataframe.extensions import register_dataframe_accessor, register_series_accessor

from ..errors import InputError
from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from ..tables.extras import need

need("distributed", "maps over Dask frames", "dask")

from .cluster_map import ClusterMap, details_of  # noqa: E402  # after its packages
from .verbs import ClaudeDask  # noqa: E402

if TYPE_CHECKING:
    import pandas as pd

    from ..frames.tasks import Labels
    from ..trust.audit import Audit
    from ..trust.review import Review


class ClaudeDaskFrame(ClaudeDask):
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

    def models(self) -> pd.Series[Any]:
        """Return the validated objects behind the typed columns, on the frame's index; see :meth:`ClaudeFrame.models`.

        The typed columns of all rows come to this process.
        """
        return self._elsewhere().models()

    def review(
        self,
        rows: int = 100,
        *,
        column: str | None = None,
        by: str | None = None,
        show: Sequence[str] | str | None = None,
        blind: bool = False,
        seed: int = 0,
        journal: bool | str | Path = True,
    ) -> Review:
        """Label a random sample of the answered rows of all partitions by hand; see :meth:`ClaudeFrame.review`.

        The answers, and the column to draw by, come to this process; of the rows that were drawn, all columns.
        """
        every = self._elsewhere()
        return every.review(rows, column=column, by=by, show=show, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, column: str | None = None, weights: Any = None) -> Audit:
        """Say how far the answers can be believed; see :meth:`ClaudeFrame.audit`.

        Parameters
        ----------
        gold : str, Series or review
            The truth of some rows: a column, a Series of pandas or Dask on (some of) the frame's index, or what
            :meth:`review` returned. Answers and gold come to this process.
        column, weights : optional
            As in :meth:`ClaudeFrame.audit`.
        """
        return self._elsewhere().audit(gold, column=column, weights=weights)


class ClaudeDaskSeries(ClaudeDask):
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

    def review(
        self,
        rows: int = 100,
        *,
        by: str | None = None,
        blind: bool = False,
        seed: int = 0,
        journal: bool | str | Path = True,
    ) -> Review:
        """Label a random sample of these answers by hand; see :meth:`ClaudeFrame.review`."""
        from .trust import beside_its_answers

        column = str(self._collection.name)
        every = beside_its_answers(self._collection)
        return every.review(rows, column=column, by=by, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, weights: Any = None) -> Audit:
        """Say how far these answers can be believed; see :meth:`ClaudeDaskFrame.audit`."""
        from .trust import elsewhere

        column = str(self._collection.name)
        return elsewhere(self._collection.to_frame()).audit(gold, column=column, weights=weights)

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
