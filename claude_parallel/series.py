"""``series.claude`` and ``claude_parallel.map``: one value per call.

Documentation and delegation, as in ``accessor``, where every option is explained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from .errors import InputError
from .options import CompareOptions, MapOptions, PreviewOptions
from .prompt.template import PromptFunction
from .signatures import shows_options, shows_options_of

if TYPE_CHECKING:
    from .background.job import Job
    from .forecast.estimate import Estimate
    from .frames.tasks import Labels
    from .report.run import Run
    from .trust.audit import Audit
    from .trust.review import Review


class ClaudeSeries:
    """Ask Claude about every value of a Series; reached as ``series.claude``.

    As in pandas, a Series gives a Series: of the answers, on the same index. Where something went wrong the answer is
    missing, and one warning at the end says how many are; :attr:`errors` and :meth:`details` of the result say why.

    Examples
    --------
    >>> import pandas as pd
    >>> import claude_parallel as cp
    >>> df = pd.DataFrame({"food": ["bread", "milk"]})
    >>> with cp.simulator():
    ...     df["fr"] = df["food"].claude.map("Translate to French: {}", progress=False)
    >>> df["fr"].notna().tolist()
    [True, True]
    """

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def __repr__(self) -> str:
        return f"<claude accessor of a series with {len(self._series):,} values; see series.claude.map?>"

    @shows_options
    def map(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pd.Series[Any] | pd.DataFrame:
        """Ask Claude once per value.

        Parameters
        ----------
        prompt : str or callable
            A template in which ``{}`` stands for the value (index levels may stand there by their names), or a
            callable that gets the value.
        out : str, default "response"
            Names the answers.
        **options
            As in :meth:`ClaudeFrame.map`.

        Returns
        -------
        Series or DataFrame
            The answers on the series' own index. What has several columns is a frame: a `schema` with fields,
            ``sample=`` above 1, ``keep_text=True``, ``quotes=True``; with the columns of :meth:`ClaudeFrame.map`.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> with cp.simulator():
        ...     answers = pd.Series(["bread", "milk"]).claude.map("Translate: {}", out="fr", progress=False)
        >>> answers.name, list(answers.claude.details().columns)
        ('fr', ['fr', 'fr_error', 'fr_cost'])
        """
        from .frames.frame_map import FrameMap

        result: pd.Series[Any] | pd.DataFrame = FrameMap(self._series, prompt, out, options).run()
        return result

    @shows_options
    def classify(
        self,
        labels: Labels,
        prompt: str | PromptFunction = "{}",
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> pd.Series[Any] | pd.DataFrame:
        """Put every value into one of several classes; see :meth:`ClaudeFrame.classify`.

        Parameters
        ----------
        labels : list, dict, Enum, Literal or Series
            The classes.
        prompt : str or callable, default "{}"
            As in :meth:`map`; the default asks about the value itself.
        multiple, out, **options
            As in :meth:`ClaudeFrame.classify`.

        Returns
        -------
        Series or DataFrame
            Categorical (lists with `multiple`); a frame where :meth:`map` gives one, as with ``sample=3, vote=True``.
        """
        from .frames.frame_map import FrameMap
        from .frames.tasks import classification

        task = classification(labels, options, multiple=multiple)
        result: pd.Series[Any] | pd.DataFrame = FrameMap(self._series, prompt, out, task).run()
        return result

    @shows_options
    def extract(
        self,
        schema: Any,
        prompt: str | PromptFunction = "{}",
        *,
        out: str = "response",
        **options: Any,
    ) -> pd.DataFrame:
        """Read fields out of every value into typed columns; see :meth:`ClaudeFrame.extract`.

        Returns
        -------
        DataFrame
            One column per field, then error and cost, on the series' own index.
        """
        from .frames.frame_map import FrameMap
        from .frames.tasks import extraction

        task = extraction(schema, options)
        result: pd.DataFrame = FrameMap(self._series, prompt, out, task, as_frame=True).run()
        return result

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
        """Say what :meth:`map` would cost and how long it would take; see :meth:`ClaudeFrame.estimate`."""
        from .forecast.estimate import estimate_frame
        from .frames.frame_map import FrameMap

        return estimate_frame(FrameMap(self._series, prompt, out, options), likely_output_tokens, latency_seconds)

    @shows_options
    def submit(
        self, prompt: str | PromptFunction, *, out: str = "response", panel: bool = True, **options: Unpack[MapOptions]
    ) -> Job:
        """Begin a map in the background and return at once; see :meth:`ClaudeFrame.submit`."""
        from .background.job import Job
        from .frames.frame_map import FrameMap

        return Job(FrameMap(self._series, prompt, out, options), panel=panel)

    @shows_options
    def preview(
        self,
        prompt: str | PromptFunction,
        *,
        rows: int = 20,
        seed: int = 0,
        out: str = "response",
        estimate: bool = False,
        **options: Unpack[MapOptions],
    ) -> Any:
        """Map a few random values first, and see what all would cost and take; see :meth:`ClaudeFrame.preview`."""
        from .trust.preview import preview_of

        preview = preview_of(self._series, prompt, rows=rows, seed=seed, out=out, **options)
        return preview.estimate() if estimate else preview.run()

    @shows_options_of(preview)
    async def apreview(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Any:
        """Do what :meth:`preview` does on the caller's own event loop."""
        from .trust.preview import preview_of

        return await preview_of(self._series, prompt, **options).arun()

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
        """Try several prompts, models or options on the same random values; see :meth:`ClaudeFrame.compare`."""
        from .trust.compare import Comparing

        comparing = Comparing(
            self._series,
            prompt,
            variants,
            rows=rows,
            labels=labels,
            gold=gold,
            column=column,
            judge=judge,
            holdout=holdout,
            seed=seed,
            out=out,
            **options,
        )
        return comparing.estimates() if estimate else comparing.run()

    @shows_options_of(compare)
    async def acompare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Do what :meth:`compare` does on the caller's own event loop."""
        from .trust.compare import Comparing

        return await Comparing(self._series, prompt, variants, **options).arun()

    def review(
        self,
        rows: int = 100,
        *,
        by: str | None = None,
        blind: bool = False,
        seed: int = 0,
        journal: bool | str | Path = True,
    ) -> Review:
        """Label a random sample of these answers by hand; see :meth:`ClaudeFrame.review`.

        Raises
        ------
        InputError
            When the values that were asked are not known any more (after 20 other maps, or a restart): review a frame.
        """
        from .frames.retry import with_values
        from .trust.review import review_frame

        frame, value = with_values(self._series)
        if value is None:
            raise InputError(
                "the values that were asked are not known any more: put them and the answers into a frame, and call "
                "frame.claude.review(column=...) with the column of the answers"
            )
        answers = str(frame.columns[-1])
        return review_frame(frame, rows, column=answers, by=by, show=value, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, weights: Any = None) -> Audit:
        """Say how far these answers can be believed; see :meth:`ClaudeFrame.audit`.

        Parameters
        ----------
        gold : Series or review
            The truth of some rows, on (some of) the index.
        weights : Series or sequence, optional
            As in :meth:`ClaudeFrame.audit`.
        """
        from .trust.audit import audit_frame

        name = str(self._series.name or "response")
        return audit_frame(self._series.to_frame(name), gold, name, weights)

    @shows_options
    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pd.Series[Any] | pd.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        from .frames.frame_map import FrameMap

        result: pd.Series[Any] | pd.DataFrame = await FrameMap(self._series, prompt, out, options).arun()
        return result

    @shows_options
    def retry(
        self,
        values: pd.Series[Any] | None = None,
        *,
        where: Any = None,
        prompt: str | PromptFunction | None = None,
        **overrides: Unpack[MapOptions],
    ) -> pd.Series[Any]:
        """Ask again for the answers that failed, and return the completed series; see :meth:`ClaudeFrame.retry`.

        Parameters
        ----------
        values : Series, optional
            What was mapped; needed after a restart (with `prompt` and the run's other options), or where 20 other maps
            were made since.
        where, prompt, **overrides
            As in :meth:`ClaudeFrame.retry`.

        Returns
        -------
        Series
            A new one; :meth:`details` and :attr:`cost` add up what all its runs have cost.
        """
        from .frames.retry import retry_series

        return retry_series(self._series, values, prompt, where, overrides)

    def details(self) -> pd.DataFrame:
        """Return the answers that :meth:`map` gave with their errors and costs, as a frame on the same index.

        Also for answers that were sorted or filtered since, as long as each index label stands for one row.

        Raises
        ------
        InputError
            When this is not what map returned, or its rows cannot be told apart.
        """
        from .frames.totals import details_of

        return details_of(self._series)

    @property
    def run(self) -> Run:
        """The run that gave these answers; see :attr:`ClaudeFrame.run`."""
        from .report.run import run_of

        return run_of(self._series)

    @property
    def errors(self) -> pd.DataFrame:
        """Kinds of error of these answers: how many rows, an example, and what to do."""
        from .frames.totals import error_table

        return error_table(self.details())

    @property
    def cost(self) -> pd.DataFrame:
        """Rows and US dollars of these answers; see :attr:`ClaudeFrame.cost`."""
        from .frames.totals import cost_table

        return cost_table(self.details())


