"""Jobs: maps in the background, live and by batch, and batches known by nothing but their id."""

from __future__ import annotations

import _thread
import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import claude_parallel as cp
from claude_parallel.background.batch_by_id import adopt
from claude_parallel.background.job import Job, jobs
from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.carrier import batch_environment
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchResult, BatchState
from claude_parallel.cli.jobs import jobs_app
from claude_parallel.config import resolve_settings
from claude_parallel.errors import ClaudeParallelError, InputError, RunStopped
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Failure
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer

from ..batch_worlds import frame_of


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    """Serve a simulator whose batches take three tenths of a second, and send this process there."""
    with SimulatorServer(Profile(batch_seconds=0.3)) as running:
        cp.configure(base_url=running.url, api_key="any")
        yield running


def by_batch(frame: pd.DataFrame, **options: Any) -> Job:
    """Submit a map by batch."""
    return Job(FrameMap(frame, "Say {t}", "response", {"batch": True, "progress": False, **options}))


def live(frame: pd.DataFrame, **options: Any) -> Job:
    """Submit a live map."""
    return Job(FrameMap(frame, "Say {t}", "response", {"progress": False, **options}), panel=False)


def test_a_batch_job_is_submitted_when_it_is_returned(server: SimulatorServer) -> None:
    """The batch exists already; its result is the frame with its columns."""
    frame = frame_of(30)
    job = by_batch(frame)
    submitted = server.ledger.batch_rows
    early = job.partial()
    status = job.status()
    out = job.result()

    assert submitted == 30
    assert status.state == "running"
    assert early["response"].isna().all()
    assert early["response_error"].isna().all()
    assert list(out["t"]) == list(frame["t"])
    assert out["response_error"].isna().all()
    assert job.status().state == "done"
    assert "done, 30 of 30 rows" in repr(job)


def test_a_job_says_what_it_waits_for_and_how_long_results_last(server: SimulatorServer) -> None:
    """No percentage, but the batch, its rows, and the day until which it can be read."""
    job = by_batch(frame_of(30))
    words = repr(job.wait(timeout=0.05))
    job.result()

    assert "30 rows submitted, processing since" in words
    assert "results can be read until" in words


@pytest.mark.wall_clock
def test_waiting_has_an_end(server: SimulatorServer) -> None:
    """``wait(timeout=)`` returns in time with a job that still runs."""
    job = by_batch(frame_of(3))
    began = time.monotonic()
    status = job.wait(timeout=0.05)

    assert status.state == "running"
    assert time.monotonic() - began < 0.3
    assert job.wait().state == "done"


def test_a_cancelled_batch_job_keeps_what_is_done() -> None:
    """Rows that the API has finished are there, the others are cancelled, and the batch has ended at the API."""
    with SimulatorServer(Profile(batch_seconds=20.0)) as server:
        cp.configure(base_url=server.url, api_key="any")
        job = by_batch(frame_of(200))
        time.sleep(1.0)
        job.cancel()
        out = job.result()
    error = out["response_error"].dropna()

    assert 0 < len(error) < 200
    assert error.str.startswith("cancelled").all()


def test_a_live_job_runs_beside_other_work_and_can_be_stopped() -> None:
    """``partial`` shows what is there at any time; ``stop`` lets calls in flight land."""
    with SimulatorServer(Profile(latency_seconds=0.1)) as server:
        cp.configure(base_url=server.url, api_key="any")
        job = live(frame_of(2_000), max_concurrency=5)
        while job.status().done < 10:
            time.sleep(0.02)
        partial = job.partial()
        job.stop()
        out = job.result()

    assert 0 < partial["response"].notna().sum() < 2_000
    assert job.status().state == "stopped"
    assert out["response_error"].dropna().str.startswith("cancelled").all()
    assert server.ledger.billed_but_lost == 0


def test_a_job_that_is_done_stays_done(server: SimulatorServer) -> None:
    """Whoever stops it then has stopped nothing."""
    job = live(frame_of(3))
    job.result()
    job.stop()
    assert job.status().state == "done"


