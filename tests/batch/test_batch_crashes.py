"""Killed at any point and run again: the same batch is adopted, a second one is never paid."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.batch.responses import BatchPage, BatchState, read_page
from claude_parallel.pricing import PriceList
from claude_parallel.records import Failure, Usage
from claude_parallel.simulation.batch_transport import MemoryBatchApi
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.profile import Profile

from ..batch_worlds import BatchWorld, Deadly, Killed, batch_world, frame_of

POINTS = ("before create", "after create", "retrieve", "list", "results")


class Lives:
    """A cell that is run, killed, and run again with the journal that the dead process left."""

    def __init__(self, world: BatchWorld, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.number = 0

    @property
    def journal(self) -> Path:
        """The journal of the present life."""
        return self.folder / f"life-{self.number}.sqlite3"

    def run_and_die(self, frame: Any, point: str, countdown: int = 0, **options: Any) -> bool:
        """Run the cell until the process dies at a point; False when it got through."""
        here, left = self.journal, self.folder / f"life-{self.number + 1}.sqlite3"
        self.world.wrap = lambda door: Deadly(door, point, countdown, here, left)
        try:
            self.world.map(frame, journal=here, **options)
        except Killed:
            self.number += 1
            return True
        finally:
            self.world.wrap = lambda door: door
        return False

    def run(self, frame: Any, **options: Any) -> Any:
        """Run the cell to its end."""
        return self.world.map(frame, journal=self.journal, **options)


@pytest.mark.parametrize(
    ("point", "countdown"),
    [
        ("before create", 0),
        ("before create", 1),
        ("after create", 0),
        ("after create", 1),
        ("retrieve", 0),
        ("retrieve", 7),
        ("results", 0),
        ("results", 40),
        ("results", 700),
    ],
)
def test_a_kill_at_any_point_costs_nothing(point: str, countdown: int, tmp_path: Path) -> None:
    """After the next run every row is answered, was submitted once, and was billed once."""
    world = batch_world(max_requests=600)
    lives = Lives(world, tmp_path)

    assert lives.run_and_die(frame_of(1_000), point, countdown)
    out = lives.run(frame_of(1_000))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 1_000
    assert len(world.brain.ledger.paid) == 1_000
    assert world.brain.ledger.paid_twice == 0


def test_the_batch_of_a_dead_run_is_not_waited_for_twice(tmp_path: Path) -> None:
    """A batch that ended meanwhile is collected at once, also where its id never reached the journal."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(30), "after create")
    world.clock.seconds += 5_000
    begun = world.clock.seconds
    lives.run(frame_of(30))

    assert world.clock.seconds - begun < 5


def test_batches_of_strangers_are_never_taken_for_ours(tmp_path: Path) -> None:
    """Others in the workspace may run batches of the very same size, ended or not; none is adopted, none harmed."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    for start in (10_000, 20_000):
        world.map(frame_of(30, start=start), journal=tmp_path / f"other-{start}.sqlite3")
    lives.run_and_die(frame_of(30), "before create")
    stranger = Lives(world, tmp_path / "stranger")
    stranger.folder.mkdir()
    stranger.run_and_die(frame_of(30, start=30_000), "after create")
    out = lives.run(frame_of(30))

    assert out["response_error"].isna().all()
    assert out["response"].str.contains("row 2[0-9]$").sum() == 10
    assert world.brain.ledger.batch_rows == 120
    assert world.brain.ledger.paid_twice == 0


def test_a_frame_that_changed_adopts_what_it_still_shares(tmp_path: Path) -> None:
    """Rows of the dead run's batch are collected, also those not asked for now; only new rows are sent."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(100), "retrieve")
    out = lives.run(frame_of(60, start=50))
    again = lives.run(frame_of(110))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 110
    assert (again["response_cost"] == 0).all()


