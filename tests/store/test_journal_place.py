"""Where the journal lies: files that are not ours, rights, folders that vanish, and processes that fork."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.config import home, journal_path
from claude_parallel.errors import InputError
from claude_parallel.store.file import write_private
from claude_parallel.store.journal import Journal
from claude_parallel.store.labels import LabelBook

from ..worlds import frame_of, world
from .test_journal import HOST, KEY, keep

DATA = b"review,stars\n" + b"good,5\n" * 2_000


def mode_of(path: Path) -> int:
    """Return a path's rights."""
    return stat.S_IMODE(path.stat().st_mode)


def foreign_database(path: Path) -> None:
    """Write another program's database."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.execute("PRAGMA user_version = 37")
    connection.commit()
    connection.close()


def our_names(path: Path) -> None:
    """Write a database that has tables of our names and other columns."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE answers (question, correct)")
    connection.execute("CREATE TABLE runs (km)")
    connection.commit()
    connection.close()


FOREIGN = {
    "a table of data": lambda path: path.write_bytes(DATA),
    "a short text": lambda path: path.write_text("hi"),
    "another program's database": foreign_database,
    "tables of the same names": our_names,
    "a broken database": lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_an_explicit_file_that_is_no_journal_is_refused_and_left_as_it_is(make: object, tmp_path: Path) -> None:
    """``journal="mydata.csv"`` is a slip of the pen: not one byte, name or right of the file changes."""
    path = tmp_path / "mydata.csv"
    make(path)  # type: ignore[operator]
    path.chmod(0o644)
    before, account = path.read_bytes(), world()
    with pytest.raises(InputError, match="not a journal of claude_parallel"):
        account.map(frame_of(1), "Say {t}", journal=path)
    with pytest.raises(InputError, match="not a journal of claude_parallel"):
        cp.journal(path).clear(all=True)
    with pytest.raises(InputError, match="not a journal of claude_parallel"):
        cp.runs(journal=path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["mydata.csv"]
    assert mode_of(path) == 0o644
    assert account.brain.ledger.requests == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_journal(tmp_path: Path) -> None:
    """Opening one would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="must be a file"):
        Journal.open(tmp_path / "pipe", is_explicit=True)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs rights of files")
def test_a_journal_that_others_could_read_is_made_private() -> None:
    """File, companions, and the folder of all journals, as an older version or a copy may have left them."""
    path = journal_path(True)
    assert path is not None
    Journal.open(path).close()
    path.chmod(0o666)
    home().chmod(0o755)
    journal = Journal.open(path)
    keep(journal, KEY)
    assert {mode_of(file) for file in home().iterdir()} == {0o600}
    assert mode_of(home()) == 0o700
    journal.close()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs rights of files")
def test_the_folder_of_an_explicit_journal_stays_as_it_is(tmp_path: Path) -> None:
    """It may be a project that others work in."""
    (tmp_path / "project").mkdir(mode=0o755)
    Journal.open(tmp_path / "project" / "j.sqlite3", is_explicit=True).close()
    assert mode_of(tmp_path / "project") == 0o755
    assert mode_of(tmp_path / "project" / "j.sqlite3") == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs rights of files")
def test_reports_and_files_set_aside_are_private(tmp_path: Path) -> None:
    """They hold the same texts as the journal."""
    path = tmp_path / "j.sqlite3"
    path.write_bytes(b"rubbish" * 999)
    path.chmod(0o666)
    with pytest.warns(UserWarning, match="damaged"):
        Journal.open(path).close()
    assert mode_of(tmp_path / "j.damaged-1.sqlite3") == 0o600
    report = tmp_path / "report.html"
    report.write_text("an older one")
    report.chmod(0o666)
    out = world().map(frame_of(2), "Say {t}", journal=True)
    out.claude.run.report(report)
    assert mode_of(report) == 0o600
    assert "<html" in report.read_text()
    write_private(tmp_path / "text", "ä")
    assert (tmp_path / "text").read_text(encoding="utf-8") == "ä"


# -- deleted while in use --------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete open files")
def test_a_journal_deleted_while_in_use_is_told_once_and_loses_nothing(tmp_path: Path) -> None:
    """The folder goes in the middle of a run: everything is written anew, what came before included."""
    path = tmp_path / "folder" / "j.sqlite3"
    journal = Journal.open(path)
    journal.begin_run("r1", 1.0, HOST, {})
    keep(journal, b"before")
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with pytest.warns(UserWarning, match="deleted or moved while a run used it") as caught:
        keep(journal, b"after")
        keep(journal, b"later")
        journal.end_run("r1", 2.0, {})
        journal.close()
    assert len(caught) == 1
    again = Journal.open(path)
    assert set(again.recall([b"before", b"after", b"later"])) == {b"before", b"after", b"later"}
    assert again.query("SELECT id, ended FROM runs") == [("r1", 2.0)]
    assert mode_of(path) == 0o600
    again.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete open files")
def test_a_journal_of_which_only_the_file_was_deleted_loses_nothing(tmp_path: Path) -> None:
    """What SQLite keeps beside it stays: notes of the old file, which must not be taken for those of the new one."""
    path = tmp_path / "j.sqlite3"
    journal = Journal.open(path)
    keep(journal, b"before")
    path.unlink()
    with pytest.warns(UserWarning, match="deleted or moved while a run used it"):
        keep(journal, b"after")
    with closing(Journal.open(path)) as again:
        assert set(again.recall([b"before", b"after"])) == {b"before", b"after"}
    keep(journal, b"later")
    path.unlink()
    with closing(Journal.open(path)) as newer:  # another run was quicker
        keep(newer, b"other")
        with pytest.warns(UserWarning, match="deleted or moved while a run used it"):
            journal._file._warned.clear()
            keep(journal, b"last")
        journal.close()
        assert len(newer.recall([b"before", b"after", b"later", b"other", b"last"])) == 5


_OTHER = """
import sys
from pathlib import Path
from claude_parallel.records import Reply
from claude_parallel.store.journal import Journal

journal = Journal.open(Path(sys.argv[1]))
text = Reply({"content": [{"type": "text", "text": "x" * 9_000}]}, None, {})
for key in sys.argv[2:]:
    journal.keep_answers([(key.encode(), "host", text, 1.0)])
print(journal.query("SELECT count(*) FROM answers")[0][0])
journal.close()
"""


def in_another_process(path: Path, *keys: bytes) -> int:
    """Keep answers in a process that ends then, and return how many it has seen in the end."""
    command = [sys.executable, "-c", _OTHER, str(path), *(key.decode() for key in keys)]
    return int(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.skipif(os.name == "nt", reason="Windows has locks of another kind")
def test_a_journal_that_is_copied_while_a_run_uses_it_loses_nothing(tmp_path: Path) -> None:
    """That costs the process its locks: another one takes itself for the last and removes the log."""
    path = tmp_path / "j.sqlite3"
    ours, theirs = ([b"%s %d" % (who, number) for number in range(60)] for who in (b"ours", b"theirs"))
    journal = Journal.open(path)
    for start in range(0, 60, 20):
        for key in ours[start : start + 10]:
            keep(journal, key, text="x" * 9_000)
        shutil.copy(path, tmp_path / "copy.sqlite3")
        assert in_another_process(path) == 2 * start + 10
        for key in ours[start + 10 : start + 20]:
            keep(journal, key, text="x" * 9_000)
        assert in_another_process(path, *theirs[start : start + 20]) == 2 * start + 40, "a kill would lose them"
        assert len(journal.recall(theirs)) == start + 20
    assert journal.query("PRAGMA integrity_check") == [("ok",)]
    journal.close()
    assert in_another_process(path) == 120


def test_a_copy_of_the_one_file_has_every_label(tmp_path: Path) -> None:
    """Also while the review is open, as it is until nobody has it any more."""
    path = tmp_path / "j.sqlite3"
    book = LabelBook(Journal.open(path), "tone")
    for number in range(3):
        book.give(b"%d" % number, "good", 1.0)
        copy = tmp_path / f"copy{number}.sqlite3"
        copy.write_bytes(path.read_bytes())
        again = LabelBook(Journal.open(copy), "tone")
        assert len(again.read([b"0", b"1", b"2"])) == number + 1
        again.close()
    book.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete open files")
def test_a_label_given_after_the_journal_was_deleted_is_kept_with_those_before(tmp_path: Path) -> None:
    """It is on disk when the call returns, and so are the others."""
    path = tmp_path / "j.sqlite3"
    book = LabelBook(Journal.open(path), "tone")
    book.give(b"before", "good", 1.0)
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.warns(UserWarning, match="deleted or moved while a run used it"):
        book.give(b"after", "bad", 2.0)
    book.close()
    again = LabelBook(Journal.open(path), "tone")
    assert again.read([b"before", b"after"]) == {b"before": "good", b"after": "bad"}
    again.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete open files")
def test_a_journal_that_cannot_be_written_anew_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    """A file stands where the folder was."""
    path = tmp_path / "folder" / "j.sqlite3"
    journal = Journal.open(path)
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be written again") as caught:
        keep(journal, b"a")
        keep(journal, b"b")
        journal.close()
    assert len(caught) == 1
    assert path.parent.read_text() == "in the way"


# -- fork ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_while_a_map_runs_can_map() -> None:
    """Into the same journal, as workers of multiprocessing do; the parent's run goes on unharmed."""
    with cp.simulator(latency_seconds=0.2, tier="scale") as sim:
        job = pd.DataFrame({"t": [f"parent {n}" for n in range(300)]}).claude.submit("Say {t}", progress=False)
        while sim.ledger.requests < 20:
            pass
        children = []
        for number in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("error", UserWarning)
                        out = cp.map([f"child {number} {n}" for n in range(5)], progress=False)
                    code = 0 if out["response"].notna().all() else 2
                finally:
                    os._exit(code)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        out = job.result()
    assert codes == [0, 0, 0]
    assert out["response"].notna().all()
    assert cp.journal(home() / "simulated.sqlite3").answers == 315


_FORKS = """
import os, sys, threading, time
from pathlib import Path
from claude_parallel.config import resolve_settings
from claude_parallel.store.journal import Journal
from claude_parallel.store.leases import LeaseBook
folder = Path(sys.argv[1])
book = LeaseBook("account", "me", folder / "leases.sqlite3")
journal = Journal.open(folder / "j.sqlite3")
def renew():
    while True:
        book.renew(1.0, time.time)
def configure():
    while True:
        resolve_settings({})
for work in (renew, renew, configure, configure):
    threading.Thread(target=work, daemon=True).start()
for _ in range(60):
    child = os.fork()
    if not child:
        resolve_settings({})
        os._exit(len(Journal.open(folder / "j.sqlite3").query("SELECT 1")))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
assert journal.query("SELECT 1") == [(1,)]
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_never_finds_a_lock_that_stays_locked(tmp_path: Path) -> None:
    """What other threads held in the parent nobody gives back in the child: SQLite's own locks, and ours."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _FORKS, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "ask", [journal_path, lambda address: cp.runs(journal=address)], ids=["a map", "the list of runs"]
)
def test_an_address_is_no_journal(
    ask: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not become a folder called ``s3:`` beside the notebook, where nobody looks for it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is an address, but a journal is a file"):
        ask("s3://bucket/journal.sqlite3")
    with pytest.raises(InputError, match="is an address"):
        journal_path(Path("gs://bucket/journal.sqlite3"))
    assert list(tmp_path.iterdir()) == []
