"""What a run did, read back from the journal: after the run, and after a restart.

``page`` and ``figures`` draw it, the journal writes it; ``run_list`` lists all runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..config import journal_files, looked_into
from ..errors import InputError
from ..store.answer_keys import newest
from ..store.journal import Journal
from ..store.row_records import PARTS, columns_of
from .answered import keys_answered
from .recent_runs import RUN_ATTRIBUTE, place_of
from .record import RunData, frame_of, in_order_of, local_times
from .run_list import runs

LAST = "last"
"""Stands for the id of the run that began last."""

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
    "thinking_tokens",
)
_ATTEMPT_COLUMNS = {
    "position": "position",
    "number": "number",
    "started": "started",
    "ended": "max(started, ended)",
    "kind": "kind",
    "status": "status",
    "detail": "detail",
    "request_id": "request_id",
    "model": "model",
    "stop_reason": "stop_reason",
    **{name: name for name in _TOKENS},
    "cost_usd": "CAST(cost AS REAL)",
}
"""Columns of ``attempts()``, and what the journal calls them; a clock that was put back makes no call end too early."""

_MESSAGES = f"""
    WITH asked AS (SELECT position, fingerprint, source FROM row_outcomes WHERE run = ?),
    later AS (SELECT asked AS first, number, fingerprint FROM follow_ups WHERE run = ?)
    SELECT position, 1, message
        FROM asked LEFT JOIN answers ON answers.id = {newest("asked.fingerprint")}
        WHERE source != 'none' OR asked.fingerprint IN (SELECT first FROM later)
    UNION ALL
    SELECT position, number, message
        FROM asked JOIN later ON first = asked.fingerprint
        CROSS JOIN answers ON answers.id = {newest("later.fingerprint")}
    ORDER BY 1, 2
