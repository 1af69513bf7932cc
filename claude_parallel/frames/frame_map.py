"""One map over a frame or a series, from the arguments to the returned frame.

Puts prompt, rows, settings and session together, and columns back on the frame; blocking, async and background faces
all go through here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from ..api.answers import read_answer
from ..batch.carrier import BatchEnvironment, choose_carrier
from ..batch.open_rows import check_open_batches
from ..config import journal_path, resolve_settings
from ..engine.environment import Environment
from ..engine.plan import Plan, make_plan
from ..engine.results import Results
from ..engine.session import Session
from ..errors import InputError, nearest
from ..options import Settings
from ..progress.stats import RunStats
from ..prompt.examples import example_pairs
from ..prompt.template import Prompt, PromptFunction, compile_prompt
from ..report.recent_runs import remember
from ..schema.quotes import with_quotes
from ..schema.reader import typed_reader
from ..schema.schema import Schema, compile_schema
from ..store.journal import Journal
from .calls import MapCall, columns_made_as, remember_call, sign
from .columns import Columns, cost_name, error_name, plan_columns
from .outputs import attach, output_arrays
from .quotes import check_rapidfuzz
from .rows import FrameRows, SeriesRows, check_first_row, check_output_names, check_prompt_cells, column_names

_busy: set[int] = set()
_lock = threading.Lock()


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
    ) -> None:
        if not isinstance(out, str) or not out:
            raise InputError(f"out must be the name of a column, not {out!r}")
        self.frame = frame
        self.out = out
        self.settings: Settings = resolve_settings(options)
        self.prompt = _compile(frame, prompt)
        self.schema = _compile_schema(frame, out, self.settings)
        self.columns = _plan_columns(out, self.settings, self.schema)
        self.rows = _make_rows(frame, self.prompt, self.settings)
        self.environment = environment
        self.last_session: Session | None = None
        self._examples = example_pairs(self.settings.examples, self.prompt)
        self._call = MapCall(prompt, dict(options), self.columns)
        self._bypass_cache = bypass_cache
        _check(frame, self.prompt, self.settings, self.columns)
        check_first_row(self.prompt, self.rows)

    def __repr__(self) -> str:
        return f"<FrameMap of {len(self.frame):,} rows to {self.out!r}>"

    def run(self) -> pd.DataFrame:
        """Run the map, blocking, and return the new frame."""
        if len(self.frame) == 0:
            return self._empty()
        with only_run(self.frame):
            session = self.session()
            session.run()
            return self.result(session)

    async def arun(self) -> pd.DataFrame:
        """Run the map on the caller's event loop, and return the new frame."""
        if len(self.frame) == 0:
            return self._empty()
        with only_run(self.frame):
            session = self.session()
            await session.arun()
            return self.result(session)

    def session(self) -> Session:
        """Return a session that runs this map once."""
        carrier = choose_carrier(self.settings, self.environment)
        plan = self.plan(carrier.environment.host, is_batch=carrier.is_batch)
        is_path = not isinstance(self.settings.journal, bool)
        journal = Journal.open(journal_path(self.settings.journal), is_explicit=is_path)
        if not carrier.is_batch:
            check_open_batches(plan, journal)
        session = Session(plan, carrier, journal, out=self.out)
        remember(session.run_id, session.journal)
        remember_call(session.run_id, self._call)
        self.last_session = session
        return session

    def plan(self, host: str, *, is_batch: bool = False) -> Plan:
        """Return what would be asked of the API at `host`; leaves no trace."""
        has_files = bool(self.settings.images or self.settings.documents)
        return make_plan(
            self.rows,
            self.settings,
            host,
            is_batch=is_batch,
            static_text="" if has_files else self.prompt.static_text,  # files come before the text
            read=typed_reader(self.schema) if self.schema else read_answer,
            output_format=self.schema.format if self.schema else None,
            examples=self._examples,
            bypass_cache=self._bypass_cache,
        )

    @property
    def live_environment(self) -> Environment | None:
        """The outside world that was given, as live calls meet it; None = the real one."""
        return self.environment.live if isinstance(self.environment, BatchEnvironment) else self.environment

    def result(self, session: Session) -> pd.DataFrame:
        """Return the frame with the columns of a finished session."""
        result = self._attach(session.results)
        sign(result, self.frame, session.run_id)
        return result

    def _attach(self, results: Results) -> pd.DataFrame:
        base = self.frame if isinstance(self.frame, pd.DataFrame) else pd.DataFrame(index=self.frame.index)
        own_texts = self.rows.own_texts
        return attach(base, output_arrays(self.columns, results, self.schema, own_texts))

    def _empty(self) -> pd.DataFrame:
        """Return the empty frame with its new columns; nothing is asked, not even for a key."""
        return self._attach(Results.empty(0, RunStats()))


