"""The record of a run."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.records import Attempt, Outcome, Reply
from claude_parallel.report import recent_runs
from claude_parallel.report.run import Run
from claude_parallel.store.journal import Journal
from claude_parallel.store.sharing import close_idle

FRAME = pd.DataFrame({"t": ["one", "two", None, "one"]})


def test_a_run_is_found_from_the_frame_and_after_a_restart(tmp_path: Path) -> None:
    """Requests, attempts and totals are in the journal, whatever became of the process."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0, script={1: "overloaded"}):
        out = FRAME.claude.map("Say {t}", progress=False, journal=path)
    run = cp.run(out.attrs["claude_parallel_run"], path)

    assert run.requests()["source"].tolist() == ["api", "api", "none", "duplicate"]
    assert run.attempts()["kind"].isna().tolist().count(True) == 2
    assert run.totals["errors"] == {"skipped": 1}
    assert float(run.totals["cost_usd"]) == pytest.approx(out["response_cost"].sum())
    assert run.requests()["cost_usd"].sum() == pytest.approx(out["response_cost"].sum())


def test_a_resumed_run_says_what_the_journal_saved(tmp_path: Path) -> None:
    """Rows from the journal cost nothing and are counted apart."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0):
        first = FRAME.claude.map("Say {t}", progress=False, journal=path)
        second = FRAME.claude.map("Say {t}", progress=False, journal=path)
    listed = cp.runs(path)

    assert second["response_cost"].sum() == 0
    assert second.claude.run.totals["from_journal"] == 3
    assert listed["saved_usd"].iloc[0] == pytest.approx(first["response_cost"].sum())
    assert listed.index[0] == second.attrs["claude_parallel_run"]


def test_a_run_without_a_journal_still_has_a_record() -> None:
    """journal=False keeps the record in memory, and no answers."""
    with cp.simulator(None, latency_seconds=0) as sim:
        out = FRAME.claude.map("Say {t}", progress=False, journal=False)
        FRAME.claude.map("Say {t}", progress=False, journal=False)

    assert sim.ledger.requests == 4
    assert len(out.claude.run.attempts()) == 2


def test_settings_hold_no_prompts_and_no_keys(tmp_path: Path) -> None:
    """What is kept of the options is free of text that could be private."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0):
        out = FRAME.claude.map("Say {t}", system="very private", progress=False, journal=path)

    assert "very private" not in repr(out.claude.run.settings)
    assert b"very private" not in path.read_bytes()
    assert out.claude.run.settings["system"] is True


def test_a_clock_that_is_put_back_makes_no_call_of_less_than_no_time() -> None:
    """Reports counted such calls as of no time; the frames said minus two seconds."""
    journal = Journal.open(None)
    journal.begin_run("r-1", 100.0, "host", {"model": "m"})
    usage = {"input_tokens": 1, "output_tokens": 1}
    journal.keep_attempt("r-1", 0, Attempt(1, 101.0, 99.0, Reply({"type": "message", "usage": usage}, None, {})))
    journal.keep_rows("r-1", [(0, bytes(32), Outcome("fine", None, None, None, Decimal(0), "api", 1, None))])
    journal.close()
    run = Run("r-1", journal)

    assert run.attempts()["seconds"].tolist() == [0.0]
    assert run.requests()["seconds"].tolist() == [0.0]


def test_an_unknown_run_is_told(tmp_path: Path) -> None:
    """The message says where the ids are."""
    with pytest.raises(cp.InputError, match="runs"):
        cp.run("r-nothing", tmp_path / "j.sqlite3")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the open files of the process")