@pytest.mark.parametrize("submit", [by_batch, live])
def test_a_cell_that_is_run_twice_at_once_pays_once(server: SimulatorServer, submit: Any) -> None:
    """The second job waits for the answers of the first; another prompt is another question."""
    frame = frame_of(5)
    jobs = [submit(frame), submit(frame)]
    other = Job(FrameMap(frame, "Shout {t}", "response", {"progress": False}), panel=False)
    paid = [job.result()["response_cost"] for job in (*jobs, other)]

    assert sorted(int((cost > 0).sum()) for cost in paid) == [0, 5, 5]
    assert all(job.result()["response"].notna().all() for job in (*jobs, other))


def test_what_becomes_of_the_frame_meanwhile_changes_nothing() -> None:
    """It is asked about as it was, and comes back as it was, whatever its owner does beside a job."""
    frame = frame_of(20)
    before = frame.copy()
    with SimulatorServer(Profile(latency_seconds=0.05)) as server:
        cp.configure(base_url=server.url, api_key="any")
        job = Job(FrameMap(frame, "Say {t}", "response", {"progress": False, "max_concurrency": 2}), panel=False)
        frame["t"] = "changed"
        frame["new"] = 1
        frame.loc[len(frame)] = ["one more", 1]
        out = job.result()

    pd.testing.assert_frame_equal(out[["t"]], before)
    assert "new" not in out.columns
    assert out["response"].nunique() == 20


def test_what_stops_a_job_is_raised_by_its_result() -> None:
    """A wrong key: submit returns, status tells, result raises."""
    with SimulatorServer(Profile(api_keys=frozenset({"other"}))) as server:
        cp.configure(base_url=server.url, api_key="any")
        job = by_batch(frame_of(3))
        status = job.wait()
        with pytest.raises(RunStopped, match="auth"):
            job.result()

    assert status.state == "failed"


def test_jobs_lists_what_the_journal_and_the_api_know(server: SimulatorServer, tmp_path: Path) -> None:
    """Ours with their run, and those of another machine without one."""
    mine = by_batch(frame_of(4))
    other = by_batch(frame_of(6, start=100), journal=tmp_path / "other.sqlite3")
    mine.result()
    other.result()
    table = jobs()

    assert table["rows"].tolist() == [6, 4]
    assert table["succeeded"].tolist() == [6, 4]
    assert table["run"].tolist() == [None, mine.id] or pd.isna(table["run"].iloc[0])
    assert (table["readable_until"] - table["created"] == pd.Timedelta(days=29)).all()


@pytest.mark.parametrize("limit", [0, 1_001, "10"])
def test_no_more_batches_are_asked_for_than_the_api_lists(server: SimulatorServer, limit: Any) -> None:
    """The API refused it, and the advice was to retry()."""
    with pytest.raises(InputError, match="limit must be"):
        jobs(limit=limit)


def test_a_batch_of_another_machine_is_adopted_by_its_id(server: SimulatorServer, tmp_path: Path) -> None:
    """Its answers go into this journal, so the cell that asked for them costs nothing here."""
    frame = frame_of(12)
    expected = by_batch(frame, journal=tmp_path / "other.sqlite3").result()
    batch_id = str(jobs().index[0])
    adopted = Job.adopt(batch_id)
    answers = adopted.result()
    out = by_batch(frame_of(12)).result()

    assert adopted.status().has_ended
    assert sorted(answers["response"]) == sorted(expected["response"])
    assert answers["response_cost"].sum() == pytest.approx(expected["response_cost"].sum())
    assert out["response"].tolist() == expected["response"].tolist()
    assert (out["response_cost"] == 0).all()
    assert server.ledger.batch_rows == 12
    assert cp.spent()["usd"].sum() == pytest.approx(expected["response_cost"].sum())
    adopted.result()
    assert cp.spent()["calls"].sum() == 12


