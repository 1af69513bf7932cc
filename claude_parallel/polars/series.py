"""``series.claude`` on Polars: one value per call; documentation and delegation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..frames.calls import MapCall
from ..frames.made import made_of
from ..options import CompareOptions, MapOptions, PreviewOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options, shows_options_like, shows_options_of
from .frames import named, prepare_series
from .results import answer_frame, answers_of, cost_table, details_of, error_table
from .retry import retry_series

if TYPE_CHECKING:
    from ..background.job import Job
    from ..forecast.estimate import Estimate
    from ..frames.tasks import Labels
    from ..report.run import Run
    from ..tables.memory import MemoryMap
    from ..trust.audit import Audit
    from ..trust.review import Review


class ClaudePolarsSeries:
    """Ask Claude about every value of a Polars Series; reached as ``series.claude``. ``{}`` stands for the value.

    As in Polars, a Series gives a Series. Where something went wrong the answer is missing, and one warning at the end
    says how many are; :attr:`errors` and :meth:`details` of the result say why.
    """

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def __repr__(self) -> str:
        return f"<claude namespace of a series with {len(self._series):,} values; see series.claude.map?>"

    @shows_options
    def map(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.Series | pl.DataFrame:
        """Ask Claude once per value.

        Returns
        -------
        Series or DataFrame
            The answers. What has several columns is a frame: a `schema` with fields, ``sample=`` above 1,
            ``keep_text=True``.
        """
        return answers_of(self.as_frame(prompt, out, options))

    @shows_options
    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.Series | pl.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        prepared = prepare_series(self._series, prompt, out, options)
        call = self._call(prepared)
        return answers_of(answer_frame(prepared, await prepared.arun(), call))

    @shows_options
    def classify(
        self,
        labels: Labels,
        prompt: str | PromptFunction = "{}",
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> pl.Series | pl.DataFrame:
        """Put every value into one of several classes: an ``Enum``, or a ``List`` with `multiple`."""
        from ..frames.tasks import classification

        return answers_of(self.as_frame(prompt, out, classification(labels, options, multiple=multiple)))

    @shows_options
    def extract(
        self, schema: Any, prompt: str | PromptFunction = "{}", *, out: str = "response", **options: Any
    ) -> pl.DataFrame:
        """Pull typed fields out of every value."""
        from ..frames.tasks import extraction

        return self.as_frame(prompt, out, extraction(schema, options))

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

        table_map = prepare_series(self._series, prompt, out, options).table_map
        return estimate_frame(table_map, likely_output_tokens, latency_seconds)

    @shows_options_like("ClaudeSeries.preview")
    def preview(
        self, prompt: str | PromptFunction, *, estimate: bool = False, **options: Unpack[PreviewOptions]
    ) -> Any:
        """Map a few random values first, and see what all of them would cost; see :meth:`ClaudeSeries.preview`.

        The whole map afterwards has their answers for nothing. The seed draws the values that it draws on pandas.
        """
        from .trust import preview_of

        preview = preview_of(self._series, prompt, **options)
        return preview.estimate() if estimate else preview.run()

    @shows_options_of(preview)
    async def apreview(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Any:
        """Do what :meth:`preview` does on the caller's own event loop."""
        from .trust import preview_of

        return await preview_of(self._series, prompt, **options).arun()

    @shows_options
    def submit(
        self, prompt: str | PromptFunction, *, out: str = "response", panel: bool = True, **options: Unpack[MapOptions]
    ) -> Job:
        """Begin a map in the background and return at once; its ``result()`` is what :meth:`map` returns."""
        from ..background.job import Job
        from .background import PolarsFrameMap

        return Job(PolarsFrameMap(self._series, prompt, out, options), panel=panel)

    @shows_options
    def retry(
        self, *, where: Any = None, prompt: str | PromptFunction | None = None, **options: Unpack[MapOptions]
    ) -> pl.Series | pl.DataFrame:
        """Ask again for the answers that failed; see :meth:`ClaudePolarsFrame.retry`."""
        return retry_series(self._series, where, prompt, options)

    @shows_options_like("ClaudeSeries.compare")
    def compare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        estimate: bool = False,
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Try several prompts, models or options on the same random values; see :meth:`ClaudePolarsFrame.compare`."""
        from .trust import elsewhere

        comparing = elsewhere(self._series).comparing(prompt, variants, options)
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

        return await elsewhere(self._series).comparing(prompt, variants, options).arun()

    def review(
        self,
        rows: int = 100,
        *,
        by: str | None = None,
        blind: bool = False,
        seed: int = 0,
        journal: bool | str | Path = True,
    ) -> Review:
        """Label a random sample of these answers by hand; see :meth:`ClaudePolarsFrame.review`."""
        from .trust import beside_its_answers

        every, value = beside_its_answers(self._series)
        column = self._series.name
        return every.review(rows, column=column, by=by, show=value, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, weights: Any = None) -> Audit:
        """Say how far these answers can be believed; see :meth:`ClaudePolarsFrame.audit`."""
        from .trust import elsewhere

        return elsewhere(self._series.to_frame()).audit(gold, column=self._series.name, weights=weights)

    def details(self) -> pl.DataFrame:
        """Return the answers that :meth:`map` gave with their errors and costs, row by row as they were mapped."""
        return details_of(self._series)

    @property
    def run(self) -> Run:
        """The record of the run that gave these answers."""
        from ..report.run import find_run

        return find_run(made_of(self._series).run_id)

    @property
    def errors(self) -> pl.DataFrame:
        """The kinds of error of these answers, with how many rows, an example each, and what to do."""
        return error_table(self._series)

    @property
    def cost(self) -> pl.DataFrame:
        """Rows by what they came to, and dollars."""
        return cost_table(self._series)

    def as_frame(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> pl.DataFrame:
        """Return answer, error and cost of each value."""
        prepared = prepare_series(self._series, prompt, out, options)
        call = self._call(prepared)
        return answer_frame(prepared, prepared.run(), call)

    def _call(self, prepared: MemoryMap) -> MapCall:
        """Return the call with the values as they are now: their owner may write into the series later."""
        return replace(prepared.table_map.call, given=named(self._series.clone()))
