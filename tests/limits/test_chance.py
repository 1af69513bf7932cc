"""Refusals by chance: what the calls beside a refused one say of it, and what its own headers do."""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.bucket import Bucket
from claude_parallel.limits.chance import CONTRADICTED_CALLS, FEW_CALLS, Chance, Verdict, contradicts
from claude_parallel.limits.gate import Gate, Ticket
from claude_parallel.limits.high_water import HighWater
from claude_parallel.records import Dimension, Failure, Load, RateLimitStatus

MANY = 10 * FEW_CALLS
LIGHT = Load(10.0, 10.0)


def verdicts(numbers: list[int], calls_lately: int = MANY) -> list[Verdict]:
    """Return what becomes of refusals of the calls with these numbers, in the order in which they are heard."""
    chance = Chance()
    return [chance.judge(number, calls_lately) for number in numbers]


@given(st.integers(1, 10_000), st.integers(6, 100))
def test_a_bucket_that_is_empty_is_believed_at_the_sixth_refusal(first: int, count: int) -> None:
    """A storm is impossible: of calls that are all refused four are borne, and one is a warning."""
    found = verdicts([first + number for number in range(count)])
    assert found[:4] == [Verdict.CHANCE] * 4
    assert found[5:] == [Verdict.BELIEVED] * (count - 5)


@given(st.integers(2, 6), st.integers(60, 200))
def test_one_refusal_in_six_is_believed(every: int, count: int) -> None:
    """However evenly it is spread among the calls."""
    assert Verdict.BELIEVED in verdicts([every * number for number in range(1, count)])


@given(st.lists(st.integers(10, 1_000), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_refusals_far_apart_are_borne_in_any_order(gaps: list[int], chance: Random) -> None:
    """One call in ten is never believed, though refusals overtake each other on their way."""
    numbers = list(accumulate(gaps))
    chance.shuffle(numbers)
    assert set(verdicts(numbers)) == {Verdict.CHANCE}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([7], [Verdict.WARNING]),
        ([7, 8], [Verdict.WARNING, Verdict.BELIEVED]),
        ([7, 40], [Verdict.WARNING, Verdict.WARNING]),
    ],
)
def test_where_few_calls_go_none_is_ignored(numbers: list[int], expected: list[Verdict]) -> None:
    """A pause costs little there, and one more refusal much."""
    assert verdicts(numbers, FEW_CALLS - 1) == expected


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=6))
def test_two_contradicted_refusals_show_chance_for_a_while(gaps: list[int]) -> None:
    """One may be a reading that was overtaken, and what is rare needs no care."""
    chance, number = Chance(), 0
    for gap in gaps:
        was_known, number = chance.is_known(number + gap), number + gap
        is_close = len(chance.contradicted) > 0 and gap <= CONTRADICTED_CALLS
        assert chance.contradict(number) == (is_close and not was_known)
        assert chance.is_known(number) == is_close
    assert not chance.is_known(number + CONTRADICTED_CALLS + 1)


# -- what a refusal's own headers say ----------------------------------------------------------------------------------

LIMIT, RATE = 6_000.0, 100.0


def watched(*, capacity: float = 20.0, most_owed: float = 10.0) -> Bucket:
    """Return a bucket that has told of itself, and accepted a call while so many seconds were owed."""
    bucket = Bucket("requests", rounding=1.0)
    for number in range(40):
        owed = most_owed * (number % 20) / 19
        bucket.own_at = number + owed
        bucket.learn(RateLimitStatus(LIMIT, RATE * (capacity - owed)), owed, float(number), float(number))
    bucket.high_water = HighWater(most_owed, 40.0)
    return bucket


@pytest.mark.parametrize(
    ("owed", "remaining", "retry_after", "is_contradicted"),
    [
        (5.0, 15.0, None, True),  # as always, and twice as much was accepted
        (5.0, 14.0, 1.0, True),  # somebody has taken a second, which was not missing
        (5.0, 10.0, None, False),  # somebody has taken five: that is what was missing
        (10.0, 10.0, None, False),  # our own use may have met the end
        (10.0, 10.0, 5.5, True),  # five seconds and a half are missing, says the server; nobody has taken them
        (10.0, 10.0, 5.0, False),  # it may have rounded up whatever is missing
        (5.0, 0.0, None, False),  # nothing is left
        (0.0, 60.0, 1.0, False),  # another account's, at any rate no full bucket of this one
    ],
)
def test_a_refusal_is_contradicted_by_what_remains(
    owed: float, remaining: float, retry_after: float | None, is_contradicted: bool
) -> None:
    """Less is owed than was accepted, and nobody else took the difference."""
    status = RateLimitStatus(LIMIT, RATE * remaining) if remaining < 60.0 else RateLimitStatus(2 * LIMIT, 60 * RATE)
    ticket = Ticket(1, 40.0, (1.0, 1.0, 1.0, 1.0), (owed, 0.0, 0.0, 0.0))
    assert contradicts(watched(), 0, status, ticket, retry_after, 40.0) is is_contradicted


