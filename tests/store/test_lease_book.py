"""The file of leases: for this user alone, forgetful of the dead, and never a reason to stop."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from claude_parallel.limits.leases import LEASE_SECONDS, Grant
from claude_parallel.store.leases import LeaseBook

NOW = 1_795_400_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file will lie."""
    return tmp_path / "home" / "leases.sqlite3"


def share(book: LeaseBook, now: float, demand: float = 1.0) -> float:
    """Renew, and return the share."""
    granted = book.renew(demand, lambda: now)
    assert granted is not None
    return granted.share


def test_two_processes_get_a_half_each(path: Path) -> None:
    """The second once the first has made room; the file is for its owner alone."""
    first, second = LeaseBook("account", "a", path), LeaseBook("account", "b", path)
    assert share(first, NOW) == 1.0
    assert share(second, NOW + 0.1) == 0.0
    assert share(first, NOW + 1.0) == 0.5
    assert share(second, NOW + 1.1) == 0.5
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dead_process_gives_its_share_back_within_three_seconds(path: Path) -> None:
    """Killed, it can give nothing back itself."""
    first, second = LeaseBook("account", "a", path), LeaseBook("account", "b", path)
    share(first, NOW)
    share(second, NOW)
    share(first, NOW + 0.5)
    assert share(second, NOW + 0.5 + LEASE_SECONDS + 0.01) == 1.0


def test_a_process_that_ends_gives_its_share_back_at_once(path: Path) -> None:
    """The others have it when they ask next."""
    first, second = LeaseBook("account", "a", path), LeaseBook("account", "b", path)
    share(first, NOW)
    share(second, NOW)
    first.release()
    assert share(second, NOW + 0.1) == 1.0


def test_accounts_do_not_divide_each_other(path: Path) -> None:
    """Another key, or another group of models."""
    assert share(LeaseBook("account", "a", path), NOW) == 1.0
    assert share(LeaseBook("other", "b", path), NOW) == 1.0


def test_a_clock_that_was_put_back_locks_nobody_out(path: Path) -> None:
    """A lease from the future is none."""
    share(LeaseBook("account", "a", path), NOW + 3_600)
    assert share(LeaseBook("account", "b", path), NOW) == 1.0


def test_the_clock_is_read_when_it_is_this_process_s_turn(path: Path) -> None:
    """One that waited for the file, or for a busy machine, must not take a younger lease for one from the future."""
    first, second = LeaseBook("account", "a", path), LeaseBook("account", "b", path)
    seen: list[bool] = []

    def clock() -> float:
        with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                seen.append(True)
        return NOW

    share(first, NOW)
    assert second.renew(1.0, clock) == Grant(0.0, 0.5)
    assert seen == [True]


def test_a_damaged_file_is_begun_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing in it is worth keeping; one word at DEBUG, no warning."""
    caplog.set_level("DEBUG", logger="claude_parallel")
    path.parent.mkdir()
    path.write_bytes(b"not a database, and long enough to be read as one" * 100)
    book = LeaseBook("account", "a", path)
    assert book.renew(1.0, lambda: NOW) is None
    assert share(book, NOW + 1.0) == 1.0
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a folder instead of the file is refused everywhere else, too")
def test_a_file_that_cannot_be_used_stops_nobody(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Told once, however often it is asked."""
    caplog.set_level("DEBUG", logger="claude_parallel")
    path.mkdir(parents=True)
    book = LeaseBook("account", "a", path)
    assert [book.renew(1.0, lambda: NOW) for _ in range(3)] == [None] * 3
    book.release()
    assert len(caplog.records) == 1


def test_a_file_that_others_have_filled_is_no_reason_to_stop(path: Path) -> None:
    """Text where numbers belong: this process goes on as if it were alone."""
    book = LeaseBook("account", "a", path)
    assert share(book, NOW) == 1.0
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = [row[1:3] for row in connection.execute("PRAGMA table_info(leases)")]
        names = ", ".join(name for name, _kind in columns)
        values = ["account" if name == "account" else "b" if kind == "TEXT" else "no number" for name, kind in columns]
        values[[name for name, _kind in columns].index("until")] = NOW + 2.0  # type: ignore[call-overload]
        connection.execute(f"INSERT INTO leases ({names}) VALUES ({', '.join('?' * len(values))})", values)
    assert book.renew(1.0, lambda: NOW + 0.5) is None
