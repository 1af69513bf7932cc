"""Maps through Message Batches: same rows, same columns, half price, shared with live runs."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.policy import may_exist, poll_after
from claude_parallel.batch.records import EnvelopeBook, EnvelopeRecord
from claude_parallel.batch.responses import BatchState
from claude_parallel.errors import InputError, RowFailed, RunStopped
from claude_parallel.forecast.assumptions import conditions_of
from claude_parallel.forecast.latency import given_latency
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.progress.waits import WaitReason
from claude_parallel.records import Failure
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Limits, Profile
from claude_parallel.store.claims import ClaimBook
from claude_parallel.store.journal import Journal

from ..batch_worlds import BatchWorld, batch_world, frame_of, taken_for_dead


def kinds(frame: Any) -> dict[str, int]:
    """Return rows by kind of error."""
    counts = frame["response_error"].dropna().str.split(":").str[0].value_counts()
    return {str(kind): int(count) for kind, count in counts.items()}


def test_a_batch_gives_the_columns_of_a_live_run_at_half_price(tmp_path: Path) -> None:
    """Text and order are the same as live, each row costs half, and one batch carries all rows."""
    frame = frame_of(50)
    frame.index = [7] * 50
    by_batch, live = batch_world(), batch_world()
    out = by_batch.map(frame)
    expected = live.map(frame, batch=False)

    assert list(out.columns) == list(expected.columns)
    assert list(out.index) == list(frame.index)
    assert out["response"].tolist() == expected["response"].tolist()
    assert out["response_error"].isna().all()
    assert out["response_cost"].sum() == pytest.approx(expected["response_cost"].sum() / 2)
    assert by_batch.brain.ledger.requests == 0
    assert by_batch.brain.ledger.batch_rows == 50


def test_what_live_calls_answered_no_batch_asks_again(tmp_path: Path) -> None:
    """Rows that the journal knows from a live run cost nothing and are not in the batch."""
    world, journal = batch_world(), tmp_path / "j.sqlite3"
    world.map(frame_of(20), batch=False, journal=journal)
    out = world.map(frame_of(30), journal=journal)

    assert world.brain.ledger.batch_rows == 10
    assert (out["response_cost"][:20] == 0).all()
    assert (out["response_cost"][20:] > 0).all()


def test_what_a_batch_answered_no_live_call_asks_again(tmp_path: Path) -> None:
    """The journal does not care how an answer came."""
    world, journal = batch_world(), tmp_path / "j.sqlite3"
    first = world.map(frame_of(20), journal=journal)
    out = world.map(frame_of(25), batch=False, journal=journal)

    assert world.brain.ledger.requests == 5
    assert out["response"][:20].tolist() == first["response"].tolist()


def test_skipped_and_identical_rows_travel_not_at_all_and_once() -> None:
    """A missing cell is skipped, and what several rows ask is one request."""
    frame = frame_of(3)
    frame.loc[3] = [None]
    frame.loc[4] = ["row 1"]
    world = batch_world()
    out = world.map(frame)

    assert world.brain.ledger.batch_rows == 3
    assert kinds(out) == {"skipped": 1}
    assert out["response"][4] == out["response"][1]
    assert out["response_cost"][4] == 0


def test_rows_are_cut_into_batches_by_count() -> None:
    """Ten rows in batches of four are three batches, all under way at once."""
    world = batch_world(max_requests=4)
    out = world.map(frame_of(10))

    assert out["response_error"].isna().all()
    assert len(world.brain.batches._batches) == 3
    assert world.clock.seconds < 700


def test_errored_and_expired_rows_go_into_a_next_batch() -> None:
    """Server errors and expiry are not billed and not final: later batches answer nearly all of them."""
    world = batch_world(Profile(batch_seconds=600.0, batch_faults={"errored": 0.15, "expired": 0.15}))
    out = world.map(frame_of(400))
    final = kinds(out)

    assert sum(final.values()) < 400 * 0.3**2
    assert set(final) <= {"server", "expired"}
    assert len(world.brain.ledger.paid) == 400 - sum(final.values())
    assert len(world.brain.batches._batches) == 3


@pytest.mark.parametrize("batch", [True, "then-live"])
def test_no_answer_stands_for_another_question(batch: Any, tmp_path: Path) -> None:
    """A prompt function that says something else when a row goes again is no reason to keep that under the old key."""
    first_said: dict[str, str] = {}
    counter = itertools.count()

    def prompt(row: Any) -> str:
        text = f"{row['t']}, said {next(counter)}"
        first_said.setdefault(row["t"], text)
        return text

    profile = Profile(
        batch_seconds=60.0, batch_faults={"expired": 0.5}, answer=lambda body: str(body["messages"][-1]["content"])
    )
    prepared, session = batch_world(profile).prepare(frame_of(40), prompt, batch=batch, journal=tmp_path / "j.sqlite3")
    first_said.clear()  # the first row was tried before the run
    run_virtual(session.arun)
    out = prepared.result(session)
    answered = out["response_error"].isna()

    assert out["response"][answered].tolist() == [first_said[cell] for cell in out["t"][answered]]
    assert 0 < answered.sum() < 40
    assert out["response_error"][~answered].str.contains("its prompt has changed").all()


def test_with_then_live_the_rest_is_asked_live() -> None:
    """One batch, and live calls for what it did not answer; nothing is left over."""
    world = batch_world(Profile(batch_seconds=600.0, batch_faults={"errored": 0.3}))
    out = world.map(frame_of(200), batch="then-live")

    assert out["response_error"].isna().all()
    assert len(world.brain.batches._batches) == 1
    assert world.brain.ledger.requests == 200 - int(world.brain.batches._batches.popitem()[1].verdicts.count(1))


@pytest.mark.parametrize("batch", [False, "then-live"])
def test_what_a_batch_left_is_claimed_before_it_is_asked_again(batch: Any, tmp_path: Path) -> None:
    """The same cell in another kernel, while live calls ask what the batch did not answer: it waits for them."""
    profile = Profile(batch_seconds=600.0, batch_faults={"errored": 1.0}, latency_seconds=30.0, jitter_sigma=0.0)
    world, journal = batch_world(profile), tmp_path / "j.sqlite3"
    options = {"journal": journal, "max_concurrency": 2}
    first, one = world.prepare(frame_of(20), batch="then-live", **options)

    async def main() -> Any:
        task = asyncio.ensure_future(one.arun())
        await asyncio.sleep(750.0)
        second, two = world.prepare(frame_of(20), batch=batch, **options)
        await asyncio.gather(task, two.arun())
        return second.result(two)

    out = run_virtual(main)

    assert first.result(one)["response_error"].isna().all()
    assert out["response_error"].isna().all()
    assert len(world.brain.ledger.paid) == 20


def test_live_calls_after_a_batch_send_no_more_of_what_another_run_has_claimed_since(tmp_path: Path) -> None:
    """The process was taken for dead meanwhile; what the other does not answer is asked once its claims end."""
    profile = Profile(batch_seconds=600.0, batch_faults={"errored": 1.0}, latency_seconds=30.0, jitter_sigma=0.0)
    world, path, sent = batch_world(profile), tmp_path / "j.sqlite3", list[int]()
    prepared, session = world.prepare(frame_of(20), batch="then-live", journal=path, max_concurrency=2)

    async def main() -> None:
        task = asyncio.ensure_future(session.arun())
        await asyncio.sleep(750.0)
        await taken_for_dead(session, path, lambda: sent.append(world.brain.ledger.requests))
        await task

    run_virtual(main)

    assert sent[10:] == [sent[10]] * 40
    assert sent[10] < 20
    assert prepared.result(session)["response_error"].isna().all()
    assert len(world.brain.ledger.paid) == 20


def test_live_calls_after_a_batch_ask_nothing_that_another_run_has_sent_in_a_batch_since(tmp_path: Path) -> None:
    """An envelope says whose its rows are, and their claims have ended: asked live, they would be paid twice."""
    profile = Profile(batch_seconds=600.0, batch_faults={"errored": 1.0}, latency_seconds=30.0, jitter_sigma=0.0)
    world, path = batch_world(profile), tmp_path / "j.sqlite3"
    prepared, session = world.prepare(frame_of(20), batch="then-live", journal=path, max_concurrency=2)

    async def main() -> None:
        task = asyncio.ensure_future(session.arun())
        await asyncio.sleep(750.0)
        journal = Journal.open(path)
        other, now = ClaimBook(journal, "r-other"), session.environment.wall_clock()
        other.take([key for (key,) in journal.query("SELECT fingerprint FROM claims")], now + 60.0)
        keys = [key for (key,) in journal.query("SELECT fingerprint FROM claims WHERE claimant = 'r-other'")]
        record = EnvelopeRecord("cpother", "r-other", session.environment.host, "simulator", now, len(keys), now + 60.0)
        EnvelopeBook(journal).prepare(record, keys)
        EnvelopeBook(journal).submitted("cpother", "msgbatch_other")
        other.release_all()
        journal.close()
        await task

    run_virtual(main)
    errors = prepared.result(session)["response_error"]

    assert world.brain.ledger.requests < 15
    assert errors.dropna().str.contains("it stands in the open batch msgbatch_other").all()
    assert errors.notna().sum() == 20 - len(world.brain.ledger.paid)


def test_the_live_calls_of_then_live_stay_within_the_open_files_that_the_system_allows() -> None:
    """And so does the estimate: one rule for a run, for what follows a batch, and for a forecast."""
    world = batch_world(Profile(batch_seconds=600.0, batch_faults={"errored": 1.0}, latency_seconds=5.0))
    environment = world.environment()
    few = replace(environment, live=replace(environment.live, most_in_flight=7))
    settings = {"journal": False, "progress": False, "batch": "then-live", "limits": "tier-4"}
    prepared = FrameMap(frame_of(200), "Say {t}", "response", settings, environment=few)
    assert run_virtual(prepared.arun)["response_error"].isna().all()
    assert world.brain.ledger.max_in_flight == 7
    assert conditions_of(prepared.settings, few.live, given_latency(5.0)).max_in_flight == 7


def test_without_retries_nothing_goes_again() -> None:
    """``retries=0`` holds for batches as well."""
    world = batch_world(Profile(batch_seconds=600.0, batch_faults={"errored": 0.5}))
    out = world.map(frame_of(40), retries=0)

    assert len(world.brain.batches._batches) == 1
    assert kinds(out)["server"] > 5


def test_a_bad_row_fails_alone() -> None:
    """What the API refuses is that row's error, at no cost, and is not sent again."""
    world = batch_world(Profile(batch_seconds=600.0))
    out = world.map(frame_of(5), lambda row: [{"role": "user", "content": "" if row["t"] == "row 3" else row["t"]}])

    assert kinds(out) == {"invalid": 1}
    assert out["response_cost"][3] == 0
    assert len(world.brain.batches._batches) == 1