def test_a_full_bucket_refuses_nothing() -> None:
    """Whatever is known of it; but tokens are rounded, and look full before they are."""
    ticket = Ticket(1, 0.0, (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0))
    for rounding, is_contradicted in ((1.0, True), (500.0, False)):
        bucket = Bucket("requests", rounding=rounding)
        bucket.learn(RateLimitStatus(LIMIT, LIMIT), 0.0, 0.0, 0.0)
        assert contradicts(bucket, 0, RateLimitStatus(LIMIT, LIMIT), ticket, None, 0.1) is is_contradicted


def test_calls_that_were_refused_were_not_owed() -> None:
    """Who was sent while five others were under way that were refused, owed five less."""
    mark = HighWater()
    for number in range(5):
        mark.took_back(0.1, number / 100, 1.0)
    assert mark.corrected(2.0, 0.5) == pytest.approx(1.5)
    assert mark.corrected(2.0, 1.5) == 2.0


def test_an_answer_that_is_quicker_than_a_refusal_is_no_proof_of_what_was_refused() -> None:
    """Five were sent and refused, the sixth was answered before that was heard: it owed five less than it seemed."""
    mark = HighWater()
    mark.note(2.0, 0.5, 0.6)
    for number in range(5):
        mark.took_back(0.1, number / 100, 1.0)
    assert mark.seconds == pytest.approx(1.5)
    mark.took_back(0.1, 0.7, 1.0)  # sent after it
    assert mark.seconds == pytest.approx(1.5)


# -- at the gate -------------------------------------------------------------------------------------------------------


def statuses(remaining: float) -> dict[Dimension, RateLimitStatus]:
    """Return the headers of an account of 6,000 requests a minute."""
    return {"requests": RateLimitStatus(LIMIT, remaining)}


def send(gate: Gate, now: float) -> tuple[Ticket, float]:
    """Wait until the gate lets a call go; return the ticket and when it went."""
    answer = gate.admit(LIGHT, now, is_searching=False)
    while not isinstance(answer, Ticket):
        now += min(answer.seconds, 0.1)
        answer = gate.admit(LIGHT, now, is_searching=False)
    return answer, now


def busy_gate() -> tuple[Gate, float]:
    """Return a gate whose first two hundred calls were answered, and a moment soon after."""
    gate, now = Gate(), 0.0
    for _ in range(200):
        ticket, now = send(gate, now)
        gate.settle(ticket, LIGHT, statuses(5_990), now)
    return gate, now + 1.0


def refusal(retry_after: float | None, **fields: Any) -> Failure:
    """Return a 429 that names no limit."""
    return Failure("rate_limit", "Too Many Requests", 429, retry_after=retry_after, **fields)


@pytest.mark.parametrize("retry_after", [None, 0.3, 1.0])
def test_one_bare_refusal_among_many_answers_stops_nobody(retry_after: float | None) -> None:
    """It tells no limit, as the API's own do, and the calls beside it came through."""
    gate, now = busy_gate()
    ticket, now = send(gate, now)
    gate.fail(ticket, refusal(retry_after), now)
    assert gate.pause(now)[0] == 0.0
    assert isinstance(gate.admit(LIGHT, now), Ticket)


def test_who_asks_for_a_long_wait_is_obeyed() -> None:
    """A minute is meant, headers or not."""
    gate, now = busy_gate()
    ticket, now = send(gate, now)
    gate.fail(ticket, refusal(60.0), now)
    assert gate.pause(now)[0] == pytest.approx(60.0)


def test_what_chance_had_taught_is_forgotten_once_it_is_known() -> None:
    """The end of the bucket and others' use: two refusals by a full bucket show that neither was seen."""
    gate, now = busy_gate()
    bucket = gate._requests
    bucket.burst.refused(0.2, is_new_episode=True)
    bucket.backoff.cut(None, 0.01, now)
    for _ in range(2):
        assert bucket.burst.is_checked and bucket.backoff.at(now) < 1.0
        ticket, now = send(gate, now)
        gate.fail(ticket, refusal(1.0, rate_limits=statuses(LIMIT)), now)
    assert not bucket.burst.is_checked
    assert bucket.backoff.at(now) == 1.0
