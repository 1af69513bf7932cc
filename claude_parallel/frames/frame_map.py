"""One map over a frame or a series, from the arguments to the returned frame.

Puts prompt, rows, settings and session together, and columns back on the frame; blocking, async and background faces
all go through here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pandas as pd

from ..batch.carrier import BatchEnvironment, choose_carrier
from ..batch.open_rows import check_open_batches
from ..bridge import Control
from ..config import resolve_settings
from ..engine.budget import Budget
from ..engine.environment import Environment
from ..engine.plan import Plan
from ..engine.results import Results
from ..engine.session import Session
from ..errors import InputError
from ..options import Settings
from ..progress.stats import RunStats
from ..prompt.template import Prompt, PromptFunction, compile_prompt
from ..records import Outcome
from ..report.recent_runs import remember
from ..schema.quotes import with_quotes
from ..schema.schema import Schema, compile_schema
from .calls import MapCall, columns_made_as, remember_call, sign, sign_empty
from .columns import Columns, check_name, cost_name, error_name
from .outputs import answer_series, attach, output_arrays, own_copy, warn_of_missing
from .planning import check_bounded, check_file_columns, examples_of, open_journal, plan_map, planned_columns
from .quotes import check_rapidfuzz
from .rows import (
    FrameRows,
    SeriesRows,
    check_first_row,
    check_output_names,
    check_prompt_cells,
    column_names,
    prompt_names,
    value_names,
)

_ON_ITS_WAY = Outcome()


class FrameMap:
    """A map over a frame, checked and ready.

    Parameters
    ----------
    frame : DataFrame or Series
        The input.
    prompt : str or callable
        What to ask; see ``ClaudeFrame.map``.
    out : str
        Name of the text column.
    options : mapping
        Options of ``ClaudeFrame.map``.
    environment : Environment or BatchEnvironment, optional
        Another outside world, for rehearsals and tests.
    bypass_cache : frozenset of bytes
        Fingerprints to ask again although the journal has an answer.
    not_asked : frozenset of int
        Positions (row times samples, plus sample) to leave out.
    as_frame : bool, default False
        Return a frame also where a series with one column of answers would give a series.
    completes : collection of str, optional
        Names of the text, error and cost columns where the frame is what this very map made in another process: then
        the fields of a schema stand in its columns.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """

    def __init__(
        self,
        frame: pd.DataFrame | pd.Series[Any],
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        *,
        environment: Environment | BatchEnvironment | None = None,
        bypass_cache: frozenset[bytes] = frozenset(),
        not_asked: frozenset[int] = frozenset(),
        as_frame: bool = False,
        completes: Collection[str] = (),
    ) -> None:
        check_name(out)
        # What its owner does to the frame meanwhile changes neither what is asked nor the rows that come back.
        self.frame = frame = own_copy(frame)
        self.out = out
        self.settings: Settings = resolve_settings(options)
        self.prompt = _compile(frame, prompt, self.settings)
        self.schema = _compile_schema(frame, out, self.settings, completes=completes)
        self.columns = planned_columns(out, self.settings, self.schema)
        self.rows = _make_rows(frame, self.prompt, self.settings)
        self.environment = environment
        self.last_session: Session | None = None
        examples_of(self.settings, self.prompt, self.schema)  # for its complaints
        given = frame if isinstance(frame, pd.Series) else None
        self._call = MapCall(prompt, dict(options), self.columns, given, of_series=given is not None)
        self._bypass_cache = bypass_cache
        self._not_asked = not_asked
        self._gives_series = isinstance(frame, pd.Series) and not as_frame and self.columns.is_one_answer
        _check(frame, self.prompt, self.settings, self.columns)
        check_first_row(self.prompt, self.rows)

    def __repr__(self) -> str:
        return f"<FrameMap of {len(self.frame):,} rows to {self.out!r}>"

    def run(self) -> Any:
        """Run the map, blocking, and return the new frame (or series)."""
        if len(self.frame) == 0:
            return self._empty()
        session = self.session()
        session.run()
        return self.result(session)

    async def arun(self) -> Any:
        """Run the map on the caller's event loop, and return the new frame (or series)."""
        if len(self.frame) == 0:
            return self._empty()
        session = self.session()
        await session.arun()
        return self.result(session)

    def session(self, *, control: Control | None = None, budget: Budget | None = None) -> Session:
        """Return a session that runs this map once; several of them may share flags and money."""
        carrier = choose_carrier(self.settings, self.environment)
        plan = self.plan(carrier.environment.host)
        journal = open_journal(self.settings)
        if not carrier.is_batch:
            check_open_batches(plan, journal)
        session = Session(plan, carrier, journal, out=self.out, control=control, budget=budget)
        remember(session.run_id, session.journal)
        remember_call(session.run_id, self._call)
        self.last_session = session
        return session

    def plan(self, host: str) -> Plan:
        """Return what would be asked of the API at `host`; leaves no trace."""
        plan = plan_map(
            self.rows,
            self.settings,
            self.prompt,
            self.schema,
            host,
            bypass_cache=self._bypass_cache,
        )
        return replace(plan, not_asked=self._not_asked)

    @property
    def live_environment(self) -> Environment | None:
        """The outside world that was given, as live calls meet it; None = the real one."""
        return self.environment.live if isinstance(self.environment, BatchEnvironment) else self.environment

    @contextmanager
    def opened(self) -> Iterator[Session]:
        """Open a session for somebody who runs it."""
        yield self.session()

    def made(self) -> Any:
        """Return what the last session made, which has ended."""
        assert self.last_session is not None
        return self.result(self.last_session)

    def made_so_far(self) -> Any:
        """Return the frame (or series) while a session runs; rows on their way have neither response nor error."""
        session = self.last_session
        assert session is not None
        outcomes: list[Outcome | None] = [outcome or _ON_ITS_WAY for outcome in list(session.results.outcomes)]
        results = Results(RunStats(), outcomes, list(session.results.fingerprints))
        return self.assemble(results, session.run_id)

    def result(self, session: Session) -> Any:
        """Return the frame (or series) with the answers of a finished session.

        A series has no place for errors, so failed rows are missing in it, and one warning counts them.
        """
        if self._gives_series:
            warn_of_missing(session.stats.fates, session.run_id)
        return self.assemble(session.results, session.run_id)

    def assemble(self, results: Results, run_id: str) -> Any:
        """Return the frame (or series) with the answers that there are."""
        result = self._attach(results)
        sign(result, self.frame, run_id)
        return result

    def _attach(self, results: Results) -> pd.DataFrame | pd.Series[Any]:
        arrays = output_arrays(self.columns, results, self.schema, self.rows.own_texts)
        if isinstance(self.frame, pd.DataFrame):
            return attach(self.frame, arrays)
        if self._gives_series:
            return answer_series(self.columns.answers[0], arrays, self.frame.index)
        return attach(pd.DataFrame(index=self.frame.index), arrays)

    def _empty(self) -> Any:
        """Return the empty frame with its new columns; nothing is asked, not even for a key."""
        result = self._attach(Results.empty(0, RunStats()))
        sign_empty(result, self.frame, self._call)
        return result