def test_text_that_cannot_be_encoded_is_its_rows_error() -> None:
    """A lone surrogate stops one row, not the batch."""
    frame = frame_of(3)
    frame["t"] = frame["t"].astype(object)
    frame.iloc[1, 0] = "broken \ud800"
    world = batch_world()
    out = world.map(frame)

    assert kinds(out) == {"invalid": 1}
    assert world.brain.ledger.batch_rows == 2


def test_what_no_batch_takes_is_refused_before_it_waits_an_hour() -> None:
    """Live calls take it."""
    world = batch_world()
    with pytest.raises(InputError, match="batches take no 'speed'"):
        world.prepare(frame_of(2), request={"speed": "fast"})
    world.prepare(frame_of(2), request={"speed": "fast"}, batch=False)


def test_an_unknown_model_stops_the_run() -> None:
    """What no row can mend raises when nothing was answered."""
    with pytest.raises(RunStopped, match="not_found"):
        batch_world().map(frame_of(5), model="claude-nonesuch")


def test_a_refused_create_stops_the_run_and_frees_the_rows(tmp_path: Path) -> None:
    """A wrong key creates nothing; the envelope is closed, and the next run sends the rows."""
    world, journal = batch_world(Profile(batch_seconds=60.0, api_keys=frozenset({"other"}))), tmp_path / "j.sqlite3"
    with pytest.raises(RunStopped, match="auth"):
        world.map(frame_of(5), journal=journal)
    world.brain = batch_world().brain
    out = world.map(frame_of(5), journal=journal)

    assert out["response_error"].isna().all()


