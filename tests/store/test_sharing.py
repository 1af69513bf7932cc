"""A journal file stays open for a moment after the last run that used it, and nobody can tell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from claude_parallel.store import sharing
from claude_parallel.store.journal import Journal
from claude_parallel.store.sharing import close_idle

from .test_journal import HOST, count
from .test_open_file import is_closed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal may lie, with no other file left open."""
    close_idle()
    return tmp_path / "j.sqlite3"


def a_run(path: Path, name: str = "r1") -> Journal:
    """Return the journal of a run that has ended."""
    journal = Journal.open_for_run(path)
    journal.begin_run(name, 1.0, HOST, {})
    journal.close()
    return journal


def test_the_next_run_finds_the_file_open(path: Path) -> None:
    """It need not be opened, checked and closed for each of a loop's small frames."""
    first, second = a_run(path, "r1"), a_run(path, "r2")
    assert first._file is second._file
    assert count(path, "runs") == 2


def test_a_file_that_nobody_uses_is_closed_soon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thread that ends with the last of them."""
    monkeypatch.setattr(sharing, "IDLE_SECONDS", 0.0)
    journal = a_run(path)
    for thread in threading.enumerate():
        if thread.name == "claude_parallel idle journals":
            thread.join(10)
            assert not thread.is_alive()
    assert is_closed(journal)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_used_again_is_not_closed(path: Path) -> None:
    """Whatever time it had been given."""
    a_run(path)
    again = Journal.open_for_run(path)
    close_idle()
    assert again.query("SELECT count(*) FROM runs") == [(1,)]
    again.close()
    close_idle()
    assert is_closed(again)


def test_a_copy_made_right_after_the_run_has_everything(path: Path) -> None:
    """Whoever saves the one file elsewhere as the last step of a script, as on a rented machine, loses no answer."""
    a_run(path)
    shutil.copy(path, path.with_name("copy.sqlite3"))
    assert count(path.with_name("copy.sqlite3"), "runs") == 1


def test_a_file_that_was_deleted_meanwhile_is_begun_anew(path: Path) -> None:
    """And what is still open of the old one takes nothing from the new one when it is closed."""
    a_run(path, "old")
    for file in path.parent.iterdir():
        file.unlink()
    new = Journal.open_for_run(path)
    new.begin_run("new", 1.0, HOST, {})
    close_idle()
    new.begin_run("newer", 1.0, HOST, {})
    new.close()
    assert new.query("SELECT id FROM runs ORDER BY id") == [("new",), ("newer",)]
    assert count(path, "runs") == 2


def test_a_folder_with_an_idle_journal_can_be_deleted(path: Path) -> None:
    """As at the end of a test with a temporary folder."""
    a_run(path)
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    a_run(path)
    assert count(path, "runs") == 1


def test_a_process_that_ends_leaves_one_file(path: Path) -> None:
    """Not the two beside it that SQLite keeps while a file is open."""
    script = (
        "import sys; from pathlib import Path; from claude_parallel.store.journal import Journal\n"
        "journal = Journal.open_for_run(Path(sys.argv[1])); journal.begin_run('r1', 1.0, 'host', {}); journal.close()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script, str(path)], check=True)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert count(path, "runs") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_opens_the_file_for_itself(path: Path) -> None:
    """What its parent left open is of no use to it, and the parent's goes on."""
    parent = a_run(path, "parent")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if a_run(path, "child")._file is not parent._file else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert a_run(path, "parent again")._file is parent._file
    assert count(path, "runs") == 3
