"""What became of each row of a run, as the journal keeps it: neighbours with a common fate share one record.

Pure: rows become statements here. The view ``row_outcomes`` in ``tables`` shows them again as if each had a record of
its own; who wants all rows of a long run reads its parts by :data:`PARTS`, in half the time.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..records import Outcome
from .statements import Statement, storable

INSERT_ROW = "INSERT OR REPLACE INTO run_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_GROUP = "INSERT OR REPLACE INTO row_groups VALUES (?, ?, ?, ?, ?, ?)"

_TOGETHER = 112
"""Neighbours in one record: as many keys as fit on a page of SQLite (4,096 bytes). A record for each row took 4.4
microseconds to write; shared by so many it is 0.2. By 500 it is 0.1, but reading takes half as long again."""
_FEWEST_TOGETHER = 8
"""Fewer rows are kept one by one, as those of a short run always were."""

_NO_KEY = bytes(32)

_Fate = tuple[str, int]
"""What rows of one record have in common: where the answer came from, and how many calls it took. A row without a key,
or with an error, has none: it needs a record of its own."""


RunRow = tuple[int, bytes | None, Outcome]
"""One row, as the journal keeps it: its position, the key of what it asked, and its fate."""


Columns = tuple[Sequence[Any], ...]
"""Rows as they are read again, a column each. Of what became of rows: position (int), source (str), kind and text of
the error (str or None), US dollars (float or None), calls (int)."""


def columns_of(records: Sequence[tuple[Any, ...]]) -> Columns:
    """Return records, a tuple each, as columns."""
    return tuple(zip(*records, strict=True))


def _members(records: Sequence[tuple[int, str, int, str]]) -> Columns:
    """Return the rows of records that rows share."""
    positions: list[int] = []
    sources: list[str] = []
    dollars: list[float | None] = []
    calls: list[int] = []
    for first, source, attempts, costs in records:
        there = [(place, cost) for place, cost in enumerate(json.loads(costs), first) if cost is not False]
        positions += [place for place, _ in there]
        sources += [source] * len(there)
        dollars += [None if cost is None else float(cost) for _, cost in there]
        calls += [attempts] * len(there)
    nothing = [None] * len(positions)
    return positions, sources, nothing, nothing, dollars, calls


def _recalled(records: Sequence[tuple[int, int]]) -> Columns:
    """Return the rows of records that older versions made of rows which the journal had answered."""
    positions = [position for first, size in records for position in range(first, first + size)]
    rows, nothing = len(positions), [None] * len(positions)
    return positions, ["journal"] * rows, nothing, nothing, [0.0] * rows, [0] * rows


PARTS: Mapping[str, Callable[[Sequence[Any]], Columns]] = {
    "SELECT position, source, kind, error, CAST(cost AS REAL), attempts FROM run_rows WHERE run = ?": columns_of,
    "SELECT first, source, attempts, costs FROM row_groups WHERE run = ?": _members,
    "SELECT first, length(fingerprints) / 32 FROM recalled_rows WHERE run = ?": _recalled,
}
"""What to ask the journal for all rows of a run, and how its records become columns of rows: as tuples, one a row, they
took a quarter longer."""


def row_records(run: str, rows: Iterable[RunRow]) -> Iterator[Statement]:
    """Yield the statements that keep what became of rows.

    Parameters
    ----------
    run : str
        The run's name.
    rows : iterable of RunRow
        In the order of positions.
    """
    rows = iter(rows)
    while block := list(itertools.islice(rows, _TOGETHER)):
        yield from _block(run, block)


def _block(run: str, block: Sequence[RunRow]) -> Iterator[Statement]:
    """Yield the records of neighbours: one for each fate that half of them share, and one for each row beside these."""
    first, last = block[0][0], block[-1][0]
    fates = [None if it.kind or key is None else (it.source, it.attempts) for _, key, it in block]
    fewest = max(_FEWEST_TOGETHER, len(block) / 2)
    has_gaps = last - first + 1 != len(block)
    shared = {fate for fate, rows in Counter(fates).items() if fate and rows >= fewest and not has_gaps}
    if shared:  # rows of a stream in batches were kept before, one by one
        yield "DELETE FROM run_rows WHERE run = ? AND position BETWEEN ? AND ?", (run, first, last)
    for fate in shared:
        members = [row if its_fate == fate else None for row, its_fate in zip(block, fates, strict=True)]
        yield _group(run, first, fate, members)
    yield from (_alone(run, *row) for row, fate in zip(block, fates, strict=True) if fate not in shared)


def _group(run: str, first: int, fate: _Fate, members: Sequence[RunRow | None]) -> Statement:
    """Return the record of the rows from position `first` on; None stands for a row that is kept elsewhere."""
    keys = b"".join([row[1] or _NO_KEY if row else _NO_KEY for row in members])
    costs = json.dumps([_json_cost(row[2].cost) if row else False for row in members], separators=(",", ":"))
    return INSERT_GROUP, (run, first, *fate, keys, costs)


def _json_cost(cost: Decimal | None) -> str | int | None:
    """Return dollars as text, which keeps every digit; nothing to pay as 0, which is short."""
    if not cost:
        return None if cost is None else 0
    return str(cost)


def _alone(run: str, position: int, fingerprint: bytes | None, outcome: Outcome) -> Statement:
    cost = None if outcome.cost is None else str(outcome.cost)
    return INSERT_ROW, (
        run,
        position,
        fingerprint,
        outcome.source,
        outcome.kind,
        storable(outcome.error),
        cost,
        outcome.attempts,
    )
