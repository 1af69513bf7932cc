"""The outcomes of a run by row, and the counts beside them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.engine.results import Results
from claude_parallel.progress.stats import RunStats
from claude_parallel.records import Outcome

COST = Decimal("0.5")
GOOD = Outcome(text="text", cost=COST, source="api", attempts=1, request_id="req_1")
BAD = Outcome(kind="refusal", error="refusal: x", cost=COST, source="api", attempts=2, request_id="req_2")
FAILED = Outcome(kind="server", error="server: x", attempts=7)
KNOWN = Outcome(text="text", source="journal")


def empty(size: int) -> Results:
    """Return results that know nothing yet."""
    return Results.empty(size, RunStats(total=size))


def test_what_is_delivered_stands_at_its_position() -> None:
    """And is counted once."""
    results = empty(3)
    results.deliver(1, GOOD)
    assert results.outcomes == [None, GOOD, None]
    assert results.stats.done == 1
    assert results.has_answers


def test_a_second_delivery_replaces_the_first_and_is_not_counted_again() -> None:
    """An answer that lands late, after its row was given up."""
    results = empty(1)
    results.deliver(0, FAILED)
    results.deliver(0, GOOD)
    assert results.outcomes == [GOOD]
    assert results.stats.done == 1


def test_a_duplicate_has_the_same_fate_without_the_cost() -> None:
    """Whether it comes before or after the answer."""
    results = empty(3)
    for position in (0, 1):
        assert results.is_first_to_ask(position, b"question") == (position == 0)
    results.deliver(0, GOOD)
    assert not results.is_first_to_ask(2, b"question")
    results.complete("cancelled", "x")
    first, second, third = results.outcomes
    assert first == GOOD
    assert second == third
    assert second is not None
    assert (second.text, second.cost, second.source, second.attempts) == ("text", 0, "duplicate", 0)
    assert (results.stats.done, results.stats.duplicates) == (3, 2)


def test_rows_that_were_never_reached_say_why() -> None:
    """They, and their duplicates; rows with an outcome keep it."""
    results = empty(4)
    results.deliver(0, GOOD)
    for position in (1, 2):
        results.is_first_to_ask(position, b"question")
    results.complete("budget", "not sent: the cap")
    assert results.outcomes[0] == GOOD
    for outcome in results.outcomes[1:]:
        assert outcome is not None
        assert outcome.error is not None
        assert outcome.error.startswith("budget: not sent: the cap; ")
        assert (outcome.source, outcome.cost) == ("none", 0)
    assert results.stats.kinds == Counter(budget=3)
    assert results.stats.done == 4


def test_failures_and_skipped_rows_are_no_answers() -> None:
    """A run with nothing else was answered nothing."""
    results = empty(2)
    results.deliver(0, FAILED)
    results.complete("skipped", "x")
    assert not results.has_answers
    results.deliver(1, BAD)
    assert results.has_answers, "a refusal is an answer, and paid"


@given(
    st.lists(st.tuples(st.sampled_from([None, GOOD, BAD, FAILED, KNOWN]), st.integers(0, 9)), min_size=1, max_size=25),
    st.randoms(use_true_random=False),
)
def test_the_counts_agree_with_the_rows_in_any_order(rows: Any, order: Any) -> None:
    """After completion every row has an outcome, and the stats is what counting them gives."""
    results = empty(len(rows))
    firsts: dict[int, int] = {}
    steps: list[tuple[Any, ...]] = []
    for position, (outcome, question) in enumerate(rows):
        first = firsts.setdefault(question, position)
        is_first = results.is_first_to_ask(position, str(question).encode())
        assert is_first == (first == position)
        if is_first and outcome is not None:
            steps.append((position, outcome))
    order.shuffle(steps)
    for position, outcome in steps:
        results.deliver(position, outcome)
    results.complete("cancelled", "stopped")
    assert all(outcome is not None for outcome in results.outcomes)
    assert results.stats.done == len(rows)
    assert results.stats.kinds == Counter(o.kind for o in results.outcomes if o is not None and o.kind is not None)
    paid = sum(o.cost for o in results.outcomes if o is not None and o.cost is not None)
    assert paid == sum(outcome.cost for _, outcome in steps)
