"""What a fork means for open journals: a connection must not be used on both of its sides.

Source: "How To Corrupt An SQLite Database File", 2.6. And a lock that another thread holds stays locked in the child
for ever. So a fork waits until no journal is being read or written, and the child lets go of all of them.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """What is open in a process that may fork."""

    def hold(self) -> None:
        """Stand still until the fork is over."""
        ...

    def free(self) -> None:
        """Go on, in the parent."""
        ...

    def let_go(self) -> None:
        """Leave what is open to the parent, in the child."""
        ...


_open: WeakSet[Forkable] = WeakSet()
_held: list[Forkable] = []


def watch(one: Forkable) -> None:
    """Look after something that is open, as long as anybody else uses it."""
    _open.add(one)


def _before() -> None:
    _held[:] = list(_open)
    for one in _held:
        one.hold()


def _in_parent() -> None:
    for one in reversed(_held):
        one.free()
    _held.clear()


def _in_child() -> None:
    for one in _held:
        one.let_go()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
