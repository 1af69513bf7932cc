"""The journal files that the runs of this process share, and how long they stay open.

Runs that use the same file at the same time share it, so that what they have to write goes into one transaction; eight
connections would take turns, each with a transaction of its own. After the last of them a file stays open for a moment:
to open one costs more than all that a run of a few rows has to write.
"""

from __future__ import annotations

import atexit
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from .open_file import OpenFile, choosing

T = TypeVar("T")

IDLE_SECONDS = 1.0
"""How long a file that nobody uses stays open: a loop over small frames comes back in less, a person does not."""

MOST_IDLE = 4
"""Files that nobody uses and that stay open: each takes three of the 256 that a process may have open on a Mac, and a
loop over frames uses one or two. A loop that gives each frame a journal of its own would fill them within a second."""

_shared: WeakValueDictionary[Path, OpenFile] = WeakValueDictionary()
"""By absolute path: what a relative one means may change between two runs."""
_idle: dict[OpenFile, float] = {}
"""Files that nobody uses, the last one left at the end, and when each is to be closed (seconds, monotonic clock)."""
_is_watched = False
"""True while a thread looks after the idle ones."""


def share(path: Path | None, make: Callable[[OpenFile], T], *, is_explicit: bool = False) -> T:
    """Return what `make` gives for the open file that other runs of this process use at `path`, or one opened now.

    `make` joins the file. A file is opened before anybody chooses: one that another process has locked holds up who
    opens it, and no run that begins or ends elsewhere.
    """
    if path is None:
        return make(OpenFile.open(None))
    path = path.absolute()
    with choosing():
        if (found := _open_at(path)) is not None:
            return make(found)
    opened = OpenFile.open(path, is_explicit=is_explicit)
    with choosing():
        if (found := _open_at(path)) is not None:  # somebody was quicker
            opened.close()
            return make(found)
        if opened.path == path:  # not one beside it, nor one in memory
            _shared[path] = opened
            if os.name != "nt":  # Windows lets nobody delete or move a file that is open
                opened.on_unused = _rest
        return make(opened)


def _open_at(path: Path) -> OpenFile | None:
    """Return the file that is open at an absolute path, for its next user."""
    found = _shared.get(path)
    if found is None:
        return None
    if _idle.pop(found, None) is None:  # in use, or about to be closed by the thread that used it last
        return found if found.is_used and found.is_at(path) else None
    if found.is_as_left():
        return found
    _close(found)  # before the new one is opened: SQLite's locks are those of the process, and of the names beside it
    return None


def _rest(file: OpenFile) -> None:
    """Keep a file open that nobody uses, with all that it holds in one place: whoever copies it now has it all."""
    global _is_watched
    file.tidy()
    with choosing():
        if file.is_used or not file.is_open:  # whoever left at the same moment was quicker
            return
        _idle[file] = time.monotonic() + IDLE_SECONDS
        is_first, _is_watched = not _is_watched, True
    _close_due(time.monotonic(), MOST_IDLE)
    if not is_first:
        return
    try:
        threading.Thread(target=_watch, name="claude_parallel idle journals", daemon=True).start()
    except RuntimeError:  # Python 3.12 starts no thread once the process is ending
        _is_watched = False
        close_idle()


def _watch() -> None:
    """Close idle files when their time has come, until there is none."""
    global _is_watched
    while True:
        _close_due(time.monotonic(), MOST_IDLE)
        with choosing():
            if not _idle:
                _is_watched = False
                return
            next_at = min(_idle.values())
        time.sleep(max(0.0, next_at - time.monotonic()))


def close_idle() -> None:
    """Close every file that nobody uses, at once."""
    _close_due(math.inf, 0)


def _close_due(now: float, most: int) -> None:
    """Close the idle files whose time has come by then, and of the others all but the `most` that were left last."""
    with choosing():
        latest = reversed(_idle.items())
        due = [file for number, (file, at) in enumerate(latest) if at <= now or number >= most]
        for file in due:
            del _idle[file]  # from here on nobody can join it
    for file in due:
        _close(file)


def _close(file: OpenFile) -> None:
    with suppress(sqlite3.Error):  # all that it holds is written, and nobody is there to be told
        file.close_alone()


def _forget_all() -> None:
    """A forked child uses none of its parent's files, and has none of its threads."""
    global _is_watched
    _shared.clear()
    _idle.clear()
    _is_watched = False


atexit.register(close_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
