"""Lists over all runs: what was run, and what was really spent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import claude_parallel as cp
from claude_parallel.cli.main import app
from claude_parallel.config import home, journal_path
from claude_parallel.records import Attempt, Reply
from claude_parallel.report import recent_runs
from claude_parallel.store.journal import Journal

FRAME = pd.DataFrame({"t": ["one", "two", None, "one"]})


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of journals of its own."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return tmp_path


def paid_run(
    run: str, started: float, model: str = "claude-haiku-5-5", calls: int = 3, path: Path | None = None
) -> None:
    """Write a run that paid a quarter of a dollar for each call."""
    journal = Journal.open(path or home() / "journal.sqlite3")
    journal.begin_run(run, started, "https://api.anthropic.com", {"model": model, "rows": calls})
    for position in range(calls):
        message = {"model": model, "stop_reason": "end_turn", "content": [], "usage": {"input_tokens": 1}}
        attempt = Attempt(1, started, started + 1.0, Reply(message, f"req_{position}", {}))
        journal.keep_attempt(run, position, attempt, cost=Decimal("0.25"))
    totals = {"rows": calls, "errors": {}, "cost_usd": str(calls * Decimal("0.25")), "saved_usd": "0"}
    journal.end_run(run, started + 1.0, totals)
    journal.close()


def simulated_run() -> pd.DataFrame:
    """Map the frame on the simulator, with the default journal."""
    with cp.simulator(None, latency_seconds=0):
        return FRAME.claude.map("Say {t}", progress=False)


def test_simulated_answers_lie_in_a_file_of_their_own(own_home: Path) -> None:
    """Clearing the journal inside a simulator deletes nothing that was paid."""
    paid_run("r-paid", time.time())
    with cp.simulator(None, latency_seconds=0):
        FRAME.claude.map("Say {t}", progress=False)
        assert "simulator" in repr(cp.journal)
        assert cp.journal.path.name == "simulated.sqlite3"
        assert cp.journal.clear(all=True) == 2
    assert cp.journal.path == own_home / "journal.sqlite3"
    assert cp.runs().index.tolist() == ["r-paid"]


def test_the_journal_that_was_configured_is_the_one_that_is_looked_into(own_home: Path) -> None:
    """Else a kernel that was restarted has no runs, no dollars, and another file to clear."""
    own = own_home / "project.sqlite3"
    paid_run("r-elsewhere", time.time() - 60, calls=1)
    paid_run("r-own", time.time(), path=own)
    cp.configure(journal=own)
    assert cp.runs().index.tolist() == ["r-own"]
    assert cp.run().id == cp.run("r-own").id == "r-own"
    assert cp.spent()["usd"].sum() == 0.75
    assert (cp.journal.path, repr(cp.journal).split()[0]) == (own, "<journal")
    with cp.simulator(None, latency_seconds=0):
        assert cp.journal.path == own  # where the simulated answers go as well
    answered = pd.DataFrame({"t": ["one"], "label": ["good"]})
    answered.claude.review(1, column="label").give("good")
    assert answered.claude.review(1, column="label", journal=own).labelled == 1
    cp.configure(journal=False)
    assert cp.runs().index.tolist() == cp.runs(own_home / "journal.sqlite3").index.tolist() == ["r-elsewhere"]


def test_the_journal_that_a_variable_names_is_looked_into_as_well(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs keep their answers there, in whatever process; what was configured goes before it."""
    own, other = own_home / "project.sqlite3", own_home / "other.sqlite3"
    monkeypatch.setenv("CLAUDE_PARALLEL_JOURNAL", str(own))
    with cp.simulator(None, latency_seconds=0):
        out = FRAME.claude.map("Say {t}", progress=False)
    recent_runs._places.clear()
    assert cp.runs().index.tolist() == [out.claude.run.id]
    assert (cp.journal.path, cp.journal.answers) == (own, 2)
    cp.configure(journal=other)
    assert cp.journal.path == other
    cp.configure()
    monkeypatch.setenv("CLAUDE_PARALLEL_JOURNAL", "off")
    assert cp.journal.path == own_home / "journal.sqlite3"


def test_a_configured_journal_that_is_none_is_left_as_it_is(own_home: Path) -> None:
    """The user has named it: it is no damaged file of ours."""
    notes = own_home / "notes.txt"
    notes.write_text("my notes, long enough for a header of SQLite" * 100)
    cp.configure(journal=notes)
    for look in (cp.runs, cp.spent, lambda: cp.journal.answers):
        with pytest.raises(cp.InputError, match="not a journal"):
            look()
    assert notes.read_text().startswith("my notes")


