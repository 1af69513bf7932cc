"""Results of batches as an API may write them: lines twice, lines missing, read by two runs at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from claude_parallel.api.responses import read_response
from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.policy import READINGS
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState, read_result
from claude_parallel.records import Failure, Reply
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


class Uncounted(Never):
    """Neither are they counted."""

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Return a state that counts no answer."""
        state = await self.api.retrieve(batch_id)
        assert isinstance(state, BatchState)
        return replace(state, counts={**state.counts, "succeeded": 0, "errored": state.counts["succeeded"]})


class Damaged(Edited):
    """Some lines are cut in the middle of their result."""

    damaged_until = 10_000
    line = '{"custom_id": "%s", "result": {"type": "succ'

    def edit(self, item: BatchResult) -> list[BatchResult]:
        """Damage every line whose id ends in a digit."""
        if not item.custom_id[-1].isdigit() or self.readings > self.damaged_until:
            return [item]
        damaged = read_result(self.line.replace("%s", item.custom_id))
        assert damaged is not None
        return [damaged]


class DamagedOnce(Damaged):
    """At the first reading only."""

    damaged_until = 1


class WithoutIds(Edited):
    """The Messages have no id, as a gateway's may have none."""

    def edit(self, item: BatchResult) -> list[BatchResult]:
        """Take the id of the Message away."""
        assert isinstance(item.fate, Reply)
        message = {name: value for name, value in item.fate.message.items() if name != "id"}
        return [replace(item, fate=item.fate._replace(message=message))]


class NamelessOnce(DamagedOnce):
    """Not even the id can be read."""

    line = '_id": "%s", "result": {"type": "succeeded"}}'


@dataclass
class LostCreate(Edited):
    """The answer to `create` is lost, and the first line of results cannot be read."""

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Create, and lose the answer."""
        await self.api.create(envelope)
        return Failure("connection", "reset", perhaps_billed=True)

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Yield a line that means nothing, then the results."""
        yield BatchResult("", Failure("unknown", "damaged"), is_damaged=True)
        async for item in self.api.results(batch):
            yield item


class Renamed(Edited):
    """Each answer is of a type that is new."""

    def edit(self, item: BatchResult) -> list[BatchResult]:
        """Write the line anew, and read it."""
        assert isinstance(item.fate, Reply)
        line = {"custom_id": item.custom_id, "result": {"type": "succeeded_in_part", "message": item.fate.message}}
        found = read_result(json.dumps(line))
        assert found is not None
        return [found]


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


def test_lines_that_never_come_are_not_paid_again_where_the_batch_counts_them() -> None:
    """The API says that it has answered them, so they may have been paid; only the user asks once more."""
    world, opened = world_of(Never)
    out = world.map(frame_of(200))

    failed = out["response_error"].dropna()
    assert 0 < len(failed) < 200
    assert failed.str.match(r"server: batch .* counts 200 answers and gives \d+; .*may have been paid").all()
    assert opened[0].readings == READINGS
    assert world.brain.ledger.batch_rows == 200


def test_lines_that_the_batch_does_not_count_are_sent_again() -> None:
    """Nothing was answered and nothing paid: the row asks once more, and fails by its own rules."""
    world, _ = world_of(Uncounted)
    out = world.map(frame_of(200))

    failed = out["response_error"].dropna()
    assert 0 < len(failed) < 200
    assert failed.str.startswith("server: the batch's results say nothing about this row").all()
    assert world.brain.ledger.batch_rows > 200


def test_a_result_of_a_new_type_that_holds_a_message_is_an_answer(tmp_path: Path) -> None:
    """Whatever the type means, the Message was paid: a second run finds it."""
    world, _ = world_of(Renamed)
    out = world.map(frame_of(40), journal=tmp_path / "j.sqlite3")
    world.wrap = lambda api: api
    again = world.map(frame_of(40), journal=tmp_path / "j.sqlite3")

    assert out["response_error"].isna().all()
    assert again["response"].equals(out["response"])
    assert world.brain.ledger.batch_rows == 40


@pytest.mark.parametrize("is_named", [True, False])
def test_a_damaged_line_is_read_again_and_costs_nothing(is_named: bool, tmp_path: Path) -> None:
    """It may be whole at the next reading, whether or not its id can be read."""
    world, opened = world_of(DamagedOnce if is_named else NamelessOnce)
    out = world.map(frame_of(200), journal=tmp_path / "j.sqlite3")

    assert out["response_error"].isna().all()
    assert opened[0].readings == 2
    assert world.brain.ledger.batch_rows == 200


def test_a_line_that_stays_damaged_is_an_odd_answer_of_its_row(tmp_path: Path) -> None:
    """It may have been paid, so it is kept like one, and neither this run nor the next pays for it again."""
    world, opened = world_of(Damaged)
    with pytest.warns(UserWarning, match="their cost is NaN"):
        out = world.map(frame_of(200), journal=tmp_path / "j.sqlite3")
    again = world.map(frame_of(200), journal=tmp_path / "j.sqlite3")

    failed = out["response_error"].notna()
    assert 0 < failed.sum() < 200
    assert out["response_error"][failed].str.contains("its line in the batch's results is damaged").all()
    assert out["response_cost"][failed].isna().all()
    assert opened[0].readings == READINGS
    assert again["response_error"].equals(out["response_error"])
    assert world.brain.ledger.batch_rows == 200


