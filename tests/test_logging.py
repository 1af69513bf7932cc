"""Standard logging: a run's begin and end at INFO, retries at DEBUG, and never a prompt or a key."""

from __future__ import annotations

import logging

import pytest

from claude_parallel.simulation.profile import Profile

from .worlds import frame_of, world


def test_a_run_logs_its_begin_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """One line each, with the run's id, its rows and its dollars."""
    caplog.set_level(logging.INFO, logger="claude_parallel")
    out = world().map(frame_of(3), "A secret prompt: {t}")
    ours = [record for record in caplog.records if record.name == "claude_parallel"]
    assert [record.levelname for record in ours] == ["INFO", "INFO"]
    begin, end = (record.getMessage() for record in ours)
    run_id = out.attrs["claude_parallel_run"]
    assert begin == f"run {run_id} begins: 3 rows, claude-haiku-5-5, live"
    assert end.startswith(f"run {run_id} ended: 3 of 3 rows done, 0 without a good answer, $0.0")
    assert "secret" not in caplog.text


def test_retries_are_logged_for_those_who_debug(caplog: pytest.LogCaptureFixture) -> None:
    """Kind, status and wait of each, and still no prompt."""
    caplog.set_level(logging.DEBUG, logger="claude_parallel")
    world(Profile(script={1: "overloaded"})).map(frame_of(1), "A secret prompt: {t}")
    debug = [r.getMessage() for r in caplog.records if r.name == "claude_parallel" and r.levelname == "DEBUG"]
    assert len(debug) == 1
    assert debug[0].startswith("row 0: overloaded (status 529), again in ")
    assert "secret" not in caplog.text
