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
from .manifest import Tally
from .result import TableResult
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


class MemoryMap:
    """A map whose result stays in memory.

    Parameters
    ----------
    table_map : TableMap
        The map over a table or a query.
    keeps_rows : bool
        Keep the rows as well: they cannot be had once more in the same order.
    """

    def __init__(self, table_map: TableMap, *, keeps_rows: bool = False) -> None:
        self.table_map = table_map
        self.target = MemoryTarget(keeps_rows=keeps_rows)
        self.result: TableResult | None = None

    def __repr__(self) -> str:
        return f"<MemoryMap: {self.table_map!r}>"

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The run; none where there was nothing to ask."""
        return self.result.run_ids if self.result is not None else ()

    def run(self) -> Any:
        """Run the map, and return its new columns as an Arrow table."""
        self.result = self.table_map.run(lambda _job: self.target)
        return self._columns()

    async def arun(self) -> Any:
        """Run the map on the caller's event loop, and return its new columns."""
        self.result = await self.table_map.arun(lambda _job: self.target)
        return self._columns()

    def _columns(self) -> Any:
        """Return the new columns of all rows; those that a stopped run did not come to are cancelled."""
        answers, session = self.table_map.answers, self.table_map.last_session
        tables = list(self.target.new)
        if session is not None and not session.is_whole:
            self.target.keep(self.table_map.waiting())
            tables.append(answers.table([outcome for outcome in session.results.outcomes if outcome is not None]))
        return pa.concat_tables(tables) if tables else answers.schema.empty_table()


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


class IntoFolder:
    """A map whose result is a folder of Parquet files, a part per chunk; a finished part is left as it is.

    Parameters
    ----------
    table_map : TableMap
        The map over a table or a query.
    into : path
        The folder.
    overwrite : bool
        Replace what another job has left there.
    """

    def __init__(self, table_map: TableMap, into: str | Path, *, overwrite: bool = False) -> None:
        check_into(into)
        self.table_map = table_map
        self._into = str(into)
        self._overwrite = overwrite

    def __repr__(self) -> str:
        return f"<IntoFolder {self._into}: {self.table_map!r}>"

    @property
    def pattern(self) -> str:
        """What its parts are read by."""
        return f"{self._into.rstrip('/')}/part-*.parquet"

    def run(self) -> TableResult:
        """Run the map, blocking."""
        return self.table_map.run(self._open_target, self._into)

    async def arun(self) -> TableResult:
        """Run the map on the caller's event loop."""
        return await self.table_map.arun(self._open_target, self._into)

    def _open_target(self, job: str) -> Target:
        output = Output(Layout(self.table_map.source, self.table_map.answers.schema), job)
        return open_target(f"{self._into.rstrip('/')}/", output, PARQUET, overwrite=self._overwrite)