def test_the_first_failed_row_can_raise() -> None:
    """With ``on_error="raise"`` the row that finally failed is named."""
    world = batch_world(Profile(batch_seconds=60.0, batch_faults={"errored": 1.0}))
    with pytest.raises(RowFailed, match="server"):
        world.map(frame_of(3), on_error="raise")


def test_a_full_queue_is_waited_for() -> None:
    """A 429 creates nothing: the same envelope goes again when there is room, and no row is lost or doubled."""
    limits = Limits(batch_queue=250)
    world = batch_world(Profile(batch_seconds=600.0, limits=limits), max_requests=100)
    out = world.map(frame_of(600))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 600
    assert world.brain.ledger.paid_twice == 0


def test_a_budget_is_never_passed_and_used_as_far_as_it_goes() -> None:
    """Worst cases are reserved before submitting; what they leave is used in further batches."""
    world = batch_world(Profile(batch_seconds=5.0))
    with pytest.warns(UserWarning, match="budget"):
        out = world.map(frame_of(3_000), budget=0.005, max_tokens=500)
    spent = out["response_cost"].sum()

    assert 0.0048 < spent <= 0.005
    assert set(kinds(out)) == {"budget"}


def test_prompts_are_marked_for_five_minutes() -> None:
    """Dearer than without caching only below 22 % hits; an hour's entry, written for twice the price, below 53 %."""
    world = batch_world()
    out = world.map(frame_of(40), system="Be brief and exact, and answer in one short sentence. " * 100)

    assert out["response_error"].isna().all()
    assert world.brain.ledger.total("cache_write_1h_tokens") == 0
    assert world.brain.ledger.total("cache_write_5m_tokens") > 0
    assert world.brain.ledger.total("cache_read_tokens") > 0


