"""A map whose result stays in memory: Arrow tables in, the new columns out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..prompt.template import PromptFunction
from .arrow_source import table_source
from .chunk import Chunk
from .formats import PARQUET
from .held_map import HeldMap
from .manifest import Tally
from .places import place_of
from .stream import Loaded
from .table_map import TableMap
from .target import Output, Target, check_into, open_target
from .writers import Layout, output_schema


class MemoryTarget:
    """Keeps new columns, and on demand the rows beside them.

    Parameters
    ----------
    keeps_rows : bool
        True where the input cannot be had once more in the same order (a query).
    """

    tally_before: Tally | None = None

    def __init__(self, *, keeps_rows: bool = False) -> None:
        self.new: list[Any] = []
        self.rows: list[Any] = []
        self._keeps_rows = keeps_rows

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """None: nothing is left from an earlier run."""
        return None

    def write(self, number: int, chunk: Chunk, new: Any, tally: Tally) -> None:
        """Keep a chunk."""
        self.new.append(new)
        if self._keeps_rows:
            self.rows.append(chunk.table())

    def keep(self, waiting: Sequence[Loaded]) -> None:
        """Keep the rows of a stopped run's chunks that are not complete."""
        if self._keeps_rows:
            self.rows += [loaded.chunk.table() for loaded in waiting]

    def complete(self) -> None:
        """Nothing is left."""

    def abandon(self) -> None:
        """Keep what there is: a frame is returned also after an interrupt."""


class MemoryMap(HeldMap):
    """A map whose result stays in memory: its new columns as an Arrow table.

    Parameters
    ----------
    table_map : TableMap
        The map over a table or a query.
    given : object
        What is mapped, as the user has it.
    keeps_rows : bool
        Keep the rows as well: they cannot be had once more in the same order.
    """

    def __init__(self, table_map: TableMap, given: Any = None, *, keeps_rows: bool = False) -> None:
        super().__init__(table_map, given)
        self.target = MemoryTarget(keeps_rows=keeps_rows)
        self._made: Any = None

    def open_target(self, job: str) -> MemoryTarget:
        """Return what keeps the result."""
        return self.target

    def made(self) -> Any:
        """Return the new columns of all rows; those that a stopped run did not come to are cancelled."""
        if self._made is None:
            session = self.table_map.last_session
            self._made = self.made_so_far()
            if session is not None and not session.is_whole:
                self.target.keep(self.table_map.waiting())
                outcomes = [outcome for outcome in session.results.outcomes if outcome is not None]
                self._made = pa.concat_tables([self._made, self.table_map.answers.table(outcomes)])
        return self._made

    def made_so_far(self) -> Any:
        """Return the new columns of the rows whose chunks are complete."""
        tables = list(self.target.new)
        return pa.concat_tables(tables) if tables else self.table_map.answers.schema.empty_table()


def map_arrow(table: Any, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> Any:
    """Return an Arrow table with its new columns; see ``claude_parallel.map``."""
    new = MemoryMap(TableMap(table_source(table), prompt, out, options)).run()
    return joined(table, new)


def joined(table: Any, new: Any) -> Any:
    """Return a table with new columns; one of the same name is replaced."""
    schema, added = output_schema(table.schema, new.schema), set(new.schema.names)
    columns = [
        new.column(field.name) if field.name in added else table.column(place) for place, field in enumerate(schema)
    ]
    return pa.table(columns, schema=schema)


class IntoFolder(HeldMap):
    """A map whose result is a folder of Parquet files, a part per chunk; a finished part is left as it is.

    Parameters
    ----------
    table_map : TableMap
        The map over a table or a query.
    given : object
        What is mapped, as the user has it.
    into : path
        The folder, also an attribute.
    overwrite : bool
        Replace what another job has left there.
    """

    def __init__(self, table_map: TableMap, given: Any, into: str | Path, *, overwrite: bool = False) -> None:
        check_into(into)
        super().__init__(table_map, given, str(into))
        self.into = str(into)
        self._overwrite = overwrite

    def open_target(self, job: str) -> Target:
        """Return the folder."""
        output = Output(Layout(self.table_map.source, self.table_map.answers.schema), job)
        return open_target(f"{self.into.rstrip('/')}/", output, PARQUET, overwrite=self._overwrite)

    def made(self) -> str | None:
        """Return what the parts are read by; None where there is none yet."""
        has_parts = (place_of(self.into) / f"part-000000{PARQUET.ending}").kind == "file"
        return pattern_of(self.into) if has_parts else None

    def made_so_far(self) -> str | None:
        """Return what the complete parts are read by; None where there is none yet."""
        return self.made()


def pattern_of(folder: str | Path) -> str:
    """Return what the parts of a folder are read by."""
    return f"{str(folder).rstrip('/')}/part-*.parquet"
