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

from .client import Doors, Session, resolve_settings
from .errors import InputError
from .frames import (
    FrameRows,
    SeriesRows,
    attach,
    check_first_row,
    check_output_names,
    check_prompt_cells,
    column_names,
    draw_name,
    output_columns,
)
from .options import Settings
from .progress import Tally
from .prompt import Prompt, PromptFunction, compile_prompt
from .results import Results

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
    doors : Doors, optional
        Another outside world, for rehearsals and tests.

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
        doors: Doors | None = None,
    ) -> None:
        if not isinstance(out, str) or not out:
            raise InputError(f"out must be the name of a column, not {out!r}")
        self.frame = frame
        self.out = out
        self.last_session: Session | None = None
        self._doors = doors
        self.settings: Settings = resolve_settings(options)
        self.prompt = _compile(frame, prompt)
        self.rows = FrameRows(frame, self.prompt) if isinstance(frame, pd.DataFrame) else SeriesRows(frame, self.prompt)
        self._check()

    def __repr__(self) -> str:
        return f"<FrameMap of {len(self.frame):,} rows to {self.out!r}>"

    def run(self) -> pd.DataFrame:
        """Run the map, blocking, and return the new frame."""
        if len(self.frame) == 0:
            return self._empty()
        with _only_run(self.frame):
            session = self.session()
            session.run()
            return self.result(session)

    async def arun(self) -> pd.DataFrame:
        """Run the map on the caller's event loop, and return the new frame."""
        if len(self.frame) == 0:
            return self._empty()
        with _only_run(self.frame):
            session = self.session()
            await session.arun()
            return self.result(session)

    def session(self) -> Session:
        """Return a session that runs this map once."""
        self.last_session = Session(self.rows, self.settings, static_text=self.prompt.static_text, doors=self._doors)
        return self.last_session

    def result(self, session: Session) -> pd.DataFrame:
        """Return the frame with the columns of a finished session."""
        columns = output_columns(self.out, session.results, self.settings.sample)
        return attach(self._base(), columns, session.run_id)

    def _check(self) -> None:
        if isinstance(self.frame, pd.DataFrame):
            made = [
                name + ending
                for draw in range(self.settings.sample)
                for name in (draw_name(self.out, draw),)
                for ending in ("", "_error", "_cost")
            ]
            read = self.prompt.columns if self.prompt.function is None else ()
            check_output_names(column_names(self.frame), read, made)
            if self.prompt.pieces == ("", 0):
                check_prompt_cells(self.frame, self.prompt.columns[0])
        check_first_row(self.prompt, self.rows)

    def _base(self) -> pd.DataFrame:
        return self.frame if isinstance(self.frame, pd.DataFrame) else pd.DataFrame(index=self.frame.index)

    def _empty(self) -> pd.DataFrame:
        """Return the empty frame with its new columns; nothing is asked, not even for a key."""
        return self._base().assign(**output_columns(self.out, Results.empty(0, Tally()), self.settings.sample))


def _compile(frame: pd.DataFrame | pd.Series[Any], prompt: str | PromptFunction) -> Prompt:
    if isinstance(frame, pd.DataFrame):
        return compile_prompt(prompt, column_names(frame))
    names = ["value"] if frame.name is None else [str(frame.name)]
    return compile_prompt(prompt, names, is_series=True)


@contextmanager
def _only_run(frame: pd.DataFrame | pd.Series[Any]) -> Iterator[None]:
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
