"""The runs that the journals know, and what was spent: lists over all runs.

One run is read in ``run``; here is only what its record says in a line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from ..config import journal_files, looked_into
from ..errors import InputError, count_fates
from ..store.journal import Journal
from ..store.maintenance import age_seconds
from .recent_runs import journals_in_memory
from .record import local_times
from .shown_frame import ShownFrame

Since = str | float | timedelta | date | None
"""An age such as ``"7d"``, seconds, a timedelta, or a date or time (local where it has no zone)."""

_COLUMNS = (
    "started",
    "ended",
    "model",
    "rows",
    "answered",
    "failed",
    "skipped",
    "cancelled",
    "cost_usd",
    "saved_usd",
    "from_journal",
    "simulated",
    "host",
)
_COUNTS = ("rows", "answered", "failed", "skipped", "cancelled", "from_journal")

_SPENT = """
    SELECT date(started, 'unixepoch', 'localtime') AS day, coalesce(model, '') AS name, count(*),
           coalesce(sum(CAST(cost AS REAL)), 0.0), sum(cost IS NULL)
    FROM attempts
    WHERE kind IS NULL AND started >= ? AND coalesce(request_id, '') NOT LIKE 'req_sim%'
      AND run NOT IN (SELECT id FROM runs WHERE coalesce(json_extract(settings, '$.simulated'), 0))
    GROUP BY day, name ORDER BY day, name
"""


def runs(journal: bool | str | Path = True, *, since: Since = None) -> pd.DataFrame:
    """List the runs that the journal knows, newest first.

    Parameters
    ----------
    journal : bool or path, default True
        The journal that was configured, else the user's and that of the simulator; or that file. Runs of this process
        without a journal are listed, too.
    since : str, float, timedelta, date or datetime, optional
        Only runs that began since then: ``"7d"``, seconds, or a moment.

    Returns
    -------
    DataFrame
        Indexed by run id: ``started`` and ``ended`` (local time; missing while running or after a kill), ``model``,
        ``rows``, what they came to (``answered``, ``failed``, ``skipped``, ``cancelled``), ``cost_usd``, ``saved_usd``
        (what journal answers would have cost), ``from_journal``, ``simulated``, ``host``.

    Raises
    ------
    InputError
        For a time that makes no sense.
    """
    begin = _begin(since)
    query = "SELECT id, started, ended, settings, totals, host FROM runs WHERE started >= ?"
    records = [record for opened in _journals(journal) for record in opened.query(query, (begin,))]
    frame = pd.DataFrame([_line(*record) for record in records], columns=["run", *_COLUMNS]).set_index("run")
    frame = frame.sort_values("started", ascending=False, kind="stable")
    for name in ("started", "ended"):
        frame[name] = local_times(frame[name].to_numpy(dtype="float64", na_value=float("nan")), "s")
    frame = frame.astype({**dict.fromkeys(_COUNTS, "Int64"), "simulated": "bool"})
    return ShownFrame.of(frame, "No runs yet." if since is None else "No runs since then.")


def spent(since: Since = "30d", journal: bool | str | Path = True) -> pd.DataFrame:
    """Return the dollars that were really spent, by day and model; a simulator's are not among them.

    Parameters
    ----------
    since : str, float, timedelta, date or datetime, default "30d"
        Calls that began since then; None = all that the journal knows.
    journal : bool or path, default True
        The journal that was configured, else the user's; or that file.

    Returns
    -------
    DataFrame
        Indexed by ``day`` (local) and ``model``: ``usd``, ``calls`` that were answered, and how many of these are
        ``unpriced``. ``cp.spent("7d")["usd"].sum()`` is the week's sum. What ``journal=False`` left unrecorded, and
        runs deleted from the journal, are not in it.

    Raises
    ------
    InputError
        For a time that makes no sense.
    """
    begin = _begin(since)
    found = [row for opened in _journals(journal) for row in opened.query(_SPENT, (begin,))]
    table = pd.DataFrame(found, columns=["day", "model", "calls", "usd", "unpriced"])
    table["day"] = pd.to_datetime(table["day"]).astype("datetime64[s]")
    table = table.astype({"calls": "int64", "usd": "float64", "unpriced": "int64"})
    return ShownFrame.of(
        table.groupby(["day", "model"])[["usd", "calls", "unpriced"]].sum(),
        "Nothing was spent" + ("." if since is None else " since then.") + " Simulated dollars do not count.",
    )


def _journals(journal: bool | str | Path) -> Iterator[Journal]:
    """Give each journal in turn; files are closed again."""
    journal = looked_into(journal)
    for path in journal_files(journal):
        with closing(Journal.open_existing(path, is_explicit=not isinstance(journal, bool))) as opened:
            yield opened
    yield from journals_in_memory()


def _begin(since: Since) -> float:
    """Return a moment in seconds since the epoch."""
    if since is None:
        return float("-inf")
    if isinstance(since, date):
        moment = since if isinstance(since, datetime) else datetime(since.year, since.month, since.day)
        return moment.timestamp()
    if isinstance(since, str):
        try:
            return datetime.fromisoformat(since.strip()).timestamp()
        except ValueError:
            if not since.strip()[-1:].isalpha():
                raise InputError(f"since={since!r} is not a time; write such as '7d', or '2026-11-20'") from None
    return time.time() - age_seconds(since, "since")


def _line(
    run_id: str, started: float, ended: float | None, settings: str, totals: str | None, host: str
) -> tuple[Any, ...]:
    asked, done = json.loads(settings), json.loads(totals or "{}")
    rows = done.get("rows") or asked.get("rows")  # how many a file has is known at its end
    fates = count_fates(done.get("errors", {}), int(rows or 0)) if totals else None
    return (
        run_id,
        started,
        ended,
        asked.get("model"),
        rows,
        fates.answered if fates else None,
        fates.failed if fates else None,
        fates.skipped if fates else None,
        fates.cancelled if fates else None,
        float(done["cost_usd"]) if totals else None,
        float(done["saved_usd"]) if totals else None,
        done.get("from_journal"),
        bool(asked.get("simulated")),
        host,
    )
