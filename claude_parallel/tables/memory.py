"""A map whose result stays in memory: Arrow tables in, the new columns out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..batch.carrier import BatchEnvironment
from ..engine.environment import Environment
from ..prompt.template import PromptFunction
from ..records import Outcome
from .arrow_source import table_source
from .chunk import Chunk
from .formats import Format
from .result import TableResult
from .source import Source
from .stream import CHUNK_ROWS, Loaded
from .table_map import TableMap
from .target import Output, Tally, Target, open_target
from .writers import Layout, output_schema

_PARQUET = Format("parquet", None, ".parquet")


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

    def finished(self, number: int) -> Tally | None:
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
    """A map over an Arrow table or a query, whose result stays in memory; see ``TableMap`` for the parameters."""

    def __init__(
        self,
        source: Source,
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        *,
        is_series: bool = False,
        keeps_rows: bool = False,
        bypass_cache: frozenset[bytes] = frozenset(),
        environment: Environment | BatchEnvironment | None = None,
    ) -> None:
        self.table_map = TableMap(
            source, prompt, out, options, is_series=is_series, bypass_cache=bypass_cache, environment=environment
        )
        self.target = MemoryTarget(keeps_rows=keeps_rows)
        self.result: TableResult | None = None

    def __repr__(self) -> str:
        return f"<MemoryMap: {self.table_map!r}>"

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
        total = self.table_map.rows.total
        if session is not None and not session.is_whole:
            unreached = Outcome.not_asked("cancelled", "not sent, the run was stopped")
            rest = [outcome or unreached for outcome in session.results.outcomes]
            waiting = self.table_map.waiting()
            self.target.keep(waiting)
            left = sum(len(loaded.chunk) for loaded in waiting) if total is None else total - sum(map(len, tables))
            rest += [unreached] * (left * answers.columns.samples - len(rest))
            tables.append(answers.table(rest))
        return pa.concat_tables(tables) if tables else answers.schema.empty_table()


def map_arrow(table: Any, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> Any:
    """Return an Arrow table with its new columns; see ``claude_parallel.map``."""
    new = MemoryMap(table_source(table), prompt, out, options).run()
    return joined(table, new)


def joined(table: Any, new: Any) -> Any:
    """Return a table with new columns; one of the same name is replaced."""
    schema, added = output_schema(table.schema, new.schema), set(new.schema.names)
    columns = [
        new.column(field.name) if field.name in added else table.column(place) for place, field in enumerate(schema)
    ]
    return pa.table(columns, schema=schema)


def map_into(
    source: Source,
    prompt: str | PromptFunction,
    out: str,
    options: Mapping[str, Any],
    into: str | Path,
    *,
    overwrite: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    open_folder: Callable[..., Target] = open_target,
) -> TableResult:
    """Map a table or a query into a folder of Parquet files, a part per chunk; a finished part is left as it is."""
    table_map = TableMap(source, prompt, out, options, chunk_rows=chunk_rows)

    def target(job: str) -> Target:
        output = Output(Layout(source, table_map.answers.schema), job)
        return open_folder(f"{str(into).rstrip('/')}/", output, _PARQUET, sources=[], overwrite=overwrite)

    return table_map.run(target, str(into))
