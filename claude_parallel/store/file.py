"""The journal's file: where it lies, who may read it, and what happens when it cannot be used.

Its tables stand in ``tables``; what is written into them is the business of ``journal``.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ..config import home
from ..errors import InputError
from ..warning import warn
from .rescue import rescue
from .tables import SCHEMA_VERSION, NewerFile, check_version, migrate

BUSY_SECONDS = 30.0
"""How long to wait for another process that writes: our transactions take milliseconds, a VACUUM of a large journal
many seconds."""
_BUSY_POLL_SECONDS = 0.01
"""About the time of one process's transaction."""

_CACHE_KIB = 32_000
"""Pages in memory at most. Keys are hashes, so that neighbours of a frame lie all over the index, 45 bytes an answer:
with SQLite's 2 MB, each answer is read from a page that was just thrown out, a seventh of the time of a recall."""


class ForeignFile(Exception):
    """The file is a database, but none of ours."""


def connect(path: Path | None) -> sqlite3.Connection:
    """Open a journal file, make or migrate its tables, and return the connection.

    A file of ours that others could read is made private; not a byte of any other file is changed.

    Parameters
    ----------
    path : Path or None
        The file; None = in memory, for runs without a journal.

    Raises
    ------
    NewerFile
        When the file's schema is newer than this package.
    ForeignFile
        When it is another program's database.
    sqlite3.Error, OSError
        When the file is damaged or cannot be opened.
    """
    if path is not None:
        _create_private(path)
    connection = sqlite3.connect(
        str(path) if path else ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _check_is_ours(connection)
        check_version(connection)
        if path is not None:
            make_private(path)
            _use_wal(connection)
        # With WAL, NORMAL survives the death of the process at any moment; only a power cut can cost the last instants.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store=MEMORY")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_or_set_aside(path: Path, *, is_explicit: bool) -> tuple[sqlite3.Connection, Path | None]:
    """Open the journal whatever state its file is in; a run is never blocked by a bad file of our own.

    Parameters
    ----------
    path : Path
        The file.
    is_explicit : bool
        True when the user named this very file: then one that is no journal, or that cannot be written, is the user's
        mistake, and it is left as it is.

    Returns
    -------
    connection, path
        `path` is None where only memory is left.

    Raises
    ------
    InputError
        For an explicit path that is not a journal or cannot be used, and for a folder.

    Warns
    -----
    UserWarning
        When the file was damaged (it is renamed, not deleted), is newer than this package (it is left alone, another
        one beside it is used), or cannot be written (the run goes on without a journal on disk).
    """
    try:
        if path.is_dir():
            raise InputError(f"journal= must be a file, but {path} is a folder; name a file in it")
        if path.exists() and not path.is_file():  # a pipe or a device
            raise InputError(f"journal= must be a file, but {path} is none; name another one")
        return connect(path), path
    except NewerFile as error:
        beside = path.with_name(f"{path.stem}.v{SCHEMA_VERSION}{path.suffix}")
        warn(f"the journal {path} {error}; it is left alone and {beside.name} is used. Upgrade claude-parallel.")
        return open_or_set_aside(beside, is_explicit=is_explicit)
    except (ForeignFile, sqlite3.Error, OSError) as error:
        is_no_journal = isinstance(error, ForeignFile) or is_damage(error)
        if is_no_journal and is_explicit:
            raise InputError(
                f"{path} is not a journal of claude_parallel, or it is damaged ({error}); it was left as it is. Name "
                "another file with journal="
            ) from None
        if is_no_journal:
            return start_new_file(path, error, warn)
        if is_explicit:
            raise InputError(f"the journal {path} cannot be used: {error}") from None
        return _without_file(path, error, warn)


def open_again(path: Path, tell: Callable[[str], None]) -> tuple[sqlite3.Connection, Path | None]:
    """Open the journal of a run once more; what keeps that from working is said by `tell`, and ends no run."""
    try:
        return connect(path), path
    except (ForeignFile, NewerFile, sqlite3.Error, OSError) as error:
        go_on = start_new_file if is_damage(error) else _without_file
        return go_on(path, error, tell)


def is_damage(error: Exception) -> bool:
    """Say whether an error means that the file itself is broken, and not that it is locked, full or out of reach."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # the low byte is the primary code


def start_new_file(path: Path, error: Exception, tell: Callable[[str], None]) -> tuple[sqlite3.Connection, Path | None]:
    """Set a damaged file aside and begin a new one with all of its records that can still be read; says so by `tell`.

    Returns a connection in memory, and None, where that fails, too.
    """
    try:
        aside = set_aside(path)
        connection = connect(path)
    except (sqlite3.Error, OSError) as second:
        return _without_file(path, second, tell)
    saved = rescue(aside, connection)
    tell(
        f"the journal {path} is damaged ({error}); it was renamed to {aside.name} and a new one begun, with the "
        f"{saved:,} answers that could still be read."
    )
    return connection, path


def set_aside(path: Path) -> Path:
    """Rename a damaged file and its companions to a free name, private as a journal is, and return that name."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    for source, target in zip(with_companions(path), with_companions(aside), strict=True):
        if source.exists():
            source.rename(target)
    make_private(aside)
    return aside


def with_companions(path: Path) -> list[Path]:
    """Return the paths of a journal file and of the two that SQLite keeps beside it."""
    return [path.with_name(path.name + companion) for companion in ("", "-wal", "-shm")]


def make_private(path: Path) -> None:
    """Take the rights of others away from a journal file, its companions, and the folder of all journals.

    Only from what belongs to this user, and never from a folder that is shared on purpose (such as ``/tmp``) or that
    the user has named by a path of its own.
    """
    folder = path.parent
    for target in [*with_companions(path), *([folder] if folder == home() else [])]:
        try:
            state = target.stat()
            is_ours = not hasattr(os, "geteuid") or state.st_uid == os.geteuid()
            if is_ours and state.st_mode & 0o077 and not state.st_mode & stat.S_ISVTX:
                target.chmod(state.st_mode & 0o700)
        except OSError:  # not there, or a file system without rights
            continue


def write_private(path: Path, text: str) -> None:
    """Write a text file that only this user can read; an existing one is replaced."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _without_file(path: Path, error: Exception, tell: Callable[[str], None]) -> tuple[sqlite3.Connection, None]:
    tell(
        f"the journal {path} cannot be used ({error}). The run goes on WITHOUT it: a second run would pay again. "
        "Name another file with journal= or CLAUDE_PARALLEL_HOME."
    )
    return connect(None), None


def _create_private(path: Path) -> None:
    """Make the folder (0700) and the file (0600) if they are not there yet.

    What is beside a file that is not there belongs to one that was deleted, perhaps in use: SQLite would take its notes
    for those of the new file, and read neither of the two.
    """
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)  # another process may make it at this very moment
    left = [companion for companion in with_companions(path)[1:] if companion.exists()]
    if not path.exists():
        for companion in left:
            companion.unlink(missing_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _check_is_ours(connection: sqlite3.Connection) -> None:
    """Raise for a database with tables that are not a journal's; an empty one is a journal to be."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if names and not names >= {"answers", "runs"}:
        raise ForeignFile(f"its tables are {', '.join(sorted(names)[:3])}")
    columns = {row[1] for row in connection.execute("PRAGMA table_info(answers)")}
    if names and not columns >= {"fingerprint", "host", "message"}:
        raise ForeignFile("its table of answers is another one")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging; SQLite does not wait by itself for another process that does the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_POLL_SECONDS)


def empty_log(connection: sqlite3.Connection) -> None:
    """Put what the write-ahead log holds into the file itself, and leave the log empty; waits for nobody.

    What another process still reads or writes there stays.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1_000:.0f}")


def place_of(path: Path | None) -> tuple[int, ...] | None:
    """Return what tells a file from another one of the same name; None where there is none."""
    state = state_of(path)
    return None if state is None else state[:2]


def state_of(path: Path | None) -> tuple[int, ...] | None:
    """Return what tells a file from another one, and from itself with other content; None where there is none."""
    try:
        state = path.stat() if path is not None else None
    except OSError:
        return None
    # The time of change, and not of modification: whoever copies a file may set that one back.
    return (state.st_dev, state.st_ino, state.st_size, state.st_ctime_ns) if state is not None else None
