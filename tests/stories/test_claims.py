"""Two runs, one question, one bill: requests on their way are claimed in the journal."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchState
from claude_parallel.engine import intake
from claude_parallel.engine.pending import Pending
from claude_parallel.errors import InputError
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.prompt.request import build, share
from claude_parallel.records import Failure, Reply
from claude_parallel.simulation.brain import EPOCH
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.store.claims import LEASE_SECONDS, ClaimBook
from claude_parallel.store.journal import Journal

from ..batch_worlds import BatchWorld, batch_world
from ..worlds import HOST, World, frame_of, world

KEY = b"k" * 32


def maps(here: World, frames: list[pd.DataFrame], journal: Path, **options: object) -> list[pd.DataFrame]:
    """Run a map over each frame, all at once."""
    settings = {"journal": journal, "progress": False, **options}

    async def main() -> list[pd.DataFrame]:
        prepared = [
            FrameMap(frame, "Say {t}", "response", settings, environment=here.environment()) for frame in frames
        ]
        return list(await asyncio.gather(*(each.arun() for each in prepared)))

    return run_virtual(main)


def stop_after(here: BatchWorld, seconds: float, frame: pd.DataFrame, journal: Path) -> None:
    """Begin a map in batches, and stop it while its batch is under way."""
    _, session = here.prepare(frame, journal=journal)

    async def main() -> None:
        task = asyncio.ensure_future(session.arun())
        await asyncio.sleep(seconds)
        session.control.request_stop()
        await task

    run_virtual(main)


@pytest.mark.parametrize("runs", [2, 8])
def test_runs_at_once_over_one_frame_pay_once(tmp_path: Path, runs: int) -> None:
    """Each row is asked by one of them; the others wait for its answer and get it for nothing."""
    here = world(Profile(latency_seconds=2.0))

    outs = maps(here, [frame_of(300) for _ in range(runs)], tmp_path / "j.sqlite3")

    assert len(here.brain.ledger.paid) == 300
    assert all(out["response_error"].isna().all() for out in outs)
    assert all(out["response"].equals(outs[0]["response"]) for out in outs)
    assert sum(int((out["response_cost"] > 0).sum()) for out in outs) == 300


def test_frames_that_overlap_share_what_they_have_in_common(tmp_path: Path) -> None:
    """Only rows that nobody else asks are asked twice as often."""
    here = world(Profile(latency_seconds=1.0))

    maps(here, [frame_of(200), frame_of(350)], tmp_path / "j.sqlite3")

    assert len(here.brain.ledger.paid) == 350


def test_what_another_run_does_not_answer_is_asked_by_this_one(tmp_path: Path) -> None:
    """The first run has no money left for most rows; the second asks those, and no others."""
    here = world(Profile(latency_seconds=1.0))
    settings = {"journal": tmp_path / "j.sqlite3", "progress": False, "max_tokens": 40}

    async def main() -> pd.DataFrame:
        poor = FrameMap(
            frame_of(60), "Say {t}", "response", {**settings, "budget": 0.0004}, environment=here.environment()
        )
        rich = FrameMap(frame_of(60), "Say {t}", "response", settings, environment=here.environment())

        async def later() -> pd.DataFrame:
            await asyncio.sleep(0.1)
            return await rich.arun()

        with pytest.warns(UserWarning, match="stopped early"):
            _, out = await asyncio.gather(poor.arun(), later())
        return out

    out = run_virtual(main)

    assert out["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == 60


def test_a_dead_process_loses_its_claims_within_seconds(tmp_path: Path) -> None:
    """Its lease is not renewed any more, so another run asks what it had on its way."""
    here = world(Profile(latency_seconds=0.5))
    journal = Journal.open(tmp_path / "j.sqlite3")
    shared = share("memory://simulator", {"model": "claude-haiku-5-5", "max_tokens": 8192}, [], "Say ")
    dead = [Pending.of(0, build(shared, f"Say row number {at} of the frame")).fingerprint for at in range(20)]
    book = ClaimBook(journal, "r-dead")
    assert book.take(dead, here.environment().wall_clock()) == set(dead)

    out = here.map(frame_of(40), "Say {t}", journal=tmp_path / "j.sqlite3")

    assert out["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == 40
    assert LEASE_SECONDS < here.clock() < LEASE_SECONDS + 5


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0], ids=["the machine slept", "the clock was put back"])
@pytest.mark.parametrize("lives", [True, False])
def test_a_jump_of_the_clock_costs_no_living_run_its_claims(jump: float, lives: bool, tmp_path: Path) -> None:
    """Both slept: the lease of the other is over only because it had no time to renew it. A dead one's still ends."""
    journal = Journal.open(tmp_path / "j.sqlite3")
    theirs, ours = ClaimBook(journal, "r-theirs"), ClaimBook(journal, "r-ours")
    assert theirs.take([KEY], 5_000.0) == {KEY}
    assert ours.take([KEY], 5_000.25) == set()
    granted = []
    for tick in range(40):
        now = 5_000.5 + jump + 0.25 * tick
        granted.append(bool(ours.take([KEY], now)))
        if lives and tick % 8 == 7:
            theirs.renew(now)
    journal.close()

    assert not any(granted[:30])
    assert granted[-1] is not lives


