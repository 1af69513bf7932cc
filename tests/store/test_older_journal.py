"""A journal that an older version has written opens, and what it holds is used.

``tests/data/journal-v1.db`` was written by commit b5364c3 on its simulator at port 48613: a live run and a batch of
three rows each (six answers), the closed envelope of that batch, and an open one of three more rows.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.batch.records import EnvelopeBook
from claude_parallel.store.journal import Journal

from .test_row_records import assert_parts_say_the_same

KEPT = Path(__file__).parents[1] / "data" / "journal-v1.db"
HOST = "http://127.0.0.1:48613"
ROWS = ["one", "two", "three"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a copy of the older journal, and be the user who wrote it; nobody listens at the host any more."""
    cp.configure(base_url=HOST, api_key="simulated", progress=False)
    return Path(shutil.copy(KEPT, tmp_path / "j.sqlite3"))


@pytest.mark.parametrize("rows", [ROWS, [f"{row} batch" for row in ROWS]], ids=["asked live", "asked in a batch"])
def test_answers_of_an_older_version_are_found(rows: list[str], path: Path) -> None:
    """The same question has the same key as ever: nothing is sent, nothing is paid."""
    out = pd.DataFrame({"t": rows}).claude.map("Say {t}", journal=path)
    assert out["response"].tolist() == ["kept by an older version"] * 3
    assert (out["response_cost"] == 0).all()


def test_runs_of_an_older_version_are_shown(path: Path) -> None:
    """With their rows, attempts and dollars."""
    runs = cp.runs(journal=path)
    assert len(runs) == 3
    assert set(runs["host"]) == {HOST}
    assert (runs["cost_usd"].iloc[-2:] > 0).all()


def test_envelopes_of_an_older_version_are_known(path: Path) -> None:
    """The open one can still be adopted, the closed one is done with."""
    with closing(Journal.open(path)) as journal:
        states = dict(journal.query("SELECT state, requests FROM envelopes"))
        assert states == {"collected": 3, "submitted": 3}
        assert len(EnvelopeBook(journal).batch_ids(HOST)) == 1
        assert journal.query("SELECT count(*) FROM envelope_rows")[0][0] >= 3


def test_a_process_of_the_version_before_goes_on_beside_a_newer_one(path: Path) -> None:
    """It has the file open while this version brings it up to date; what it writes then is kept, and read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as older, closing(Journal.open(path)) as newer:
        older.execute("INSERT OR REPLACE INTO recalled_rows VALUES (?, ?, ?)", ("r-old", 7, b"k" * 64))
        older.execute("INSERT OR REPLACE INTO run_rows VALUES ('r-old', 9, NULL, 'none', 'skipped', 'why', '0', 0)")
        rows = newer.query("SELECT position, source, cost FROM row_outcomes WHERE run = 'r-old' ORDER BY position")
        assert_parts_say_the_same(newer, "r-old")
    assert rows == [(7, "journal", "0"), (8, "journal", "0"), (9, "none", "0")]
