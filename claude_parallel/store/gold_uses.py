"""How many ways of asking each gold row has judged so far, in a table of its own in the journal's file.

Who tries many prompts on the same gold rows picks the luckiest; only all comparisons together show that. Rows are
known by what they say, ways of asking by the fingerprints of their requests; neither holds any text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .journal import Journal
from .statements import key_chunks

_TABLE = """CREATE TABLE IF NOT EXISTS gold_uses (
    row BLOB NOT NULL, fingerprint BLOB NOT NULL, PRIMARY KEY (row, fingerprint)
) WITHOUT ROWID"""


class GoldUses:
    """The uses of gold rows that a journal knows.

    Parameters
    ----------
    journal : Journal
        Where they are kept; its owner closes it.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        journal.execute(_TABLE)

    def note(self, uses: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep that rows were asked in some ways; what is known already counts once."""
        self._journal.execute_many(("INSERT OR IGNORE INTO gold_uses VALUES (?, ?)", use) for use in uses)

    def most(self, rows: Sequence[bytes]) -> int:
        """Return in how many ways that one of these rows was asked that was asked in most."""
        most = 0
        for keys, marks in key_chunks(rows):
            query = f"SELECT count(*) FROM gold_uses WHERE row IN {marks} GROUP BY row ORDER BY 1 DESC LIMIT 1"
            most = max([most, *(int(count) for (count,) in self._journal.query(query, tuple(keys)))])
        return most
