"""Tables that are in memory or come from elsewhere as Arrow: one schema, and batches from first row to last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .chunk import PIECE_ROWS, Chunk, TableChunk, regroup


@dataclass(frozen=True)
class ArrowSource:
    """Arrow tables or batches of one schema.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of every batch.
    batches : callable
        Returns the tables or batches, from the first; called once for each reading.
    total : int or None
        Rows in all; None where nobody knows before the last one.
    name : tuple
        What tells this very input from another, as JSON values.
    is_named : bool
        False where that is not enough: a query has its text as name, whatever the files say that it reads.
    """

    schema: Any
    batches: Callable[[], Iterable[Any]]
    total: int | None = None
    name: tuple[Any, ...] = ()
    is_named: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that a prompt may read."""
        return tuple(self.schema.names)

    def type_of(self, name: str) -> Any:
        """Return a column's Arrow type."""
        return self.schema.field(self.schema.names.index(name)).type

    def chunks(self, rows: int, most_bytes: int) -> Iterator[Chunk]:
        """Yield the rows in order."""
        return regroup(self.batches(), self.schema, rows, most_bytes)

    def digest(self, chunk: TableChunk) -> str:
        """Return what tells the rows of a chunk from others; nothing where the identity does."""
        return "" if self.is_named else chunk.digest

    def identity(self) -> list[Any]:
        """Return what tells this very input from another."""
        return [*self.name, str(self.schema)]


def table_source(table: Any) -> ArrowSource:
    """Return an Arrow table as a source."""
    return ArrowSource(table.schema, lambda: table.to_batches(max_chunksize=PIECE_ROWS), table.num_rows)
