"""JSON lines as a stream of chunks; a schema of the whole input only where the target needs one.

How a line is read and extended is in ``json_lines``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from ..errors import InputError
from .chunk import PIECE_ROWS, Chunk, JsonChunk
from .formats import not_utf8
from .json_lines import parse_line
from .places import Place
from .rendering import to_text

_ROWS_FOR_NAMES = 1_000
"""Enough to meet the keys that matter; a key that comes later reaches the output all the same."""
_EXACT_INTEGERS = 2**53
"""A float64 holds every whole number up to here."""

Line = tuple[str, str]
"""The text of a line, and where it stands."""


@dataclass(frozen=True)
class JsonSource:
    """The lines of some files.

    Attributes
    ----------
    places : sequence of Place
        The files.
    """

    places: Sequence[Place]
    total: int | None = None
    """Rows in all: nobody knows before the last one."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The keys of the first rows; a later row may have others."""
        first = [parse_line(line, where) for line, where in itertools.islice(self._lines(), _ROWS_FOR_NAMES)]
        if not first:
            raise InputError(f"{', '.join(place.shown for place in self.places)} holds no row: there is nothing to ask")
        return tuple(dict.fromkeys(name for row in first for name in row))

    @cached_property
    def schema(self) -> Any:
        """The Arrow schema of all lines, found by reading each of them."""
        finder = _TypeFinder()
        for chunk in self.chunks(PIECE_ROWS, most_bytes=sys.maxsize):
            assert isinstance(chunk, JsonChunk)
            finder.see(chunk.objects(0, len(chunk)))
        return finder.schema()

    def type_of(self, name: str) -> Any:
        """Return None: every row may have a type of its own."""
        return None

    def chunks(self, rows: int, most_bytes: int) -> Iterator[Chunk]:
        """Yield the lines in order."""
        lines: list[Line] = []
        size = 0
        for line in self._lines():
            lines.append(line)
            size += len(line[0])
            if len(lines) >= rows or size >= most_bytes:
                yield self._chunk(lines)
                lines, size = [], 0
        if lines:
            yield self._chunk(lines)

    def digest(self, chunk: Chunk) -> str:
        """Return nothing: the identity tells the rows from others."""
        return ""

    def identity(self) -> list[Any]:
        """Return what tells this very input from another."""
        return [place.identity() for place in self.places]

    def _chunk(self, lines: list[Line]) -> JsonChunk:
        return JsonChunk([text for text, _ in lines], [where for _, where in lines], self._as_table)

    def _as_table(self, objects: list[dict[str, Any]]) -> Any:
        columns = [_array([row.get(field.name) for row in objects], field.type) for field in self.schema]
        return pa.table(columns, schema=self.schema)

    def _lines(self) -> Iterator[Line]:
        for place in self.places:
            try:
                yield from _lines_of(place)
            except (pa.ArrowException, OSError, EOFError) as error:
                raise InputError(f"{place.shown} cannot be read to its end: {error}") from None


def _lines_of(place: Place) -> Iterator[Line]:
    with place.filesystem.open_input_stream(place.path) as stream:
        for number, raw in enumerate(_raw_lines(stream), 1):
            where = f"{place.shown}, line {number},"
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise InputError(f"{where} is {not_utf8(error.object)}") from None
            if text:
                yield text, where


def _raw_lines(stream: Any) -> Iterator[bytes]:
    """Yield what stands between line feeds; other characters that end a line for Python may stand in a text."""
    rest = b""
    while block := stream.read(1 << 20):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        yield rest


class _TypeFinder:
    """Finds a type for each key that holds all of its values without changing one."""

    def __init__(self) -> None:
        self._types: dict[str, Any] = {}
        self._large: set[str] = set()

    def see(self, objects: list[dict[str, Any]]) -> None:
        """Look at some rows."""
        for name in dict.fromkeys(name for row in objects for name in row):
            values = [row.get(name) for row in objects]
            if any(type(value) is int and abs(value) > _EXACT_INTEGERS for value in values):
                self._large.add(name)
            found = _type_of(values)
            self._types[name] = _joined(self._types.get(name, pa.null()), found)

    def schema(self) -> Any:
        """Return the types of all keys; mixed values stand as their JSON text."""
        return pa.schema(
            [
                (name, pa.string() if pa.types.is_floating(kind) and name in self._large else kind)
                for name, kind in self._types.items()
            ]
        )


def _type_of(values: list[Any]) -> Any:
    """Return the type of some values; text where they are of several kinds, of which Arrow sees the first only."""
    try:
        kind = pa.array(values, pa.infer_type(values)).type
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.string()
    return pa.string() if _has_no_place(kind) else kind


def _has_no_place(kind: Any) -> bool:
    """Say whether a type, or one inside it, is an empty object, which no file of columns can hold."""
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_no_place(kind.field(at).type) for at in range(kind.num_fields))
    return bool(pa.types.is_list(kind) and _has_no_place(kind.value_type))


def _joined(one: Any, other: Any) -> Any:
    fields = [pa.schema([("value", kind)]) for kind in (one, other)]
    try:
        joined = pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()
    return joined if not pa.types.is_decimal(joined) else pa.string()


def _array(values: list[Any], kind: Any) -> Any:
    if pa.types.is_string(kind):
        # NaN is what Python's json writes for a missing cell of text, too
        return pa.array([None if value is None or value != value else to_text(value) for value in values], kind)
    return pa.array(values, kind)
