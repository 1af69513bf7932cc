"""What a run did, read back from the journal as frames: after the run, and after a restart.

How it is drawn, ``report`` and ``plots`` know; how it is written, ``journal``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..config import journal_path
from ..errors import InputError
from ..store.journal import Journal
from .recent_runs import RUN_ATTRIBUTE, journals_in_memory, place_of

if TYPE_CHECKING:
    from .timeline import RunData

_ATTEMPT_COLUMNS = (
    "position",
    "number",
    "started",
    "ended",
    "kind",
    "status",
    "detail",
    "request_id",
    "model",
    "stop_reason",
    "input_tokens",
    "output_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
    "thinking_tokens",
    "cost_usd",
)
_TOKEN_COLUMNS = tuple(name for name in _ATTEMPT_COLUMNS if name.endswith("_tokens"))
_ROW_COLUMNS = ("position", "source", "kind", "error", "cost_usd", "attempts")
_RUN_COLUMNS = ("started", "ended", "model", "rows", "errors", "cost_usd", "saved_usd", "from_journal", "host")


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
    started, ended : float or None
        Seconds since the epoch; `ended` is None for a run that was killed or still goes on.
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
            Indexed by position in the frame; tokens are summed over the row's attempts, seconds are the last one's.
        """
        rows = self._rows().set_index("position")
        attempts = self.attempts()
        if attempts.empty:
            last = attempts.set_index("position")
            sums = last[list(_TOKEN_COLUMNS)]
        else:
            last = attempts.groupby("position").last()
            sums = attempts.groupby("position")[list(_TOKEN_COLUMNS)].sum()
        detail = last[["seconds", "model", "stop_reason", "request_id"]]
        return rows.join(sums).join(detail)

    def attempts(self) -> pd.DataFrame:
        """Return one row per call: when, how long, what came back, tokens by kind, dollars.

        Returns
        -------
        DataFrame
            ``started`` and ``ended`` in UTC, ``seconds`` between them, ``kind`` missing for an answer.
        """
        frame = self._attempts()
        frame.insert(4, "seconds", frame["ended"] - frame["started"])
        for name in ("started", "ended"):
            frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
        return frame

    def waits(self) -> pd.DataFrame:
        """Return the pauses of the run: ``started``, ``ended`` (UTC), ``reason``."""
        frame = self._waits()
        for name in ("started", "ended"):
            frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
        return frame

    def report(self, path: str | Path) -> Path:
        """Write the run as one HTML file that opens offline, and return its path."""
        from .page import write_report

        return write_report(self.data(), path)

    def plot(self) -> Any:
        """Return the main figures as a matplotlib figure (extra ``[plot]``)."""
        from .figures import plot_run

        return plot_run(self.data())

    def data(self) -> RunData:
        """Return everything a report needs."""
        from .timeline import RunData

        return RunData(
            run_id=self.id,
            started=self.started,
            ended=self.ended,
            settings=self.settings,
            totals=self.totals,
            attempts=self._attempts(),
            rows=self._rows(),
            waits=self._waits(),
        )

    def fingerprints_answered(self, *, badly: bool) -> frozenset[bytes]:
        """Return the keys of the requests of this run that were answered: all of them, or those with an error."""
        query = "SELECT DISTINCT fingerprint FROM run_rows WHERE run = ? AND source != 'none'"
        query += " AND fingerprint IS NOT NULL" + (" AND kind IS NOT NULL" if badly else "")
        return frozenset(row[0] for row in self._query(query, (self.id,)))

    def _query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with _opened(self._place) as journal:
            return journal.query(sql, parameters)

    def _attempts(self) -> pd.DataFrame:
        columns = ", ".join(name if name != "cost_usd" else "cost" for name in _ATTEMPT_COLUMNS)
        found = self._query(f"SELECT {columns} FROM attempts WHERE run = ? ORDER BY started", (self.id,))
        frame = _frame(found, _ATTEMPT_COLUMNS, integers=("position", "number", "status", *_TOKEN_COLUMNS))
        return frame.astype({"started": "float64", "ended": "float64"})

    def _rows(self) -> pd.DataFrame:
        found = self._query(
            "SELECT position, source, kind, error, cost, attempts FROM run_rows WHERE run = ? ORDER BY position",
            (self.id,),
        )
        return _frame(found, _ROW_COLUMNS, integers=("position", "attempts"))

    def _waits(self) -> pd.DataFrame:
        found = self._query("SELECT started, ended, reason FROM waits WHERE run = ? ORDER BY started", (self.id,))
        return _frame(found, ("started", "ended", "reason")).astype({"started": "float64", "ended": "float64"})


