"""What a journal keeps of a run's rows: each as it was, and next to nothing of those that it had answered itself."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.records import Outcome
from claude_parallel.store.journal import Journal, RunRow

RECALLED = Outcome(text="yes", source="journal")
OUTCOMES = (
    RECALLED,
    RECALLED,
    Outcome(text="yes", source="api", cost=Decimal("0.001"), attempts=2),
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
        (run, row.position, row.fingerprint, it.source, it.kind, it.error, str(it.cost), it.attempts)
        for row in rows
        for it in [row.outcome]
    ]


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(1, 1_200), st.integers(0, 2)), max_size=8))
def test_every_row_is_told_as_it_was(stretches: list[tuple[Outcome, int, int]]) -> None:
    """However long the stretches of a kind are, wherever positions are left out, and whatever another run did."""
    rows, position = [], 0
    for outcome, length, gap in stretches:
        position += gap
        rows += [RunRow(at, key(at), outcome) for at in range(position, position + length)]
        position += length
    journal = Journal.open(None)
    journal.keep_rows("r1", rows)
    journal.keep_rows("r2", [RunRow(at, key(at), RECALLED) for at in range(40)])
    assert recorded(journal, "r1") == expected("r1", rows)


def test_a_row_that_is_told_twice_counts_once() -> None:
    """A stream in batches puts its rows on record as they come, and again when it reads them back in order."""
    journal = Journal.open(None)
    journal.keep_rows("r1", [RunRow(at, None, RECALLED) for at in range(100)])
    rows = [RunRow(at, key(at), RECALLED) for at in range(100)]
    journal.keep_rows("r1", rows)
    assert recorded(journal, "r1") == expected("r1", rows)


def test_a_run_that_only_reads_writes_little_more_than_its_keys(tmp_path: Path) -> None:
    """A key has 32 bytes; a record for each row would take some 150."""
    path, size = tmp_path / "j.sqlite3", 50_000
    with closing(Journal.open(path)):
        before = path.stat().st_size
    with closing(Journal.open(path)) as journal:
        journal.keep_rows("r1", (RunRow(at, key(at), RECALLED) for at in range(size)))
        assert journal.query("SELECT count(*) FROM row_outcomes WHERE run = 'r1'") == [(size,)]
    assert path.stat().st_size - before < 36 * size


def test_a_run_is_read_without_going_through_the_others() -> None:
    """The view asks for one run by its index, in both tables."""
    plan = Journal.open(None).query("EXPLAIN QUERY PLAN SELECT * FROM row_outcomes WHERE run = 'r1'")
    steps = " ".join(str(step[-1]) for step in plan)
    assert "SEARCH run_rows" in steps and "SEARCH recalled_rows" in steps
