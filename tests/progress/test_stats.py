"""Counts of a running map: four words for what a row came to, and one place where they are counted."""

from __future__ import annotations

import sys
import threading
from decimal import Decimal
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import KINDS, Kind, fate_of
from claude_parallel.progress.stats import RunStats
from claude_parallel.progress.words import describe
from claude_parallel.records import Outcome, Source, Usage

KNOWN = Outcome(text="text", source="journal")
REFUSED = Outcome(kind="refusal", error="refusal: x", source="api")

outcomes = st.builds(
    Outcome,
    text=st.none(),
    values=st.none(),
    kind=st.sampled_from((None, *get_args(Kind))),
    error=st.none(),
    cost=st.just(Decimal(0)),
    source=st.sampled_from(get_args(Source)),
)


@given(st.lists(st.tuples(outcomes, st.integers(1, 5))))
def test_every_row_is_counted_once_and_under_one_word(seen: list[tuple[Outcome, int]]) -> None:
    """Answered, failed, skipped and cancelled add up to what is done; the bar stands at all but the cancelled ones."""
    stats = RunStats(total=10_000)
    for outcome, rows in seen:
        stats.add(outcome, rows)
    fates = stats.fates

    assert fates.answered + fates.failed + fates.skipped + fates.cancelled == stats.done
    assert stats.reached == stats.done - fates.cancelled
    for fate in ("answered", "failed", "skipped", "cancelled"):
        assert getattr(fates, fate) == sum(rows for outcome, rows in seen if fate_of(outcome.kind) == fate)


def test_identical_rows_are_counted_with_their_first() -> None:
    """A duplicate is done when the answer is there."""
    stats = RunStats(total=5)
    stats.add(REFUSED, rows=3)
    stats.add(KNOWN, rows=2)
    assert (stats.done, stats.fates.failed, stats.from_journal) == (5, 3, 2)


def test_the_cache_is_counted_by_reads() -> None:
    """The writer is a miss."""
    stats = RunStats()
    stats.note_cache(Usage(cache_write_5m_tokens=9), Decimal("-0.25"))
    stats.note_cache(Usage(cache_read_tokens=9), Decimal("0.9"))
    assert (stats.cache_hits, stats.cache_misses, stats.cache_saved) == (1, 1, Decimal("0.65"))


def test_counting_and_reading_in_two_threads_do_not_meet() -> None:
    """New kinds of error appear while another thread adds them up."""
    stats, stop = RunStats(total=10**9), threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def count() -> None:
        while not stop.is_set():
            for kind in KINDS:
                stats.kinds[kind] += 1
            stats.kinds.clear()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        words = [describe(stats, 0.0) for _ in range(3_000)]
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert all(text.startswith("$0.00") for text in words)


FAILED = Outcome(kind="server", error="server: x", source="api")
GOOD = Outcome(text="text", source="api")


def test_a_row_of_several_draws_is_one_row() -> None:
    """It counts once all its draws are there, in whatever order they come, and as its worst one."""
    stats = RunStats(total=3, samples=2)
    for position, outcome in ((5, GOOD), (1, FAILED), (0, GOOD)):
        stats.add_draw(position, outcome)
    assert (stats.done, stats.fates.failed, stats.draws) == (1, 1, 3)
    for position, outcome in ((4, KNOWN), (3, KNOWN), (2, KNOWN)):
        stats.add_draw(position, outcome)
    assert (stats.done, stats.fates.answered, stats.fates.failed, stats.draws) == (3, 2, 1, 6)
    assert stats.from_journal == 1  # of the other one, the journal gave only one draw
    assert stats.reached == stats.total


def test_a_vote_needs_one_answer() -> None:
    """A row has failed only where no draw answered, as its error column says."""
    stats = RunStats(total=2, samples=2, has_vote=True)
    for position, outcome in enumerate((FAILED, GOOD, FAILED, REFUSED)):
        stats.add_draw(position, outcome)
    assert (stats.fates.answered, stats.kinds["server"], stats.kinds["refusal"]) == (1, 1, 0)


@given(st.lists(outcomes, min_size=1, max_size=30))
def test_one_draw_for_each_row_is_no_other_count(seen: list[Outcome]) -> None:
    """The same numbers, whichever way they are counted."""
    by_draw, by_row = RunStats(total=30), RunStats(total=30)
    for position, outcome in enumerate(seen):
        by_draw.add_draw(position, outcome)
        by_row.add(outcome)
    assert (by_draw.kinds, by_draw.done, by_draw.from_journal) == (by_row.kinds, by_row.done, by_row.from_journal)
