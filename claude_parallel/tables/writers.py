"""One file of a table, written chunk by chunk in its format.

Gets the input's rows and the new columns beside them. ``target`` decides where the file lies and when it is complete.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet

from ..errors import InputError
from .chunk import Chunk, JsonChunk
from .formats import Format
from .json_lines import with_members
from .rendering import json_texts, texts

_GROUP_ROWS = 64_000
_GROUP_BYTES = 32 << 20
"""A row group of Parquet takes shape in memory. Readers skip whole groups, so small ones cost them time; 64,000 rows or
32 MiB are large enough for that and small beside what a run may use."""

_SCHEMAS_OF_OTHERS = frozenset({b"org.apache.spark.sql.parquet.row.metadata"})
"""Metadata that says once more which columns a file has. Spark believes it before the file itself, so that the new
columns would not be there for it (source: Spark's ``ParquetReadSupport``; tried with 4.3)."""

_NEEDS_QUOTES = re.compile(r'[",\r\n]')


class Writer(Protocol):
    """Writes one file."""

    def write(self, chunk: Chunk, new: Any) -> None:
        """Append the rows of a chunk with their new columns (an Arrow table)."""
        ...

    def close(self) -> None:
        """Write what is left; the stream stays open."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns stand in the output.

    Attributes
    ----------
    source : Source
        The input.
    new : pyarrow.Schema
        The new columns.
    columns : sequence of str or None
        The input's columns that are kept; None = all.
    """

    source: Any
    new: Any
    columns: Sequence[str] | None = None

    @property
    def schema(self) -> Any:
        """The Arrow schema of the output."""
        source = self.source.schema
        kept = [source.field(place) for place in self._places()]
        metadata = {key: text for key, text in (source.metadata or {}).items() if key not in _SCHEMAS_OF_OTHERS}
        return output_schema(pa.schema(kept, metadata or None), self.new)

    def joined(self, chunk: Chunk, new: Any, schema: Any) -> Any:
        """Return the rows of a chunk and their new columns as one table of `schema`."""
        table, added = chunk.table(), set(new.schema.names)
        places = [*self._places(), *[-1] * len(schema)]  # what follows the input's columns is new
        columns = [
            new.column(field.name) if field.name in added else table.column(place)
            for field, place in zip(schema, places, strict=False)
        ]
        return pa.table(columns, schema=schema)

    def _places(self) -> list[int]:
        names = self.source.schema.names
        return [place for place, name in enumerate(names) if self.columns is None or name in self.columns]


def output_schema(schema: Any, new: Any) -> Any:
    """Return the schema of the output: the input's columns, then the new ones; one of the same name is replaced."""
    for field in new:
        places = schema.get_all_field_indices(field.name)
        schema = schema.set(places[0], field) if places else schema.append(field)
    return schema


def open_writer(form: Format, stream: Any, layout: Layout) -> Writer:
    """Return what writes a file.

    Parameters
    ----------
    form : Format
        The file's format.
    stream : binary stream
        Where to.
    layout : Layout
        What stands in it.
    """
    if form.name == "jsonl":
        return JsonWriter(stream, layout)
    if form.name == "csv":
        return CsvWriter(stream, layout, "\t" if form.ending.startswith(".tsv") else ",")
    return ParquetWriter(stream, layout) if form.name == "parquet" else ArrowWriter(stream, layout)


def check_layout(form: Format, layout: Layout) -> None:
    """Refuse columns that the format cannot hold, by writing a file without rows into memory.

    Raises
    ------
    InputError
        In the format's own words.
    """
    counts = Counter(name for name in layout.source.names if layout.columns is None or name in layout.columns)
    if form.name == "jsonl" and counts and (twice := counts.most_common(1)[0])[1] > 1:
        raise InputError(f"JSON lines cannot hold {twice[1]} columns {twice[0]!r}; rename all but one")
    try:
        open_writer(form, pa.BufferOutputStream(), layout).close()
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{form.name} files cannot hold a column of this table: {error}") from None


class ParquetWriter:
    """Writes Parquet, with the Arrow schema beside it so that every type comes back."""

    def __init__(self, stream: Any, layout: Layout) -> None:
        self._layout = layout
        self._schema = layout.schema
        self._writer = pyarrow.parquet.ParquetWriter(stream, self._schema)
        self._waiting: list[Any] = []

    def write(self, chunk: Chunk, new: Any) -> None:
        """Append rows; they reach the file a row group at a time."""
        self._waiting.append(self._layout.joined(chunk, new, self._schema))
        rows, size = sum(len(table) for table in self._waiting), sum(table.nbytes for table in self._waiting)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=2 * _GROUP_ROWS)
            self._waiting = []


