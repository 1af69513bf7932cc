"""One transaction of the journal: all of its statements, or none.

Python gives its lock away at each call of SQLite, and gets it back when the event loop has had its turn: while a run
reads answers, a record that was written by a call of its own cost 70 to 180 us, among many in one call 30.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from .statements import INSERT_ANSWER, INSERT_ATTEMPT, INSERT_FOLLOW_UP, INSERT_WAIT, Statement

NEVER_STORABLE = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)
"""What is raised for a record that SQLite cannot take, however often it is tried; a full disk is none of these."""

_IN_ANY_ORDER = (INSERT_ANSWER, INSERT_ATTEMPT, INSERT_WAIT, INSERT_FOLLOW_UP)
"""Records that come one by one, mixed with each other, and of which none minds what another one does."""


def write_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Run statements; raises when one of them fails, and then nothing is written."""
    with _transaction(connection):
        for sql, parameters in together(statements):
            if len(parameters) == 1:
                connection.execute(sql, parameters[0])
            else:
                connection.executemany(sql, parameters)


def write_storable(connection: sqlite3.Connection, statements: Sequence[Statement]) -> list[Exception]:
    """Run statements, and return why SQLite can never take some of them; the others are written."""
    refused: list[Exception] = []
    with _transaction(connection):
        for sql, parameters in statements:
            try:
                connection.execute(sql, parameters)
            except NEVER_STORABLE as error:
                refused.append(error)
    return refused


def together(statements: Sequence[Statement]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield each SQL once for many parameters, as far as nothing depends on the order of statements."""
    at_once: dict[str, list[tuple[Any, ...]]] = {sql: [] for sql in _IN_ANY_ORDER}
    in_order: list[Statement] = []
    for sql, parameters in statements:
        if sql in at_once:
            at_once[sql].append(parameters)
        else:
            in_order.append((sql, parameters))
    yield from ((sql, parameters) for sql, parameters in at_once.items() if parameters)
    for sql, same in itertools.groupby(in_order, key=itemgetter(0)):
        yield sql, [parameters for _, parameters in same]


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