def _compile(frame: pd.DataFrame | pd.Series[Any], prompt: str | PromptFunction) -> Prompt:
    if isinstance(frame, pd.DataFrame):
        return compile_prompt(prompt, column_names(frame))
    names = ["value"] if frame.name is None else [str(frame.name)]
    return compile_prompt(prompt, names, is_series=True)


def _compile_schema(frame: pd.DataFrame | pd.Series[Any], out: str, settings: Settings) -> Schema | None:
    if settings.schema is None:
        return None
    # What an earlier map made under the same name is replaced, as assign does; only other columns are in the way.
    replaced = {*columns_made_as(frame, out)} if isinstance(frame, pd.DataFrame) else set()
    taken = [name for name in column_names(frame) if name not in replaced] if isinstance(frame, pd.DataFrame) else []
    schema = compile_schema(settings.schema, out, [*taken, error_name(out), cost_name(out)])
    if not settings.quotes:
        return schema
    check_rapidfuzz()
    return with_quotes(schema)


def _plan_columns(out: str, settings: Settings, schema: Schema | None) -> Columns:
    fields = [field.column for field in schema.fields] if schema else []
    return plan_columns(
        out, settings.sample, fields, keep_text=settings.keep_text, vote=settings.vote, quotes=settings.quotes
    )


def _make_rows(frame: pd.DataFrame | pd.Series[Any], prompt: Prompt, settings: Settings) -> FrameRows | SeriesRows:
    if isinstance(frame, pd.DataFrame):
        _check_file_columns(frame, settings)
        return FrameRows(
            frame, prompt, images=settings.images, documents=settings.documents, max_pixels=settings.max_pixels
        )
    if settings.images or settings.documents:
        raise InputError("images= and documents= name columns, so they need a frame: use series.to_frame()")
    return SeriesRows(frame, prompt)


def _check_file_columns(frame: pd.DataFrame, settings: Settings) -> None:
    names = column_names(frame)
    for name in (*settings.images, *settings.documents):
        if name not in names:
            raise InputError(f"there is no column {name!r} to attach; {nearest(name, names)}")


def _check(frame: pd.DataFrame | pd.Series[Any], prompt: Prompt, settings: Settings, columns: Columns) -> None:
    """Refuse output columns and prompt cells that cannot work."""
    if not isinstance(frame, pd.DataFrame):
        return
    read = () if prompt.function is not None else prompt.columns
    check_output_names(column_names(frame), (*read, *settings.images, *settings.documents), columns.names)
    if prompt.is_column:
        check_prompt_cells(frame, prompt.columns[0])


@contextmanager
def only_run(frame: pd.DataFrame | pd.Series[Any]) -> Iterator[None]:
    """Refuse a second run of the very same frame object while one is under way: it would pay for the same rows."""
    with _lock:
        if id(frame) in _busy:
            raise InputError(
                "this frame is being mapped already; wait for that run, or map a copy: "
                "df.copy(deep=False).claude.map(...)"
            )
        _busy.add(id(frame))
    try:
        yield
    finally:
        with _lock:
            _busy.discard(id(frame))
