"""Labels given by hand, in a table of their own in the journal's file: kept at once, so that a restart goes on.

A label belongs to a question and to what a row says, not to a frame or a prompt: another prompt on the same rows finds
it. A question is a column's name and the labels to choose from, so that two questions in a column "label" do not mix.
Who asks for labels, ``trust`` knows. ``cp.journal.clear()`` deletes answers, which can be bought again, no labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
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
    column : str
        The name of the answer's column.
    choices : sequence, optional
        The labels to choose from; none = any text.
    """

    def __init__(self, journal: Journal, column: str, choices: Sequence[Any] = ()) -> None:
        self._journal = journal
        self._column = column
        self._question = json.dumps([column, *sorted(map(str, choices))]) if choices else column
        self._alike = json.dumps([column])[:-1] if choices else ""
        journal.execute(_TABLE)

    def read(self, rows: Sequence[bytes], fits: Callable[[Any], bool] = lambda _label: True) -> dict[bytes, Any]:
        """Return the labels that were given to these rows.

        Those of a question in the same column with other choices count where they fit this one, too: a label that is
        added to the choices makes none of the work undone.

        Parameters
        ----------
        rows : sequence of bytes
            What the rows say, as :func:`row_key` has it.
        fits : callable
            Says of a label whether it is one of this question's.
        """
        found: dict[bytes, Any] = {}
        own = (self._question, self._column, self._alike, len(self._alike), self._alike, self._question)
        for keys, marks in key_chunks(rows):
            query = (
                f"SELECT row, label FROM labels WHERE row IN {marks} AND (question IN (?, ?) "
                "OR (? != '' AND substr(question, 1, ?) = ?)) ORDER BY question = ?, given"
            )
            for row, text in self._journal.query(query, (*keys, *own)):
                if fits(label := json.loads(text)):
                    found[row] = label
        return found

    def give(self, row: bytes, label: Any, now: float) -> None:
        """Keep a label; it is on disk when this returns. A second one replaces the first."""
        self.give_all([(row, label)], now)

    def give_all(self, labels: Iterable[tuple[bytes, Any]], now: float) -> None:
        """Keep the labels of many rows: all of them, or none where that fails.

        The file itself has them when this returns, and not only SQLite's log beside it: a review stays open for as long
        as somebody labels, and who copies the journal meanwhile copies one file.
        """
        statement = "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?)"
        # A date is kept as the text that it shows; who compares labels takes it for what reads the same.
        self._journal.execute_many(
            (statement, (self._question, row, json.dumps(label, ensure_ascii=True, default=str), now))
            for row, label in labels
        )
        self._journal.tidy()

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()
