"""cp.journal: size, clear, prune."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

import claude_parallel as cp


@pytest.fixture
def kept() -> Any:
    """Yield the home journal with three answers of two runs."""
    with cp.simulator(None, latency_seconds=0):
        first = cp.map(["a", "b"], progress=False)
        cp.map(["c"], progress=False)
        yield first.attrs["claude_parallel_run"]


def test_size_and_number_of_answers(kept: str) -> None:
    """The journal says what it holds."""
    assert cp.journal.answers == 3
    assert cp.journal.size > 0
    assert "3 answers" in repr(cp.journal)


def test_clear_of_one_run_leaves_the_others(kept: str) -> None:
    """Only that run's answers and record go."""
    assert cp.journal.clear(run=kept) == 2
    assert cp.journal.answers == 1
    assert len(cp.runs()) == 1


def test_clear_leaves_nothing(kept: str) -> None:
    """Everything goes."""
    assert cp.journal.clear(all=True) == 3
    assert (cp.journal.answers, len(cp.runs())) == (0, 0)


def test_a_file_that_cannot_be_changed_is_told_in_words(kept: str) -> None:
    """A full or read-only disk is no error of SQLite's that the user should know."""
    with closing(sqlite3.connect(cp.journal.path)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE DELETE ON answers BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    for change in (lambda: cp.journal.clear(all=True), lambda: cp.journal.prune(older_than=0)):
        with pytest.raises(cp.JournalError, match="disk is full"):
            change()
    assert cp.journal.answers == 3


@pytest.mark.parametrize(("age", "deleted"), [("90d", 0), (timedelta(days=1), 0), (0, 3)])
def test_prune_by_age(kept: str, age: Any, deleted: int) -> None:
    """Answers older than the age go."""
    assert cp.journal.prune(older_than=age) == deleted


@pytest.mark.parametrize("age", ["soon", "-1d", -5, True, float("nan")])
def test_an_age_that_makes_no_sense_is_refused(age: Any) -> None:
    """The message shows how to write one."""
    with pytest.raises(cp.InputError, match="90d"):
        cp.journal.prune(older_than=age)


def test_a_journal_that_is_not_there_yet_is_empty() -> None:
    """Nothing is created by looking."""
    assert (cp.journal.size, cp.journal.answers, cp.journal.clear(all=True)) == (0, 0, 0)
    assert not cp.journal.path.exists()
