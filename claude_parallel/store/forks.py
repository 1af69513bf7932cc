"""What a fork means for SQLite: no thread may be inside it then, and a connection is of use on one side only.

A lock that another thread holds stays locked in the child for ever, and SQLite has locks of its own. The child closes
what it got from its parent: as long as that is open, SQLite believes that the child holds the parent's locks on the
file, and takes none for the child's own connections (see "How To Corrupt An SQLite Database File", 2.6).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """What is open in a process that may fork."""

    def let_go(self) -> None:
        """Leave what is open to the parent, in the child."""
        ...


_open: WeakSet[Forkable] = WeakSet()
_users: dict[int, int] = {}
"""How many blocks that use SQLite each thread is in."""
_change = threading.Condition()
_is_forking = False
"""True while a thread is about to fork: others end what they are in, and begin nothing new."""


def watch(one: Forkable) -> None:
    """Look after something that is open, as long as anybody else uses it."""
    _open.add(one)


@contextmanager
def using_sqlite() -> Iterator[None]:
    """Keep other threads from forking for the length of a block."""
    thread = threading.get_ident()
    with _change:
        _change.wait_for(lambda: thread in _users or not _is_forking)
        _users[thread] = _users.get(thread, 0) + 1
    try:
        yield
    finally:
        with _change:
            _users[thread] = _users.get(thread, 1) - 1
            if not _users[thread]:
                del _users[thread]
                _change.notify_all()


def _before() -> None:
    global _is_forking
    forking = threading.get_ident()
    _change.acquire()
    _change.wait_for(lambda: not _is_forking)
    _is_forking = True
    _change.wait_for(lambda: all(thread == forking for thread in _users))


def _in_parent() -> None:
    global _is_forking
    _is_forking = False
    _change.notify_all()
    _change.release()


def _in_child() -> None:
    global _change, _is_forking
    _change, _is_forking = threading.Condition(), False
    _users.clear()
    for one in list(_open):
        one.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