def _compile(frame: pd.DataFrame | pd.Series[Any], prompt: str | PromptFunction, settings: Settings) -> Prompt:
    is_series = isinstance(frame, pd.Series)
    if is_series and (settings.images or settings.documents):
        raise InputError("images= and documents= name columns, so they need a frame: use series.to_frame()")
    return compile_prompt(
        prompt,
        value_names(frame) if isinstance(frame, pd.Series) else prompt_names(frame),
        is_series=is_series,
        may_be_constant=bool(settings.images or settings.documents),
        skips_missing=settings.skip_missing,
    )


def _compile_schema(
    frame: pd.DataFrame | pd.Series[Any], out: str, settings: Settings, *, completes: Collection[str]
) -> Schema | None:
    if settings.schema is None:
        return None
    names = column_names(frame) if isinstance(frame, pd.DataFrame) else []
    # What an earlier map made under the same name is replaced, as assign does; only other columns are in the way.
    replaced = {*columns_made_as(frame, out)} if isinstance(frame, pd.DataFrame) else set()
    if completes:  # a field whose name was taken then stands under its longer name
        replaced = {name for name in names if f"{out}_{name}" not in {*names} - {*completes}}
    taken = [name for name in names if name not in replaced]
    schema = compile_schema(settings.schema, out, [*taken, error_name(out), cost_name(out)])
    if not settings.quotes:
        return schema
    check_rapidfuzz()
    return with_quotes(schema)


def _make_rows(frame: pd.DataFrame | pd.Series[Any], prompt: Prompt, settings: Settings) -> FrameRows | SeriesRows:
    if isinstance(frame, pd.DataFrame):
        check_file_columns(column_names(frame), settings)
        return FrameRows(
            frame, prompt, images=settings.images, documents=settings.documents, max_pixels=settings.max_pixels
        )
    return SeriesRows(frame, prompt)


def _check(frame: pd.DataFrame | pd.Series[Any], prompt: Prompt, settings: Settings, columns: Columns) -> None:
    """Refuse output columns and prompt cells that cannot work."""
    if not isinstance(frame, pd.DataFrame):
        return
    read = () if prompt.function is not None else prompt.columns
    check_output_names(column_names(frame), (*read, *settings.images, *settings.documents), columns.names)
    check_bounded(frame, settings)
    if prompt.is_column:
        check_prompt_cells(frame, prompt.columns[0])
