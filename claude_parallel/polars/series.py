"""``series.claude`` on Polars: one value per call; documentation and delegation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..frames.calls import MapCall
from ..frames.made import made_of
from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from .frames import drawn, prepare, to_pandas
from .results import answer_frame, answers_of, cost_table, details_of, error_table, of_value, retry_series

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
        prepared = self._prepared(prompt, out, options)
        return answers_of(answer_frame(prepared, await prepared.arun(), self._call(prompt, prepared)))

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

        return estimate_frame(self._prepared(prompt, out, options).table_map, likely_output_tokens, latency_seconds)

    @shows_options
    def preview(
        self,
        prompt: str | PromptFunction,
        *,
        rows: int = 20,
        seed: int = 0,
        out: str = "response",
        **options: Unpack[MapOptions],
    ) -> pl.Series | pl.DataFrame:
        """Map a few random values first, in their order; the whole map has their answers for nothing."""
        return ClaudePolarsSeries(drawn(self._series, rows, seed)).map(prompt, out=out, **options)

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

    @shows_options
    def compare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        rows: int = 100,
        labels: Sequence[str] | None = None,
        gold: Any = None,
        column: str | None = None,
        judge: str | Mapping[str, Any] | None = None,
        holdout: float = 0.0,
        seed: int = 0,
        estimate: bool = False,
        out: str = "response",
        **options: Unpack[MapOptions],
    ) -> Any:
        """Try several prompts, models or options on the same random values; see :meth:`ClaudePolarsFrame.compare`."""
        from .trust import compare

        given = {"rows": rows, "labels": labels, "gold": gold, "column": column, "judge": judge}
        given |= {"holdout": holdout, "seed": seed, "out": out, **options}
        return compare(self._series, prompt, variants, given, estimate=estimate)

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
        from ..trust.review import review_frame

        answers, asked = self._series, made_of(self._series).call.given
        value = "value" if asked.name == answers.name else asked.name
        frame = to_pandas(pl.DataFrame([asked.alias(value), answers]))
        column = answers.name
        return review_frame(frame, rows, column=column, by=by, show=value, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, weights: Any = None) -> Audit:
        """Say how far these answers can be believed; see :meth:`ClaudePolarsFrame.audit`."""
        from .trust import audit

        return audit(self._series.to_frame(), gold, self._series.name, weights)

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
        prepared = self._prepared(prompt, out, options)
        return answer_frame(prepared, prepared.run(), self._call(prompt, prepared))

    def _prepared(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> MemoryMap:
        values = _named(self._series)
        asked = of_value(prompt, values.name) if callable(prompt) else prompt
        return prepare(values.to_frame(), asked, out, options, is_series=True)

    def _call(self, prompt: str | PromptFunction, prepared: MemoryMap) -> MapCall:
        return replace(prepared.table_map.call, given=_named(self._series))


def _named(series: pl.Series) -> pl.Series:
    return series if series.name else series.alias("value")
