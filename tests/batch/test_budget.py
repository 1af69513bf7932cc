"""A budget in batches: as much at once as surely fits, few batches, and the cap holds in whatever order rows come."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchState
from claude_parallel.engine.budget import Budget, dear_calls
from claude_parallel.pricing import PriceList
from claude_parallel.records import Failure, Usage
from claude_parallel.simulation.batch_transport import MemoryBatchApi
from claude_parallel.simulation.profile import Profile

from ..batch_worlds import BatchWorld, batch_world, frame_of

CHEAP = Profile(batch_seconds=60.0, output_tokens=(20, 180))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Let runs say what fits, and that they stopped early."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the run stopped early")
        warnings.filterwarnings("ignore", "budget=")
        yield


def billed(world: BatchWorld) -> float:
    """Return what the simulator bills, in dollars."""
    prices, total = PriceList(), Decimal(0)
    for paid in world.brain.ledger.paid:
        usage = Usage(paid.input_tokens, paid.output_tokens, paid.cache_write_5m_tokens, paid.cache_write_1h_tokens)
        total += prices.cost("claude-haiku-5-5", usage, is_batch=True) or Decimal(0)
    return float(total)


def counting(sent: list[int]) -> Any:
    """Return a wrapper that notes how many requests each batch holds."""

    class Counting(MemoryBatchApi):
        async def create(self, envelope: Envelope) -> BatchState | Failure:
            sent.append(len(envelope))
            return await super().create(envelope)

    def wrap(api: BatchApi) -> BatchApi:
        assert isinstance(api, MemoryBatchApi)
        api.__class__ = Counting
        return api

    return wrap


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.sampled_from([1, 2, 4, 16]))
def test_more_dear_calls_than_reserved_come_once_in_a_thousand_times(seen: int, calls: int, rank: int) -> None:
    """The exact chance that one more than these are that dear, in an order that says nothing of price."""
    dear = dear_calls(seen, calls, rank)
    if dear == calls:
        return
    drawn, total = dear + rank, seen + calls
    few = sum(math.comb(seen, old) * math.comb(calls, drawn - old) for old in range(rank) if drawn - old <= calls)
    assert Fraction(few, math.comb(total, drawn)) <= Fraction(1, 1_000)


def test_without_an_answer_every_call_counts_in_full() -> None:
    """Nothing is known, so nothing is assumed."""
    assert Budget(cap=Decimal(10)).afford(1_000, Decimal("0.1")) == (100, Decimal(1))


def test_with_answers_more_may_go_and_each_is_reserved_as_less() -> None:
    """The more answers, the more at once."""
    affordable = []
    for answers in (0, 10, 100, 1_000):
        budget = Budget(cap=Decimal(10))
        for _ in range(answers):
            budget.learn(Decimal(1), Decimal("0.01"))
        calls, share = budget.afford(100_000, Decimal("0.1"))
        affordable.append(calls)
        assert calls * share * Decimal("0.1") <= 10
    assert affordable == sorted(affordable)
    assert affordable[-1] > 10 * affordable[0]


@pytest.mark.parametrize(
    ("rows", "max_tokens", "part", "most"),
    [(1_000, 2_500, 0.7, 14), (2_000, 2_500, 0.7, 11), (2_000, 14_000, 0.7, 26), (1_000, 200, 0.3, 7)],
)
def test_a_budget_takes_few_batches_and_is_used(rows: int, max_tokens: int, part: float, most: int) -> None:
    """Worst cases alone would make 25 and 140 of them, one after the other; rows beyond the budget change nothing."""
    free = batch_world(CHEAP)
    free.map(frame_of(rows), max_tokens=max_tokens)
    cap = billed(free) * part
    sent: list[int] = []
    world = batch_world(CHEAP, wrap=counting(sent))
    out = world.map(frame_of(rows), max_tokens=max_tokens, budget=cap)

    assert len(sent) <= most
    one_call = max_tokens * 0.25e-6 + 700 * 0.05e-6
    assert cap - max(0.04 * cap, 1.5 * one_call) <= billed(world) <= cap
    assert out["response_error"].dropna().str.startswith("budget: ").all()


def test_a_budget_that_covers_the_worst_case_sends_one_batch() -> None:
    """Then there is nothing to learn first."""
    sent: list[int] = []
    world = batch_world(CHEAP, wrap=counting(sent))
    assert world.map(frame_of(500), max_tokens=1_000, budget=1.0)["response_error"].isna().all()
    assert sent == [500]


@pytest.mark.parametrize("seed", range(2))
def test_the_cap_holds_though_the_frame_is_sorted_by_the_length_of_its_answers(seed: int) -> None:
    """Chance decides which rows go first, so the cheap head of a frame does not speak for its tail."""

    def answer(body: Mapping[str, Any]) -> str:
        return "word " * (1 + int(str(body["messages"][-1]["content"]).split()[-1]) // 4)

    profile = Profile(batch_seconds=60.0, answer=answer)
    free = batch_world(profile)
    free.map(frame_of(1_000), max_tokens=2_000)
    world = batch_world(profile, runs=seed)
    world.map(frame_of(1_000), max_tokens=2_000, budget=billed(free) / 2)
    assert 0.9 * billed(free) / 2 <= billed(world) <= billed(free) / 2


def test_answers_that_use_all_their_tokens_make_no_worst_case_of_the_others() -> None:
    """One in a hundred is a hundred times as long as the rest."""

    def answer(body: Mapping[str, Any]) -> str:
        number = int(str(body["messages"][-1]["content"]).split()[-1])
        return "word " * (1_500 if number % 100 == 7 else 15)

    profile = Profile(batch_seconds=60.0, answer=answer)
    free = batch_world(profile)
    free.map(frame_of(1_500), max_tokens=1_500)
    cap = billed(free) * 0.7
    sent: list[int] = []
    world = batch_world(profile, wrap=counting(sent))
    world.map(frame_of(1_500), max_tokens=1_500, budget=cap)
    assert 0.88 * cap <= billed(world) <= cap
    assert len(sent) <= 40


def test_what_fits_is_said_before_the_first_call() -> None:
    """How many rows, why, and what to do."""
    world = batch_world(CHEAP)
    match = (
        r"budget=0\.01: 13 of 1,000 rows can go at once.*worst case of all is \$0\.72.*: \d+ batches or so if a row "
        r"costs a hundredth of its worst case, \d+ if a tenth, one after the other.*about 7\.\d % of the budget stays "
        r"unused, since one row could cost that \(\$0\.00072\)\. A lower max_tokens="
    )
    with pytest.warns(UserWarning, match=match):
        world.map(frame_of(1_000), max_tokens=2_500, budget=0.01)


def test_answers_in_the_journal_tell_the_real_cost_before_the_first_batch(tmp_path: Path) -> None:
    """A preview is enough for a first batch that takes nearly all."""
    sent: list[int] = []
    world, path = batch_world(CHEAP), tmp_path / "j.sqlite3"
    world.map(frame_of(400), max_tokens=2_500, journal=path)
    world.wrap = counting(sent)
    world.map(frame_of(1_000), max_tokens=2_500, journal=path, budget=0.02)
    assert sent[0] > 300


def test_rows_beyond_the_budget_say_what_is_left_and_what_they_could_cost() -> None:
    """As live ones do."""
    out = batch_world(CHEAP).map(frame_of(1_000), max_tokens=2_500, budget=0.005)
    errors = out["response_error"].dropna()
    assert 0 < len(errors) < 1_000
    assert errors.str.match(r"budget: not sent: \$0\.0\d+ of the budget is left.*each row could cost \$0\.000\d+").all()


def test_a_cap_below_one_worst_case_sends_nothing_and_says_why() -> None:
    """Not a word of what goes later: nothing will."""
    world = batch_world(CHEAP)
    with pytest.warns(
        UserWarning, match=r"budget=0\.0001: not even one row is sent.*\$0\.000\d+ with all its max_tokens"
    ):
        out = world.map(frame_of(20), max_tokens=2_500, budget=0.0001)
    assert out["response_error"].str.contains(r"could cost \$0\.000\d+, and \$0\.00010 of the budget is left").all()
    assert world.brain.ledger.batch_rows == 0
