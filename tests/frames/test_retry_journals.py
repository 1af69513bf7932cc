"""Answers asked again beside journals of the user's own: none, or a file that only the call names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.frames import calls
from claude_parallel.report import recent_runs


@pytest.mark.parametrize("way", ["option", "configure", "variable"])
def test_without_a_journal_good_samples_are_not_asked_again(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However that was said: the journal, which would answer them for nothing, is not there."""
    if way == "configure":
        cp.configure(journal=False)
    if way == "variable":
        monkeypatch.setenv("CLAUDE_PARALLEL_JOURNAL", "off")
    options = {"journal": False} if way == "option" else {}
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}) as sim:
        frame = pd.DataFrame({"t": ["one"]})
        out = frame.claude.map("Say {t}", sample=2, max_concurrency=1, progress=False, **options)
        again = out.claude.retry()

    assert out["response_error"].notna().all() and again["response_error"].isna().all()
    assert again["response_2"].tolist() == out["response_2"].tolist()
    assert sim.ledger.requests == 3


@pytest.mark.filterwarnings("ignore:of .* rows")
def test_after_a_restart_a_series_is_completed_from_the_journal_that_is_named(tmp_path: Path) -> None:
    """As a frame is: the run is not looked for in the user's own journal alone."""
    path, texts = tmp_path / "j.sqlite3", pd.Series(["one", "two"])
    with cp.simulator(None, latency_seconds=0, script={2: "refusal"}) as sim:
        out = texts.claude.map("Say {}", progress=False, journal=path, max_concurrency=1)
        recent_runs._places.clear()
        calls._calls.clear()
        again = out.claude.retry(texts, prompt="Say {}", progress=False, journal=path)

    assert (out.isna().tolist(), again.isna().tolist()) == ([False, True], [False, False])
    assert sim.ledger.requests == 3
