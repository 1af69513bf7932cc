"""``claude`` on Polars frames, lazy frames and series: the same verbs, Polars in and Polars out.

Imported by ``import claude_parallel.polars``, and by ``import claude_parallel`` itself where Polars is imported
already. Values travel as Arrow and never through pandas. Documentation and delegation; what a map over a table is, is
in ``tables``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..errors import InputError
from ..frames.made import made_of
from ..options import CompareOptions, MapOptions, PreviewOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options, shows_options_like, shows_options_of
from .frames import prepare, to_pandas
from .lazy import ClaudePolarsLazyFrame
from .results import cost_table, error_table, retry_frame, with_columns
from .series import ClaudePolarsSeries

if TYPE_CHECKING:
    from ..background.job import Job
    from ..forecast.estimate import Estimate
    from ..frames.tasks import Labels
    from ..report.run import Run
    from ..trust.audit import Audit
    from ..trust.review import Review


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
            As in ``ClaudeFrame.map``.

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

    @shows_options
    def retry(
        self, *, where: Any = None, prompt: str | PromptFunction | None = None, **options: Unpack[MapOptions]
    ) -> pl.DataFrame:
        """Ask again the rows of this frame's map that failed; answers that the journal holds cost nothing.

        Parameters
        ----------
        where : Series or sequence of bool, optional
            Which rows to ask again instead (answers that you reject).
        prompt : str or callable, optional
            Another prompt.
        **options
            Options that are to differ, such as ``model=`` or ``max_tokens=``.
        """
        return retry_frame(self._frame, where, prompt, options)

    @property
    def run(self) -> Run:
        """The record of the run that made this frame."""
        from ..report.run import find_run

        return find_run(made_of(self._frame).run_id)

    @property
    def errors(self) -> pl.DataFrame:
        """The kinds of error of this frame's maps, with how many rows, an example each, and what to do."""
        return error_table(self._frame)

    @property
    def cost(self) -> pl.DataFrame:
        """Rows by what they came to, and dollars, for each answer of this frame's maps."""
        return cost_table(self._frame)

    @shows_options_like("ClaudeFrame.preview")
    def preview(
        self, prompt: str | PromptFunction, *, estimate: bool = False, **options: Unpack[PreviewOptions]
    ) -> Any:
        """Map a few random rows first, and see what all of them would cost; see :meth:`ClaudeFrame.preview`.

        The whole map afterwards has their answers for nothing. The seed draws the rows that it draws on pandas.
        """
        from .trust import preview_of

        preview = preview_of(self._frame, prompt, **options)
        return preview.estimate() if estimate else preview.run()

    @shows_options_of(preview)
    async def apreview(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Any:
        """Do what :meth:`preview` does on the caller's own event loop."""
        from .trust import preview_of

        return await preview_of(self._frame, prompt, **options).arun()

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

        `gold` is a column, a Series of all rows (missing where the truth is not known), or what :meth:`review`
        returned. The tables of the comparison are pandas frames; its ``run(name)`` is this frame's :meth:`map`.
        """
        from .trust import compare

        return compare(self._frame, prompt, variants, options, estimate=estimate)

    @shows_options_of(compare)
    async def acompare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Do what :meth:`compare` does on the caller's own event loop."""
        from .trust import acompare

        return await acompare(self._frame, prompt, variants, options)

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
        """Label a random sample of the answered rows by hand; see :meth:`ClaudeFrame.review`.

        Labels are by row number: a pandas Series, which :meth:`audit` takes.
        """
        from ..trust.review import review_frame

        frame = to_pandas(self._frame)
        return review_frame(frame, rows, column=column, by=by, show=show, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, column: str | None = None, weights: Any = None) -> Audit:
        """Say how far the answers can be believed; see :meth:`ClaudeFrame.audit`.

        Parameters
        ----------
        gold : str, Series or review
            The truth: a column, a Series of all rows (missing where it is not known), or what :meth:`review` returned.
        column, weights : optional
            As in :meth:`ClaudeFrame.audit`.
        """
        from .trust import audit

        return audit(self._frame, gold, column, weights)

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