def test_costs_are_what_the_api_bills() -> None:
    """The sum of the cost column is the bill, cache and batch prices included."""
    from claude_parallel.pricing import PriceList
    from claude_parallel.records import Usage

    world = batch_world(Profile(batch_seconds=60.0, batch_faults={"errored": 0.2}))
    out = world.map(frame_of(200), system="Be brief and exact, and answer in one short sentence. " * 100)
    prices, bill = PriceList(), Decimal(0)
    for entry in world.brain.ledger.paid:
        usage = Usage(
            entry.input_tokens,
            entry.output_tokens,
            entry.cache_write_5m_tokens,
            entry.cache_write_1h_tokens,
            entry.cache_read_tokens,
        )
        bill += prices.cost(entry.model, usage, is_batch=True) or Decimal(0)

    assert out["response_cost"].sum() == pytest.approx(float(bill))


def stop_when_waiting(world: BatchWorld, frame: Any, journal: Path) -> Any:
    """Run a map, and interrupt it once its batch is under way."""
    prepared, session = world.prepare(frame, journal=journal)

    async def run() -> None:
        task = asyncio.ensure_future(session.arun())
        while "processing since" not in session.stats.waiting_for and not task.done():
            await asyncio.sleep(0.5)
        session.control.request_stop()
        await task

    run_virtual(run, start=world.clock.seconds)
    return prepared.result(session)


def test_an_interrupt_leaves_the_batch_and_the_next_run_collects_it(tmp_path: Path) -> None:
    """Stopping stops polling only: the rows say where their answers will be, and nothing is paid twice."""
    world, journal = batch_world(), tmp_path / "j.sqlite3"
    stopped = stop_when_waiting(world, frame_of(20), journal)
    name = next(iter(world.brain.batches._batches))
    out = world.map(frame_of(25), journal=journal)

    assert world.clock.seconds > 600
    assert set(stopped["response_error"]) == {
        f"cancelled: the batch {name} goes on at the API; run the cell again to collect it"
    }
    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 25


def test_a_cancelled_batch_gives_what_it_has() -> None:
    """After ``cancel`` finished rows are kept and paid, the others are marked; nothing more is sent."""
    world = batch_world(max_requests=60)
    prepared, session = world.prepare(frame_of(100))

    async def run() -> None:
        task = asyncio.ensure_future(session.arun())
        await asyncio.sleep(300.0)
        session.carrier.cancel()  # type: ignore[attr-defined]
        await task

    run_virtual(run, start=0.0)
    out = prepared.result(session)

    assert world.clock.seconds < 310
    assert kinds(out) == {"cancelled": 50}
    assert len(world.brain.ledger.paid) == 50
    assert out["response_cost"].sum() > 0