def test_clearing_everything_has_to_be_said(own_home: Path) -> None:
    """What is deleted would be paid again."""
    paid_run("r-paid", time.time())
    with pytest.raises(cp.InputError, match="all=True"):
        cp.journal.clear()
    assert len(cp.runs()) == 1


def test_the_simulators_key_tells_it_also_from_another_process(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No real key is of this form."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "simulator")
    assert journal_path(True) == own_home / "simulated.sqlite3"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-real")
    assert journal_path(True) == own_home / "journal.sqlite3"


def test_the_list_of_runs_says_what_is_simulated_and_what_rows_came_to(own_home: Path) -> None:
    """Four words, counted as in the bar; the frame, the run and the list agree."""
    paid_run("r-paid", time.time() - 10)
    out = simulated_run()
    listed = cp.runs()
    line = listed.loc[out.attrs["claude_parallel_run"]]

    assert listed["simulated"].tolist() == [True, False]
    assert (line["rows"], line["answered"], line["failed"], line["skipped"], line["cancelled"]) == (4, 3, 0, 1, 0)
    assert "simulated" in repr(out.claude.run)
    assert "simulated" in out.claude.run._repr_html_()
    assert "paid" in repr(cp.run("r-paid"))
    assert cp.run().id == cp.run("last").id == line.name


def test_times_compare_with_a_plain_timestamp(own_home: Path) -> None:
    """Local, without a zone, without nanoseconds."""
    began = pd.Timestamp.now().floor("s")
    out = simulated_run()
    started = cp.runs()["started"]

    assert (started >= began).all()
    assert (started <= pd.Timestamp.now()).all()
    assert started.iloc[0].nanosecond == started.iloc[0].microsecond == 0
    assert (out.claude.run.attempts()["started"] >= began).all()


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2d", ["r-new"]),
        (timedelta(days=2), ["r-new"]),
        (2 * 86_400, ["r-new"]),
        (datetime.now() - timedelta(days=2), ["r-new"]),
        ((datetime.now() - timedelta(days=2)).isoformat(), ["r-new"]),
        (f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}", ["r-new"]),
        ((datetime.now() - timedelta(days=9)).date(), ["r-new", "r-old"]),
        ("4w", ["r-new", "r-old"]),
        (None, ["r-new", "r-old"]),
    ],
    ids=("days", "timedelta", "seconds", "datetime", "text", "utc", "date", "weeks", "all"),
)
def test_runs_since(own_home: Path, since: object, found: list[str]) -> None:
    """An age or a moment."""
    paid_run("r-old", time.time() - 5 * 86_400)
    paid_run("r-new", time.time() - 3_600)
    assert cp.runs(since=since).index.tolist() == found  # type: ignore[arg-type]


@pytest.mark.parametrize("since", ["soon", "12 parsecs", -1.0, "2026-13-01"])
def test_a_time_that_makes_no_sense_is_told(own_home: Path, since: object) -> None:
    """With what to write."""
    with pytest.raises(cp.InputError, match="since="):
        cp.runs(since=since)  # type: ignore[arg-type]


def test_spent_counts_real_dollars_by_day_and_model(own_home: Path) -> None:
    """Those of the simulator are not among them, whichever file they lie in."""
    now = time.time()
    paid_run("r-1", now)
    paid_run("r-2", now, model="claude-sonnet-4-6", calls=2)
    paid_run("r-old", now - 40 * 86_400)
    simulated_run()
    with cp.simulator(None, latency_seconds=0):
        FRAME.claude.map("Say {t}", progress=False, journal=own_home / "journal.sqlite3")
    table = cp.spent("7d")

    assert table["usd"].sum() == pytest.approx(1.25)
    assert table.index.get_level_values("model").tolist() == ["claude-haiku-5-5", "claude-sonnet-4-6"]
    assert table["calls"].tolist() == [3, 2]
    assert cp.spent(None)["usd"].sum() == pytest.approx(2.0)


def test_the_command_shows_every_day_that_money_was_spent_on(own_home: Path) -> None:
    """The text of a frame of more than sixty lines leaves out its middle."""
    for days in range(70):
        paid_run(f"r-{days}", time.time() - 86_400 * days, calls=1)
    shown = CliRunner().invoke(app, ["spent", "--since", "365d"]).output

    assert shown.count("claude-haiku-5-5") == 70
    assert "..." not in shown


def test_nothing_spent_is_an_empty_table(own_home: Path) -> None:
    """With its columns, and no file is made for it."""
    assert cp.spent()["usd"].sum() == 0.0
    assert cp.runs().empty
    assert repr(cp.spent("7d")) == "Nothing was spent since then. Simulated dollars do not count."
    assert repr(cp.runs()) == "No runs yet."
    with pytest.raises(cp.InputError, match="no runs yet"):
        cp.run("last")
    assert list(own_home.iterdir()) == []