def test_a_batch_is_found_again_though_its_first_line_is_damaged(tmp_path: Path) -> None:
    """A line without a name does not make a stranger of it."""
    world = batch_world()
    path = tmp_path / "j.sqlite3"
    world.wrap = LostCreate
    assert world.map(frame_of(30), journal=path)["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 30


@pytest.mark.parametrize("kind", [Edited, WithoutIds])
def test_two_runs_that_share_a_batch_charge_it_once(kind: type[Edited], tmp_path: Path) -> None:
    """One of them collects and pays; the other has the answers for nothing."""
    world, _ = world_of(kind)
    runs = [world.prepare(frame_of(50), journal=tmp_path / "j.sqlite3") for _ in range(2)]

    async def main() -> None:
        await asyncio.gather(*(session.arun() for _, session in runs))

    run_virtual(main)
    outs = [prepared.result(session) for prepared, session in runs]

    assert all(out["response_error"].isna().all() for out in outs)
    assert sum(int((out["response_cost"] > 0).sum()) for out in outs) == 50
    assert len(world.brain.ledger.paid) == 50


@dataclass
class NotFound(Edited):
    """An API that cannot be reached, or knows no such batch, the first few times that it is asked after one."""

    answer: tuple[int, dict[str, str], bytes] = (404, {}, b"")
    times: int = 1
    at_results: bool = False

    def failure(self) -> Failure | None:
        """Return what comes back instead of an answer."""
        self.times -= 1
        found = read_response(*self.answer) if self.times >= 0 else None
        assert not isinstance(found, Reply)
        return found

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Fail, or retrieve."""
        failure = None if self.at_results else self.failure()
        return await self.api.retrieve(batch_id) if failure is None else failure

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Fail, or yield the lines."""
        failure = self.failure() if self.at_results else None
        if failure is not None:
            yield failure
            return
        async for item in super().results(batch):
            yield item


PAGE = (404, {}, b"<html>no such page</html>")
REDIRECT = (302, {"location": "https://portal.example/sign-in"}, b"")
UNKNOWN = (404, {}, b'{"type": "error", "error": {"type": "not_found_error", "message": "no such batch"}}')


@pytest.mark.parametrize("at_results", [False, True])
def test_a_page_cannot_tell_that_a_batch_is_gone(at_results: bool) -> None:
    """A gateway says it, for a moment: the batch is asked for again, and was paid again."""
    world = batch_world()
    world.wrap = lambda api: NotFound(api, answer=PAGE, at_results=at_results)
    assert world.map(frame_of(5))["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


@pytest.mark.parametrize("at_results", [False, True])
def test_a_redirect_cannot_tell_that_a_batch_is_gone(at_results: bool, tmp_path: Path) -> None:
    """The rows say that their batch goes on, and the next run collects it: it was paid again."""
    world = batch_world()
    world.wrap = lambda api: NotFound(api, answer=REDIRECT, at_results=at_results)
    out = world.map(frame_of(5), journal=tmp_path / "j.sqlite3")
    world.wrap = lambda api: api
    again = world.map(frame_of(5), journal=tmp_path / "j.sqlite3")

    assert (
        out["response_error"].str.fullmatch(r"not_found: .*; batch \w+ goes on at the API; run the cell again .*").all()
    )
    assert again["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


@pytest.mark.parametrize("at_results", [False, True])
def test_a_batch_that_the_api_does_not_know_yet_is_asked_for_again(at_results: bool, tmp_path: Path) -> None:
    """Right after its creation; only what stays unknown was deleted, and then its rows are free."""
    world = batch_world()
    world.wrap = lambda api: NotFound(api, answer=UNKNOWN, times=2, at_results=at_results)
    out = world.map(frame_of(5), journal=tmp_path / "j.sqlite3")
    assert out["response_error"].isna().all()

    world.wrap = lambda api: NotFound(api, answer=UNKNOWN, times=3, at_results=at_results)
    out = world.map(frame_of(5, start=5), journal=tmp_path / "j.sqlite3")
    assert out["response_error"].str.contains("was deleted at the API").all()


class OneLate(Edited):
    """Batches of five requests end hours later than the others."""

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Return a state that has not ended before its time."""
        state = await self.api.retrieve(batch_id)
        assert isinstance(state, BatchState)
        is_late = state.requests == 5 and asyncio.get_running_loop().time() < 20_000.0
        return replace(state, status="in_progress") if is_late else state


def test_a_run_does_not_wait_for_the_other_batches_of_the_run_that_collects_its_own(tmp_path: Path) -> None:
    """What the first has read is in the journal, and the others are told so at once, not hours later."""
    world = batch_world(max_requests=10, wrap=OneLate)
    both, again, ten = (world.prepare(frame_of(rows), journal=tmp_path / "j.sqlite3") for rows in (15, 15, 10))

    async def main() -> float:
        first = asyncio.ensure_future(both[1].arun())
        await asyncio.sleep(10.0)
        second = asyncio.ensure_future(again[1].arun())
        await asyncio.sleep(10.0)
        await ten[1].arun()
        ended = world.clock()
        await asyncio.gather(first, second)
        return ended

    assert run_virtual(main) < 1_000.0
    assert ten[0].result(ten[1])["response_error"].isna().all()
    assert len(world.brain.ledger.paid) == 15


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