class ArrowWriter:
    """Writes Arrow IPC. A column of labels has one dictionary for the whole file, which may only grow."""

    def __init__(self, stream: Any, layout: Layout) -> None:
        self._layout = layout
        self._schema = layout.schema
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        self._writer = pa.ipc.new_file(stream, self._schema, options=options)
        self._seen: dict[int, Any] = {}

    def write(self, chunk: Chunk, new: Any) -> None:
        """Append rows."""
        table = self._layout.joined(chunk, new, self._schema)
        for place, field in enumerate(self._schema):
            if pa.types.is_dictionary(field.type):
                table = table.set_column(place, field, self._grown(place, table.column(place)))
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def _grown(self, place: int, column: Any) -> Any:
        """Return a column whose dictionary begins with the one that the file has so far."""
        seen = [self._seen[place]] if place in self._seen else []
        chunks = pa.chunked_array([*seen, *column.chunks], column.type).unify_dictionaries().chunks
        if chunks:
            self._seen[place] = chunks[-1].slice(0, 0)
        return pa.chunked_array(chunks[len(seen) :], column.type)


class CsvWriter:
    """Writes CSV as RFC 4180 has it, with quotes only where a cell needs them; a missing value is an empty cell."""

    def __init__(self, stream: Any, layout: Layout, delimiter: str) -> None:
        self._stream = stream
        self._layout = layout
        self._schema = layout.schema
        self._delimiter = delimiter
        self._write_lines([tuple(self._schema.names)])

    def write(self, chunk: Chunk, new: Any) -> None:
        """Append rows."""
        table = self._layout.joined(chunk, new, self._schema)
        self._write_lines(zip(*map(texts, table.columns), strict=True))

    def close(self) -> None:
        """Nothing is left."""

    def _write_lines(self, rows: Iterable[Sequence[str | None]]) -> None:
        self._stream.write("".join(map(self._line, rows)).encode("utf-8"))

    def _line(self, cells: Sequence[str | None]) -> str:
        if len(cells) == 1 and not cells[0]:
            return '""\n'  # an empty line is no row
        return self._delimiter.join(map(self._quoted, cells)) + "\n"

    def _quoted(self, cell: str | None) -> str:
        if cell is None:
            return ""
        if _NEEDS_QUOTES.search(cell) or self._delimiter in cell:
            return '"' + cell.replace('"', '""') + '"'
        return cell


class JsonWriter:
    """Writes JSON lines; lines of the input stay as they are, with the new keys at their end."""

    def __init__(self, stream: Any, layout: Layout) -> None:
        self._stream = stream
        self._kept = None if layout.columns is None else frozenset(layout.columns)

    def write(self, chunk: Chunk, new: Any) -> None:
        """Append rows."""
        lines = chunk.lines if isinstance(chunk, JsonChunk) else map(_object, _members_of(chunk.table()))
        whole = (with_members(line, added, self._kept) for line, added in zip(lines, _members_of(new), strict=True))
        self._stream.write("".join(f"{line}\n" for line in whole).encode("utf-8"))

    def close(self) -> None:
        """Nothing is left."""


def _members_of(table: Any) -> Iterable[dict[str, str]]:
    """Return each row of a table as key -> JSON text."""
    names = table.schema.names
    columns = [json_texts(column) for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if names else [{}] * len(table)


def _object(row: dict[str, str]) -> str:
    return with_members("{}", row)
