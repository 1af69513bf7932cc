"""What tells a prompt function from another: its code, and the values and functions that it works with.

The same in every process, so no address in memory counts, and sets stand in order. Nobody can tell all that a function
does: of objects of other classes, only the class counts.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, Decimal, date, time, timedelta, Enum, PurePath, type(None))
"""Their ``repr`` says all of them, in every process alike."""

_CACHED = type(functools.cache(lambda: None))


def identity_of(function: Callable[..., Any]) -> Any:
    """Return what tells a function from another, as JSON values.

    Parameters
    ----------
    function : callable
        A function, a method, a ``functools.partial``, or an object that can be called: then its attributes count, too.
    """
    inner = function.func if isinstance(function, functools.partial) else function
    described = _Describer(getattr(inner, "__module__", None))
    if isinstance(function, FunctionType | MethodType | functools.partial | _CACHED):
        return described.of(function)
    return [described.of(type(function).__call__), described.of(getattr(function, "__dict__", {}))]


class _Describer:
    """Describes a function and all that it works with.

    Parameters
    ----------
    module : str or None
        Of the function. Of functions of other modules the code counts, and not what these find around it there.
    """

    def __init__(self, module: str | None) -> None:
        self._module = module
        self._functions: dict[FunctionType, int] = {}
        self._open: list[int] = []

    def of(self, value: Any) -> Any:
        """Return what tells a value from another, as JSON values."""
        if isinstance(value, _PLAIN):
            return repr(value)
        if id(value) in self._open:
            return "itself"
        self._open.append(id(value))
        try:
            return self._of_parts(value)
        finally:
            self._open.pop()

    def _of_parts(self, value: Any) -> Any:
        match value:
            case list() | tuple():
                return [type(value).__name__, _digest(map(self.of, value))]
            case set() | frozenset():
                return ["set", _digest(sorted(str(self.of(item)) for item in value))]
            case dict():
                return ["dict", _digest((self.of(name), self.of(item)) for name, item in value.items())]
            case CodeType():
                return [value.co_code.hex(), list(value.co_names), list(map(self.of, value.co_consts))]
            case FunctionType():
                return self._of_function(value)
            case MethodType():
                return ["method", self.of(value.__func__), self.of(getattr(value.__self__, "__dict__", None))]
            case functools.partial():
                return ["partial", *map(self.of, (value.func, value.args, value.keywords))]
            case re.Pattern():
                return ["pattern", repr(value.pattern), value.flags]
        if isinstance(value, _CACHED):
            return ["cached", self.of(value.__wrapped__)]
        named = value if isinstance(value, type | ModuleType | BuiltinFunctionType) else type(value)
        return f"{getattr(named, '__module__', '')} {named.__name__}"

    def _of_function(self, function: FunctionType) -> Any:
        if function in self._functions:
            return ["again", self._functions[function]]
        self._functions[function] = len(self._functions)
        around: list[Any] = [function.__defaults__, function.__kwdefaults__, *map(_content, function.__closure__ or ())]
        if function.__module__ == self._module:
            names = sorted(_names(function.__code__) & function.__globals__.keys())
            around.append({name: function.__globals__[name] for name in names})
        return ["function", self.of(function.__code__), *map(self.of, around)]


def _digest(parts: Iterable[Any]) -> str:
    """Return what stands for parts in their order: a function may look things up in a million of them."""
    seen = hashlib.blake2b(digest_size=16)
    for part in parts:
        seen.update(f"{part!r}\n".encode("utf-8", "backslashreplace"))
    return seen.hexdigest()


def _content(cell: Any) -> Any:
    """Return what a function has taken from the one around it; a name that has no value yet has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _names(code: CodeType) -> set[str]:
    """Return the names that code uses, also in the functions that it defines."""
    inner = (_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)
