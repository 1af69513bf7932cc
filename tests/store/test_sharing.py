"""A journal file stays open for a moment after the last run that used it, and nobody can tell."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from claude_parallel.store import sharing
from claude_parallel.store.file import BUSY_SECONDS
from claude_parallel.store.journal import Journal
from claude_parallel.store.open_file import OpenFile
from claude_parallel.store.sharing import close_idle

from .test_journal import HOST, count, reply
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


def test_a_backup_that_is_copied_over_the_file_counts(path: Path) -> None:
    """It is written into the same file: what the idle connection has read before would be mixed with it."""
    keys = [number.to_bytes(32, "big") for number in range(300)]
    a_run(path, "backup")
    backup = shutil.copy(path, path.with_name("backup.sqlite3"))
    for name in ("r1", "r2"):
        journal = Journal.open_for_run(path)
        journal.begin_run(name, 1.0, HOST, {})
        journal.keep_answers([(key, HOST, reply("x" * 1_000), 1.0) for key in keys])
        journal.close()
        shutil.copy(backup, path)
    last = a_run(path, "last")
    assert last.query("PRAGMA integrity_check") == [("ok",)]
    assert last.query("SELECT id FROM runs ORDER BY id") == [("backup",), ("last",)]
    assert last.recall(keys) == {}


@pytest.mark.parametrize("is_looked_at", [False, True])
def test_a_backup_that_is_moved_into_its_place_counts(path: Path, is_looked_at: bool) -> None:
    """The log beside it is that of the file before: SQLite would read it into this one, for us and for others."""
    a_run(path, "backup")
    close_idle()
    backup = path.rename(path.with_name("backup.sqlite3"))
    a_run(path, "r1")
    backup.replace(path)
    if is_looked_at:
        look = "import sys, sqlite3; print(sqlite3.connect(sys.argv[1]).execute('SELECT id FROM runs').fetchall())"
        seen = subprocess.run([sys.executable, "-c", look, str(path)], check=True, capture_output=True, text=True)
        assert seen.stdout.strip() == "[('backup',)]"
    last = a_run(path, "last")
    assert last.query("PRAGMA integrity_check") == [("ok",)]
    assert last.query("SELECT id FROM runs ORDER BY id") == [("backup",), ("last",)]
    close_idle()
    assert count(path, "runs") == 2


def test_a_file_that_others_use_is_left_at_once(path: Path) -> None:
    """Its log cannot be emptied then, and nobody waits for that; what waits for others otherwise still does."""
    a_run(path, "r1")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchall()
        began = time.monotonic()
        journal = a_run(path, "r2")
        assert time.monotonic() - began < 10.0
    assert journal.query("PRAGMA busy_timeout") == [(BUSY_SECONDS * 1_000,)]


def test_a_log_that_was_removed_is_not_written_on(path: Path) -> None:
    """What goes into a file without a name nobody else sees, and a kill loses it."""
    for number in range(3):
        a_run(path, f"r{number}")
        for file in path.parent.iterdir():
            if file != path:
                file.unlink()
    staying = Journal.open_for_run(path)
    staying.begin_run("r3", 1.0, HOST, {})
    assert count(path, "runs") == 4
    staying.close()


def test_another_process_may_look_into_a_file_that_was_copied(path: Path) -> None:
    """To copy it costs this process its locks, and who looks then takes itself for the last and removes the log."""
    a_run(path, "r1")
    shutil.copy(path, path.with_name("copy.sqlite3"))
    look = "import sys, sqlite3; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM runs').fetchall()"
    subprocess.run([sys.executable, "-c", look, str(path)], check=True)
    staying = Journal.open_for_run(path)
    staying.begin_run("r2", 1.0, HOST, {})
    assert count(path, "runs") == 2
    staying.close()


def test_another_working_folder_moves_no_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means a file once and for all, and two of them may mean the same one."""
    folder = path.parent / "below"
    folder.mkdir()
    monkeypatch.chdir(path.parent)
    a_run(Path("below", path.name), "r1")
    staying = Journal.open_for_run(Path("below", path.name))
    look = Journal.open(Path("below", path.name))
    monkeypatch.chdir(folder)
    staying.begin_run("r2", 1.0, HOST, {})
    look.begin_run("r3", 1.0, HOST, {})
    look.close()
    staying.close()
    a_run(Path(path.name), "r4")
    close_idle()
    assert [file.relative_to(path.parent) for file in path.parent.rglob("*.sqlite3")] == [Path("below", path.name)]
    assert count(folder / path.name, "runs") == 4


def test_many_files_are_not_all_kept_open(path: Path) -> None:
    """A loop that gives each frame a journal of its own takes no file from the runs after it."""
    journals = [a_run(path.with_name(f"{number}.sqlite3")) for number in range(20)]
    assert {number for number, journal in enumerate(journals) if not is_closed(journal)} <= {16, 17, 18, 19}


def test_a_file_is_not_closed_while_its_last_run_tidies_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the run before may be over at this very moment; the next run would find it closed."""
    a_run(path, "r1")
    second = Journal.open_for_run(path)

    def tidy(file: OpenFile) -> None:
        sharing._close_due(math.inf, 0)
        file._index(0)

    monkeypatch.setattr(OpenFile, "tidy", tidy)
    second.close()
    third = Journal.open_for_run(path)
    third.begin_run("r3", 1.0, HOST, {})
    assert third.query("SELECT id FROM runs ORDER BY id") == [("r1",), ("r3",)]
    third.close()


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
    assert not is_closed(parent)
    a_run(path, "parent again")
    assert count(path, "runs") == 3
