"""One transaction: statements of one kind go together, and nothing else changes by that."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.store.file import connect
from claude_parallel.store.statements import INSERT_ANSWER, INSERT_ATTEMPT, INSERT_FOLLOW_UP, INSERT_WAIT, Statement
from claude_parallel.store.transaction import NEVER_STORABLE, together, write_all, write_storable

TABLES = ("answers", "attempts", "waits", "follow_ups", "runs", "run_rows")
BAD = 2**70
"""No integer of SQLite."""


def an_answer(number: int) -> Statement:
    """Return a record."""
    return INSERT_ANSWER, (bytes([number % 256]) * 32, "h", str(number), None, 1.0)


def an_attempt(number: int) -> Statement:
    """Return a record; one of a number that no column takes is refused."""
    return INSERT_ATTEMPT, ("r", number, 1, 1.0, 2.0, *[None] * 13)


def a_row(number: int) -> Statement:
    """Return what replaces an earlier record of the same row."""
    return "INSERT OR REPLACE INTO run_rows VALUES ('r', ?, NULL, 'api', NULL, ?, '0', 1)", (number % 3, str(number))


STATEMENTS = st.lists(
    st.builds(an_answer, st.integers(0, 5))
    | st.builds(an_attempt, st.integers(0, 5) | st.just(BAD))
    | st.builds(a_row, st.integers(0, 9))
    | st.builds(lambda at: (INSERT_WAIT, ("r", float(at), 9.0, "limit")), st.integers(0, 5))
    | st.builds(lambda at: (INSERT_FOLLOW_UP, ("r", b"k", at % 2, bytes([at]))), st.integers(0, 5))
    | st.just(("DELETE FROM run_rows WHERE run = ?", ("r",)))
    | st.builds(lambda at: ("UPDATE run_rows SET error = ? WHERE position = ?", (f"u{at}", at)), st.integers(0, 2)),
    max_size=30,
)


def content(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return all records."""
    return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}


def one_by_one(connection: sqlite3.Connection, statements: list[Statement]) -> list[Exception]:
    """Run statements as they come."""
    refused: list[Exception] = []
    for sql, parameters in statements:
        try:
            connection.execute(sql, parameters)
        except NEVER_STORABLE as error:
            refused.append(error)
    return refused


@given(statements=STATEMENTS)
def test_what_goes_together_leaves_what_one_by_one_would(statements: list[Statement]) -> None:
    """All of it, in the same order within each table; or nothing, where one of them is refused."""
    with closing(connect(None)) as plain, closing(connect(None)) as connection:
        refused = one_by_one(plain, statements)
        if refused:
            with pytest.raises(NEVER_STORABLE):
                write_all(connection, statements)
            assert not any(content(connection).values())
            assert [str(error) for error in write_storable(connection, statements)] == [str(it) for it in refused]
        else:
            write_all(connection, statements)
        assert content(connection) == content(plain)


@given(statements=STATEMENTS)
def test_nothing_is_left_out_and_mixed_records_take_one_call(statements: list[Statement]) -> None:
    """However answers, attempts and waits alternate."""
    given_, gone, calls = defaultdict(list), defaultdict(list), [sql for sql, _ in together(statements)]
    for sql, parameters in statements:
        given_[sql].append(parameters)
    for sql, many in together(statements):
        gone[sql] += many
    assert gone == given_
    assert all(calls.count(sql) <= 1 for sql in (INSERT_ANSWER, INSERT_ATTEMPT, INSERT_WAIT, INSERT_FOLLOW_UP))