def test_a_run_that_is_held_keeps_no_file_open(tmp_path: Path) -> None:
    """Neither the run of a frame nor one that was looked up, however many are held."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0):
        out = FRAME.claude.map("Say {t}", progress=False, journal=path)
    held = [out.claude.run, *(cp.run(out.attrs["claude_parallel_run"], path) for _ in range(5))]

    assert all(len(run.requests()) == 4 for run in held)
    close_idle()  # the map's own, a moment before its time
    opened = [name.resolve() for name in Path("/proc/self/fd").iterdir() if name.exists()]
    assert [name for name in opened if name.is_relative_to(tmp_path)] == []


def test_journals_in_memory_are_forgotten_by_their_size_the_oldest_first() -> None:
    """A notebook that maps all day without a journal does not fill the memory; the newest record is always there."""
    journals = {f"run {number}": Journal.open(None) for number in range(9)}
    room = 3 * recent_runs.bytes_in_memory(journals["run 0"])
    for run_id, journal in journals.items():
        recent_runs.remember(run_id, journal, most_bytes=room)

    assert recent_runs.journals_in_memory() == list(journals.values())[5:]
    assert recent_runs.place_of("run 4") is None


def test_a_journal_of_a_run_that_has_ended_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each map without a journal asked the journals of hundreds before it, which took twice the time of a small map."""
    journals = [Journal.open(None) for _ in range(3)]
    for number, journal in enumerate(journals):
        journal.close()
        recent_runs.remember(f"run {number}", journal)
    asked: list[Journal] = []
    query = Journal.query
    monkeypatch.setattr(Journal, "query", lambda self, *given: asked.append(self) or query(self, *given))
    recent_runs.remember("one more", Journal.open(None))
    assert set(asked) == {journals[2]}  # the others were measured when it came
    assert recent_runs.bytes_in_memory(journals[0]) > 10_000


def test_another_file_in_the_place_of_a_journal_is_left_alone(tmp_path: Path) -> None:
    """A look at the run renamed it, as if it were a damaged journal; nor does a look make a file where none is."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0):
        out = FRAME.claude.map("Say {t}", progress=False, journal=path)
    close_idle()
    path.unlink()
    with pytest.raises(cp.InputError, match="there is no run"):
        repr(out.claude.run)
    assert not path.exists()
    path.write_text("years of work")
    with pytest.raises(cp.InputError, match="left as it is"):
        repr(out.claude.run)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "years of work"


def test_messages_are_those_that_the_api_sent(tmp_path: Path) -> None:
    """One row each, duplicates and rows of the journal included; skipped rows got none."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0):
        FRAME.claude.map("Say {t}", progress=False, journal=path)
        out = FRAME.claude.map("Say {t}", progress=False, journal=path)
    messages = cp.run(out.attrs["claude_parallel_run"], path).messages()

    assert messages.index.tolist() == [0, 1, 3]
    assert [blocks[0]["text"] for blocks in messages["content"]] == out["response"].dropna().tolist()
    assert messages["message"].iloc[0]["role"] == "assistant"
    assert messages["stop_reason"].tolist() == ["end_turn"] * 3


def test_citations_and_searches_stand_in_columns(tmp_path: Path) -> None:
    """As the API wrote them."""
    path = tmp_path / "j.sqlite3"
    found, cited = [{"type": "web_search_result", "url": "u"}], [{"type": "web_search_result_location"}]
    content = [
        {"type": "web_search_tool_result", "content": found},
        {"type": "text", "text": "so", "citations": cited},
        "odd",
    ]
    journal = Journal.open(path)
    journal.begin_run("r-1", 0.0, "h", {})
    journal.keep_answers([(b"k", "h", Reply({"content": content}, None, {}), 0.0)])
    outcome = Outcome(text="so", cost=Decimal(0), source="api")
    journal.keep_rows("r-1", [(0, b"k", outcome), (1, b"lost", outcome)])
    journal.close()
    messages = cp.run("r-1", path).messages()

    assert (messages["searches"][0], messages["citations"][0]) == (found, cited)
    assert messages["message"].isna().tolist() == [False, True]


def test_a_run_without_a_journal_has_no_messages() -> None:
    """The error says why."""
    with cp.simulator(None, latency_seconds=0):
        out = FRAME.claude.map("Say {t}", progress=False, journal=False)
    with pytest.raises(cp.InputError, match="journal=False"):
        out.claude.run.messages()


def test_dollars_of_a_run_are_not_typeset_as_mathematics() -> None:
    """Notebooks leave elements of these classes alone."""
    with cp.simulator(None, latency_seconds=0):
        out = FRAME.claude.map("Say {t}", progress=False, journal=False)
    assert out.claude.run._repr_html_().startswith('<div class="tex2jax_ignore mathjax_ignore">')
