"""``claude`` on Polars frames, lazy frames and series: the same verbs, Polars in and Polars out.

Imported by ``import claude_parallel.polars``, and by ``import claude_parallel`` itself where Polars is imported
already. Values travel as Arrow and never through pandas. Documentation and delegation; what a map over a table is, is
in ``tables``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..errors import InputError
from ..options import MapOptions
from ..prompt.template import PromptFunction
from .frames import counts, empty, from_arrow, has_failed, made_of, prepare, query, sign, typed, with_columns

if TYPE_CHECKING:
    from ..forecast.estimate import Estimate
    from ..report.run import Run
    from ..tables.memory import MemoryMap


class ClaudePolarsFrame:
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

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return f"<claude namespace of a frame with {self._frame.height:,} rows; see df.claude.map?>"

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
            As in ``ClaudeFrame.map``.

        Returns
        -------
        DataFrame
            A new frame: all input columns, then the new ones. Labels are an ``Enum``, lists and models ``List`` and
            ``Struct``.
        """
        return self._run(prompt, out, options)

    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        prepared = prepare(self._frame, prompt, out, options)
        return with_columns(self._frame, prepared, await prepared.arun(), (prompt, out, options))

    def classify(
        self,
        prompt: str | PromptFunction,
        labels: Sequence[str],
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> pl.DataFrame:
        """Put every row into one of several classes: an ``Enum`` column, or a ``List`` with `multiple`."""
        from ..frames.tasks import classification

        return self._run(prompt, out, classification(labels, options, multiple=multiple))

    def extract(
        self, prompt: str | PromptFunction, schema: Any, *, out: str = "response", **options: Any
    ) -> pl.DataFrame:
        """Pull typed fields out of every row."""
        from ..frames.tasks import extraction

        return self._run(prompt, out, extraction(schema, options))

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

    def retry(self, **options: Unpack[MapOptions]) -> pl.DataFrame:
        """Ask again the rows of this frame's map that failed; answers that the journal holds cost nothing."""
        made = made_of(self._frame)
        prompt, out, given = made.call
        failed = self._frame.select(pl.any_horizontal(has_failed(name) for name in made.errors)).to_series()
        again = prepare(self._frame.filter(failed), prompt, out, {**given, **options}, made.rejected())
        new = pl.DataFrame(typed(again, again.run()))
        rows = failed.arg_true()
        old_costs = self._frame.filter(failed).select(made.costs)
        new = new.with_columns([new[name] + old_costs[name] for name in made.costs])
        frame = self._frame.with_columns(
            [self._frame[name].scatter(rows, new[name]) for name in new.columns if name in self._frame.columns]
        )
        return sign(frame, again, made.call)

    @property
    def run(self) -> Run:
        """The record of the run that made this frame."""
        from ..report.run import find_run

        return find_run(made_of(self._frame).run_id)

    @property
    def errors(self) -> pl.DataFrame:
        """The kinds of error of this frame's map, with how many rows and an example each."""
        columns = pl.concat([self._frame[name].alias("example") for name in made_of(self._frame).errors])
        kinds = columns.drop_nulls().to_frame().with_columns(kind=pl.col("example").str.split(":").list.first())
        return (
            kinds.group_by("kind").agg(rows=pl.len(), example=pl.col("example").first()).sort("rows", descending=True)
        )

    @property
    def cost(self) -> pl.DataFrame:
        """Rows by what they came to, and dollars, for each answer of this frame's map."""
        made = made_of(self._frame)
        pairs = zip(made.errors, made.costs, strict=True)
        return pl.DataFrame([counts(self._frame, error, cost) for error, cost in pairs])

    def _run(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> pl.DataFrame:
        prepared = prepare(self._frame, prompt, out, options)
        return with_columns(self._frame, prepared, prepared.run(), (prompt, out, options))


class ClaudePolarsLazyFrame:
    """Ask Claude about every row of a Polars LazyFrame; reached as ``lf.claude``.

    The query is streamed: no more than a window of its rows lies in memory. A paid call is never lazy, so a map runs at
    once.
    """

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return "<claude namespace of a lazy frame; see lf.claude.map?>"

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
        source = query(self._frame)
        if into is None:
            from ..tables.memory import MemoryMap

            prepared = MemoryMap(source, prompt, out, options, keeps_rows=True)
            new = prepared.run()
            rows = prepared.target.rows
            frame = pl.concat([from_arrow(table) for table in rows]) if rows else empty(self._frame)
            frame = frame.cast(self._frame.collect_schema())
            return with_columns(frame, prepared, new.slice(0, frame.height), (prompt, out, options))
        from ..tables.memory import map_into

        map_into(source, prompt, out, options, into, overwrite=overwrite)
        return pl.scan_parquet(f"{str(into).rstrip('/')}/*.parquet")

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
        from ..tables.table_map import TableMap

        return estimate_frame(TableMap(query(self._frame), prompt, out, options), likely_output_tokens, latency_seconds)


class ClaudePolarsSeries:
    """Ask Claude about every value of a Polars Series; reached as ``series.claude``."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def __repr__(self) -> str:
        return f"<claude namespace of a series with {len(self._series):,} values; see series.claude.map?>"

    def map(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.DataFrame:
        """Ask Claude once per value: ``{}`` stands for it.

        Returns
        -------
        DataFrame
            The new columns: answer, error and cost of each value.
        """
        prepared = self._prepared(prompt, out, options)
        return with_columns(None, prepared, prepared.run(), (prompt, out, options))

    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        prepared = self._prepared(prompt, out, options)
        return with_columns(None, prepared, await prepared.arun(), (prompt, out, options))

    def _prepared(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> MemoryMap:
        name = self._series.name or "value"
        function = prompt if callable(prompt) else None
        asked: Any = prompt if function is None else lambda row: function(row[name]) if row[name] is not None else None
        return prepare(self._series.alias(name).to_frame(), asked, out, options, is_series=True)


def map_polars(
    items: Any, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]
) -> pl.DataFrame | pl.LazyFrame:
    """Map whatever Polars object it is; see ``claude_parallel.map``."""
    kinds: Mapping[type, Callable[[Any], Any]] = {
        pl.DataFrame: ClaudePolarsFrame,
        pl.LazyFrame: ClaudePolarsLazyFrame,
        pl.Series: ClaudePolarsSeries,
    }
    for kind, namespace in kinds.items():
        if isinstance(items, kind):
            found: pl.DataFrame | pl.LazyFrame = namespace(items).map(prompt, out=out, **options)
            return found
    raise InputError(f"{type(items).__name__} is no frame or series of Polars")


def register() -> None:
    """Register the ``claude`` namespaces; called at import."""
    pl.api.register_dataframe_namespace("claude")(ClaudePolarsFrame)
    pl.api.register_lazyframe_namespace("claude")(ClaudePolarsLazyFrame)
    pl.api.register_series_namespace("claude")(ClaudePolarsSeries)


register()