"""
"""What each row got: the answer to what it asked first, also where none came after it, and the answers to the rest."""

_INTEGERS = ("position", "number", "status", "attempts", *_TOKENS)
_FLOATS = ("started", "ended", "cost_usd")
_CHUNK = 500
"""Records fetched at once: fewer objects than the garbage collector waits for (700), and they stay in the CPU's cache.
A million of them take a fifth less time than in chunks of 20,000."""


class Run:
    """The record of one run.

    Parameters
    ----------
    run_id : str
        Its name, such as ``r-20261123-140320-1a2b3c``.
    place : Path or Journal
        Where it is on record: a journal file, opened for each question and closed again, or a journal in memory.

    Attributes
    ----------
    id : str
        Its name.
    host : str
        The API it went to.
    started : float
        Seconds since the epoch.
    ended : float or None
        The same; None for a run that was killed or still goes on.
    settings : dict
        Options, without prompts and keys.
    totals : dict
        Rows, errors by kind, dollars paid and saved, waits, limits seen; empty for a run that was killed.
    """

    def __init__(self, run_id: str, place: Path | Journal) -> None:
        self._place = place
        found = self._query("SELECT host, started, ended, settings, totals FROM runs WHERE id = ?", (run_id,))
        if not found:
            raise InputError(f"there is no run {run_id!r} in {place}; see claude_parallel.runs()")
        host, self.started, self.ended, settings, totals = found[0]
        self.id = run_id
        self.host: str = host
        self.settings: dict[str, Any] = json.loads(settings)
        self.totals: dict[str, Any] = json.loads(totals or "{}")

    def __repr__(self) -> str:
        from .page import run_text

        return run_text(self.data())

    def _repr_html_(self) -> str:
        from .page import run_html

        return run_html(self.data())

    def requests(self) -> pd.DataFrame:
        """Return one row per row of the frame: where its answer came from, tokens, seconds, model, request id.

        Returns
        -------
        DataFrame
            Indexed by position in the frame (of draw d of row i with ``sample=k``: ``i * k + d``, both from 0); tokens
            are summed over the row's attempts, seconds are the last one's.
        """
        rows = self._rows()
        calls = self._attempts(("position", "started", "ended", "model", "stop_reason", "request_id", *_TOKENS))
        return _with_calls(rows, calls).set_index("position")

    @property
    def errors(self) -> pd.DataFrame:
        """Kinds of error of the run's rows: how many rows, an example, and what to do."""
        from .error_kinds import table_of_errors

        sql = "SELECT error FROM row_outcomes WHERE run = ? AND error IS NOT NULL ORDER BY position"
        return table_of_errors(self._frame(sql, ("error",))["error"])

    def attempts(self) -> pd.DataFrame:
        """Return one row per call: when, how long, what came back, tokens by kind, dollars.

        Returns
        -------
        DataFrame
            ``started`` and ``ended`` in local time, ``seconds`` between them, ``kind`` missing for an answer.
        """
        frame = self._attempts(tuple(_ATTEMPT_COLUMNS))
        frame.insert(4, "seconds", frame["ended"] - frame["started"])
        for name in ("started", "ended"):
            frame[name] = local_times(frame[name].to_numpy(), "ms")
        return frame

    def messages(self) -> pd.DataFrame:
        """Return the Messages that this run's rows got, as the API sent them, one row each.

        Returns
        -------
        DataFrame
            Indexed by position as :meth:`requests`, in the order of the calls. A position stands there more than once
            where a paused turn was continued or an answer repaired: ``number`` counts its Messages from 1. Then
            ``model``, ``stop_reason``, ``content`` (the list of blocks), ``citations`` (of all text blocks),
            ``searches`` (results of web searches), and ``message``, the whole Message as a dict. Rows without an answer
            are not among them.

        Raises
        ------
        InputError
            When the run kept no journal, so that its Messages are gone.
        """
        if isinstance(self._place, Journal):
            raise InputError("this run kept no journal (journal=False), so its Messages are gone")
        found = self._query(_MESSAGES, (self.id, self.id))
        messages = [_message(text) for *_, text in found]
        return pd.DataFrame(
            {
                "number": np.array([number for _, number, _ in found], dtype=np.int64),
                "model": [message.get("model") for message in messages],
                "stop_reason": [message.get("stop_reason") for message in messages],
                "content": [message.get("content") for message in messages],
                "citations": [_within(message, "text", "citations") for message in messages],
                "searches": [_within(message, "web_search_tool_result", "content") for message in messages],
                "message": [message or None for message in messages],
            },
            index=pd.Index([position for position, *_ in found], name="position", dtype="int64"),
        )

    def waits(self) -> pd.DataFrame:
        """Return the pauses of the run: ``started``, ``ended`` (local time), ``reason``."""
        sql = "SELECT started, ended, reason FROM waits WHERE run = ? ORDER BY started"
        frame = self._frame(sql, ("started", "ended", "reason"))
        for name in ("started", "ended"):
            frame[name] = local_times(frame[name].to_numpy(), "ms")
        return frame

    def report(self, path: str | Path = "run.html") -> Path:
        """Write the run as one HTML file that opens offline, and return its path."""
        from .page import write_report

        return write_report(self.data(), path)

    def plot(self) -> Any:
        """Show the main figures, and return them as a matplotlib figure (extra ``[plot]``)."""
        from .figures import plot_run, shown_once

        return shown_once(plot_run(self.data()))

    def data(self) -> RunData:
        """Return everything a report needs."""
        return RunData(self.id, self.started, self.ended, self.settings, self.totals, self._chunks)

    def fingerprints_answered(self, *, badly: bool) -> frozenset[bytes]:
        """Return the keys of this run's requests that were answered, and not once more since; or only the bad ones."""
        voters = int(self.settings.get("sample") or 1) if self.settings.get("vote") else 1
        return keys_answered(self._query, self.id, self.ended, badly=badly, voters=voters)

    def _query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return list(chain.from_iterable(self._chunks(sql, parameters)))

    def _chunks(self, sql: str, parameters: Sequence[Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
        with _opened(self._place) as journal:
            yield from journal.query_chunks(sql, parameters, _CHUNK)

    def _rows(self) -> pd.DataFrame:
        """Return what became of each row; the journal would take records that rows share apart one by one."""
        names = ("position", "source", "kind", "error", "cost_usd", "attempts")
        chunks = (read(chunk) for sql, read in PARTS.items() for chunk in self._chunks(sql, (self.id,)))
        return in_order_of("position", frame_of(chunks, names, integers=_INTEGERS, floats=_FLOATS))

    def _attempts(self, names: Sequence[str]) -> pd.DataFrame:
        columns = ", ".join(_ATTEMPT_COLUMNS[name] for name in names)
        # The journal would sort all columns on disk.
        return in_order_of("started", self._frame(f"SELECT {columns} FROM attempts WHERE run = ?", names))

    def _frame(self, sql: str, names: Sequence[str]) -> pd.DataFrame:
        chunks = map(columns_of, self._chunks(sql, (self.id,)))
        return frame_of(chunks, names, integers=_INTEGERS, floats=_FLOATS)


def find_run(run_id: str = LAST, journal: bool | str | Path = True) -> Run:
    """Return a run by its id, of this process or from the journal.

    Parameters
    ----------
    run_id : str, default "last"
        As in ``cp.runs()``; ``"last"`` = the one that began last.
    journal : bool or path, default True
        Where to look: the journal that was configured, else the user's and the simulator's; or that file.

    Raises
    ------
    InputError
        When it is in neither.
    """
    if not run_id:
        raise InputError("no run made this: there was no row to ask, or all of them were there already")
    if run_id == LAST:
        newest = runs(journal)
        if not len(newest):
            raise InputError("there are no runs yet")
        run_id = str(newest.index[0])
    known = place_of(run_id)
    if known is not None:
        return Run(run_id, known)
    journal = looked_into(journal)
    for path in journal_files(journal):
        with closing(Journal.open_existing(path, is_explicit=not isinstance(journal, bool))) as opened:
            if opened.query("SELECT 1 FROM runs WHERE id = ?", (run_id,)):
                return Run(run_id, path)
    raise InputError(f"there is no run {run_id!r}; see claude_parallel.runs()")


def run_of(frame: pd.DataFrame | pd.Series[Any], journal: bool | str | Path = True) -> Run:
    """Return the run that made a frame's columns.

    Raises
    ------
    InputError
        When the frame does not know it: pandas drops ``attrs`` in merge, join, and in concat of frames whose attrs
        differ.
    """
    run_id = frame.attrs.get(RUN_ATTRIBUTE)
    if not isinstance(run_id, str) and not len(frame):
        raise InputError("no run made this: there was no row to ask")
    if not isinstance(run_id, str) and isinstance(frame, pd.Series):
        raise InputError(
            "this series does not know its run: it was not made by series.claude.map, or it has become a column of a "
            "frame, where pandas drops its attrs. Use the series that map returned, or claude_parallel.run(id): "
            "run(id).errors says what failed, claude_parallel.runs() lists the ids, and run() is the last one"
        )
    if not isinstance(run_id, str):
        raise InputError(
            "this frame does not know its run: it was not made by df.claude.map, or pandas dropped its attrs (merge, "
            "join and concat do). Use the frame that map returned, or claude_parallel.run(id) with an id from "
            "claude_parallel.runs(); run() is the last one"
        )
    return find_run(run_id, journal)


@contextmanager
def _opened(place: Path | Journal) -> Iterator[Journal]:
    """Give the journal of a place; a file is open no longer than the question takes."""
    if isinstance(place, Journal):
        yield place
        return
    with closing(Journal.open_existing(place, is_explicit=place not in journal_files(True))) as journal:
        yield journal


def _with_calls(rows: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the sums of their calls' tokens, and with what their last call was like."""
    size = int(rows["position"].max()) + 1 if len(rows) else 0
    at = calls["position"].to_numpy(dtype=np.int64)
    inside = at < size
    last = np.full(size, -1, dtype=np.int64)
    last[at[inside]] = np.flatnonzero(inside)  # calls come in the order of their start: the last one stays
    asked = rows["position"].to_numpy(dtype=np.int64)
    chosen = last[asked]
    has_call = chosen >= 0
    found: dict[Any, Any] = dict(rows.items())
    for name in _TOKENS:
        tokens = calls[name].to_numpy(dtype=np.float64, na_value=0.0)
        sums = np.bincount(at[inside], weights=tokens[inside], minlength=size)
        found[name] = pd.arrays.IntegerArray(sums[asked].astype(np.int64), ~has_call)
    seconds = (calls["ended"] - calls["started"]).to_numpy()
    found["seconds"] = np.where(has_call, seconds[chosen], np.nan) if len(seconds) else np.full(len(rows), np.nan)
    for name in ("model", "stop_reason", "request_id"):
        found[name] = calls[name].reindex(np.where(has_call, chosen, -1)).array
    return pd.DataFrame(found)


def _message(text: str | None) -> Mapping[str, Any]:
    """Return a stored Message; an empty one where there is none, or none that can be read."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _within(message: Mapping[str, Any], kind: str, name: str) -> list[Any]:
    """Return all items of one list in the blocks of one type."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    lists = (block.get(name) for block in blocks if isinstance(block, dict) and block.get("type") == kind)
    return [item for items in lists if isinstance(items, list) for item in items]
