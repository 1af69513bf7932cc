"""Results of batches as an API may write them: lines twice, lines missing, read by two runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.policy import READINGS
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState
from claude_parallel.records import Failure
from claude_parallel.simulation.clock import run_virtual

from ..batch_worlds import BatchWorld, batch_world, frame_of

ERRORED = Failure("server", "an internal error", 500)


@dataclass
class Edited:
    """An API whose results are edited before anybody reads them."""

    api: BatchApi
    readings: int = 0
    owner: str = "simulator"

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Create."""
        return await self.api.create(envelope)

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Retrieve."""
        return await self.api.retrieve(batch_id)

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """List."""
        return await self.api.list(limit, after_id)

    async def cancel(self, batch_id: str) -> BatchState | Failure:
        """Cancel."""
        return await self.api.cancel(batch_id)

    async def aclose(self) -> None:
        """Close."""
        await self.api.aclose()

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Yield the edited lines."""
        self.readings += 1
        async for item in self.api.results(batch):
            assert isinstance(item, BatchResult)
            for line in self.edit(item):
                yield line

    def edit(self, item: BatchResult) -> list[BatchResult]:
        """Return the lines in place of one."""
        return [item]


class Twice(Edited):
    """Every answer stands between two errors about the same request."""

    def edit(self, item: BatchResult) -> list[BatchResult]:
        """Return three lines."""
        errored = replace(item, fate=ERRORED)
        return [errored, item, errored]


class Late(Edited):
    """Some lines are not there at the first readings."""

    complete_at = READINGS

    def edit(self, item: BatchResult) -> list[BatchResult]:
        """Leave out every line whose id ends in a digit."""
        is_late = item.custom_id[-1].isdigit() and self.readings < self.complete_at
        return [] if is_late else [item]


class Never(Late):
    """Some lines are never there."""

    complete_at = 10_000


def world_of(kind: type[Edited]) -> tuple[BatchWorld, list[Edited]]:
    """Return a world whose results are edited, and the APIs that its runs have opened."""
    opened: list[Edited] = []

    def wrap(api: BatchApi) -> BatchApi:
        opened.append(kind(api))
        return opened[-1]

    return batch_world(wrap=wrap), opened


def test_of_two_lines_an_answer_counts_wherever_it_stands(tmp_path: Path) -> None:
    """An errored line about a request wipes no paid answer, in the frame or in the journal."""
    world, _ = world_of(Twice)
    out = world.map(frame_of(40), journal=tmp_path / "j.sqlite3")
    again = world.map(frame_of(40), journal=tmp_path / "j.sqlite3")

    assert out["response_error"].isna().all()
    assert again["response"].equals(out["response"])
    assert len(world.brain.ledger.paid) == 40


def test_missing_lines_are_read_again_before_anything_is_paid_again() -> None:
    """Reading is free, a second batch is not."""
    world, opened = world_of(Late)
    out = world.map(frame_of(200))

    assert out["response_error"].isna().all()
    assert opened[0].readings == READINGS
    assert world.brain.ledger.batch_rows == 200


def test_lines_that_never_come_are_sent_again_after_some_readings() -> None:
    """In the end the row asks once more; it fails by its own rules."""
    world, _ = world_of(Never)
    out = world.map(frame_of(200))

    failed = out["response_error"].dropna()
    assert 0 < len(failed) < 200
    assert failed.str.startswith("server: the batch's results say nothing about this row").all()


def test_two_runs_that_share_a_batch_charge_it_once(tmp_path: Path) -> None:
    """One of them collects and pays; the other has the answers for nothing."""
    world = batch_world()
    runs = [world.prepare(frame_of(50), journal=tmp_path / "j.sqlite3") for _ in range(2)]

    async def main() -> None:
        await asyncio.gather(*(session.arun() for _, session in runs))

    run_virtual(main)
    outs = [prepared.result(session) for prepared, session in runs]

    assert all(out["response_error"].isna().all() for out in outs)
    assert sum(int((out["response_cost"] > 0).sum()) for out in outs) == 50
    assert len(world.brain.ledger.paid) == 50


@pytest.mark.parametrize("stop_after", [30.0, 601.0])
def test_a_run_that_adopts_the_batch_of_a_stopped_one_pays_for_it(stop_after: float, tmp_path: Path) -> None:
    """The stopped run has paid nothing yet, so the adopting one shows the cost; together they show it once."""
    world, path = batch_world(), tmp_path / "j.sqlite3"
    first, session = world.prepare(frame_of(50), journal=path)

    async def main() -> None:
        task = asyncio.ensure_future(session.arun())
        await asyncio.sleep(stop_after)
        session.control.request_stop()
        await task

    run_virtual(main)
    outs = [first.result(session), world.map(frame_of(50), journal=path)]

    assert sum(int((out["response_cost"] > 0).sum()) for out in outs) == 50
