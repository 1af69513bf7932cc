"""``series.claude`` on Polars: one value per call; documentation and delegation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from .frames import answers_of, cost_table, error_table, made_of, prepare, with_columns

if TYPE_CHECKING:
    from ..forecast.estimate import Estimate
    from ..report.run import Run
    from ..tables.memory import MemoryMap


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
        return self._run(prompt, out, options)

    @shows_options
    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pl.Series | pl.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        prepared = self._prepared(prompt, out, options)
        return answers_of(prepared, await prepared.arun(), (prompt, out, options))

    @shows_options
    def classify(
        self,
        labels: Sequence[str],
        prompt: str | PromptFunction = "{}",
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> pl.Series | pl.DataFrame:
        """Put every value into one of several classes: an ``Enum``, or a ``List`` with `multiple`."""
        from ..frames.tasks import classification

        return self._run(prompt, out, classification(labels, options, multiple=multiple))

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
        **options: Unpack[MapOptions],
    ) -> Estimate:
        """Say what :meth:`map` would cost and how long it would take; nothing is paid for that."""
        from ..forecast.estimate import estimate_frame

        return estimate_frame(self._prepared(prompt, out, options).table_map, likely_output_tokens)

    def details(self) -> pl.DataFrame:
        """Return the answers that :meth:`map` gave with their errors and costs, row by row as they were mapped."""
        details = made_of(self._series).details
        assert details is not None
        return details

    @property
    def run(self) -> Run:
        """The record of the run that gave these answers."""
        from ..report.run import find_run

        return find_run(made_of(self._series).run_id)

    @property
    def errors(self) -> pl.DataFrame:
        """The kinds of error of these answers, with how many rows and an example each."""
        return error_table(self.details(), made_of(self._series).errors)

    @property
    def cost(self) -> pl.DataFrame:
        """Rows by what they came to, and dollars."""
        return cost_table(self.details(), made_of(self._series))

    def as_frame(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> pl.DataFrame:
        """Return answer, error and cost of each value."""
        prepared = self._prepared(prompt, out, options)
        return with_columns(None, prepared, prepared.run(), (prompt, out, options))

    def _run(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> pl.Series | pl.DataFrame:
        prepared = self._prepared(prompt, out, options)
        return answers_of(prepared, prepared.run(), (prompt, out, options))

    def _prepared(self, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> MemoryMap:
        name = self._series.name or "value"
        function = prompt if callable(prompt) else None
        asked: Any = prompt if function is None else lambda row: function(row[name])
        return prepare(self._series.alias(name).to_frame(), asked, out, options, is_series=True)