class Short:
    """A door to batches whose results end after seven lines."""

    def __init__(self, door: BatchApi) -> None:
        self._door = door

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Yield the first seven."""
        left = 7
        async for item in self._door.results(batch):
            if left:
                yield item
            left = max(0, left - 1)


def test_a_batch_whose_results_come_short_stays_open(server: SimulatorServer) -> None:
    """Lines that are not there yet, or were cut off behind a whole one, are paid: the cell reads them, for nothing."""
    batch_id = left_batch(12)
    environment = batch_environment(resolve_settings({}))
    short = replace(environment, open_api=lambda timeout: Short(environment.open_api(timeout)))
    with pytest.warns(UserWarning, match=r"5 of 12 rows of msgbatch_\S+ are missing: call result\(\) or"):
        answers = adopt(batch_id, {}, environment=short).result()
    out = by_batch(frame_of(12)).result()

    assert len(answers) == 7
    assert out["response_error"].isna().all()
    assert server.ledger.batch_rows == 12
    assert out["response_cost"].sum() + answers["response_cost"].sum() == pytest.approx(cp.spent()["usd"].sum())


def test_an_unknown_batch_is_an_error_in_plain_words(server: SimulatorServer) -> None:
    """It says where to find the batches that there are."""
    with pytest.raises(InputError, match=r"no batch msgbatch_none for this key; claude_parallel.jobs\(\) lists"):
        Job.adopt("msgbatch_none").status()


class Passing:
    """A door to batches through which one look at a batch fails, by its number; as an overloaded API does, say.

    Before that it is shown as under way, however slow this machine is.
    """

    def __init__(self, door: BatchApi, looks: Iterator[int], fails_at: int, failure: Failure | None = None) -> None:
        self._door = door
        self._looks = looks
        self._fails_at = fails_at
        self._failure = failure or Failure("overloaded", "one moment", 529)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def retrieve(self, batch_id: str) -> BatchState | Failure:
        """Look at a batch, or fail."""
        look = next(self._looks)
        if look == self._fails_at:
            return self._failure
        state = await self._door.retrieve(batch_id)
        if look > self._fails_at or isinstance(state, Failure):
            return state
        return replace(state, status="in_progress", ended=None, results_url=None)


@pytest.mark.parametrize("fails_at", [0, 1])
def test_one_look_that_fails_in_passing_does_not_end_a_wait(server: SimulatorServer, fails_at: int) -> None:
    """It may last for hours. The first look says at once what is wrong."""
    batch_id, real, looks = left_batch(3), batch_environment(resolve_settings({})), itertools.count()
    world = replace(real, open_api=lambda seconds: Passing(real.open_api(seconds), looks, fails_at))
    batch = adopt(batch_id, {}, environment=world)
    if fails_at == 0:
        with pytest.raises(ClaudeParallelError, match="overloaded"):
            batch.wait()
        return
    assert batch.wait().has_ended
    assert next(looks) == 3


@pytest.mark.parametrize("status", [302, 404])
def test_a_page_that_is_not_found_does_not_give_a_batch_up(server: SimulatorServer, status: int) -> None:
    """Where the batch may still be there, its rows are not free to be paid again."""
    batch_id, real, looks = left_batch(3), batch_environment(resolve_settings({})), itertools.count()
    page = Failure("not_found", "a page", status)
    world = replace(real, open_api=lambda seconds: Passing(real.open_api(seconds), looks, 0, page))
    with pytest.raises(ClaudeParallelError, match="not_found: a page"):
        adopt(batch_id, {}, environment=world).status()

    out = by_batch(frame_of(3)).result()
    assert out["response_error"].isna().all()
    assert server.ledger.batch_rows == 3


class Interrupting:
    """A door to batches through which the user interrupts the cell while the first envelope is on its way."""

    def __init__(self, door: BatchApi) -> None:
        self._door = door
        self._sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Send an envelope; at the first one the cell is interrupted, and has some time to notice it."""
        self._sent += 1
        if self._sent == 1:
            _thread.interrupt_main()
            await asyncio.sleep(0.5)
        return await self._door.create(envelope)


