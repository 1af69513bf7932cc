"""What a budget lets through in batches: a law over rows, worst cases, real costs and caps; and what is said before."""

from __future__ import annotations

import random
import re
import warnings
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.batch.allowance import Waiting, allowed, count_batches, is_used_up, what_fits
from claude_parallel.engine.budget import Budget
from claude_parallel.simulation.profile import Profile

from ..batch_worlds import batch_world, frame_of
from .test_budget import counting

WORST = Decimal("0.01")
CACHED: dict[str, Any] = {"system": "A rule that everybody shares. " * 800, "max_tokens": 2_000}


def play(budget: Budget, shares: list[float]) -> list[int]:
    """Send rows in batches as a run does, each at its own share of the worst case, and return the sizes of batches."""
    sent, rest = [], list(shares)
    while rest:
        waiting = Waiting(len(rest), WORST)
        most, share = allowed(budget, waiting)
        if is_used_up(budget, waiting, most) or most * share * WORST > budget.room:
            return sent
        for real in rest[:most]:
            budget.learn(WORST, WORST * Decimal(real))
            budget.spent += WORST * Decimal(real)
        rest = rest[most:]
        sent.append(most)
    return sent


@given(
    rows=st.integers(1, 600),
    cap=st.decimals("0.2", "80", places=2),
    kinds=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    weights=st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_whatever_rows_cost_the_cap_holds_and_is_used(
    rows: int, cap: Decimal, kinds: list[float], weights: list[float], seed: int
) -> None:
    """In random order; at the end all is sent, or less is left than a row or 3 % of the cap, or 10 % in crumbs."""
    budget = Budget(cap=cap * WORST)
    shares = random.Random(seed).choices(kinds, weights[: len(kinds)], k=rows)
    sent = play(budget, shares)

    assert budget.spent <= cap * WORST
    left = budget.room
    is_little = left < budget.cap * Decimal("0.1") if budget.cap else False
    assert sum(sent) == rows or left < max(WORST, budget.cap * Decimal("0.03") if budget.cap else WORST) or is_little


@settings(max_examples=20)
@given(
    cap=st.integers(3, 60),
    share=st.sampled_from([0.01, 0.03, 0.1]),
    seed=st.integers(0, 2**32),
)
def test_the_number_of_batches_that_is_named_comes_true(cap: int, share: float, seed: int) -> None:
    """Within a half, where rows cost between nothing and twice the mean."""
    rng = random.Random(seed)
    named = count_batches(Budget(cap=cap * WORST), Waiting(1_500, WORST), Decimal(repr(share)))
    played = len(play(Budget(cap=cap * WORST), [rng.uniform(0, 2 * share) for _ in range(1_500)]))
    assert min(named, 100) <= 1.5 * played + 2
    assert min(played, 100) <= 1.5 * named + 2


def test_nothing_is_played_after_all_rows_are_sent() -> None:
    """Where the worst case of all fits, one batch takes them."""
    assert count_batches(Budget(cap=Decimal(10)), Waiting(100, WORST), Decimal("0.1")) == 1


def test_what_is_said_names_batches_what_stays_unused_and_the_max_tokens_that_would_do() -> None:
    """A row of half the cap: dozens of batches of a row or two, which nobody wants to find out by waiting."""
    budget = Budget(cap=Decimal("0.02"))
    words = what_fits(budget, Waiting(300, WORST), 10_000, Decimal("0.00000099"))
    assert words.startswith("budget=0.02: 2 of 300 rows can go at once")
    assert re.search(r" \d\d batches or so if a row costs a hundredth of its worst case, \d+ if a tenth", words)
    assert re.search(r"about 50 % of the budget stays unused, since one row could cost that \(\$0\.01\d*\)", words)
    assert words.endswith("A lower max_tokens= lets more go at once")
    more = what_fits(replace(budget, cap=Decimal(1)), Waiting(300, WORST), 10_000, Decimal("0.00000099"))
    assert more.endswith("With max_tokens=3265 all would go at once")
    assert "stays unused" not in more


def test_what_is_known_from_the_journal_is_said_as_one_number() -> None:
    """The real cost is known, so nothing has to be assumed."""
    budget = Budget(cap=Decimal("0.2"), shares=[0.05] * 40)
    words = what_fits(budget, Waiting(300, WORST), 10_000, Decimal("0.00000099"))
    assert re.search(r"real cost is known: \d batches or so, one after the other", words)


@pytest.mark.parametrize("cap", [0.03, 0.05])
def test_a_shared_prefix_counts_as_what_it_is_once_an_answer_has_told(cap: float) -> None:
    """Each of its bytes as a token, a row's worst case would be 7 % of the cap, stay unused, and make 24 batches."""
    profile = Profile(batch_seconds=60.0, output_tokens=(20, 180), batch_cache_hits=0.65)
    sent: list[int] = []
    world = batch_world(profile, wrap=counting(sent))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the run stopped early|budget=")
        out = world.map(frame_of(600), budget=cap, **CACHED)
    assert 0.96 * cap <= out["response_cost"].sum() <= cap
    assert len(sent) <= 13
