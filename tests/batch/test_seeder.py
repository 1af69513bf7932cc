"""A seeding call: one of many rows goes live before its batch, where that is certain to be no dearer than no cache."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchState
from claude_parallel.engine.seeding import FEWEST_HITS, LEAST_CACHED, SURE_HITS, least_seeded
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate, Limits, Ticket
from claude_parallel.pricing import PriceList
from claude_parallel.records import Failure, Load, Usage
from claude_parallel.simulation.batch_transport import MemoryBatchApi
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile

from ..batch_worlds import BatchWorld, batch_world, frame_of, taken_for_dead

SYSTEM = "A rule that everybody shares. " * 800
SETTINGS: dict[str, Any] = {"journal": False, "progress": False, "batch": True}
OPTIONS: dict[str, Any] = {"system": SYSTEM, "max_tokens": 100}
PRICES = PriceList()


def profile(hits: float = 0.65, **fields: Any) -> Profile:
    """Return an API whose batches take ten minutes."""
    return Profile(batch_seconds=600.0, batch_cache_hits=hits, **fields)


def live_calls(world: BatchWorld) -> int:
    """Return how many answers were billed live."""
    return sum(paid.service_tier != "batch" for paid in world.brain.ledger.paid)


def billed(world: BatchWorld) -> Decimal:
    """Return what the API bills, each call at its own price."""
    total = Decimal(0)
    for paid in world.brain.ledger.paid:
        usage = Usage(
            paid.input_tokens,
            paid.output_tokens,
            paid.cache_write_5m_tokens,
            paid.cache_write_1h_tokens,
            paid.cache_read_tokens,
        )
        total += PRICES.cost(paid.model, usage, is_batch=paid.service_tier == "batch") or Decimal(0)
    return total


def noting(sent: list[tuple[int, float]]) -> Any:
    """Return a wrapper that notes how many requests each batch holds, and when it was sent."""

    class Noting(MemoryBatchApi):
        async def create(self, envelope: Envelope) -> BatchState | Failure:
            sent.append((len(envelope), asyncio.get_running_loop().time()))
            return await super().create(envelope)

    def wrap(api: BatchApi) -> BatchApi:
        assert isinstance(api, MemoryBatchApi)
        api.__class__ = Noting
        return api

    return wrap


def test_one_of_many_rows_goes_live_and_writes_for_an_hour(tmp_path: Path) -> None:
    """Its answer is an answer; the rest goes in one batch, marked for five minutes, and a second run pays nothing."""
    world, path = batch_world(profile()), tmp_path / "j.sqlite3"
    out = world.map(frame_of(90), journal=path, **OPTIONS)
    again = world.map(frame_of(90), journal=path, **OPTIONS)

    assert out["response_error"].isna().all()
    assert (live_calls(world), world.brain.ledger.batch_rows) == (1, 89)
    assert sum(paid.cache_write_1h_tokens > 0 for paid in world.brain.ledger.paid) == 1
    assert out["response_cost"].sum() == pytest.approx(float(billed(world)))
    assert again["response"].equals(out["response"])
    assert (again["response_cost"] == 0).all()


@pytest.mark.parametrize("hits", [0.3, 0.65, 0.98])
@pytest.mark.parametrize("rows", [84, 150])
def test_it_is_never_dearer_than_no_cache(hits: float, rows: int) -> None:
    """At the fewest hits of the API's promise, and in the smallest batch that has one."""
    costs = []
    for prompt_cache in ("auto", False):
        world = batch_world(profile(hits))
        world.map(frame_of(rows), prompt_cache=prompt_cache, **OPTIONS)
        costs.append(billed(world))
    assert costs[0] < costs[1]


@pytest.mark.parametrize(
    ("rows", "options"),
    [(70, {}), (90, {"prompt_cache": False}), (90, {"prompt_cache": "1h"}), (90, {"system": "x"})],
)
def test_where_it_does_not_pay_nothing_goes_live(rows: int, options: dict[str, Any]) -> None:
    """Too few rows, no cache, marks that are too dear to be missed, no prefix."""
    world = batch_world(profile())
    assert world.map(frame_of(rows), **{**OPTIONS, **options})["response_error"].isna().all()
    assert live_calls(world) == 0


