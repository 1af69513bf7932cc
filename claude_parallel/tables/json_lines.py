"""JSON lines, with every value as it stands: numbers keep their digits, objects their keys and their order.

A line passes through as text. It is parsed only for the cells that a prompt reads, or where a key has to go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import InputError

_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


class JsonFloat(float):
    """A number that shows the digits it was written with: ``1.10`` stays ``1.10`` in a prompt."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> JsonFloat:
        """Return the number behind its digits."""
        number = super().__new__(cls, digits)
        number.digits = digits
        return number

    def __str__(self) -> str:
        return self.digits

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec) if spec else self.digits


def parse_line(line: str, where: str) -> dict[str, Any]:
    """Return the object of one line, with numbers that know their digits.

    Raises
    ------
    InputError
        Naming the place of a line that is no JSON object.
    """
    try:
        value = json.loads(line, parse_float=JsonFloat)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not valid JSON: {error}{_hint(line)}") from None
    if not isinstance(value, dict):
        raise InputError(f"{where} holds {type(value).__name__}, not an object{_hint(line)}")
    return value


def _hint(line: str) -> str:
    """Return what to do with a file that is JSON but not in lines."""
    if line.lstrip()[:1] != "[":
        return ""
    return "; the file seems to be one JSON array: `jq -c '.[]' in.json > in.jsonl` makes lines of it"


def members(line: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a valid object, each with its member as it is written (``"key": value``)."""
    at = _skip(line, line.index("{") + 1)
    while line[at] != "}":
        key, after_key = _decoder.raw_decode(line, at)
        value_at = _skip(line, _skip(line, after_key) + 1)
        _, end = _decoder.raw_decode(line, value_at)
        yield key, line[at:end]
        at = _skip(line, end)
        if line[at] == ",":
            at = _skip(line, at + 1)


def _skip(line: str, at: int) -> int:
    found = _SPACE.match(line, at)
    assert found is not None
    return found.end()


def with_members(line: str, new: Mapping[str, str], kept: Collection[str] | None = None) -> str:
    """Return a line with members added at its end.

    Parameters
    ----------
    line : str
        A valid JSON object.
    new : mapping of str to str
        Key -> JSON text of the value; a key that is there already is replaced.
    kept : collection of str, optional
        The keys that stay; all by default.
    """
    added = [f"{json.dumps(key, ensure_ascii=False)}: {text}" for key, text in new.items()]
    may_change = kept is not None or "\\" in line or any(key in line for key in new)  # a key may stand in escapes
    old = list(members(line)) if may_change else []
    stays = [key not in new and (kept is None or key in kept) for key, _text in old]
    if all(stays):
        body = line.strip()[1:-1].strip()
        return "{" + ", ".join([body, *added] if body else added) + "}"
    return "{" + ", ".join([text for (_key, text), is_kept in zip(old, stays, strict=True) if is_kept] + added) + "}"
