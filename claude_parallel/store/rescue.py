"""Records out of a journal file that is damaged, or that somebody has deleted while it was in use.

A damaged page costs the records that lie on it and no others; what becomes of the file is decided in ``file``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from .answer_keys import MERGE, AnswerKeys, newest

_ROWS_AT_ONCE = 500
"""Records that are copied in one query: few enough that a damaged page costs little, enough that sound ones go
quickly."""
_MOST_QUERIES = 20_000
"""Halvings around damaged pages; a journal of a million answers with a thousand bad pages needs about as many."""

_HIGHEST_ROW = 100_000_000
"""No journal has more records in a table; a damaged page can name any number as its last, and all below were asked for.
"""

_KEYED = ("answers", "envelopes", "envelope_rows")
"""Tables of which each record is copied that the target lacks; those that money depends on."""

OF_RUNS = ("runs", "run_rows", "recalled_rows", "row_groups", "follow_ups", "attempts", "waits")
"""Tables of what runs left behind; copied for runs that the target does not know."""


_MADE_LATER = ("labels", "gold_uses", "limits")
"""Tables that are made when the first record is written into them: labels cost somebody an hour, and no dollars."""


_PLACE = ("answers", "id")


def rescue(source: Path, target: sqlite3.Connection) -> int:
    """Copy every record of a damaged file that can still be read into a new journal.

    Parameters
    ----------
    source : Path
        The damaged file, out of use.
    target : sqlite3.Connection
        The new journal.

    Returns
    -------
    int
        How many answers were copied; 0 where the file is no database at all.
    """
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            return copy_records(connection, target)
    except sqlite3.Error:
        return 0


def copy_records(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Copy the records of one open journal into another that lacks them, and return the number of answers copied."""
    before = _count(target)
    known = {run for (run,) in target.execute("SELECT id FROM runs")}
    target.execute("BEGIN IMMEDIATE")
    try:
        for table in _MADE_LATER:
            _make_table(source, target, table)
        AnswerKeys(target).catch_up()
        for table in (*_KEYED, *OF_RUNS, *_MADE_LATER):
            columns = _columns(source, table)
            # Where an answer stood in one file says nothing in another one.
            wanted = [name for name in columns if name in _columns(target, table) and (table, name) != _PLACE]
            insert = _insert(table, wanted)
            run = columns.index("id" if table == "runs" else "run") if table in OF_RUNS and columns else None
            for record in _readable(source, table, ", ".join(columns)):
                if run is None or record[run] not in known:
                    target.execute(insert, [record[columns.index(name)] for name in wanted])
        for statement in MERGE:
            target.execute(*statement)
        target.execute("COMMIT")
    except BaseException:
        if target.in_transaction:
            target.execute("ROLLBACK")
        raise
    return _count(target) - before


def _insert(table: str, columns: list[str]) -> str:
    """Return the SQL that copies a record, but no answer to what was answered there when the copying began."""
    if table != "answers" or "fingerprint" not in columns:
        return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    marks = [f"?{number}" for number, _ in enumerate(columns, 1)]
    key = marks[columns.index("fingerprint")]
    return f"INSERT INTO answers ({', '.join(columns)}) SELECT {', '.join(marks)} WHERE {newest(key)} IS NULL"


def _make_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    """Make a table in the target as the source has it, unless it is there already, or cannot be read."""
    if _columns(target, table):
        return
    with suppress(sqlite3.Error):
        for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)):
            target.execute(sql)


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns; none where it cannot be read or is not there."""
    try:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    except sqlite3.Error:
        return []


def _readable(source: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the records of a table that can be read: around a damaged page, ranges are halved until it is alone."""
    if not columns:
        return
    try:
        highest = source.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0
    except sqlite3.Error:  # a table without row ids, or the last page is damaged
        with suppress(sqlite3.Error):
            yield from source.execute(f"SELECT {columns} FROM {table}")
        return
    highest = min(highest, _HIGHEST_ROW)
    ranges = [(start, start + _ROWS_AT_ONCE - 1) for start in range(1, highest + 1, _ROWS_AT_ONCE)][::-1]
    queries = len(ranges) + _MOST_QUERIES
    while ranges and queries:
        queries -= 1
        low, high = ranges.pop()
        try:
            yield from source.execute(
                f"SELECT {columns} FROM {table} WHERE rowid BETWEEN ? AND ?", (low, high)
            ).fetchall()
        except sqlite3.Error:
            middle = (low + high) // 2
            ranges += [(middle + 1, high), (low, middle)] if low < high else []
