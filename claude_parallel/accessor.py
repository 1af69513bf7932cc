"""``df.claude`` and ``series.claude``: what analysts read first.

Documentation and delegation. The accessors hold nothing but the frame: pandas 3 makes a new one at every access. What a
call needs is imported at the first call: ``import claude_parallel`` is to cost a fraction of pandas' own import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from .options import CompareOptions, MapOptions, PreviewOptions
from .prompt.template import PromptFunction
from .series import ClaudeSeries
from .signatures import shows_options, shows_options_of

if TYPE_CHECKING:
    from .background.job import Job
    from .forecast.estimate import Estimate
    from .frames.tasks import Labels
    from .report.run import Run
    from .trust.audit import Audit
    from .trust.review import Review


class ClaudeFrame:
    """Ask Claude about every row of a DataFrame.

    Reached as ``df.claude``; holds no state of its own.

    Examples
    --------
    >>> import pandas as pd
    >>> import claude_parallel as cp
    >>> df = pd.DataFrame({"review": ["Great!", "Broke after a day."]})
    >>> with cp.simulator():
    ...     out = df.claude.map("Classify the tone: {review}", progress=False)
    >>> list(out.columns)
    ['review', 'response', 'response_error', 'response_cost']
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return f"<claude accessor of a frame with {len(self._frame):,} rows; see df.claude.map?>"

    @shows_options
    def map(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        **options: Unpack[MapOptions],
    ) -> pd.DataFrame:
        """Ask Claude once per row, as many rows at once as the account allows.

        Every option left at None takes its default from ``cp.configure(...)``, then from a variable such as
        ``CLAUDE_PARALLEL_MODEL`` (also MAX_TOKENS, MAX_CONCURRENCY, LIMITS, BUDGET, RETRIES, TIMEOUT, JOURNAL,
        PROMPT_CACHE, PROGRESS), then from the built-in value named below.

        Parameters
        ----------
        prompt : str or callable
            A template over columns and index levels (``"Classify the tone of {review}"``, with formats as in
            ``{price:.2f}`` and with ``{{`` and ``}}`` for literal braces), the name of a column whose cells are the
            prompts, or a callable that gets the row as a Series (``row["name"]`` is the cell; ``row.name`` and
            ``row.size`` are what pandas gives) and returns text, a list of content blocks, or a list of messages. With
            `images` or `documents` also the same text for all rows.
        out : str, default "response"
            Names the new columns: ``out``, ``<out>_error``, ``<out>_cost``. Columns already named so are replaced.
        system : str, optional
            System prompt, the same for every row: no placeholders; ``{{`` and ``}}`` for literal braces.
        examples : list of pairs, list of dicts, dict or DataFrame, optional
            Few-shot pairs ``(input, output)``, or a dict of input to output; an input fills the template, or is a
            mapping of its columns. A dict with the prompt's columns and others besides is an input and its output. Of
            a frame the last column is the output.
        schema : type, mapping, pydantic model or JSON schema, optional
            Typed answers: a bare type (``bool``, ``int``, ``float``, ``Literal[...]``, an ``Enum``, ``list[...]``)
            types the ``out`` column, the fields of a model or mapping become columns of their own. A field whose name
            is taken by another column becomes ``<out>_<field>``. An answer that does not fit has the error kind
            ``schema``.
        keep_text : bool, optional
            With a schema: keep the raw JSON in a column, too: in ``out``, or in ``<out>_text`` for a bare type.
            Built-in default: False.
        skip_missing : bool, optional
            True (built-in default) = a row in which a used cell is missing or empty text is not asked: its error says
            ``skipped``. Used is what a template names, and what a callable reads by name. False = it is asked; a
            template shows empty text in the place of a missing cell.
        images, documents : str or list of str, optional
            Columns with files to attach: local path, URL, bytes, PIL image; PDF or text for documents; a cell may hold
            a list. Files are read when their row's turn comes; a broken one is that row's error.
        model : str, optional
            A full id such as ``claude-sonnet-5-5``. Built-in default: ``claude-haiku-5-5``.
        max_tokens : int, optional
            Output tokens per answer, thinking included. Built-in default: 8,192. A cut answer is always marked.
        thinking : bool, str or mapping, optional
            True = adaptive, False = disabled, or what the API takes. Default: not sent, the model's own default.
        effort : str, optional
            ``"low"`` to ``"max"``. Default: not sent.
        tools : list of mapping, optional
            As the Messages API takes them, such as ``{"type": "web_search_20260318", "name": "web_search"}``.
        stop_sequences : list of str, optional
            Texts at which the answer ends.
        request : mapping, optional
            Merged into the wire body as it is, for whatever the API takes tomorrow.
        max_concurrency : int or "auto", optional
            The most calls in flight. Built-in default "auto": find what the account's limits allow.
        limits : Limits, str or mapping, optional
            ``cp.Limits(...)``, or a tier name such as ``"build"`` or ``"tier-2"``. Default: learn them from the
            responses.
        budget : float, optional
            US dollars that this run may spend at most; ``float("inf")`` lifts a default of ``cp.configure``. The worst
            case of each call is reserved before it is sent; rows that do not fit any more have the error kind
            ``budget``. With batches, the first one holds what fits in the worst case; what its rows have cost decides
            about the next, of which one in a thousand may pass the cap.
        retries : int or RetryPolicy, optional
            Tries after the first for a call that failed on the way or on the server. Built-in default: 6; 0 = none.
        timeout : float, optional
            Seconds for one call. Built-in default: 600.
        journal : bool or path, optional
            True (built-in default) = keep every paid answer in the user's journal and never pay for it again; False =
            off; a path = that file.
        prompt_cache : {"auto", "5m", "1h", True, False}, optional
            Cache the prefix that all rows share (tools, system, examples, the template's text before its first
            placeholder) where it is long enough. Built-in default: "auto" (five minutes).
        batch : bool or "then-live", optional
            True = through the Message Batches API at half price, within 24 hours; "then-live" = what the batch could
            not answer is asked live. Built-in default: False.
        sample : int, optional
            Independent answers per row; draw 2 and later are columns ``<out>_2`` and so on. Built-in default: 1.
        vote : bool, optional
            With `sample`: one answer per row, the most frequent one (among equals the first drawn), field by field;
            of numbers the median. ``<out>_agreement`` is the share of draws that agree; with several fields each has
            a ``<field>_agreement``, too. Built-in default: False.
        quotes : bool, optional
            With a schema: ask for the words that support each field (``<field>_quote``), and check that they stand in
            the cells that the prompt reads (``<field>_found``; missing where an attached file may hold them). Needs the
            extra ``[quotes]``. Built-in default: False.
        repair : int, optional
            With a schema: how often to ask again, showing what did not fit. Built-in default: 0.
        max_pixels : int, optional
            Scale images of more pixels (width times height) down to so many (needs the extra ``[images]``).
        on_error : {"column", "raise"}, optional
            "column" (built-in default) = a failed row has an error and the others go on; "raise" = stop at the first
            row that finally fails.
        progress : bool, optional
            Show a bar. Built-in default: True.
        bridge : {"thread", "nested"}, optional
            "thread" (built-in default) runs the calls beside a notebook's own event loop; "nested" inside it, for
            objects bound to that loop (needs the extra ``[nested]``).
        wire : {"auto", "sdk"}, optional
            "auto" (built-in default) = the SDK writes the request once, and aiohttp sends it with every row's body, at
            two fifths of the CPU; "sdk" = each call goes through the SDK.
        client : optional
            An ``anthropic`` client to take credentials, base URL and headers from, or a callable that makes one.

        Returns
        -------
        DataFrame
            A new frame: all input columns, then the text (or the typed columns of a schema), the error (missing when
            the row is fine) and the cost in US dollars.
            Same index, same row order; the input is untouched.

        Raises
        ------
        InputError
            Before the first call, for everything that can be known to fail.
        RunStopped
            When the API refuses the whole run (bad key, unknown model, no credit) and nothing was answered.
        RowFailed
            With ``on_error="raise"``.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> df = pd.DataFrame({"text": ["good", None]})
        >>> with cp.simulator():
        ...     out = df.claude.map("Translate to French: {text}", out="fr", progress=False)
        >>> out["fr_error"].str.extract("([a-z_]+)", expand=False).tolist()[1]
        'skipped'
        """
        from .frames.frame_map import FrameMap

        result: pd.DataFrame = FrameMap(self._frame, prompt, out, options).run()
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
        """Say what :meth:`map` would cost and how long it would take: live or as batches, with caching or without.

        Nothing is sent but up to 20 rows to the free token counting endpoint; without a key, tokens are guessed by
        bytes. Attached files are read.

        Parameters
        ----------
        prompt : str or callable
            As in :meth:`map`.
        out : str, default "response"
            As in :meth:`map`.
        likely_output_tokens : float, optional
            Expected output tokens of one answer. Default: from earlier answers to this prompt in the journal, else
            an assumption that is stated.
        latency_seconds : float, optional
            Seconds that one call takes. Default: as earlier calls of the model took, by the journal. Without ten of
            them, one second and 12 ms an output token for every model, which is an assumption: the API publishes no
            speeds of its models.
        **options
            As in :meth:`map`.

        Returns
        -------
        Estimate
            Prints as a table; ``to_frame()`` gives the figures, ``plot()`` the expected throughput.

        Raises
        ------
        InputError
            For everything that would make the map fail before its first call.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> df = pd.DataFrame({"text": ["Great!", "Awful."]})
        >>> with cp.simulator():
        ...     figures = df.claude.estimate("Classify: {text}", likely_output_tokens=10)
        >>> figures.to_frame()["unique"].tolist()
        [2, 2, 2, 2]
        """
        from .forecast.estimate import estimate_frame
        from .frames.frame_map import FrameMap

        return estimate_frame(FrameMap(self._frame, prompt, out, options), likely_output_tokens, latency_seconds)

    @shows_options
    def submit(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        panel: bool = True,
        **options: Unpack[MapOptions],
    ) -> Job:
        """Begin a map in the background and return at once; with ``batch=True``, once all that can go now is submitted.

        An interrupt while batches are submitted sends no more of them; the same cell finds those that are under way.

        Parameters
        ----------
        prompt, out, **options
            As in :meth:`map`.
        panel : bool, default True
            Show a live panel with a Stop button in notebooks.

        Returns
        -------
        Job
            ``status()``, ``wait()``, ``result()``, ``partial()``, ``stop()``, ``cancel()``.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> with cp.simulator():
        ...     job = pd.DataFrame({"t": ["a", "b"]}).claude.submit("Say {t}", progress=False)
        ...     out = job.result()
        >>> len(out)
        2
        """
        from .background.job import Job
        from .frames.frame_map import FrameMap

        return Job(FrameMap(self._frame, prompt, out, options), panel=panel)

    @shows_options
    def classify(
        self,
        prompt: str | PromptFunction,
        labels: Labels,
        *,
        multiple: bool = False,
        out: str = "label",
        **options: Unpack[MapOptions],
    ) -> pd.DataFrame:
        """Put every row into one of several classes.

        Parameters
        ----------
        prompt : str or callable
            As in :meth:`map`; the labels are added to the system prompt.
        labels : list, dict, Enum, Literal or Series
            The classes, at least two: texts or whole numbers, a dict of label to description (the descriptions stand
            in the prompt), an Enum, a ``Literal[...]``, or a categorical Series.
        multiple : bool, default False
            True = any number of labels per row, as a list.
        out : str, default "label"
            Names the columns; the label column is categorical (lists with `multiple`).
        **options
            As in :meth:`map`.

        Returns
        -------
        DataFrame
            As :meth:`map` does.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> df = pd.DataFrame({"text": ["Great!", "Awful."]})
        >>> with cp.simulator():
        ...     out = df.claude.classify("{text}", {"good": "any praise", "bad": "any complaint"}, progress=False)
        >>> list(out["label"].cat.categories)
        ['good', 'bad']
        """
        from .frames.frame_map import FrameMap
        from .frames.tasks import classification

        task = classification(labels, options, multiple=multiple)
        result: pd.DataFrame = FrameMap(self._frame, prompt, out, task).run()
        return result

    @shows_options
    def extract(
        self, prompt: str | PromptFunction, schema: Any, *, out: str = "response", **options: Any
    ) -> pd.DataFrame:
        """Read fields out of every row's text into typed columns.

        Parameters
        ----------
        prompt : str or callable
            As in :meth:`map`.
        schema : mapping, pydantic model or JSON schema
            The fields to extract; see :meth:`map`.
        out : str, default "response"
            Names the error and cost columns.
        **options
            As in :meth:`map`.

        Returns
        -------
        DataFrame
            As :meth:`map` does, with one column per field.
        """
        from .frames.frame_map import FrameMap
        from .frames.tasks import extraction

        result: pd.DataFrame = FrameMap(self._frame, prompt, out, extraction(schema, options)).run()
        return result

    def models(self) -> pd.Series[Any]:
        """Return the validated objects behind the typed columns: pydantic models, dicts or bare values.

        Only for a frame that ``map(..., schema=...)`` of this process returned, or rows of it; the objects are built
        from the cells as they are now. None where a row has no valid answer.

        Raises
        ------
        InputError
            When the frame does not know its schema.
        """
        from .frames.tasks import models_of

        return models_of(self._frame)

    @shows_options
    def retry(
        self, *, where: Any = None, prompt: str | PromptFunction | None = None, **overrides: Unpack[MapOptions]
    ) -> pd.DataFrame:
        """Ask again the rows that failed, with the same settings, and return the completed frame.

        The same cell run again costs nothing for what it has mended: the journal has it.

        Parameters
        ----------
        where : array of bool, optional
            Which rows to ask again instead (answers that you reject), such as ``out["score"] < 3``; not those where it
            is missing. Default: all with an error, except skipped ones.
        prompt : str or callable, optional
            Needed after a restart only: prompts are never stored.
        **overrides
            Options that are to differ, such as ``model=`` or ``max_tokens=``: the cheap model first, the strong one for
            what it could not do.

        Returns
        -------
        DataFrame
            A new frame; costs add up, the other rows are as they were.
        """
        from .frames.retry import retry_frame

        return retry_frame(self._frame, prompt, where, overrides)

    @property
    def run(self) -> Run:
        """The run that made this frame: requests(), attempts(), report(path), plot()."""
        from .report.run import run_of

        return run_of(self._frame)

    @property
    def errors(self) -> pd.DataFrame:
        """Kinds of error in all maps of this frame: how many rows, an example, and what to do."""
        from .frames.totals import error_table

        return error_table(self._frame)

    @property
    def cost(self) -> pd.DataFrame:
        """Rows and US dollars of every answer column of this frame, all its maps included, and their ``total``.

        Columns: rows (of these: answered, failed, skipped, cancelled), unpriced (rows whose price nobody knows; they
        are neither in the sums nor in the means), mean_usd and total_usd.
        ``out.claude.cost.loc["total", "total_usd"]`` is the sum.
        """
        from .frames.totals import cost_table

        return cost_table(self._frame)

    @shows_options
    def preview(
        self,
        prompt: str | PromptFunction,
        *,
        rows: int = 20,
        by: str | None = None,
        seed: int = 0,
        out: str = "response",
        estimate: bool = False,
        **options: Unpack[MapOptions],
    ) -> Any:
        """Map a few random rows first, and see what all of them would cost and take.

        ``few.claude.run`` says so. The full map afterwards has the answers of these rows from the journal, for nothing.

        Parameters
        ----------
        prompt : str or callable
            As in :meth:`map`.
        rows : int, default 20
            How many. Rows that would be skipped count, as in the whole frame.
        by : str, optional
            A column: its values are drawn in equal parts. What all rows would cost is weighed back.
        seed : int, default 0
            The same seed draws the same rows; more rows contain the fewer ones.
        out : str, default "response"
            As in :meth:`map`.
        estimate : bool, default False
            True = send nothing, and return what the preview itself would cost.
        **options
            As in :meth:`map`.

        Returns
        -------
        DataFrame
            The sampled rows in the frame's order, mapped; an :class:`Estimate` with ``estimate=True``.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> df = pd.DataFrame({"text": [f"row {number}" for number in range(1_000)]})
        >>> with cp.simulator(latency_seconds=0.01):
        ...     few = df.claude.preview("Classify: {text}", rows=5, progress=False)
        >>> len(few)
        5
        """
        from .trust.preview import preview_of

        preview = preview_of(self._frame, prompt, rows=rows, by=by, seed=seed, out=out, **options)
        return preview.estimate() if estimate else preview.run()

    @shows_options_of(preview)
    async def apreview(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Any:
        """Do what :meth:`preview` does on the caller's own event loop: ``few = await df.claude.apreview(...)``."""
        from .trust.preview import preview_of

        return await preview_of(self._frame, prompt, **options).arun()

    @shows_options
    def compare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        rows: int = 100,
        by: str | None = None,
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
        """Try several prompts, models or options on the same random rows, as one run, and see which to pay for.

        Parameters
        ----------
        prompt : str or callable
            As in :meth:`map`.
        variants : mapping of str to mapping
            Name -> what this variant sets itself: options of :meth:`map`, and ``prompt``. An empty mapping is the
            call as it is.
        rows : int, default 100
            How many rows to try, drawn at random; with `gold`, among the rows whose truth is known.
        by : str, optional
            A column: its values are drawn in equal parts. Every figure is weighed back to all rows.
        labels : list of str, optional
            Classify into these, as :meth:`classify` does.
        gold : str, Series or review, optional
            The truth: a column, a Series on (some of) the frame's index, or what :meth:`review` returned.
        column : str, optional
            With a schema of several fields: the one that is compared.
        judge : str or mapping, optional
            For text: a model (or ``{"model": ..., "rubric": ..., ...}``) that says whether an answer says the same as
            the gold. It is asked once about each answer that is not the gold word for word, the two in an order left to
            chance; in batches where the variants are. Its dollars are counted apart.
        holdout : float, default 0.0
            Share of the rows to keep back, so that ``.confirm(name)`` gives a figure that choosing did not flatter.
        seed : int, default 0
            Fixes the sample.
        estimate : bool, default False
            True = send nothing, and return a frame of what each variant, the judge and all together would cost.
        out : str, default "response"
            As in :meth:`map`.
        **options
            As in :meth:`map`, for all variants. One `budget` holds for all of them together, and for the judge.

        Returns
        -------
        Comparison
            Shown as a table. ``.table``, ``.pair_table``, ``.disagreements``, ``.plot()``, ``.confirm(name)``, and
            ``.run(name)``, which maps the whole frame and pays only for the rest.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> df = pd.DataFrame({"text": ["Great!", "Awful.", "Fine."], "truth": ["good", "bad", "good"]})
        >>> with cp.simulator(latency_seconds=0.01):
        ...     t = df.claude.compare("{text}", {"haiku": {}, "opus": {"model": "claude-opus-5-5"}},
        ...                           labels=["good", "bad"], gold="truth", progress=False)
        >>> t.table.index.tolist()
        ['haiku', 'opus']
        """
        from .trust.compare import Comparing

        comparing = Comparing(
            self._frame,
            prompt,
            variants,
            rows=rows,
            by=by,
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
        """Do what :meth:`compare` does on the caller's own event loop: ``t = await df.claude.acompare(...)``."""
        from .trust.compare import Comparing

        return await Comparing(self._frame, prompt, variants, **options).arun()

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
        """Label a random sample of the answered rows by hand, in the notebook.

        Labels are kept in the journal as they are given, by the column's name, its labels, and what the row says: a
        restart goes on, and another prompt on the same rows finds them. So give two questions with the same labels
        (such as two of ``schema=bool``) an ``out=`` each.

        Parameters
        ----------
        rows : int, default 100
            How many.
        column : str, optional
            The answers; default: what the last map made.
        by : str, optional
            ``"answer"`` = each answer in equal parts; ``"agreement"`` = first the rows whose draws disagree (after
            ``sample=3, vote=True``), half of the sample; or a column. :meth:`audit` knows the probabilities and weighs
            the rows.
        show : str or list of str, optional
            Columns to read; default: those that the prompt reads.
        blind : bool, default False
            True = do not show the answers, which would sway you.
        seed : int, default 0
            The same seed draws the same rows.
        journal : bool or path, default True
            Where the labels are kept; True = in the journal that was configured, else in the user's.

        Returns
        -------
        Review
            A panel in notebooks with ipywidgets. ``.labels`` is a Series on the frame's index; ``.to_csv(path)`` and
            ``.read_csv(path)`` label in a spreadsheet.
        """
        from .trust.review import review_frame

        return review_frame(self._frame, rows, column=column, by=by, show=show, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, column: str | None = None, weights: Any = None) -> Audit:
        """Say how far the answers can be believed: accuracy, and class shares corrected for the model's errors.

        Parameters
        ----------
        gold : str, Series or review
            The truth of some rows, drawn at random: a column (missing where it is not known), a Series on (some of)
            the frame's index, or what :meth:`review` returned.
        column : str, optional
            The answers; default: what the last map made.
        weights : Series or sequence, optional
            How many rows each gold row stands for, where they were drawn with unequal probabilities. Known for
            :meth:`review`.

        Returns
        -------
        Audit
            Shown as a table. ``.accuracy``, ``.kappa``, ``.macro_f1``, ``.shares``, ``.classes``, ``.confusion``,
            ``.rows_to_halve``, ``.warnings``, ``.plot()``.

        Raises
        ------
        InputError
            Where gold and answers cannot be laid side by side.

        Examples
        --------
        >>> import pandas as pd
        >>> import claude_parallel as cp
        >>> df = pd.DataFrame({"label": ["a"] * 60 + ["b"] * 40, "truth": ["a"] * 10 + [None] * 80 + ["b"] * 10})
        >>> audit = df.claude.audit("truth", column="label")
        >>> audit.accuracy.estimate
        1.0
        """
        from .trust.audit import audit_frame

        return audit_frame(self._frame, gold, column, weights)

    @shows_options
    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pd.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop: ``out = await df.claude.amap(...)``.

        Takes the same options, returns and raises the same. Cancelled, or at the end of an ``asyncio.timeout``, it
        sends nothing more and ends once the calls in flight have landed (30 seconds at most), so that none is paid
        twice; a second cancellation ends those too.
        """
        from .frames.frame_map import FrameMap

        result: pd.DataFrame = await FrameMap(self._frame, prompt, out, options).arun()
        return result


def register() -> None:
    """Register ``claude`` on frames and series, once."""
    if not hasattr(pd.DataFrame, "claude"):
        pd.api.extensions.register_dataframe_accessor("claude")(ClaudeFrame)
        pd.api.extensions.register_series_accessor("claude")(ClaudeSeries)
