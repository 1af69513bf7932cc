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
from ..batch.session import BatchEnvironment, BatchSession
from ..config import resolve_settings
from ..engine.environment import Environment
from ..engine.results import Results
from ..engine.session import Session
from ..errors import InputError, nearest
from ..options import Settings
from ..progress.stats import RunStats
from ..prompt.examples import example_pairs
from ..prompt.template import Prompt, PromptFunction, compile_prompt
from ..report.recent_runs import RUN_ATTRIBUTE, MapCall, call_of, remember
from ..schema.reader import typed_reader
from ..schema.schema import Schema, compile_schema
from .rows import (
    FrameRows,
    SeriesRows,
    attach,
    check_first_row,
    check_output_names,
    check_prompt_cells,
    column_names,
    output_columns,
)

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
    environment : Environment, optional
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
        environment: Environment | None = None,
        bypass_cache: frozenset[bytes] = frozenset(),
    ) -> None:
        if not isinstance(out, str) or not out:
            raise InputError(f"out must be the name of a column, not {out!r}")
        self.frame = frame
        self.out = out
        self.settings: Settings = resolve_settings(options)
        self.prompt = _compile(frame, prompt)
        self.schema = self._compile_schema()
        self.rows = self._make_rows()
        self.last_session: Session | None = None
        self.made = tuple(output_columns(out, Results.empty(0, RunStats()), self.settings.sample, self.schema))
        self._call = MapCall(prompt=prompt, out=out, options=dict(options), made=self.made)
        self._examples = example_pairs(self.settings.examples, self.prompt)
        self.environment = environment
        self._bypass_cache = bypass_cache
        self._check()

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
        session = self.prepare(self.environment)
        remember(session.run_id, session.journal, self._call)
        self.last_session = session
        return session

    def prepare(self, environment: Environment | None) -> Session:
        """Return a session that leaves no trace until it is run: for estimates."""
        has_files = bool(self.settings.images or self.settings.documents)
        is_batch = bool(self.settings.batch) and (environment is None or isinstance(environment, BatchEnvironment))
        make = BatchSession if is_batch else Session  # a rehearsal brings live environment, whatever it rehearses
        return make(
            self.rows,
            self.settings,
            out=self.out,
            static_text="" if has_files else self.prompt.static_text,  # files come before the text
            environment=environment,
            read=typed_reader(self.schema) if self.schema else read_answer,
            output_format=self.schema.format if self.schema else None,
            examples=self._examples,
            bypass_cache=self._bypass_cache,
        )

    def result(self, session: Session) -> pd.DataFrame:
        """Return the frame with the columns of a finished session."""
        columns = output_columns(self.out, session.results, self.settings.sample, self.schema)
        return attach(self._base(), columns, session.run_id)

    def _compile_schema(self) -> Schema | None:
        if self.settings.schema is None:
            return None
        taken = column_names(self.frame) if isinstance(self.frame, pd.DataFrame) else []
        # What an earlier run made under the same name is replaced, as assign does; only other columns are in the way.
        earlier = call_of(str(self.frame.attrs.get(RUN_ATTRIBUTE)))
        made = earlier.made if earlier is not None and earlier.out == self.out else ()
        return compile_schema(self.settings.schema, self.out, [name for name in taken if name not in made])

    def _make_rows(self) -> FrameRows | SeriesRows:
        settings = self.settings
        if isinstance(self.frame, pd.DataFrame):
            self._check_file_columns(self.frame)
            return FrameRows(
                self.frame,
                self.prompt,
                images=settings.images,
                documents=settings.documents,
                max_pixels=settings.max_pixels,
            )
        if settings.images or settings.documents:
            raise InputError("images= and documents= name columns, so they need a frame: use series.to_frame()")
        return SeriesRows(self.frame, self.prompt)

    def _check_file_columns(self, frame: pd.DataFrame) -> None:
        names = column_names(frame)
        for name in (*self.settings.images, *self.settings.documents):
            if name not in names:
                raise InputError(f"there is no column {name!r} to attach; {nearest(name, names)}")

    def _check(self) -> None:
        if isinstance(self.frame, pd.DataFrame):
            read = self.prompt.columns if self.prompt.function is None else ()
            check_output_names(
                column_names(self.frame), (*read, *self.settings.images, *self.settings.documents), self.made
            )
            if self.prompt.is_column:
                check_prompt_cells(self.frame, self.prompt.columns[0])
        check_first_row(self.prompt, self.rows)

    def _base(self) -> pd.DataFrame:
        return self.frame if isinstance(self.frame, pd.DataFrame) else pd.DataFrame(index=self.frame.index)

    def _empty(self) -> pd.DataFrame:
        """Return the empty frame with its new columns; nothing is asked, not even for a key."""
        columns = output_columns(self.out, Results.empty(0, RunStats()), self.settings.sample, self.schema)
        return self._base().assign(**columns)


def _compile(frame: pd.DataFrame | pd.Series[Any], prompt: str | PromptFunction) -> Prompt:
    if isinstance(frame, pd.DataFrame):
        return compile_prompt(prompt, column_names(frame))
    names = ["value"] if frame.name is None else [str(frame.name)]
    return compile_prompt(prompt, names, is_series=True)


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
