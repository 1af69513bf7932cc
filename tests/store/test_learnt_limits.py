"""What was learnt of an account in the journal's file: kept for 30 days, never a key, and no reason to stop a run."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.limits.tickets import Remembered
from claude_parallel.simulation.profile import Limits, Profile
from claude_parallel.simulation.server import SimulatorServer
from claude_parallel.store.journal import Journal
from claude_parallel.store.learnt_limits import KEPT_SECONDS, keep, recall

NOW = 1_795_400_000.0
LEARNT = Remembered({"requests": 1_000.0, "output": 400_000.0}, {"requests": 38.5}, ("requests",))
OLDER = Path(__file__).parents[1] / "data" / "journal-v1.db"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return an open journal."""
    return Journal.open(tmp_path / "journal.sqlite3")


def test_what_is_kept_is_recalled_for_thirty_days(journal: Journal) -> None:
    """By its account, and by no other."""
    keep(journal, "account", LEARNT, NOW)
    assert recall(journal, "account", NOW + KEPT_SECONDS - 1) == LEARNT
    assert recall(journal, "account", NOW + KEPT_SECONDS + 1) is None
    assert recall(journal, "other", NOW) is None


def test_what_is_old_is_deleted_when_something_new_is_kept(journal: Journal) -> None:
    """So that the table does not grow with every address of a simulator."""
    keep(journal, "old", LEARNT, NOW)
    keep(journal, "new", LEARNT, NOW + KEPT_SECONDS + 1)
    assert journal.query("SELECT account FROM limits") == [("new",)]


def test_what_is_no_news_is_not_written(journal: Journal) -> None:
    """Within a day, and by less than a tenth; what has changed is."""
    keep(journal, "account", LEARNT, NOW)
    alike = Remembered(LEARNT.limits, {"requests": 39.0}, LEARNT.ends)
    keep(journal, "account", alike, NOW + 60)
    assert recall(journal, "account", NOW + 60) == LEARNT
    keep(journal, "account", alike, NOW + 90_000)
    assert recall(journal, "account", NOW + 90_000) == alike
    lower = Remembered({"requests": 100.0}, {}, ())
    keep(journal, "account", lower, NOW + 90_001)
    assert recall(journal, "account", NOW + 90_001) == lower


def test_an_older_journal_takes_it(tmp_path: Path) -> None:
    """A file that an older version has written has no such table yet; afterwards it holds what it held, too."""
    path = Path(shutil.copy(OLDER, tmp_path / "j.sqlite3"))
    with closing(Journal.open(path)) as journal:
        assert recall(journal, "account", NOW) is None
        keep(journal, "account", LEARNT, NOW)
        assert recall(journal, "account", NOW) == LEARNT
        assert journal.query("SELECT count(*) FROM answers") == [(6,)]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["limits", "bursts", "ends", "latency", "requests", "input"]), x)
        ),
    )
)
def test_nothing_in_the_table_stops_a_run(belief: object) -> None:
    """Whatever somebody has written there: it makes sense, or it is as good as nothing."""
    with closing(Journal.open(None)) as journal:
        keep(journal, "account", LEARNT, NOW)
        journal.execute("UPDATE limits SET belief = ?", (json.dumps(belief),))
        found = recall(journal, "account", NOW)
        assert found is None or all(value >= 0.0 for value in found.limits.values())


def test_a_run_keeps_a_digest_and_no_key(tmp_path: Path) -> None:
    """Neither the key nor the prompt stands in the file; limits do."""
    path, key = tmp_path / "journal.sqlite3", "sk-ant-api03-very-secret-and-long-enough"
    with SimulatorServer(Profile(limits=Limits(5_000, None, None))) as server:
        cp.configure(base_url=server.url, api_key=key, progress=False)
        out = pd.DataFrame({"t": ["one", "two"]}).claude.map("Say {t}", journal=path)
    assert out["response_error"].isna().all()
    with closing(Journal.open(path)) as journal:
        ((account, belief),) = journal.query("SELECT account, belief FROM limits")
    assert json.loads(belief)["limits"] == {"requests": 5_000.0}
    assert key not in account
    assert key.encode() not in path.read_bytes()