def test_another_key_sends_nothing_while_it_is_unclear(tmp_path: Path) -> None:
    """Batches are seen by one workspace only, so with another key an empty list proves nothing."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "before create")

    def other(door: Any) -> Any:
        door.owner = "someone else"
        return door

    world.wrap = other
    out = world.map(frame_of(5), journal=lives.journal)

    assert out["response_error"].str.startswith("not_found").all()
    assert out["response_error"].str.contains("another API key").all()
    assert world.brain.ledger.batch_rows == 0


def test_a_deleted_batch_is_closed_and_its_rows_are_free_again(tmp_path: Path) -> None:
    """The first run says what happened; the second asks anew, in a batch or live."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "retrieve")
    world.brain = Brain(Profile(batch_seconds=600.0))

    out = lives.run(frame_of(5))
    assert (
        out["response_error"]
        .str.fullmatch(
            r"expired: batch msgbatch_\w+ was deleted at the API before its results were read; run the cell again: .*"
        )
        .all()
    )
    assert world.brain.ledger.batch_rows == 0
    assert lives.run(frame_of(5))["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


def test_a_batch_that_this_key_cannot_see_is_not_paid_again(tmp_path: Path) -> None:
    """Another key may see it still: the rows say so, and it stays open."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "retrieve")
    world.brain = Brain(Profile(batch_seconds=600.0))
    world.wrap = lambda api: Deadly(api, "never", 0, lives.journal, lives.journal, owner="another key")

    out = lives.run(frame_of(5))
    assert out["response_error"].str.contains("submitted with another API key.*; run the cell with that key$").all()
    assert world.brain.ledger.batch_rows == 0


def test_results_that_are_gone_are_asked_for_again(tmp_path: Path) -> None:
    """After 29 days nobody can read the answers any more, and the rows go out again."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "retrieve")
    world.clock.seconds += 30 * 24 * 3_600.0
    out = lives.run(frame_of(5))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 10


def test_a_clock_that_is_a_month_ahead_gives_up_no_batch(tmp_path: Path) -> None:
    """Whether results can be read no more is the API's to say: by our own clock they were paid a second time."""
    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "retrieve")
    world.ahead_seconds = 40 * 24 * 3_600.0
    out = lives.run(frame_of(5))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


def test_a_sender_whose_clock_was_days_ahead_pays_no_second_batch(tmp_path: Path) -> None:
    """It died before the id was known: the times of a batch and of its envelope are those of two clocks."""
    world = batch_world(ahead_seconds=3 * 24 * 3_600.0)
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "after create")
    world.ahead_seconds = 0.0
    out = lives.run(frame_of(5))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


@pytest.mark.parametrize("told", [{"queued": 2, "processing": 3}, {"processing": 5, "retried": None}, {}, None])
def test_a_batch_is_found_however_the_api_counts_its_requests(told: dict[str, int] | None, tmp_path: Path) -> None:
    """Under a name that is new, or not at all: who takes it for another's pays for all its rows again."""

    class Counting(MemoryBatchApi):
        async def _exchange(self, method: str, path: str, body: Any = None, size_bytes: int = 0) -> Any:
            response = await super()._exchange(method, path, body, size_bytes)
            data = getattr(response, "body", None) or {}
            for state in data.get("data", [data]):
                if state.get("processing_status") == "in_progress":
                    state["request_counts"] = told
            return response

    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "after create")
    world.wrap = lambda _door: Counting(world.brain)
    out = world.map(frame_of(5), journal=lives.journal)

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


def test_archived_batches_are_not_looked_through(tmp_path: Path) -> None:
    """The list is as long as the workspace is old; what comes after a page of archived ones is older still."""
    listed = list[str | None]()

    class Old(Deadly):
        async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
            listed.append(after_id)
            old = BatchState(f"msgbatch_{len(listed)}", "ended", {"succeeded": 5}, 0.0, is_archived=True)
            return BatchPage((old,), old.id)

    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "before create")
    world.wrap = lambda door: Old(door, "never", 0, lives.journal, lives.journal)
    out = world.map(frame_of(5), journal=lives.journal)

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5
    assert set(listed) == {None}


