"""``claude`` on Polars frames, lazy frames and series: the same verbs, Polars in and Polars out.

Imported by ``import claude_parallel.polars``, and by ``import claude_parallel`` itself where Polars is imported
already. A map's values travel as Arrow; the rows of a sample, and those of a job in the background, go through pandas
cell by cell, with the same values. Documentation and delegation; ``tables`` runs the maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..errors import InputError
from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from .frames import prepare
from .lazy import ClaudePolarsLazyFrame
from .results import with_columns
from .series import ClaudePolarsSeries
from .verbs import ClaudePolarsTable

if TYPE_CHECKING:
    from ..background.job import Job
    from ..forecast.estimate import Estimate
    from ..frames.tasks import Labels


class ClaudePolarsFrame(ClaudePolarsTable):
    """Ask Claude about every row of a Polars DataFrame; reached as ``df.claude``.

    Examples
    --------
    >>> import polars as pl
    >>> import claude_parallel as cp, claude_parallel.polars
    >>> df = pl.DataFrame({"review": ["Great!", None]})
    >>> with cp.simulator():
    ...     out = df.claude.map("Classify the tone: {review}", progress=False)
    >>> out.columns
    ['review', 'response', 'response_error', 'response_cost']
    """

    _frame: pl.DataFrame

    def __repr__(self) -> str:
        return f"<claude namespace of a frame with {self._frame.height:,} rows; see df.claude.map?>"

    @shows_options
    def map(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.DataFrame:
        """Ask Claude once per row.

        Parameters
        ----------
        prompt : str or callable
            As in the pandas accessor; a callable gets each row as a mapping.
        out : str, default "response"
            Names the new columns.
        **options
            As in ``ClaudeFrame.map``, without ``quotes``.

        Returns
        -------
        DataFrame
            A new frame: all input columns, then the new ones. Labels are an ``Enum``, lists and models ``List`` and
            ``Struct``.
        """
        return self._run(prompt, out, options)

    @shows_options
    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        prepared = prepare(self._frame, prompt, out, options)
        return with_columns(self._frame, prepared, await prepared.arun())

    @shows_options
    def classify(
        self,
        prompt: str | PromptFunction,
        labels: Labels,
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> pl.DataFrame:
        """Put every row into one of several classes: an ``Enum`` column, or a ``List`` with `multiple`."""
        from ..frames.tasks import classification

        return self._run(prompt, out, classification(labels, options, multiple=multiple))

    @shows_options
    def extract(
        self, prompt: str | PromptFunction, schema: Any, *, out: str = "response", **options: Any
    ) -> pl.DataFrame:
        """Pull typed fields out of every row."""
        from ..frames.tasks import extraction

        return self._run(prompt, out, extraction(schema, options))

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
        """Say what :meth:`map` would cost and how long it would take; nothing is paid for that."""
        from ..forecast.estimate import estimate_frame

        return estimate_frame(
            prepare(self._frame, prompt, out, options).table_map, likely_output_tokens, latency_seconds
        )

    @shows_options
    def submit(
        self, prompt: str | PromptFunction, *, out: str = "response", panel: bool = True, **options: Unpack[MapOptions]
    ) -> Job:
        """Begin a map in the background and return at once; its ``result()`` and ``partial()`` are Polars frames."""
        from ..background.job import Job
        from .background import PolarsFrameMap

        return Job(PolarsFrameMap(self._frame, prompt, out, options), panel=panel)

    def _run(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> pl.DataFrame:
        prepared = prepare(self._frame, prompt, out, options)
        return with_columns(self._frame, prepared, prepared.run())


def map_polars(
    items: Any, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]
) -> pl.DataFrame | pl.LazyFrame:
    """Map whatever Polars object it is; see ``claude_parallel.map``. Of a series, as of a list, a frame."""
    if isinstance(items, pl.Series):
        return ClaudePolarsSeries(items).as_frame(prompt, out, options)
    if isinstance(items, pl.LazyFrame):
        return ClaudePolarsLazyFrame(items).map(prompt, out=out, **options)
    if isinstance(items, pl.DataFrame):
        return ClaudePolarsFrame(items).map(prompt, out=out, **options)
    raise InputError(f"{type(items).__name__} is no frame or series of Polars")


def register() -> None:
    """Register the ``claude`` namespaces; called at import."""
    pl.api.register_dataframe_namespace("claude")(ClaudePolarsFrame)
    pl.api.register_lazyframe_namespace("claude")(ClaudePolarsLazyFrame)
    pl.api.register_series_namespace("claude")(ClaudePolarsSeries)


register()