@shows_options
def map_items(
    items: Any, prompt: str | PromptFunction = "{}", *, out: str = "response", **options: Unpack[MapOptions]
) -> Any:
    """Ask Claude once per item of a list, or per row of a table; exported as ``claude_parallel.map``.

    Parameters
    ----------
    items : list, Series or other iterable, or Polars, Dask or Arrow table
        Prompts, or values for the template; of a table the rows, whose columns stand in the template.
    prompt : str or callable, default "{}"
        As in :meth:`ClaudeSeries.map`; the default sends each item as it is.
    out : str, default "response"
        Names the columns.
    **options
        As in :meth:`ClaudeFrame.map`.

    Returns
    -------
    DataFrame
        Text, error and cost, one row per item, in order. A table gives a table of its own kind (a lazy frame a
        DataFrame): its columns, then the new ones.

    Raises
    ------
    InputError
        For what has letters, column names or keys instead of items: one text, a frame, a dict.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> with cp.simulator():
    ...     out = cp.map(["bread", "milk"], "Translate to French: {}", progress=False)
    >>> len(out)
    2
    """
    package = type(items).__module__.partition(".")[0]
    if package == "polars":
        from .polars import map_polars

        return map_polars(items, prompt, out, options)
    if package == "dask":
        from .dask import map_dask

        return map_dask(items, prompt, out, options)
    if package == "pyarrow":
        from .tables.memory import map_arrow

        return map_arrow(items, prompt, out, options)
    from .frames.frame_map import FrameMap
    from .frames.rows import series_of

    result: pd.DataFrame = FrameMap(series_of(items), prompt, out, options, as_frame=True).run()
    return result
