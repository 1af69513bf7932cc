"""What leaves a run while others wait for room in its window."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from claude_parallel.engine.context import RunState
from claude_parallel.engine.results import Results
from claude_parallel.errors import InputError
from claude_parallel.frames.columns import plan_columns
from claude_parallel.options import Settings
from claude_parallel.progress.stats import RunStats
from claude_parallel.prompt.template import compile_prompt
from claude_parallel.records import Outcome
from claude_parallel.tables import stream
from claude_parallel.tables.answers import AnswerTables
from claude_parallel.tables.arrow_source import table_source
from claude_parallel.tables.outlet import Outlet
from claude_parallel.tables.reader import TableReader

from .tables_world import Kept
from .test_table_map import table_of


class FullDisk(Kept):
    """A target that takes nothing."""

    def write(self, number: int, chunk: Any, new: Any, tally: Any) -> None:
        """Fail."""
        raise OSError("no space left")


def test_who_waits_for_room_after_a_failure_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure may come while nobody waits; then no news comes any more, and the map would wait for ever."""
    monkeypatch.setattr(stream, "WINDOW_ROWS", 10)
    source = table_source(table_of(20))
    reader = TableReader(compile_prompt("Say {t}", source.names), Settings(), source.names)
    rows, results = stream.StreamRows(source, reader, chunk_rows=10), Results(RunStats(total=20))

    async def main() -> None:
        outlet = Outlet(
            rows, results, AnswerTables(plan_columns("said")), FullDisk(), record=lambda *_: None, state=RunState()
        )
        results.reach(rows.reach(0))
        for position in range(10):
            results.deliver(position, Outcome("an answer", source="api"))
        outlet.drain()
        await asyncio.sleep(0.2)  # it is written, or rather not, on another thread
        with pytest.raises(InputError, match="no space left"):
            await asyncio.wait_for(outlet.has_room(10), 5.0)

    asyncio.run(main())
