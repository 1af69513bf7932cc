"""Several sessions as one run: what becomes of one is no matter of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_parallel.bridge import Control
from claude_parallel.engine.group import SessionGroup
from claude_parallel.engine.session import Session
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.store.journal import Journal
from claude_parallel.store.sharing import close_idle

from ..store.test_open_file import is_closed
from ..worlds import frame_of, world


def two_sessions(folder: Path) -> tuple[Session, Session]:
    """Return two sessions, each with a journal of its own."""
    account, control = world(), Control()

    def session(name: str) -> Session:
        settings = {"journal": folder / f"{name}.sqlite3", "progress": False}
        mapped = FrameMap(frame_of(5), f"{name} {{t}}", "response", settings, environment=account.environment())
        return mapped.session(control=control)

    return session("one"), session("two")


def fail(*_: object) -> None:
    """Fail as a bug does."""
    raise RuntimeError("a bug")


def test_a_session_that_cannot_be_finished_leaves_no_journal_open(tmp_path: Path) -> None:
    """Neither its own nor that of the others."""
    one, two = two_sessions(tmp_path)
    one._complete = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a bug"):
        run_virtual(SessionGroup([one, two]).arun)
    close_idle()
    assert is_closed(one.journal)
    assert is_closed(two.journal)


def test_a_record_that_cannot_be_kept_costs_no_other_one(tmp_path: Path) -> None:
    """The record of the second session is as whole as without the first."""
    one, two = two_sessions(tmp_path)
    one.record = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a bug"):
        run_virtual(SessionGroup([one, two]).arun)
    journal = Journal.open(tmp_path / "two.sqlite3")
    assert journal.query("SELECT count(*) FROM run_rows") == [(5,)]
    assert journal.query("SELECT count(*) FROM runs WHERE ended IS NOT NULL") == [(1,)]
    journal.close()