@pytest.mark.parametrize("fault", ["overloaded", "html_502", "reset"])
def test_a_call_that_brings_no_answer_leaves_its_row_to_the_batch(fault: str) -> None:
    """It is not tried again, and costs the row nothing."""
    world = batch_world(profile(script={1: fault}))
    out = world.map(frame_of(90), **OPTIONS)

    assert out["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 90
    assert world.brain.ledger.requests == 1


@pytest.mark.parametrize(
    ("fault", "batch_seconds", "live", "batches"),
    [("slow", 600.0, 1, [89]), ("slow", 60.0, 1, [89]), ("hang", 600.0, 0, [89, 1]), ("hang", 60.0, 0, [89, 1])],
)
def test_a_call_that_takes_long_holds_its_batch_for_a_minute(
    fault: Any, batch_seconds: float, live: int, batches: list[int]
) -> None:
    """A late answer is kept, whether before or after the end of the batch; what hangs goes in a batch after all."""
    slow = profile(script={1: fault}, latency_seconds=20.0, slow_factor=20.0)
    world, sent = batch_world(replace(slow, batch_seconds=batch_seconds)), []
    world.wrap = noting(sent)
    out = world.map(frame_of(90), **OPTIONS)

    assert out["response_error"].isna().all()
    assert live_calls(world) == live
    assert [rows for rows, _ in sent] == batches
    assert sent[0][1] == pytest.approx(60.0, abs=1.0)
    assert out["response_cost"].sum() == pytest.approx(float(billed(world)))


@pytest.mark.parametrize("seconds", [80.0, 10.0])
def test_a_stop_ends_a_call_that_hangs(seconds: float) -> None:
    """Before its batch went or after, within the grace of any live call, and every row has its reason."""
    world = batch_world(profile(script={1: "hang"}))
    prepared, session = world.prepare(frame_of(90), **OPTIONS)

    async def stopped() -> None:
        running = asyncio.ensure_future(session.arun())
        await asyncio.sleep(seconds)
        session.control.stop_sending()
        await running

    run_virtual(stopped)
    errors = prepared.result(session)["response_error"]
    assert errors.str.split(":").str[0].tolist() == ["cancelled"] * 90
    assert world.clock() <= seconds + 31.0


def test_nobody_waits_for_an_account_that_is_held_back() -> None:
    """A live run was told to wait for half an hour; the batch need not."""
    world = batch_world(profile())
    gate = Gate()
    gate.fail(gate_ticket(gate), Failure("rate_limit", "slow down", 429, retry_after=1_800.0), 0.0)
    prepared = world.environment()
    world_environment = replace(prepared, live=replace(prepared.live, gate=gate))
    session = FrameMap(
        frame_of(90), "Say {t}", "response", {**SETTINGS, **OPTIONS}, environment=world_environment
    ).session()
    run_virtual(session.arun)
    assert (live_calls(world), world.brain.ledger.batch_rows) == (0, 90)


def test_a_row_that_another_run_has_claimed_by_now_does_not_go_live(tmp_path: Path) -> None:
    """The process was taken for dead while the call waited at the gate; the other's claim is the row's answer to be."""
    world, path, asked = batch_world(profile()), tmp_path / "j.sqlite3", list[int]()
    gate = Gate(Limits(requests_per_minute=2.0))
    gate_ticket(gate)
    prepared = world.environment()
    session = FrameMap(
        frame_of(90),
        "Say {t}",
        "response",
        {**SETTINGS, **OPTIONS, "journal": path},
        environment=replace(prepared, live=replace(prepared.live, gate=gate)),
    ).session()

    async def main() -> None:
        task = asyncio.ensure_future(session.arun())
        await asyncio.sleep(5.0)
        await taken_for_dead(
            session, path, lambda: asked.append(world.brain.ledger.requests + world.brain.ledger.batch_rows)
        )
        await task

    run_virtual(main)
    assert asked == [0] * 50
    assert len(world.brain.ledger.paid) == 90
    assert world.brain.ledger.paid_twice == 0


def gate_ticket(gate: Gate) -> Ticket:
    """Return the place of a call at a gate."""
    ticket = gate.admit(Load(1.0, 1.0), 0.0)
    assert isinstance(ticket, Ticket)
    return ticket


def test_a_row_that_cannot_be_answered_is_its_own_error() -> None:
    """As it would be in the batch; the others have the entry all the same."""
    world = batch_world(profile(answer=lambda body: "" if "row 0" in str(body["messages"]) else "fine"))
    out = world.map(frame_of(90), **OPTIONS)
    assert out["response_error"].dropna().str.split(":").str[0].tolist() == ["empty"]
    assert live_calls(world) == 1


def test_one_call_serves_all_batches_of_a_run() -> None:
    """Whoever reads the entry renews it."""
    world = batch_world(profile(), max_requests=60)
    assert world.map(frame_of(90), **OPTIONS)["response_error"].isna().all()
    assert live_calls(world) == 1


def test_the_cap_holds_with_a_seeding_call() -> None:
    """It is reserved at live prices, and paid from the same budget."""
    free = batch_world(profile())
    free.map(frame_of(300), **OPTIONS)
    cap = float(billed(free)) * 0.8
    world = batch_world(profile())
    with pytest.warns(UserWarning, match="budget"):
        out = world.map(frame_of(300), budget=cap, **OPTIONS)
    assert 0.85 * cap < out["response_cost"].sum() <= cap
    assert out["response_cost"].sum() == pytest.approx(float(billed(world)))


@given(
    model=st.sampled_from(["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"]),
    prefix=st.integers(512, 150_000),
    rest=st.integers(0, 5_000),
    max_tokens=st.integers(1, 32_000),
)
def test_the_least_number_pays_with_fewer_hits_than_promised_and_one_less_does_not(
    model: str, prefix: int, rest: int, max_tokens: int
) -> None:
    """By hand, at the prices of the list: all calls use all their tokens. With the hits promised it is a clear gain."""
    least = least_seeded(
        PRICES, model, prefix_tokens=prefix, input_tokens=prefix + rest, max_tokens=max_tokens, ttl="5m"
    )
    assert least is not None

    def cost(is_batch: bool, **usage: int) -> Decimal:
        return PRICES.cost(model, Usage(output_tokens=max_tokens, **usage), is_batch=is_batch) or Decimal(0)

    plain = cost(True, input_tokens=prefix + rest)
    seed = cost(False, input_tokens=rest, cache_write_1h_tokens=prefix)
    hit = cost(True, input_tokens=rest, cache_read_tokens=prefix)
    miss = cost(True, input_tokens=rest, cache_write_5m_tokens=prefix)

    def cached(calls: int, hits: Decimal) -> Decimal:
        return seed + (calls - 1) * (hits * hit + (1 - hits) * miss)

    assert cached(least, SURE_HITS) <= least * plain
    assert cached(least - 1, SURE_HITS) > (least - 1) * plain
    saved = least * cost(True, input_tokens=prefix) - least * cost(True, input_tokens=0)
    assert cached(least, FEWEST_HITS) <= least * plain - saved * Decimal("0.05")


@given(model=st.sampled_from(["claude-haiku-5-5", "claude-sonnet-5-5", "claude-haiku-4-5"]), hits=st.integers(30, 98))
def test_marks_without_a_seeding_call_pay_from_the_fewest_requests_on(model: str, hits: int) -> None:
    """The first one writes, the others read as the API promises: in the mean a clear gain at the fewest hits."""
    plain, write, read = (
        PRICES.cost(model, Usage(**{kind: 10_000}), is_batch=True) or Decimal(0)
        for kind in ("input_tokens", "cache_write_5m_tokens", "cache_read_tokens")
    )
    share = Decimal(hits) / 100
    cached = write + (LEAST_CACHED - 1) * (share * read + (1 - share) * write)
    assert cached <= LEAST_CACHED * plain * Decimal("0.96")


@pytest.mark.parametrize("rows", [20, 300])
def test_the_estimate_shows_the_choice_of_the_run(rows: int) -> None:
    """In words, and in dollars: the seeding call at live prices, and more hits for the others."""
    figures = cp.estimate(rows, 7_000, 60, cached_tokens=6_900, latency_seconds=1.0)
    plain = cp.estimate(rows, 7_000, 60, cached_tokens=6_900, latency_seconds=1.0, prompt_cache="1h")
    when = figures.to_frame().loc["batch + caching", "when"]
    world = batch_world(profile())
    world.map(frame_of(rows), system=SYSTEM)

    assert ("one row goes live first" in when) == (live_calls(world) == 1) == (rows == 300)
    assert ("one row goes live first" in figures.notes[-1]) == (rows == 300)
    assert "goes live first" not in plain.to_frame().loc["batch + caching", "when"]


@pytest.mark.parametrize("rows", [4, LEAST_CACHED - 1])
def test_a_batch_too_small_to_cache_says_nothing_about_the_cache(rows: int) -> None:
    """It was said to have read nothing, since its prefix may be too short, though nothing in it was marked."""
    world = batch_world(profile())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.map(frame_of(rows), **OPTIONS)
    assert world.session is not None
    assert (world.session.plan.ttl, world.session.stats.cache_misses) == ("5m", 0)
