"""What tells a value from another, in every process alike: plain values, containers, tables, functions, objects."""

from __future__ import annotations

import dis
import functools
import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, bytearray, range, Decimal, date, time, timedelta, Enum, PurePath)
"""Their ``repr`` says all of them, in every process alike."""

_USUAL = frozenset({type(None), bool, int, float, str})
"""The usual ones of these, known at a glance: a table to look things up in has millions."""

_CACHED = type(functools.cache(lambda: None))

_OF_VALUES = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_core_schema__")
"""What a class has that says of itself that its attributes are all of it."""

_LOOKS_UP = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
"""Steps of code that look a name up around it."""

_DEPTH = 50
"""Objects within objects that are looked into. Each takes some six frames of Python's own thousand."""


class Describer:
    """Describes a function and all that it works with.

    Parameters
    ----------
    module : str or None
        Of the function. Of functions of other modules the code counts, and not what these find around it there; of
        objects of other modules' classes only what ``_OF_VALUES`` have.
    """

    def __init__(self, module: str | None) -> None:
        self._module = module
        self._functions: dict[FunctionType, int] = {}
        self._objects: dict[int, tuple[Any, Any]] = {}  # with the object, or another one would get its number
        self._open: list[int] = []

    def of(self, value: Any) -> Any:
        """Return what tells a value from another, as JSON values."""
        if type(value) in _USUAL or isinstance(value, _PLAIN):
            return repr(value)
        if id(value) in self._open:
            return "itself"
        if len(self._open) > _DEPTH:
            return _name_of(type(value))
        self._open.append(id(value))
        try:
            return self._of_parts(value)
        finally:
            self._open.pop()

    def _of_parts(self, value: Any) -> Any:
        match value:
            case list() | tuple() | deque():  # copied, as another thread may change it at this very moment
                return [type(value).__name__, _digest(map(self.of, list(value)))]
            case set() | frozenset():
                return ["set", _digest(sorted(str(self.of(item)) for item in list(value)))]
            case dict() | MappingProxyType():
                return ["dict", _digest((self.of(name), self.of(item)) for name, item in list(value.items()))]
            case CodeType():
                return [value.co_code.hex(), list(value.co_names), list(map(self.of, value.co_consts))]
            case FunctionType():
                return self._of_function(value)
            case functools.partial():
                return ["partial", *map(self.of, (value.func, value.args, value.keywords))]
            case re.Pattern():
                return ["pattern", repr(value.pattern), value.flags]
            case staticmethod() | classmethod():
                return [type(value).__name__, self.of(value.__func__)]
            case property():
                return ["property", self.of(value.fget)]
            case functools.cached_property():
                return ["property", self.of(value.func)]
        if isinstance(value, _CACHED):
            return ["cached", self.of(value.__wrapped__)]
        return self._of_object(value) if (cells := _cells(value)) is None else [_name_of(type(value)), self.of(cells)]

    def _of_object(self, value: Any) -> Any:
        match value:
            case type():
                return self._of_class(value)
            case ModuleType():
                return f"module {value.__name__}"
            case MethodType():
                return ["method", self.of(value.__func__), self._with_attributes(value.__self__)]
            case BuiltinFunctionType() | MethodWrapperType():  # "Translate: {text}".format_map
                return ["builtin", value.__qualname__, self.of(value.__self__)]
        is_own = type(value).__module__ == self._module
        if is_own or isinstance(value, SimpleNamespace) or any(hasattr(type(value), name) for name in _OF_VALUES):
            return self._with_attributes(value)
        return _name_of(type(value))

    def _with_attributes(self, value: Any) -> Any:
        """Describe an object by its class and attributes, once: objects may know each other in many ways."""
        if isinstance(value, type):
            return self._of_class(value)
        if id(value) not in self._objects:
            described = [self._of_class(type(value)), self.of(dict(_attributes(value)))]
            self._objects[id(value)] = value, _digest(described)
        return self._objects[id(value)][1]

    def _of_class(self, kind: type) -> Any:
        """Describe a class by its name; one of the function's own module also by what is in it."""
        if kind.__module__ != self._module or id(kind) in self._objects:
            return _name_of(kind)
        self._objects[id(kind)] = kind, None
        inside = {name: item for name, item in vars(kind).items() if not _is_bookkeeping(name, item)}
        return [_name_of(kind), *map(self._of_class, kind.__bases__), self.of(inside)]

    def _of_function(self, function: FunctionType) -> Any:
        if function in self._functions:
            return ["again", self._functions[function]]
        self._functions[function] = len(self._functions)
        around: list[Any] = [function.__defaults__, function.__kwdefaults__, *map(_content, function.__closure__ or ())]
        if function.__module__ == self._module:
            names = sorted(_global_names(function.__code__) & function.__globals__.keys())
            around.append({name: function.__globals__[name] for name in names})
        return ["function", self.of(function.__code__), *map(self.of, around)]


def _digest(parts: Iterable[Any]) -> str:
    """Return what stands for parts in their order: a function may look things up in a million of them."""
    seen = hashlib.blake2b(digest_size=16)
    for part in parts:
        seen.update(f"{part!r}\n".encode("utf-8", "backslashreplace"))
    return seen.hexdigest()


def _name_of(kind: type) -> str:
    return f"{kind.__module__} {kind.__name__}"


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, those in slots included; one that has no value yet has none."""
    yield from list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            is_private = name.startswith("__") and not name.endswith("__")
            stored = f"_{kind.__name__.lstrip('_')}{name}" if is_private else name
            if name not in ("__dict__", "__weakref__") and hasattr(value, stored):
                yield name, getattr(value, stored)


def _is_bookkeeping(name: str, item: Any) -> bool:
    """Say whether what is in a class is Python's own note: a line number, a docstring, annotations, a slot."""
    is_dunder = name.startswith("__") and name.endswith("__")
    return is_dunder and not isinstance(item, FunctionType | staticmethod | classmethod | property)


def _cells(value: Any) -> Any:
    """Return the cells of an array, a series or a frame, and what they are; None for anything else."""
    if type(value).__module__.partition(".")[0] not in ("numpy", "pandas", "polars", "pyarrow"):
        return None
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes") and not value.dtype.hasobject:
        return [str(value.dtype), str(value.shape), hashlib.blake2b(value.tobytes()).hexdigest()]
    if hasattr(value, "iloc"):
        names = [value.name] if value.ndim == 1 else list(value.columns)
        columns = [value] if value.ndim == 1 else [value.iloc[:, place] for place in range(len(names))]
        return [names, value.index.to_numpy(), *([str(column.dtype), column.to_numpy()] for column in columns)]
    for method in ("tolist", "to_list", "to_pylist", "to_pydict", "rows"):
        if not isinstance(value, type) and callable(read := getattr(value, method, None)):
            return [str(getattr(value, "dtype", getattr(value, "schema", ""))), read()]
    return None


def _content(cell: Any) -> Any:
    """Return what a function has taken from the one around it; a name that has no value yet has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _global_names(code: CodeType) -> set[str]:
    """Return the names that code looks up around it, also in the functions that it defines; attributes are none."""
    own = {step.argval for step in dis.get_instructions(code) if step.opname in _LOOKS_UP}
    inner = (_global_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return own.union(*inner)
