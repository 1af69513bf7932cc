"""What tells a prompt function from another: its code, and the values, objects and functions that it works with.

The same in every process, so no address in memory counts, and sets stand in order. Nobody can tell all that a function
does: of objects of other people's classes, only the class counts. How values are described is in ``value_identity``.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

from .value_identity import Describer

_AS_BEFORE: dict[str, str] = {}
"""Identity of a function now -> the one it had before its own calls changed what it works with; in this process."""


class FunctionIdentity:
    """The identity of a prompt function, as it was before anybody asked it for a row.

    A function may change what it works with while it is asked: it fills a cache, it counts. That makes no other job, or
    an interrupted one would not go on. Only its own calls change anything between construction and
    :meth:`note_changes`, so what it has become in between counts as what it was; a change from elsewhere counts.

    Parameters
    ----------
    function : callable, optional
        The function; None where a template asks.
    """

    def __init__(self, function: Callable[..., Any] | None) -> None:
        self._function = function
        now = self._now()
        self.text = _AS_BEFORE.get(now, now)

    def __repr__(self) -> str:
        return f"<FunctionIdentity {self.text}>"

    def note_changes(self) -> None:
        """Take note that the function was asked: what it works with now is its own doing."""
        if (now := self._now()) != self.text:
            _AS_BEFORE[now] = self.text

    def _now(self) -> str:
        if self._function is None:
            return ""
        return hashlib.sha256(json.dumps(identity_of(self._function)).encode()).hexdigest()


def identity_of(function: Callable[..., Any]) -> Any:
    """Return what tells a function from another, as JSON values.

    Parameters
    ----------
    function : callable
        A function, a method, a ``functools.partial``, or an object that can be called.
    """
    inner = function.func if isinstance(function, functools.partial) else function
    return Describer(getattr(inner, "__module__", None)).of(function)