def runs(journal: bool | str | Path = True) -> pd.DataFrame:
    """List the runs that the journal knows, newest first.

    Parameters
    ----------
    journal : bool or path, default True
        The user's journal, or that file. Runs of this process without a journal are listed, too.

    Returns
    -------
    DataFrame
        Indexed by run id: started, ended (UTC; missing while running or after a kill), model, rows, errors,
        cost_usd, saved_usd (what journal answers would have cost), from_journal, host.
    """
    records: list[tuple[Any, ...]] = []
    query = "SELECT id, started, ended, settings, totals, host FROM runs ORDER BY started DESC"
    with closing(Journal.open(journal_path(journal), is_explicit=not isinstance(journal, bool))) as opened:
        records.extend(opened.query(query))
    for memory in journals_in_memory():
        records.extend(memory.query(query))
    frame = pd.DataFrame([_run_row(*record) for record in records], columns=["run", *_RUN_COLUMNS]).set_index("run")
    for name in ("started", "ended"):
        frame[name] = pd.to_datetime(frame[name].astype("float64"), unit="s", utc=True)
    return frame.sort_values("started", ascending=False, kind="stable")


def find_run(run_id: str, journal: bool | str | Path = True) -> Run:
    """Return a run by its id, of this process or from the journal.

    Raises
    ------
    InputError
        When it is in neither.
    """
    place = place_of(run_id) or journal_path(journal)
    if place is None:
        raise InputError(f"there is no run {run_id!r} in this process; see claude_parallel.runs()")
    return Run(run_id, place)


def run_of(frame: pd.DataFrame | pd.Series[Any], journal: bool | str | Path = True) -> Run:
    """Return the run that made a frame's columns.

    Raises
    ------
    InputError
        When the frame does not know it: pandas drops ``attrs`` in merge, join, and in concat of frames whose attrs
        differ.
    """
    run_id = frame.attrs.get(RUN_ATTRIBUTE)
    if not isinstance(run_id, str):
        raise InputError(
            "this frame does not know its run: it was not made by df.claude.map, or pandas dropped its attrs (merge, "
            "join and concat do). Use the frame that map returned, or claude_parallel.run(id) with an id from "
            "claude_parallel.runs()"
        )
    return find_run(run_id, journal)


@contextmanager
def _opened(place: Path | Journal) -> Iterator[Journal]:
    """Give the journal of a place; a file is open no longer than the question takes."""
    if isinstance(place, Journal):
        yield place
        return
    with closing(Journal.open(place)) as journal:
        yield journal


def _run_row(
    run_id: str, started: float, ended: float | None, settings: str, totals: str | None, host: str
) -> tuple[Any, ...]:
    asked, done = json.loads(settings), json.loads(totals or "{}")
    errors = sum(count for kind, count in done.get("errors", {}).items() if kind != "skipped")
    return (
        run_id,
        started,
        ended,
        asked.get("model"),
        asked.get("rows"),
        errors if totals else None,
        float(done["cost_usd"]) if totals else None,
        float(done["saved_usd"]) if totals else None,
        done.get("from_journal"),
        host,
    )


def _frame(rows: Sequence[Sequence[Any]], columns: Sequence[str], integers: Sequence[str] = ()) -> pd.DataFrame:
    """Return rows of the journal as a frame with the dtypes that its columns are to have."""
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(columns))
    frame = frame.astype(dict.fromkeys(integers, "Int64"))
    if "cost_usd" in columns:
        frame["cost_usd"] = pd.to_numeric(frame["cost_usd"]).astype("float64")
    return frame
