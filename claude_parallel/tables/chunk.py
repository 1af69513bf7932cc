"""Some rows of a table on their way through a run: the cells that a prompt reads, and the rows as they are written.

An Arrow table, or lines of JSON that stay text. Where chunks come from is in ``source``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from ..text import as_written
from .json_lines import parse_line

PIECE_ROWS = 1_000
"""Rows that a file gives at a time: enough to be quick, few enough where each holds a document."""


class Chunk(Protocol):
    """Some rows of the input, in order."""

    def __len__(self) -> int: ...

    def rows(self, names: Sequence[str], start: int, stop: int) -> list[tuple[Any, ...]]:
        """Return the cells of `names` for each row from `start` to `stop`: Python values, missing ones as None."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        ...

    def head(self, rows: int) -> Chunk:
        """Return the first so many rows."""
        ...

    def table(self) -> Any:
        """Return the rows as an Arrow table of the input's schema."""
        ...


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Rows of an Arrow table."""

    arrow: Any

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def rows(self, names: Sequence[str], start: int, stop: int) -> list[tuple[Any, ...]]:
        """Return cells as Python values, missing ones as None."""
        part = self.arrow.slice(start, stop - start)
        columns = [cells(part.column(part.schema.names.index(name))) for name in names]
        return list(zip(*columns, strict=True)) if columns else [()] * (stop - start)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.arrow.nbytes)

    @property
    def digest(self) -> str:
        """What tells these rows from others."""
        seen = hashlib.blake2b(digest_size=16)
        for column in self.arrow.columns:  # as Python values: the buffers of equal columns may differ
            seen.update(repr(cells(column)).encode())
        return seen.hexdigest()

    def head(self, rows: int) -> TableChunk:
        """Return the first so many rows."""
        return TableChunk(self.arrow.slice(0, rows))

    def table(self) -> Any:
        """Return the rows as an Arrow table."""
        return self.arrow


@dataclass(frozen=True, slots=True)
class JsonChunk:
    """Lines of JSON, each one object.

    Attributes
    ----------
    lines : list of str
        As they stand in the file.
    wheres : list of str
        Name of the file and number of the line, for messages.
    as_table : callable
        Objects -> an Arrow table of the schema that was found for the whole input.
    """

    lines: list[str]
    wheres: list[str]
    as_table: Callable[[list[dict[str, Any]]], Any]

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, names: Sequence[str], start: int, stop: int) -> list[tuple[Any, ...]]:
        """Return cells as Python values; missing keys are None, and so is NaN, as Python writes a missing number."""
        values = ((row.get(name) for name in names) for row in self.objects(start, stop))
        return [tuple(None if value != value else value for value in row) for row in values]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about: most text is ASCII."""
        return sum(map(len, self.lines))

    def head(self, rows: int) -> JsonChunk:
        """Return the first so many rows."""
        return JsonChunk(self.lines[:rows], self.wheres[:rows], self.as_table)

    def table(self) -> Any:
        """Return the rows as an Arrow table."""
        return self.as_table(self.objects(0, len(self)))

    def objects(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Return parsed lines."""
        return [
            parse_line(line, where) for line, where in zip(self.lines[start:stop], self.wheres[start:stop], strict=True)
        ]


def cells(column: Any) -> list[Any]:
    """Return an Arrow column as Python values; a floating NaN is missing, as in pandas."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):  # times beyond what Python's classes hold
        values = column.cast(pa.string()).to_pylist()
    if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        values = as_written(numbers, str(numbers.dtype))
    if pa.types.is_floating(column.type):
        return [None if value != value else value for value in values]
    return values


def regroup(batches: Iterable[Any], schema: Any, rows: int, most_bytes: int) -> Iterator[TableChunk]:
    """Yield tables of `rows` rows, or of fewer where they would hold more than `most_bytes`.

    The cuts depend on nothing but the batches, so a second reading of the same input makes the same.
    """
    waiting: list[Any] = []
    count = size = 0
    for batch in batches:
        while len(batch):
            fitting = max(1, (most_bytes - size) * len(batch) // max(1, batch.nbytes))
            part = batch.slice(0, min(rows - count, fitting))
            batch = batch.slice(len(part))
            waiting.append(part)
            count, size = count + len(part), size + part.nbytes
            if count >= rows or size >= most_bytes:
                yield TableChunk(_table(waiting, schema))
                waiting, count, size = [], 0, 0
    if waiting:
        yield TableChunk(_table(waiting, schema))


def _table(parts: list[Any], schema: Any) -> Any:
    tables = [part if isinstance(part, pa.Table) else pa.Table.from_batches([part]) for part in parts]
    return pa.concat_tables([table.replace_schema_metadata(schema.metadata) for table in tables])
