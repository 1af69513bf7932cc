"""Tables mapped on virtual time, and where they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from claude_parallel.simulation.clock import run_virtual
from claude_parallel.tables.arrow_source import table_source
from claude_parallel.tables.manifest import Tally
from claude_parallel.tables.map_file import FileMap
from claude_parallel.tables.result import TableResult
from claude_parallel.tables.source import Source
from claude_parallel.tables.table_map import TableMap


@dataclass
class Kept:
    """A target in memory."""

    tables: list[Any] = field(default_factory=list)
    finished_parts: dict[int, Tally] = field(default_factory=dict)
    ending: str = ""
    tally_before: Tally | None = None

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """Return what an earlier run has written."""
        return self.finished_parts.get(number)

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Keep a chunk."""
        table = chunk.table()
        for name in new.schema.names:
            table = table.append_column(name, new.column(name))
        self.tables.append(table)

    def complete(self) -> None:
        """Note it."""
        self.ending = "complete"

    def abandon(self) -> None:
        """Note it."""
        self.ending = "abandoned"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return all rows."""
        return [row for table in self.tables for row in table.to_pylist()]


def map_table(world: Any, source: Source | Any, prompt: Any = "Say {t}", **options: Any) -> tuple[TableResult, Kept]:
    """Map a table to its end on virtual time."""
    kept = options.pop("kept", Kept())
    plain = {name: options.pop(name) for name in ("chunk_rows", "limit") if name in options}
    source = table_source(source) if isinstance(source, pa.Table) else source
    settings = {"journal": False, "progress": False, **options}
    prepared = TableMap(source, prompt, "said", settings, environment=world.environment(), **plain)
    result = run_virtual(lambda: prepared.arun(lambda _job: kept), start=world.clock.seconds)
    world.session = prepared.last_session
    return result, kept


def map_file(world: Any, source: Any, target: Path | str, prompt: Any = "Say {t}", **options: Any) -> TableResult:
    """Map files to a target on virtual time."""
    settings = {"journal": False, "progress": False, "out": "said", **options}
    prepared = FileMap(source, target, prompt, environment=world.environment(), **settings)
    result = run_virtual(prepared.arun, start=world.clock.seconds)
    world.session = prepared.table_map.last_session
    return result
