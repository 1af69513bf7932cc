"""The circuit: opens in an outage, probes at growing intervals, closes at the first success."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.gate import Gate, Ticket
from claude_parallel.records import Failure, Load

LOAD = Load(10.0)
OVERLOADED = Failure("overloaded", "Overloaded", 529)


def opened(failures: int = 5, *, failure: Failure = OVERLOADED) -> tuple[Gate, float]:
    """Return a gate on which so many calls have failed in a row, and the time."""
    gate, now = Gate(rng=random.Random(1)), 0.0
    for _ in range(failures):
        ticket, now = sent(gate, now)
        gate.fail(ticket, failure, now + 0.05)
        now += 0.05
    return gate, now


def sent(gate: Gate, now: float) -> tuple[Ticket, float]:
    """Send as soon as the gate lets it."""
    for _ in range(1_000):
        answer = gate.admit(LOAD, now, is_searching=False)
        if isinstance(answer, Ticket):
            return answer, now
        now += answer.seconds
    raise AssertionError("the gate never opened")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OVERLOADED, "API overloaded"),
        (Failure("server", "Internal server error", 500), "API failing"),
        (Failure("connection", "refused"), "API unreachable"),
        (Failure("timeout", "no answer", perhaps_billed=True), "API unreachable"),
    ],
)
def test_a_run_of_failures_opens_it_for_everybody(failure: Failure, reason: str) -> None:
    """And the wait says what the matter is."""
    gate, now = opened(failure=failure)
    status = gate.status(now)
    assert status.outage_seconds == pytest.approx(0.0)
    assert status.pause_reason == reason
    assert 0.9 <= status.pause_seconds <= 1.1


def test_four_failures_are_chance() -> None:
    """Isolated 529s teach nothing."""
    gate, now = opened(4)
    assert gate.status(now).outage_seconds is None


def test_faults_among_good_answers_open_nothing() -> None:
    """Half of the calls since the first failure have to have failed."""
    gate, now = Gate(), 0.0
    for _ in range(20):
        failed, now = sent(gate, now)
        good, now = sent(gate, now)
        more, now = sent(gate, now)
        gate.fail(failed, OVERLOADED, now + 0.05)
        for ticket in (good, more):
            gate.settle(ticket, LOAD, {}, now + 1.0)
        now += 1.0
    assert gate.status(now).outage_seconds is None


def test_answers_to_calls_of_before_do_not_close_it() -> None:
    """Long answers that were under way when the outage began say nothing about now."""
    gate, now = Gate(rng=random.Random(1)), 0.0
    early, now = sent(gate, now)
    for _ in range(5):
        ticket, now = sent(gate, now)
        gate.fail(ticket, OVERLOADED, now + 0.05)
    gate.settle(early, LOAD, {}, now + 0.1)
    assert gate.status(now + 0.1).outage_seconds is not None


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_one_probe_an_interval_and_ever_fewer(probes: int, seed: int) -> None:
    """From a second to half a minute, whatever many callers ask for; jittered by a tenth."""
    gate, now = opened()
    gate._circuit.rng = random.Random(seed)
    gaps, before = [], now
    for _ in range(probes):
        ticket, now = sent(gate, now)
        assert not isinstance(gate.admit(LOAD, now, is_searching=False), Ticket)
        gaps.append(now - before)
        gate.fail(ticket, OVERLOADED, now + 0.01)
        before = now = now + 0.01
    assert all(0.89 <= gap <= 33.1 for gap in gaps)
    assert max(gaps) <= 1.15 + 0.15 * 1.1 * now


def test_retry_after_is_obeyed_by_the_probe() -> None:
    """A server that names a time is asked no sooner."""
    gate, now = opened(failure=Failure("overloaded", "Overloaded", 529, retry_after=12.0))
    assert gate.status(now).pause_seconds == pytest.approx(12.0)


def test_the_first_success_closes_it_and_sending_resumes_from_a_half() -> None:
    """Half of the old level at once, all of it within two seconds."""
    gate, now = Gate(rng=random.Random(1)), 0.0
    first, now = sent(gate, now)
    gate.settle(first, LOAD, {}, now + 0.1)
    flying = [sent(gate, now + 0.1)[0] for _ in range(40)]
    for ticket in flying:
        gate.fail(ticket, OVERLOADED, now + 0.2)
    probe, now = sent(gate, now + 0.2)
    gate.settle(probe, LOAD, {}, now + 0.1)
    now += 0.1
    assert gate.status(now).outage_seconds is None

    def room(moment: float) -> int:
        tickets = []
        while isinstance(answer := gate.admit(LOAD, moment, is_searching=False), Ticket):
            tickets.append(answer)
            if len(tickets) == 100:
                break
        for ticket in tickets:
            gate.fail(ticket, Failure("cancelled", "not sent"), moment)
        return len(tickets)

    assert 8 <= room(now) <= 20
    assert room(now + 2.1) == 100


def test_a_probe_that_lives_on_has_got_through() -> None:
    """Answers that take a minute need not end before the others may go."""
    gate, now = opened()
    _, now = sent(gate, now)
    _, again = sent(gate, now)
    assert again - now == pytest.approx(1.0)


def test_what_fell_into_an_outage_is_not_the_rows_fault() -> None:
    """The failures that opened the circuit are known afterwards."""
    gate, now = opened()
    assert gate.is_outage(0.0) and gate.is_outage(now)
    probe, now = sent(gate, now)
    gate.settle(probe, LOAD, {}, now + 0.1)
    assert gate.is_outage(0.0)
    assert not gate.is_outage(now + 1.0)