def test_who_has_waited_for_the_file_takes_a_lease_renewed_meanwhile_for_no_dead_ones(tmp_path: Path) -> None:
    """Another program had locked the journal for seconds: the clock was read before, by one later than by the other."""
    journal = Journal.open(tmp_path / "j.sqlite3")
    theirs, ours = ClaimBook(journal, "r-theirs"), ClaimBook(journal, "r-ours")
    theirs.take([KEY], 5_000.0)
    for tick in range(40):
        assert ours.take([KEY], 5_000.25 + 0.25 * tick) == set()
        theirs.renew(5_000.25 + 0.25 * tick)
    theirs.renew(5_014.0)
    granted = ours.take([KEY], 5_010.25)
    journal.close()

    assert granted == set()


def test_who_was_taken_for_dead_sends_no_more_of_what_another_has_claimed_since(tmp_path: Path) -> None:
    """A process that did not run for longer than its lease: it waits for the other, and sends what that one leaves."""
    here = world(Profile(latency_seconds=1.0, jitter_sigma=0.0))
    journal, frame = Journal.open(tmp_path / "j.sqlite3"), frame_of(40)
    shared = share("memory://simulator", {"model": "claude-haiku-5-5", "max_tokens": 8192}, [], "Say ")
    keys = [build(shared, f"Say {text}").fingerprint for text in frame["t"]]
    other, sent = ClaimBook(journal, "r-other"), list[int]()

    async def main() -> pd.DataFrame:
        options = {"journal": tmp_path / "j.sqlite3", "progress": False, "max_concurrency": 4}
        task = asyncio.ensure_future(
            FrameMap(frame, "Say {t}", "response", options, environment=here.environment()).arun()
        )
        await asyncio.sleep(3.5)
        now = here.environment().wall_clock
        other.take(keys, now() + 60.0)  # to which the lease of the first one is long over
        for _second in range(20):
            other.renew(now())
            await asyncio.sleep(1.0)
            sent.append(here.brain.ledger.requests)
        other.release_all()
        return await task

    out = run_virtual(main)
    journal.close()

    assert sent[5:] == [sent[5]] * 15
    assert sent[5] < 30
    assert out["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == 40


def test_who_was_taken_for_dead_asks_nothing_that_another_has_answered_since(tmp_path: Path) -> None:
    """The other one has even ended: its claims are free again, and its answers in the journal."""
    here = world(Profile(latency_seconds=1.0, jitter_sigma=0.0))
    journal, frame = Journal.open(tmp_path / "j.sqlite3"), frame_of(40)
    usage = {"input_tokens": 9, "output_tokens": 9}
    theirs = Reply({"type": "message", "content": [{"type": "text", "text": "theirs"}], "usage": usage}, None, {})
    other = ClaimBook(journal, "r-other")

    async def main() -> pd.DataFrame:
        options = {"journal": tmp_path / "j.sqlite3", "progress": False, "max_concurrency": 4}
        task = asyncio.ensure_future(
            FrameMap(frame, "Say {t}", "response", options, environment=here.environment()).arun()
        )
        await asyncio.sleep(3.5)
        keys = [key for (key,) in journal.query("SELECT fingerprint FROM claims")]
        now = here.environment().wall_clock()
        other.take(keys, now + 60.0)
        journal.keep_answers((key, HOST, theirs, now) for key in keys)
        other.release_all()
        return await task

    out = run_virtual(main)
    journal.close()

    assert out["response_error"].isna().all()
    assert here.brain.ledger.requests < 30
    assert (out["response"] == "theirs").sum() >= 40 - here.brain.ledger.requests


def test_a_lone_row_with_a_long_prefix_does_not_wait_for_the_rows_of_another_run(tmp_path: Path) -> None:
    """Whether one follows that reads the cache, the other decides; two such runs would wait for each other for ever."""
    frame, options = frame_of(2), {"progress": False, "system": "Be kind. " * 4_000}
    world().map(frame[1:], "Say {t}", **options, journal=tmp_path / "theirs.sqlite3")
    with closing(sqlite3.connect(tmp_path / "theirs.sqlite3")) as file:
        keys = [key for (key,) in file.execute("SELECT fingerprint FROM answers")]
    here, journal = world(), Journal.open(tmp_path / "j.sqlite3")
    other, now = ClaimBook(journal, "r-other"), here.environment().wall_clock
    sent = list[int]()

    async def main() -> pd.DataFrame:
        other.take(keys, now())
        options["journal"] = tmp_path / "j.sqlite3"
        task = asyncio.ensure_future(
            FrameMap(frame, "Say {t}", "response", options, environment=here.environment()).arun()
        )
        await asyncio.sleep(5.0)
        sent.append(here.brain.ledger.requests)
        other.release_all()
        return await task

    out = run_virtual(main)
    journal.close()

    assert sent == [1]
    assert out["response_error"].isna().all()


def test_who_was_taken_for_dead_asks_what_its_prompt_function_said_the_first_time(tmp_path: Path) -> None:
    """Nobody has these rows, and a function that says something else the second time would be asked by the old key."""
    here, count = world(Profile(latency_seconds=1.0, jitter_sigma=0.0)), itertools.count()
    journal = Journal.open(tmp_path / "j.sqlite3")

    async def main() -> pd.DataFrame:
        options = {"journal": tmp_path / "j.sqlite3", "progress": False, "max_concurrency": 4}
        prompt = lambda row: f"Say {row['t']}, {next(count)}"  # noqa: E731
        task = asyncio.ensure_future(
            FrameMap(frame_of(40), prompt, "response", options, environment=here.environment()).arun()
        )
        await asyncio.sleep(3.5)
        other = ClaimBook(journal, "r-other")
        other.take([KEY], here.environment().wall_clock() + 60.0)
        other.release_all()
        return await task

    out = run_virtual(main)
    journal.close()

    assert out["response_error"].isna().all()
    assert next(count) == 41  # once before the run, to see that it can be called


class Created:
    """Notes when batches are created."""

    def __init__(self, api: BatchApi, times: list[float]) -> None:
        self._api = api
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Create."""
        self._times.append(asyncio.get_running_loop().time())
        return await self._api.create(envelope)


def test_a_batch_is_not_sent_with_rows_that_another_run_has_claimed_while_it_was_packed(tmp_path: Path) -> None:
    """The packing process did not run for longer than its lease: the other one may be asking these rows live."""
    here, path, times = batch_world(), tmp_path / "j.sqlite3", list[float]()
    here.wrap = lambda api: Created(api, times)
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER stolen AFTER INSERT ON envelopes WHEN (SELECT count(*) FROM envelopes) = 1 BEGIN "
            "DELETE FROM claimants; UPDATE claims SET claimant = 'r-other'; "
            f"INSERT INTO claimants VALUES ('r-other', {EPOCH + 8.0}); END"
        )
    out = here.map(frame_of(5), journal=path)

    assert out["response_error"].isna().all()
    assert len(times) == 1
    assert times[0] > 8.0
    assert here.brain.ledger.batch_rows == 5


def test_claims_leave_nothing_behind(tmp_path: Path) -> None:
    """At the end of a run nobody has to wait for it."""
    here = world()
    here.map(frame_of(30), "Say {t}", journal=tmp_path / "j.sqlite3")

    journal = Journal.open(tmp_path / "j.sqlite3")
    assert journal.query("SELECT count(*) FROM claims") == [(0,)]
    assert journal.query("SELECT count(*) FROM claimants") == [(0,)]


def test_a_batch_leaves_to_a_live_run_what_it_has_on_its_way(tmp_path: Path) -> None:
    """The batch holds the other rows only; nothing is paid twice."""
    here = batch_world(Profile(batch_seconds=600.0, latency_seconds=60.0))
    path = tmp_path / "j.sqlite3"
    live, _ = here.prepare(frame_of(30), journal=path, batch=False)
    batch, _ = here.prepare(frame_of(80), journal=path)

    async def later() -> pd.DataFrame:
        await asyncio.sleep(5.0)
        return await batch.arun()

    async def main() -> list[pd.DataFrame]:
        return list(await asyncio.gather(live.arun(), later()))

    one, two = run_virtual(main)

    assert one["response_error"].isna().all()
    assert two["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == 80


def test_a_live_run_leaves_to_a_batch_what_it_has_begun_meanwhile(tmp_path: Path) -> None:
    """The batch was no batch yet when the live run was checked; its rows say where their answers will be."""
    here = batch_world(Profile(batch_seconds=600.0, latency_seconds=1.0))
    path = tmp_path / "j.sqlite3"
    batch, batch_session = here.prepare(frame_of(80), journal=path)
    live, live_session = here.prepare(frame_of(100), journal=path, batch=False)

    async def later() -> None:
        await asyncio.sleep(5.0)
        await live_session.arun()

    async def main() -> None:
        await asyncio.gather(batch_session.arun(), later())

    run_virtual(main)
    one, two = batch.result(batch_session), live.result(live_session)

    assert one["response_error"].isna().all()
    assert (
        two["response_error"].str.startswith("cancelled: not sent: it stands in the open batch msgbatch_").sum() == 80
    )
    assert len(here.brain.ledger.paid) == 100


def test_a_batch_that_ends_while_another_run_looks_for_it_is_paid_once(tmp_path: Path) -> None:
    """Answers are on disk before a batch is closed: who finds it closed looks for the answers once more."""
    here = batch_world(Profile(batch_seconds=600.0))
    path = tmp_path / "j.sqlite3"
    stop_after(here, 30.0, frame_of(40), path)
    second, session = here.prepare(frame_of(40), journal=path)
    recall, looks = session.journal.recall, iter(range(1_000))

    def recall_and_dawdle(keys: Any) -> dict[bytes, Any]:
        """Answer by what the journal knew before another run came and collected the batch."""
        found = recall(keys)
        if next(looks) == 1:  # after the claim
            here.map(frame_of(40), journal=path)
        return found

    session.journal.recall = recall_and_dawdle  # type: ignore[method-assign]
    run_virtual(session.arun, start=here.clock.seconds)

    assert second.result(session)["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == 40


def test_rows_in_an_open_batch_are_not_asked_live(tmp_path: Path) -> None:
    """Before the first call: how many, what it would cost, and what to do; rows that are answered do not count."""
    here, path = batch_world(), tmp_path / "j.sqlite3"
    stop_after(here, 30.0, frame_of(25), path)
    with pytest.raises(InputError, match=r"25 of these rows stand in the open batch msgbatch_sim\w+; asking them live"):
        here.prepare(frame_of(40), journal=path, batch=False)

    collected = here.map(frame_of(25), journal=path)
    live, session = here.prepare(frame_of(40), journal=path, batch=False)
    run_virtual(session.arun, start=here.clock.seconds)

    assert collected["response_error"].isna().all()
    assert live.result(session)["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == 40


def test_claims_end_with_their_answers(tmp_path: Path) -> None:
    """A long run holds claims on what is on its way, not on all that it has asked."""
    journal = tmp_path / "j.sqlite3"
    claims: list[int] = []

    def ask(row: Any) -> str:
        with closing(sqlite3.connect(journal)) as connection, suppress(sqlite3.OperationalError):  # not made yet
            claims.append(connection.execute("SELECT count(*) FROM claims").fetchone()[0])
        return f"Say {row['t']}"

    here = world(Profile(latency_seconds=5.0))
    here.map(frame_of(300), ask, journal=journal, max_concurrency=10)

    assert len(here.brain.ledger.paid) == 300
    assert 0 < max(claims) < 100


@pytest.mark.parametrize("options", [{}, {"budget": 100.0}], ids=["", "with a budget"])
def test_two_batches_that_wait_for_many_rows_of_each_other_are_both_sent(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each took no more rows until the other had answered, and so neither ever sent what it had claimed."""
    monkeypatch.setattr(intake, "_MANY_ELSEWHERE", 50)
    here, frame = batch_world(), frame_of(400, "row {}")
    runs = [
        here.prepare(rows, lambda row: f"Say {row['t']}", journal=tmp_path / "j.sqlite3", **options)
        for rows in (frame, frame[::-1])
    ]

    async def main() -> None:
        async with asyncio.timeout(900.0):
            await asyncio.gather(*(session.arun() for _prepared, session in runs))

    run_virtual(main)

    assert all(prepared.result(session)["response_error"].isna().all() for prepared, session in runs)
    assert here.brain.ledger.batch_rows == 400