def test_a_broken_stream_of_results_is_read_again() -> None:
    """Results cut off on the way are fetched once more; no row is lost, none asked again."""
    world = batch_world(Profile(batch_seconds=1.0, batch_script={3: "truncated"}))
    out = world.map(frame_of(900))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 900
    assert world.brain.ledger.batch_calls == 5


@pytest.mark.parametrize("fault", ["server", "overloaded", "html_502", "rate_limit", "reset", "truncated", "hang"])
def test_trouble_while_polling_is_waited_out(fault: Any) -> None:
    """A failed look at a batch costs nothing and changes nothing."""
    world = batch_world(Profile(batch_seconds=120.0, batch_script={2: fault, 3: fault}, hang_seconds=5_000.0))
    out = world.map(frame_of(30))

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 30


@pytest.mark.parametrize("fault", ["server", "overloaded", "html_502", "rate_limit", "reset", "truncated", "hang"])
def test_trouble_with_create_never_pays_twice(fault: Any) -> None:
    """Whether or not the batch came into being, each row is billed once and answered."""
    world = batch_world(Profile(batch_seconds=120.0, batch_script={1: fault}, hang_seconds=5_000.0))
    out = world.map(frame_of(30))

    assert out["response_error"].isna().all()
    assert len(world.brain.ledger.paid) == 30
    assert world.brain.ledger.paid_twice == 0


class OutOfReach:
    """A door that nobody gets through to send a batch, from its second one on and for a while."""

    def __init__(self, door: BatchApi, world: BatchWorld, until: float) -> None:
        self._door = door
        self._world = world
        self._until = until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def create(self, envelope: Envelope) -> BatchState | Failure:
        """Send an envelope where the network lets it through."""
        if self._world.brain.ledger.batch_rows and self._world.clock() < self._until:
            return Failure("connection", "the connection failed (ClientConnectorError)")
        return await self._door.create(envelope)


@pytest.mark.parametrize(("minutes", "answered"), [(10, 50), (20, 10)])
def test_an_outage_of_the_network_is_waited_for_as_live_calls_do(minutes: int, answered: int) -> None:
    """No row lost a try. After a quarter of an hour the run ends with what it has, and says so once for all."""
    world = batch_world(max_requests=10)
    world.wrap = lambda door: OutOfReach(door, world, minutes * 60.0)
    prepared, session = world.prepare(frame_of(50))
    with nullcontext() if answered == 50 else pytest.warns(UserWarning, match="no batch could be sent for 15 min 00 s"):
        run_virtual(session.arun)
    out = prepared.result(session)

    assert out["response_error"].isna().sum() == answered
    assert world.brain.ledger.batch_rows == answered
    assert session.state.waited[WaitReason.UNREACHABLE] > 500.0