def test_an_interrupt_of_the_cell_that_submits_sends_no_more_batches(server: SimulatorServer) -> None:
    """Its job is in nobody's hands, so nobody could stop it; what is under way is found by the same cell."""
    real = batch_environment(resolve_settings({}))
    world = replace(real, open_api=lambda seconds: Interrupting(real.open_api(seconds)), max_requests=2)
    options = {"batch": True, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        Job(FrameMap(frame_of(8), "Say {t}", "response", options, environment=world))
    out = by_batch(frame_of(8)).result()

    assert out["response_error"].isna().all()
    assert server.ledger.batch_rows == 8
    assert sorted(jobs()["rows"]) == [2, 6]


def left_batch(rows: int) -> str:
    """Submit a batch whose job is stopped before its end, and return its id."""
    job = by_batch(frame_of(rows))
    job.stop()
    job.result()
    return str(jobs().index[0])


def wait_for(batch: Any) -> None:
    """Wait for the end of a batch that takes a moment; its own ``wait`` looks every few seconds."""
    while not batch.status().has_ended:
        time.sleep(0.05)


def test_the_advice_for_rows_in_an_open_batch_works() -> None:
    """Given up and collected, the batch holds its rows no longer; not one of them was answered."""
    with SimulatorServer(Profile(batch_seconds=3_600.0)) as server:
        cp.configure(base_url=server.url, api_key="any")
        batch_id = left_batch(6)
        with pytest.raises(InputError, match=f"6 of these rows stand in the open batch {batch_id}"):
            live(frame_of(6)).result()

        adopted = Job.adopt(batch_id)
        adopted.cancel()
        wait_for(adopted)
        answers = adopted.result()
        out = live(frame_of(6)).result()

        assert answers["response_error"].str.startswith("cancelled").all()
        assert out["response_error"].isna().all()
        assert len(server.ledger.paid) == 6


def test_a_batch_that_was_deleted_holds_its_rows_no_longer(server: SimulatorServer) -> None:
    """Whoever asks for it is told, and the same cell asks its rows anew."""
    batch_id = left_batch(6)
    adopted = Job.adopt(batch_id)
    wait_for(adopted)
    server.brain.batches.delete(batch_id, time.time())

    with pytest.raises(InputError, match="was deleted at the API; run its cell again"):
        adopted.result()
    out = live(frame_of(6)).result()

    assert out["response_error"].isna().all()


def test_the_command_line_lists_shows_fetches_and_cancels(server: SimulatorServer, tmp_path: Path) -> None:
    """One round through all commands; the fetched file holds the answers."""
    runner, target = CliRunner(), tmp_path / "out.parquet"
    by_batch(frame_of(7)).result()
    batch_id = str(jobs().index[0])
    listed = runner.invoke(jobs_app, [], catch_exceptions=False)
    shown = runner.invoke(jobs_app, ["show", batch_id], catch_exceptions=False)
    fetched = runner.invoke(jobs_app, ["fetch", batch_id, "-o", str(target)], catch_exceptions=False)
    refused = runner.invoke(jobs_app, ["cancel", batch_id])
    wrong = runner.invoke(jobs_app, ["fetch", batch_id, "-o", str(tmp_path / "out.xyz")])
    nowhere = runner.invoke(jobs_app, ["fetch", "msgbatch_nobody_knows", "-o", str(tmp_path / "no" / "out.csv")])

    assert batch_id in listed.output
    assert "succeeded: 7" in shown.output
    assert "7 results" in fetched.output
    assert len(pd.read_parquet(target)) == 7
    assert isinstance(refused.exception, ClaudeParallelError)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.parquet"]
    assert wrong.exit_code == 2
    assert nowhere.exit_code == 2  # before the API is asked, let alone waited for
    assert "there is no folder" in nowhere.output
