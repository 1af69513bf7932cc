"""The gate: admits what the limits allow, obeys pauses, learns from answers and refusals."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import InputError, Kind
from claude_parallel.limits.gate import (
    TIERS,
    Gate,
    Limits,
    Ticket,
    Wait,
    model_group,
)
from claude_parallel.limits.tiers import resolve_limits
from claude_parallel.records import Dimension, Failure, Load, RateLimitStatus

LIGHT = Load(10.0, 10.0)
PLENTY: dict[Dimension, RateLimitStatus] = {
    "requests": RateLimitStatus(60_000, 60_000),
    "input": RateLimitStatus(6e9, 6e9),
    "output": RateLimitStatus(6e9, 6e9),
}


def rate_limits(requests: float, remaining: float | None) -> dict[Dimension, RateLimitStatus]:
    """Return headers in which only requests are limited."""
    return {**PLENTY, "requests": RateLimitStatus(requests, remaining)}


def send(gate: Gate, now: float, load: Load = LIGHT) -> tuple[Ticket, float]:
    """Send as soon as the gate lets it, and return the ticket and the time."""
    for _ in range(10_000):
        answer = gate.admit(load, now)
        if isinstance(answer, Ticket):
            return answer, now
        assert math.isfinite(answer.seconds), answer
        now += answer.seconds
    raise AssertionError("the gate never opened")


def warm(requests: float = 600.0, *, burst: float = 60.0) -> Gate:
    """Return a gate that has seen one answer at time 0, and knows how much may go at once."""
    gate = Gate()
    ticket, now = send(gate, 0.0)
    gate.settle(ticket, LIGHT, rate_limits(requests, requests), now)
    for bucket in gate._buckets:
        bucket.burst.seconds = burst
    gate._most = 1_000
    return gate


def admitted(
    gate: Gate, seconds: float, load: Load = LIGHT, *, begin: float = 0.0, latency: float = 0.1
) -> list[float]:
    """Send for some seconds as fast as the gate lets it, with good answers without headers; return the times."""
    now, sent, flying = begin, [], list[tuple[float, Ticket]]()
    while now < begin + seconds:
        while flying and flying[0][0] <= now:
            end, ticket = flying.pop(0)
            gate.settle(ticket, load, {}, end)
        answer = gate.admit(load, now)
        if isinstance(answer, Ticket):
            sent.append(now)
            flying.append((now + latency, answer))
            continue
        wake = now + max(answer.seconds, 1e-6)
        now = min([wake, *(end for end, _ in flying[:1])])
    return sent


def refusal(seconds: float | None = 1.0, **fields: Any) -> Failure:
    """Return a 429."""
    return Failure("rate_limit", "rate limit of 600 requests per minute", 429, retry_after=seconds, **fields)


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, True, "many"])
@pytest.mark.parametrize("name", ["requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute"])
def test_a_limit_that_is_not_above_zero_is_refused(name: str, value: Any) -> None:
    """Before the first call, and by name."""
    with pytest.raises(InputError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize(
    ("given_limits", "meant"),
    [
        (None, None),
        ("start", TIERS["start"]),
        ("tier-1", Limits(50, 40_000, 40_000)),
        ({"requests_per_minute": 5}, Limits(5)),
        (Limits(7), Limits(7)),
    ],
)
def test_limits_may_be_given_in_several_ways(given_limits: Any, meant: Limits | None) -> None:
    """An object, a tier, a mapping, or nothing."""
    assert resolve_limits(given_limits) == meant


@pytest.mark.parametrize(
    ("given_limits", "word"),
    [
        ("gold", "start"),
        ({"rpm": 5}, "no 'rpm'.*'requests_per_minute'"),
        (5, "int"),
        ({"requests_per_minute": 0}, "above 0"),
    ],
)
def test_limits_that_mean_nothing_are_refused(given_limits: Any, word: str) -> None:
    """With what there is instead."""
    with pytest.raises(InputError, match=word):
        resolve_limits(given_limits)


@pytest.mark.parametrize(
    ("model", "group"),
    [
        ("claude-opus-4-5-20251101", "opus-4"),
        ("claude-opus-4-8", "opus-4"),
        ("claude-sonnet-4-6", "sonnet-4"),
        ("claude-haiku-5-5", "claude-haiku-5-5"),
        ("claude-opus-5", "claude-opus-5"),
    ],
)
def test_models_that_share_a_limit_share_a_group(model: str, group: str) -> None:
    """As the rate limits page lists them."""
    assert model_group(model) == group


# -- before anything is known -----------------------------------------------------------------------------------------


def test_the_first_call_goes_at_once() -> None:
    """Nobody waits for limits that nobody knows."""
    assert isinstance(Gate().admit(LIGHT, 100.0), Ticket)


def test_the_first_answers_are_awaited_gently() -> None:
    """In the first two seconds without any answer, at most some eighty calls go out, evenly."""
    gate, now, sent = Gate(), 0.0, 0
    while now < 2.0:
        _, now = send(gate, now)
        sent += 1
    assert 40 <= sent <= 82


def test_given_limits_hold_from_the_first_call_on() -> None:
    """``limits=`` does not wait for headers."""
    gate, now = Gate(Limits(requests_per_minute=5)), 0.0
    for _ in range(6):
        _, now = send(gate, now)
    assert now >= 12.0


# -- buckets ----------------------------------------------------------------------------------------------------------


@given(
    st.floats(10, 10_000),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 30), st.floats(0.1, 30), st.floats(0, 30)), max_size=60),
)
def test_over_any_window_at_most_capacity_and_refill_is_granted(
    limit: float, calls: list[tuple[float, float, float, float]]
) -> None:
    """In all three dimensions, with answers coming back in between."""
    gate = Gate(Limits(limit, 20 * limit, 20 * limit))
    now, granted, open_tickets = 0.0, [], []
    for gap, tokens_in, tokens_out, latency in calls:
        now += gap
        load = Load(tokens_in, tokens_out)
        ticket = gate.admit(load, now)
        if isinstance(ticket, Ticket):
            granted.append((now, (1.0, tokens_in, tokens_out)))
            open_tickets.append((now + latency, ticket, load))
        for item in [item for item in open_tickets if item[0] <= now]:
            open_tickets.remove(item)
            gate.settle(item[1], item[2], {}, now)
    for dimension, cap in enumerate((limit, 20 * limit, 20 * limit)):
        for first in range(len(granted)):
            total = 0.0
            for at, amounts in granted[first:]:
                total += min(amounts[dimension], cap)
                assert total <= (cap + cap / 60 * (at - granted[first][0])) * (1 + 1e-6) + 1e-6


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(1, 5_000)), min_size=1, max_size=50), st.floats(20, 5_000))
def test_waiting_the_returned_time_suffices(calls: list[tuple[float, float]], limit: float) -> None:
    """Asked again after the wait, the gate opens, or names another, later reason; never the same one for ever."""
    gate, now = Gate(Limits(limit, 10 * limit)), 0.0
    for gap, tokens in calls:
        now += gap
        for _attempt in range(60):
            answer = gate.admit(Load(tokens), now)
            if isinstance(answer, Ticket):
                gate.settle(answer, Load(tokens), {}, now)
                break
            assert 0 < answer.seconds < 2_000
            now += answer.seconds
        else:
            raise AssertionError("the gate never opened")


@given(st.integers(1, 500))
def test_nobody_waits_while_all_suffices(count: int) -> None:
    """A gate that knows how much may go at once lets it go at once."""
    gate = warm(60_000)
    assert all(isinstance(gate.admit(LIGHT, 1.0, is_searching=False), Ticket) for _ in range(count))


@given(st.lists(st.tuples(st.floats(1, 1e5), st.floats(0, 1e5)), min_size=1, max_size=40))
def test_settling_conserves(loads: list[tuple[float, float]]) -> None:
    """When all is settled, exactly the real weights are owed."""
    gate = Gate(Limits(1e6, 1e9, 1e9))
    tickets = []
    for tokens_in, _ in loads:
        ticket = gate.admit(Load(tokens_in), 0.0)
        if isinstance(ticket, Ticket):
            tickets.append((ticket, tokens_in))
    for (ticket, _), (_, real_in) in zip(tickets, loads, strict=False):
        gate.settle(ticket, Load(real_in), {}, 0.0)
    real = sum(real_in for _, real_in in loads[: len(tickets)])
    assert gate._requests.debt(0.0) == pytest.approx(len(tickets) * 60 / 1e6)
    assert gate._input.debt(0.0) == pytest.approx(real * 60 / 1e9, abs=1e-9)
    assert gate.status(0.0).in_flight == 0


@pytest.mark.parametrize("load", [Load(1e9, 0.0), Load(1.0, 1e9), Load(1e9, 1e9)])
def test_one_request_larger_than_the_bucket_does_not_hang(load: Load) -> None:
    """It goes when the bucket is full; the next one pays the debt off."""
    gate = Gate(Limits(60, 1_000, 1_000))
    _, first = send(gate, 0.0)
    _, second = send(gate, first, load)
    assert second <= 61.0


def test_a_given_limit_below_the_accounts_is_kept() -> None:
    """Headers may tighten it, and never loosen it."""
    gate = Gate(Limits(requests_per_minute=100))
    ticket, now = send(gate, 0.0)
    gate.settle(ticket, LIGHT, rate_limits(5_000, 4_999), now)
    assert gate.status(now).limits["requests"] == 100
    gate.restrict(None, now)
    ticket, now = send(gate, now + 1)
    gate.settle(ticket, LIGHT, rate_limits(5_000, 4_999), now)
    assert gate.status(now).limits["requests"] == 5_000


def test_the_tightest_limit_of_all_runs_holds() -> None:
    """One that gives none, or ends, lifts nothing of what another asks for."""
    gate, one, other = Gate(), object(), object()
    ticket, now = send(gate, 0.0)
    gate.settle(ticket, LIGHT, rate_limits(5_000, 4_999), now)
    for limits, owner, holds in (
        (Limits(100), one, 100),
        (None, other, 100),
        (Limits(50), other, 50),
        (None, other, 100),
        (None, one, 5_000),
    ):
        gate.restrict(limits, now, owner=owner)
        assert gate.status(now).limits["requests"] == holds


@pytest.mark.parametrize("factor", [0.1, 0.5, 2.0])
def test_a_changed_limit_leaves_what_was_left(factor: float) -> None:
    """However long ago the last answer came: the time since then was no use."""
    gate = Gate(Limits(1_000))
    ticket, now = send(gate, 0.0)
    gate.settle(ticket, LIGHT, rate_limits(5_000, 4_999), now)
    later, bucket = now + 30.0, gate._requests
    for _ in range(15):
        gate.admit(LIGHT, later)
    left = (bucket.burst.allowed - bucket.debt(later)) * bucket.rate
    gate.restrict(Limits(1_000 * factor), later)
    room = bucket.burst.allowed * bucket.rate
    assert (bucket.burst.allowed - bucket.debt(later)) * bucket.rate == pytest.approx(min(left, room))


def test_a_given_limit_may_be_changed_where_no_header_tells_any() -> None:
    """It holds from then on."""
    gate = Gate(Limits(60))
    ticket, now = send(gate, 100.0)
    gate.settle(ticket, LIGHT, {}, now + 1.0)
    gate.restrict(Limits(30), now + 1.5)
    sent = [gate.admit(LIGHT, now + 2.0) for _ in range(50)]
    assert sum(isinstance(one, Ticket) for one in sent) <= 2


@pytest.mark.parametrize(
    ("failure", "used"),
    [
        (refusal(), 0),
        (Failure("overloaded", "Overloaded", 529), 1),
        (Failure("timeout", "no answer in time", perhaps_billed=True), 1),
        (Failure("connection", "never sent"), 0),
        (Failure("cancelled", "not sent"), 0),
    ],
)
def test_a_failure_is_counted_as_the_server_counts_it(failure: Failure, used: int) -> None:
    """What reached the server counts, unless it was a 429."""
    gate = warm(600)
    before = gate._requests.used
    ticket, now = send(gate, 1.0)
    gate.fail(ticket, failure, now)
    assert gate._requests.used - before == used
    assert gate.status(0.0).in_flight == 0


@pytest.mark.parametrize(("kind", "status"), [("too_large", 413), ("context_window", 400)])
def test_a_prompt_that_is_too_long_holds_up_no_other_row(kind: Kind, status: int) -> None:
    """Its tokens, here five minutes of the limit, were refused and not read."""
    gate = Gate(Limits(input_tokens_per_minute=2e6))
    ticket, now = send(gate, 0.0)
    gate.settle(ticket, LIGHT, {}, now)
    ticket, now = send(gate, now + 60.0, Load(1e7, 10.0))
    gate.fail(ticket, Failure(kind, "too long", status), now)
    assert isinstance(gate.admit(LIGHT, now + 0.1), Ticket)


# -- pauses -----------------------------------------------------------------------------------------------------------


@given(st.floats(0.01, 5_000))
def test_a_pause_is_obeyed_to_the_fraction(seconds: float) -> None:
    """Nobody sends before ``retry-after`` is over, however long; right after it somebody may."""
    gate = warm(60_000)
    ticket, now = send(gate, 1.0)
    gate.fail(ticket, refusal(seconds, rate_limits=rate_limits(60_000, 30_000)), now)
    before = gate.admit(LIGHT, now + seconds * 0.999)
    assert isinstance(before, Wait)
    assert before.seconds == pytest.approx(seconds * 0.001, rel=1e-3, abs=1e-6)
    assert gate.pause(now) == (pytest.approx(seconds), "requests per minute")
    _, opened = send(gate, now + seconds)
    assert opened <= now + seconds + 0.2


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """The longest wait that any refusal asks for counts."""
    gate = warm()
    tickets = [send(gate, 1.0)[0] for _ in range(2)]
    gate.fail(tickets[0], refusal(30.0), 1.1)
    gate.fail(tickets[1], refusal(1.0), 1.2)
    assert gate.pause(1.2)[0] == pytest.approx(29.9)


def test_pauses_that_the_server_does_not_name_grow() -> None:
    """A quarter of a second, then twice as long each time in a row, until an answer comes."""
    gate, now, seen = warm(), 1.0, []
    for _ in range(4):
        ticket, now = send(gate, now)
        gate.fail(ticket, refusal(None), now)
        seen.append(gate.pause(now)[0])
    assert seen == pytest.approx([0.25, 0.5, 1.0, 2.0])
    ticket, now = send(gate, now)
    gate.settle(ticket, LIGHT, {}, now)
    ticket, now = send(gate, now)
    gate.fail(ticket, refusal(None), now)
    assert gate.pause(now)[0] == pytest.approx(0.25)


def test_a_storm_of_one_episode_teaches_once() -> None:
    """Fifty refusals of calls that were under way together count as one."""
    gate = warm(600)
    tickets = [send(gate, 1.0)[0] for _ in range(50)]
    gate.fail(tickets[0], refusal(1.0, rate_limits=rate_limits(600, 0)), 1.1)
    bucket = gate._requests
    burst, growth, share = bucket.burst.seconds, bucket.burst.eagerness, bucket.backoff.at(1.1)
    for ticket in tickets[1:]:
        gate.fail(ticket, refusal(1.0, rate_limits=rate_limits(600, 0)), 1.1)
    assert bucket.burst.seconds == pytest.approx(burst)
    assert (bucket.burst.eagerness, bucket.backoff.at(1.1)) == (growth, share)


def test_a_growth_limit_makes_us_grow_slower() -> None:
    """``ramp_limit_exceeded`` pauses, and no burst follows; it is no limit per minute."""
    gate = warm(6_000)
    sent = admitted(gate, 1.0, begin=1.0)
    ticket, now = send(gate, 2.0)
    gate.fail(ticket, refusal(3.0, error_code="ramp_limit_exceeded", rate_limits=rate_limits(6_000, 5_900)), now)
    assert gate.pause(now) == (pytest.approx(3.0), "the account's growth limit")
    later = admitted(gate, 10.0, begin=now + 3.0)
    assert len(later) <= 1.5 * (len(sent) + 1) + 5
    assert gate._requests.burst.seconds == 60.0


@pytest.mark.parametrize(
    ("message", "left", "reason"),
    [
        ("the limit of 5 input tokens per minute", {}, "input tokens per minute"),
        ("the limit of 5 output tokens per minute", {}, "output tokens per minute"),
        ("the limit of 5 requests per minute", {}, "requests per minute"),
        (
            "too many",
            {"output": RateLimitStatus(10, 1), "requests": RateLimitStatus(10, 5)},
            "output tokens per minute",
        ),
        ("too many", {}, "the account's rate limit"),
    ],
)
def test_a_pause_says_what_it_is_for(message: str, left: dict[Dimension, RateLimitStatus], reason: str) -> None:
    """As the message says, else the emptiest bucket."""
    gate = Gate(Limits(600, 6_000, 6_000)) if not left and "too many" not in message else Gate()
    ticket, now = send(gate, 0.0)
    gate.fail(ticket, Failure("rate_limit", message, 429, retry_after=9.0, rate_limits=left), now)
    answer = gate.admit(LIGHT, now)
    assert isinstance(answer, Wait)
    assert answer.reason == reason


@pytest.mark.parametrize("amount", ["0", ",", "1" * 400])
@pytest.mark.parametrize("what", ["request", "input token", "output token"])
def test_a_limit_in_words_that_no_rate_can_keep_is_a_pause_and_nothing_more(amount: str, what: str) -> None:
    """As an account has it for a model that it may not use, behind a gateway that drops the headers."""
    gate = Gate()
    ticket, now = send(gate, 0.0)
    gate.fail(ticket, Failure("rate_limit", f"the limit of {amount} {what}s per minute", 429, retry_after=9.0), now)
    assert isinstance(gate.admit(LIGHT, now), Wait)
    assert isinstance(gate.admit(LIGHT, now + 30.0), Ticket)


@pytest.mark.parametrize("what", ["requests per minute", "input tokens", "output tokens", "calls"])
@pytest.mark.parametrize("load", [Load(0.0), Load(100.0), Load(0.0, 0.0, 1_000.0)])
@pytest.mark.parametrize("seconds", [None, 1.0, 40.0])
def test_a_server_that_refuses_everything_and_tells_nothing_is_asked_again(
    what: str, load: Load, seconds: float | None
) -> None:
    """Whatever a call weighs, be it nothing (a gateway that counts no tokens): a guessed rate is never 0."""
    gate, now, refused = Gate(), 0.0, 0
    while now < 600.0 and refused < 40:
        answer = gate.admit(load, now)
        if isinstance(answer, Wait):
            now += max(min(answer.seconds, 60.0), 0.001)
            continue
        refused, now = refused + 1, now + 0.5
        gate.fail(answer, Failure("rate_limit", f"too many {what}", 429, retry_after=seconds), now)
    assert refused >= 10


# -- several runs -----------------------------------------------------------------------------------------------------


def test_whoever_waits_is_told_when_a_call_has_ended() -> None:
    """Until it unsubscribes."""
    gate, told = Gate(), []
    unsubscribe = gate.subscribe(lambda: told.append(1))
    for end in (gate.abandon, lambda ticket: gate.settle(ticket, LIGHT, {}, 9.0)):
        end(send(gate, 0.0)[0])
    unsubscribe()
    gate.abandon(send(gate, 9.0)[0])
    assert len(told) == 2


def test_threads_may_share_a_gate() -> None:
    """No charge and no ticket is lost between eight threads."""
    gate = warm(6e6)
    used = gate._requests.used

    def work() -> None:
        for number in range(500):
            ticket = gate.admit(Load(10.0), 0.0, is_searching=False)
            assert isinstance(ticket, Ticket)
            if number % 2:
                gate.settle(ticket, LIGHT, PLENTY, 0.0)
            else:
                gate.fail(ticket, Failure("cancelled", "not sent"), 0.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gate.status(0.0).in_flight == 0
    assert gate._requests.used == used + 8 * 250


def test_a_gate_shows_itself() -> None:
    """Calls and limits, and nothing of the account."""
    assert repr(warm(600)) == (
        "<Gate: 0 of 1000 in flight, 600 requests per minute, 6,000,000,000 input tokens per minute, "
        "6,000,000,000 output tokens per minute>"
    )
