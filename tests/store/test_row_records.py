"""What a journal keeps of a run's rows: each as it was, in records that neighbours with a common fate share."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.records import Outcome
from claude_parallel.store.journal import Journal, RunRow
from claude_parallel.store.row_records import PARTS

RECALLED = Outcome(text="yes", source="journal")
OUTCOMES = (
    RECALLED,
    RECALLED,
    Outcome(text="yes", source="api", cost=Decimal("0.001"), attempts=2),
    Outcome(text="yes", source="api", cost=Decimal("0.0000425"), attempts=1),
    Outcome(text="yes", source="batch", cost=Decimal("1E-7"), attempts=1),
    Outcome(text="yes", source="api", cost=None, attempts=1),
    Outcome(text="yes", source="journal", kind="schema", error="schema: not a number"),
    Outcome.not_asked("skipped", "the cell is missing"),
)


def key(position: int) -> bytes:
    """Return the key of what a position asks."""
    return position.to_bytes(32, "big")


def recorded(journal: Journal, run: str) -> list[tuple[object, ...]]:
    """Return what the journal says of a run's rows."""
    return journal.query("SELECT * FROM row_outcomes WHERE run = ? ORDER BY position", (run,))


def expected(run: str, rows: list[RunRow]) -> list[tuple[object, ...]]:
    """Return the same from the rows themselves."""
    return [
        (run, position, fingerprint, it.source, it.kind, it.error, cost, it.attempts)
        for position, fingerprint, it in rows
        for cost in [None if it.cost is None else str(it.cost)]
    ]


def assert_parts_say_the_same(journal: Journal, run: str) -> None:
    """What is read from each kind of record is what the view makes of all of them."""
    asked = ((journal.query(sql, (run,)), read) for sql, read in PARTS.items())
    rows = [row for records, read in asked if records for row in zip(*read(records), strict=True)]
    sql = "SELECT position, source, kind, error, CAST(cost AS REAL), attempts FROM row_outcomes WHERE run = ?"
    assert sorted(rows, key=itemgetter(0)) == journal.query(f"{sql} ORDER BY position", (run,))


STRETCHES = st.tuples(
    st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3), st.sampled_from((1, 7, 60, 300)), st.integers(0, 2)
)
"""Outcomes that take turns, how long they do, and how many positions are left out before."""


@given(st.lists(STRETCHES, max_size=6))
def test_every_row_is_told_as_it_was(stretches: list[tuple[list[Outcome], int, int]]) -> None:
    """However long the stretches of a kind are, wherever positions are left out, and whatever another run did."""
    rows, position = [], 0
    for outcomes, length, gap in stretches:
        position += gap
        rows += [(position + at, key(position + at), outcomes[at % len(outcomes)]) for at in range(length)]
        position += length
    journal = Journal.open(None)
    journal.keep_rows("r1", rows)
    journal.keep_rows("r2", [(at, key(at), RECALLED) for at in range(40)])
    assert recorded(journal, "r1") == expected("r1", rows)
    assert_parts_say_the_same(journal, "r1")


def test_a_row_that_is_told_twice_counts_once() -> None:
    """A stream in batches puts its rows on record as they come, and again when it reads them back in order."""
    journal = Journal.open(None)
    journal.keep_rows("r1", [(at, None, RECALLED) for at in range(100)])
    rows = [(at, key(at), RECALLED) for at in range(100)]
    journal.keep_rows("r1", rows)
    assert recorded(journal, "r1") == expected("r1", rows)


@pytest.mark.parametrize(
    ("outcome", "most"),
    [(RECALLED, 37), (Outcome(text="yes", source="api", cost=Decimal("0.000045"), attempts=1), 48)],
    ids=["answered by the journal", "answered by the API"],
)
def test_rows_take_little_more_than_their_keys(outcome: Outcome, most: int, tmp_path: Path) -> None:
    """A key has 32 bytes; a record for each row would take some 150."""
    path, size = tmp_path / "j.sqlite3", 50_000
    Journal.open(path).close()
    before = path.stat().st_size
    with closing(Journal.open(path)) as journal:
        journal.keep_rows("r1", ((at, key(at), outcome) for at in range(size)))
        assert journal.query("SELECT count(*) FROM row_outcomes WHERE run = 'r1'") == [(size,)]
    assert path.stat().st_size - before < most * size


def test_a_few_rows_with_another_fate_do_not_tear_their_neighbours_apart() -> None:
    """With one retry in ten rows, nine in ten rows still share records."""
    outcomes = [Outcome(text="yes", source="api", cost=Decimal("0.001"), attempts=tries) for tries in (2, *[1] * 9)]
    journal = Journal.open(None)
    rows = [(at, key(at), outcomes[at % 10]) for at in range(1_000)]
    journal.keep_rows("r1", rows)
    assert journal.query("SELECT count(*) FROM run_rows") == [(100,)]
    assert recorded(journal, "r1") == expected("r1", rows)


def test_a_run_is_read_without_going_through_the_others() -> None:
    """The view asks for one run by its index, in all tables."""
    plan = Journal.open(None).query("EXPLAIN QUERY PLAN SELECT * FROM row_outcomes WHERE run = 'r1'")
    steps = " ".join(str(step[-1]) for step in plan)
    assert all(f"SEARCH {table}" in steps for table in ("run_rows", "row_groups", "recalled_rows"))
