"""Labels given by hand, in a table of their own in the journal's file: kept at once, so that a restart goes on.

A label belongs to a question and to what a row says, not to a frame or a prompt: another prompt on the same rows finds
it. Who asks for labels, ``trust`` knows. ``cp.journal.clear()`` deletes answers, which can be bought again, no labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from .journal import Journal
from .statements import key_chunks

_TABLE = """CREATE TABLE IF NOT EXISTS labels (
    question TEXT NOT NULL, row BLOB NOT NULL, label TEXT NOT NULL, given REAL NOT NULL, PRIMARY KEY (question, row)
)"""


def row_key(texts: Sequence[str]) -> bytes:
    """Return the key of what a row says: SHA-256 over its texts."""
    return hashlib.sha256(json.dumps(list(texts)).encode("utf-8", "surrogatepass")).digest()


class LabelBook:
    """The labels of one question.

    Parameters
    ----------
    journal : Journal
        Where they are kept; closed by :meth:`close`.
    question : str
        What is labelled, such as the name of the answer's column.
    """

    def __init__(self, journal: Journal, question: str) -> None:
        self._journal = journal
        self._question = question
        journal.execute(_TABLE)

    def read(self, rows: Sequence[bytes]) -> dict[bytes, Any]:
        """Return the labels that were given to these rows."""
        found: dict[bytes, Any] = {}
        for keys, marks in key_chunks(rows):
            query = f"SELECT row, label FROM labels WHERE question = ? AND row IN {marks}"
            found |= {row: json.loads(label) for row, label in self._journal.query(query, (self._question, *keys))}
        return found

    def give(self, row: bytes, label: Any, now: float) -> None:
        """Keep a label; it is on disk when this returns. A second one replaces the first."""
        statement = "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?)"
        # A date is kept as the text that it shows; who compares labels takes it for what reads the same.
        text = json.dumps(label, ensure_ascii=True, default=str)
        self._journal.execute(statement, (self._question, row, text, now))

    def take_back(self, row: bytes) -> None:
        """Forget the label of a row."""
        self._journal.execute("DELETE FROM labels WHERE question = ? AND row = ?", (self._question, row))

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()