@pytest.mark.parametrize("first", ["repeated", "unreadable", "without its end"])
def test_a_list_that_cannot_be_read_to_its_end_pays_no_second_batch(first: str, tmp_path: Path) -> None:
    """A gateway that passes over ``after_id`` gives the first page for ever, and the run read it for ever.

    A batch that cannot be read was passed over, and a page that says that there is more, and not where, was the last
    one: the batch was made again, and paid a second time.
    """
    stranger = {"id": "msgbatch_0", "processing_status": "ended", "created_at": "2026-09-01T00:00:00Z"}
    pages = {
        "repeated": {"data": [stranger], "has_more": True, "last_id": "msgbatch_0"},
        "unreadable": {"data": [{"id": "msgbatch_0"}], "has_more": False},
        "without its end": {"data": [stranger], "has_more": True},
    }

    class Broken(Deadly):
        async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
            return read_page(pages[first])

    world = batch_world()
    lives = Lives(world, tmp_path)
    lives.run_and_die(frame_of(5), "after create")
    world.wrap = lambda door: Broken(door, "never", 0, lives.journal, lives.journal)
    out = world.map(frame_of(5), journal=lives.journal)
    assert out["response_error"].str.contains("repeats itself or cannot be read to its end").all()
    world.wrap = lambda door: door
    out = world.map(frame_of(5), journal=lives.journal)

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


@pytest.mark.parametrize("budget", [None, 0.002])
def test_a_batch_of_this_run_that_is_archived_at_once_is_not_paid_again(budget: float | None) -> None:
    """It was paid a moment ago: its rows fail and say so, and a budget counts them in full."""

    class Archived(Deadly):
        async def retrieve(self, batch_id: str) -> BatchState | Failure:
            state = await self.door.retrieve(batch_id)
            return replace(state, is_archived=True) if isinstance(state, BatchState) and state.has_ended else state

    unused = Path("unused")
    world = batch_world(wrap=lambda api: Archived(api, "never", 0, unused, unused))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the run stopped early|budget=.* rows can go at once")
        out = world.map(frame_of(60), budget=budget, max_tokens=200)

    failed = out["response_error"].str.startswith("expired: the results of batch")
    assert failed.any()
    assert failed.all() == (budget is None)
    assert world.brain.ledger.batch_rows == failed.sum()
    prices = PriceList()
    usages = [
        Usage(paid.input_tokens, paid.output_tokens, paid.cache_write_5m_tokens, paid.cache_write_1h_tokens)
        for paid in world.brain.ledger.paid
    ]
    costs = [prices.cost("claude-haiku-5-5", usage, is_batch=True) or Decimal(0) for usage in usages]
    assert sum(costs) <= Decimal(repr(budget or 1.0))


deaths = st.lists(st.tuples(st.sampled_from(POINTS), st.integers(0, 12)), max_size=4)
faults = st.dictionaries(
    st.integers(1, 12),
    st.sampled_from(["server", "overloaded", "rate_limit", "reset", "truncated", "html_502", "hang"]),
    max_size=3,
)


@settings(max_examples=60)
@given(deaths, faults, st.integers(3, 40), st.integers(4, 25), st.sampled_from([20.0, 300.0]))
def test_whatever_happens_no_row_is_paid_twice_and_none_is_lost(
    plan: list[tuple[str, int]], script: dict[int, Any], rows: int, most: int, seconds: float
) -> None:
    """For any sequence of deaths and network faults, the last run answers every row, and each was billed once."""
    profile = Profile(batch_seconds=seconds, batch_script=script, hang_seconds=2_000.0)
    world = batch_world(profile, max_requests=most)
    with tempfile.TemporaryDirectory() as folder:
        lives = Lives(world, Path(folder))
        for point, countdown in plan:
            lives.run_and_die(frame_of(rows), point, countdown)
        out = lives.run(frame_of(rows))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == rows
    assert len(world.brain.ledger.paid) == rows
    assert world.brain.ledger.paid_twice == 0
