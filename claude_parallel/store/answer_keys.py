"""Where the journal finds an answer: an index of keys that is written in bulk.

Keys are hashes. Written with its answer, each lands on another page of a long index: in a journal of a million that
cost 4 kB on disk for each, and three times the time. So answers come first, in the order of their arrival; the keys of
thousands of them go into the index at once, in its own order. Until then each connection knows them by itself.
"""

from __future__ import annotations

import sqlite3

from .statements import Statement

MOST_RECENT = 20_000
"""Answers that are not in the index, at most: a sixth of a second to put them there, and 10 ms for another process to
read their keys. With 5,000 the index costs half as much again."""

MOST_LEFT = 500
"""What a run may leave like that to those that open the file later: they read it in a millisecond."""

_RECENT = (
    "CREATE TEMP TABLE IF NOT EXISTS recent_keys (prefix BLOB, id INTEGER, PRIMARY KEY (prefix, id)) WITHOUT ROWID"
)
_STATE = "SELECT indexed_upto, coalesce((SELECT max(id) FROM answers), 0) FROM answers_indexed"


def newest(key: str) -> str:
    """Return the SQL that finds the id of the last answer to a key.

    Parameters
    ----------
    key : str
        SQL of the key. The index has its first 8 bytes: hardly two answers of a billion share them, and then both are
        compared.
    """
    ids = f"SELECT id FROM {{}} WHERE prefix = substr({key}, 1, 8)"
    found = f"{ids.format('answer_keys')} UNION ALL {ids.format('recent_keys')}"
    at = f"there.id = found.id AND there.fingerprint = {key}"
    return f"(SELECT max(there.id) FROM ({found}) AS found CROSS JOIN answers AS there ON {at})"


class AnswerKeys:
    """What one connection knows of the keys.

    Parameters
    ----------
    connection : sqlite3.Connection
        An open journal file, or one in memory.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._indexed = self._seen = 0
        connection.execute(_RECENT)

    def catch_up(self) -> None:
        """Take note of all answers, whoever has kept them, that are not in the index yet."""
        indexed, last = self._state()
        if indexed != self._indexed:
            self._connection.execute("DELETE FROM recent_keys WHERE id <= ?", (indexed,))
            self._indexed, self._seen = indexed, max(indexed, self._seen)
        if last > self._seen:  # ids are never given twice, and come in the order in which answers are committed
            self._connection.execute(
                "INSERT OR IGNORE INTO recent_keys "
                "SELECT substr(fingerprint, 1, 8), id FROM answers WHERE id > ? AND id <= ?",
                (self._seen, last),
            )
            self._seen = last

    def merging(self, most: int) -> list[Statement]:
        """Return what puts all keys into the index, in one transaction; nothing where not more than `most` are new."""
        indexed, last = self._state()
        return list(MERGE) if last - indexed > most else []

    def _state(self) -> tuple[int, int]:
        """Return up to which id keys are in the index, and the last id there is."""
        state = self._connection.execute(_STATE).fetchone()
        if state is None or not isinstance(state[0], int):  # a bad page, which SQLite takes for a sound one
            error = sqlite3.DatabaseError("it is not known which keys are in the index")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        indexed, last = state
        return indexed, last


MERGE: tuple[Statement, ...] = (
    (
        "INSERT INTO answer_keys SELECT substr(fingerprint, 1, 8) AS prefix, id FROM answers "
        "WHERE id > (SELECT indexed_upto FROM answers_indexed) ORDER BY prefix",
        (),
    ),
    ("UPDATE answers_indexed SET indexed_upto = max(indexed_upto, coalesce((SELECT max(id) FROM answers), 0))", ()),
)
