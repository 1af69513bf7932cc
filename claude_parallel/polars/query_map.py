"""A map over a query, with its result as Polars has it: a frame in memory, or the scan of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl

from ..engine.session import Session
from ..frames.made import Made, sign
from ..options import Settings
from ..prompt.template import PromptFunction
from ..tables.memory import IntoFolder, MemoryMap
from .frames import empty, from_arrow, prepare_query, scan_of, typed
from .results import with_columns


class QueryMap:
    """A map over a query, checked and ready, to be run at once or by a job.

    Parameters
    ----------
    frame : LazyFrame
        The query.
    prompt, out, options
        As in ``ClaudeFrame.map``.
    into : path or None
        A folder for the result; None = memory.
    overwrite : bool
        Replace what another map has left in that folder.
    """

    def __init__(
        self,
        frame: pl.LazyFrame,
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        into: str | Path | None,
        *,
        overwrite: bool,
    ) -> None:
        table_map = prepare_query(frame, prompt, out, options)
        self.frame = frame
        self._held: MemoryMap | IntoFolder = (
            MemoryMap(table_map, frame, keeps_rows=True)
            if into is None
            else IntoFolder(table_map, frame, into, overwrite=overwrite)
        )

    def __repr__(self) -> str:
        return f"<QueryMap: {self._held!r}>"

    @property
    def settings(self) -> Settings:
        """The options of the map."""
        return self._held.settings

    def run(self) -> pl.DataFrame | pl.LazyFrame:
        """Run the map, blocking."""
        self._held.run()
        return self.made()

    async def arun(self) -> pl.DataFrame | pl.LazyFrame:
        """Run the map on the caller's event loop."""
        await self._held.arun()
        return self.made()

    def opened(self) -> AbstractContextManager[Session | None]:
        """Open a session for a job; None where an earlier run has left nothing to do."""
        return self._held.opened()

    def made(self) -> pl.DataFrame | pl.LazyFrame:
        """Return the rows with their new columns, or a scan of the folder that they are in."""
        if isinstance(self._held, IntoFolder):
            return self._scan(self._held)
        return self._rows(self._held, self._held.made())

    def made_so_far(self) -> pl.DataFrame | pl.LazyFrame:
        """Return the same of the rows whose chunks are complete."""
        if isinstance(self._held, IntoFolder):
            return self._scan(self._held)
        return self._rows(self._held, self._held.made_so_far())

    def _rows(self, held: MemoryMap, new: Any) -> pl.DataFrame:
        rows = list(held.target.rows)
        frame = pl.concat([from_arrow(table) for table in rows]) if rows else empty(self.frame)
        frame = frame.cast(self.frame.collect_schema())
        height = min(frame.height, len(new))  # a job may be writing
        return with_columns(frame.head(height), held, new.slice(0, height), self.frame)

    def _scan(self, held: IntoFolder) -> pl.LazyFrame:
        table_map = held.table_map
        if held.made() is None:  # stopped before the first part
            new = typed(table_map.columns, table_map.schema, table_map.answers.table([]))
            scan = empty(self.frame).with_columns(new).lazy()
        else:
            scan = scan_of(held.into, table_map.columns, table_map.schema)
        return sign(scan, Made(table_map.call, held.run_ids, folder=held.into), self.frame)
