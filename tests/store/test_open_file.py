"""Runs of one process that use the same journal file share what is open, and what they write goes together."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from claude_parallel.store.journal import Journal
from claude_parallel.store.sharing import close_idle

from .test_journal import HOST, count, reply


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal may lie."""
    return tmp_path / "j.sqlite3"


def is_closed(journal: Journal) -> bool:
    """Say whether nothing can be read any more."""
    try:
        journal.query("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_runs_at_once_share_transactions(path: Path) -> None:
    """Eight runs of one loop keep a hundred answers each: the answers of a turn are one transaction, whoever asked."""
    journals = [Journal.open_for_run(path) for _ in range(8)]
    said: list[str] = []
    journals[0]._file.connection.set_trace_callback(said.append)

    async def main() -> None:
        await asyncio.gather(
            *(
                journal.keep_answer(bytes([run, row]) * 16, HOST, reply(), 1.0)
                for run, journal in enumerate(journals)
                for row in range(100)
            )
        )

    asyncio.run(main())
    assert count(path, "answers") == 800
    assert said.count("COMMIT") <= 3


def test_a_journal_in_memory_is_closed_when_nobody_has_it_any_more() -> None:
    """It stays readable after its run; from Python 3.13 on, a connection that nobody closes is a warning."""
    journal = Journal.open(None)
    connection = journal._file.connection
    journal.close()
    assert journal.query("SELECT count(*) FROM runs") == [(0,)]
    del journal
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_the_last_run_closes_the_file(path: Path) -> None:
    """A run that ends takes nothing from the others; after the last, a new one opens the file anew."""
    first, second = Journal.open_for_run(path), Journal.open_for_run(path)
    first.begin_run("r1", 1.0, HOST, {})
    first.close()
    second.begin_run("r2", 1.0, HOST, {})
    assert second.query("SELECT count(*) FROM runs") == [(2,)]
    second.close()
    close_idle()
    assert is_closed(second)
    third = Journal.open_for_run(path)
    assert third.query("SELECT count(*) FROM runs") == [(2,)]
    third.close()


def test_what_one_run_ends_with_is_on_disk_when_it_has_closed(path: Path) -> None:
    """Also what another run has taken along to write it."""
    staying = Journal.open_for_run(path)

    async def main() -> None:
        for number in range(30):
            leaving = Journal.open_for_run(path)
            others = [staying.keep_answer(bytes([number, row]) * 16, HOST, reply(), 1.0) for row in range(5)]
            writing = asyncio.gather(*others)
            await asyncio.sleep(0)
            leaving.keep_wait(f"r{number}", 1.0, 2.0, "limit")
            await asyncio.to_thread(leaving.close)
            assert count(path, "waits") == number + 1
            await writing

    asyncio.run(main())
    staying.close()
    assert count(path, "answers") == 150


def test_a_run_that_is_dropped_without_an_end_keeps_no_other_from_the_file(path: Path) -> None:
    """The garbage collector is enough."""
    dropped = Journal.open_for_run(path)
    file = dropped._file
    staying = Journal.open_for_run(path)
    del dropped
    gc.collect()
    staying.close()
    assert staying._file is file
    close_idle()
    assert is_closed(staying)


def test_threads_that_come_and_go_lose_nothing(path: Path) -> None:
    """Sixteen threads open, keep and close in turn, each on an event loop of its own."""

    def run(number: int) -> None:
        for turn in range(10):
            journal = Journal.open_for_run(path)
            asyncio.run(journal.keep_answer(bytes([number, turn]) * 16, HOST, reply(), 1.0))
            assert journal.recall([bytes([number, turn]) * 16])
            journal.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(run, range(16)))
    assert count(path, "answers") == 160


def test_a_journal_that_was_moved_is_not_shared(path: Path) -> None:
    """Who comes later gets what lies at the path then; the one before writes its records there, too."""
    first = Journal.open_for_run(path)
    first.begin_run("r1", 1.0, HOST, {})
    path.rename(path.with_name("moved.sqlite3"))
    second = Journal.open_for_run(path)
    second.begin_run("r2", 1.0, HOST, {})
    with pytest.warns(UserWarning, match="written anew"):
        first.end_run("r1", 2.0, {})
    assert second.query("SELECT id FROM runs ORDER BY id") == [("r1",), ("r2",)]
    second.close()
    first.close()


def test_looking_into_a_journal_is_nobodys_business(path: Path) -> None:
    """A report that reads for long holds up no run that writes: it has a connection of its own."""
    run = Journal.open_for_run(path)
    look = Journal.open_existing(path, is_explicit=True)
    assert look._file is not run._file
    look.close()
    assert not is_closed(run)
    run.close()


def test_a_file_that_is_locked_holds_up_no_run_elsewhere(path: Path) -> None:
    """While one thread waits to open a file that another process has locked, others begin, write and end."""
    locked = path.with_name("locked.sqlite3")
    locker = sqlite3.connect(locked, isolation_level=None, check_same_thread=False)
    locker.execute("BEGIN EXCLUSIVE")
    locker.execute("CREATE TABLE held (a)")
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(Journal.open_for_run, locked)
        other = Journal.open_for_run(path)
        other.begin_run("r1", 1.0, HOST, {})
        other.close()
        was_waiting = not opening.done()
        locker.execute("ROLLBACK")
        opening.result().close()
    locker.close()
    assert was_waiting
    assert count(path, "runs") == 1


def test_who_joins_later_is_told_too(path: Path) -> None:
    """That the journal cannot be written is said to each run, and not to the first alone."""
    first = Journal.open_for_run(path)
    first._file.connection.execute("PRAGMA query_only=ON")
    with pytest.warns(UserWarning, match="CANNOT BE WRITTEN"):
        first.begin_run("r1", 1.0, HOST, {})
    second = Journal.open_for_run(path)
    with pytest.warns(UserWarning, match="CANNOT BE WRITTEN"):
        second.begin_run("r2", 1.0, HOST, {})
    first._file.connection.execute("PRAGMA query_only=OFF")
    first.close()
    assert second.query("SELECT count(*) FROM runs") == [(2,)]
    second.close()