@pytest.mark.parametrize("fault", ["reset", "truncated"])
def test_a_lost_create_is_looked_for_where_the_disk_takes_no_record_of_it(fault: Any, tmp_path: Path) -> None:
    """What the run knows by itself is enough to find the batch; without a look, all rows were sent again."""
    world = batch_world(Profile(batch_seconds=120.0, batch_script={1: fault}))
    prepared, session = world.prepare(frame_of(30), journal=tmp_path / "j.sqlite3")
    session.journal.query("PRAGMA query_only = ON")
    with pytest.warns(UserWarning, match="CANNOT BE WRITTEN"):
        run_virtual(session.arun)

    assert prepared.result(session)["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 30


@dataclass
class Unreadable:
    """A door at whose call of that name the record of envelopes is lost."""

    door: BatchApi
    world: BatchWorld
    point: str

    def __getattr__(self, name: str) -> Any:
        if name == self.point and self.world.session is not None:
            self.world.session.journal.execute("DROP TABLE IF EXISTS envelopes")
        return getattr(self.door, name)


@pytest.mark.parametrize("point", ["create", "retrieve", "results"])
def test_a_record_of_envelopes_that_cannot_be_read_ends_no_run(point: str, tmp_path: Path) -> None:
    """Each row has its answer, and each is paid once; what the disk has done is told."""
    world = batch_world(max_requests=10)
    world.wrap = lambda door: cast("BatchApi", Unreadable(door, world, point))
    prepared, session = world.prepare(frame_of(30), journal=tmp_path / "j.sqlite3")
    with pytest.warns(UserWarning, match="cannot be read"), pytest.warns(UserWarning, match="CANNOT BE WRITTEN"):
        run_virtual(session.arun)

    assert prepared.result(session)["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 30


def test_a_server_that_never_creates_is_given_up_on() -> None:
    """After three lost tries the rows have the server's error."""
    script: dict[int, Any] = dict.fromkeys(range(1, 2000), "server")
    world = batch_world(Profile(batch_script={n: f for n, f in script.items() if n in (1,)}))
    out = world.map(frame_of(3), retries=0)

    assert kinds(out) == {"server": 3}
    assert world.brain.ledger.batch_rows == 0


def test_envelopes_are_closed_at_the_end(tmp_path: Path) -> None:
    """After a good run no open envelope is left, and no fingerprints are kept for it."""
    world, journal = batch_world(max_requests=10), tmp_path / "j.sqlite3"
    world.map(frame_of(25), journal=journal)
    opened = Journal.open(journal)
    records = EnvelopeBook(opened).all()

    assert {record.state for record in records} == {"collected"}
    assert opened.query("SELECT count(*) FROM envelope_rows") == [(0,)]
    opened.close()


def test_two_runs_at_once_share_one_batch(tmp_path: Path) -> None:
    """The same cell in two kernels: the second finds the first one's envelope and waits for its batch."""
    world, journal = batch_world(), tmp_path / "j.sqlite3"
    first, one = world.prepare(frame_of(40), journal=journal)
    second, two = world.prepare(frame_of(40), journal=journal)

    async def run() -> None:
        await asyncio.gather(one.arun(), two.arun())

    run_virtual(run, start=0.0)

    assert world.brain.ledger.batch_rows == 40
    assert first.result(one)["response_error"].isna().all()
    assert second.result(two)["response_error"].isna().all()


@pytest.mark.parametrize(
    ("age", "seconds"), [(0.0, 1.0), (9.0, 1.0), (60.0, 6.0), (600.0, 60.0), (80_000.0, 60.0), (-5.0, 1.0)]
)
def test_polls_grow_rarer_with_age(age: float, seconds: float) -> None:
    """A tenth of the age, from one second to a minute."""
    assert poll_after(age) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("failure", "is_open"),
    [
        (Failure("connection", "", perhaps_billed=True), True),
        (Failure("connection", "", perhaps_billed=False), False),
        (Failure("timeout", "", perhaps_billed=True), True),
        (Failure("server", "", status=200, perhaps_billed=True), True),
        (Failure("server", "", status=500), True),
        (Failure("overloaded", "", status=529), True),
        (Failure("timeout", "", status=408), True),
        (Failure("server", "", status=409), True),
        (Failure("rate_limit", "", status=429), False),
        (Failure("invalid", "", status=400), False),
        (Failure("too_large", "", status=413), False),
        (Failure("auth", "", status=401), False),
    ],
)
def test_only_refusals_prove_that_nothing_was_created(failure: Failure, is_open: bool) -> None:
    """A 4xx and a request that never left create nothing; everything else is looked into."""
    assert may_exist(failure) is is_open


def test_progress_says_what_the_api_can_say() -> None:
    """No percentage is made up: rows submitted, and since when they are processed."""
    from claude_parallel.batch.in_flight import InFlight, InFlightBatch, describe
    from claude_parallel.batch.records import EnvelopeRecord

    record = EnvelopeRecord("cp1", "r", "h", "o", 0.0, 1_200, 0.0, "msgbatch_1", "submitted")
    state = BatchState("msgbatch_1", "in_progress", {"processing": 1_200}, created=0.0)

    in_flight = InFlight()
    in_flight.add(InFlightBatch(record, state=state))

    words = describe(in_flight, lambda _seconds: "14:03:20")

    assert words == "batch msgbatch_1: 1,200 rows submitted, processing since 14:03:20"
