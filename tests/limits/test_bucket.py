"""One limit: what we owe, how long to wait, and how each belief is undone by evidence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits import tickets
from claude_parallel.limits.backoff import LEAST, RECOVERY_SECONDS, Backoff
from claude_parallel.limits.blame import Refusal
from claude_parallel.limits.bucket import Bucket
from claude_parallel.limits.burst import FIRST_SECONDS, MINUTE, Burst, calls_slope, cautious
from claude_parallel.limits.guess import Guess
from claude_parallel.limits.output import OutputAccount, OutputBucket, ReservedBucket
from claude_parallel.limits.remaining import ReportedRemaining, is_steadier
from claude_parallel.limits.tickets import SHORTEST_WAIT_SECONDS, TOGETHER_SECONDS, Ticket
from claude_parallel.records import RateLimitStatus

limits = st.floats(10, 1e6)
steps = st.lists(st.tuples(st.floats(0, 5), st.floats(0.001, 0.5)), min_size=1, max_size=60)


def known(limit: float = 600.0, burst: float = 10.0) -> Bucket:
    """Return a bucket with this limit at time 0 that may owe `burst` seconds."""
    bucket = Bucket("requests")
    bucket.restrict(limit, 0.0)
    bucket.burst = Burst(burst, eagerness=0.0, refused_seconds=burst)
    return bucket


def test_an_unknown_limit_never_holds_anything_back() -> None:
    """Before the first response everything fits."""
    bucket = Bucket("input")
    bucket.take(1e9, 0.0)
    assert bucket.rate == math.inf
    assert bucket.wait(1e9, 0.0) == 0.0


@pytest.mark.parametrize(
    ("server_limit", "user_limit", "kept"),
    [(1_000.0, math.inf, 1_000.0), (1_000.0, 50.0, 50.0), (50.0, 1_000.0, 50.0), (None, 70.0, 70.0)],
)
def test_the_tighter_of_told_and_given_is_kept(server_limit: float | None, user_limit: float, kept: float) -> None:
    """A user may go below the account's limit, and never above it."""
    bucket = Bucket("requests")
    bucket.restrict(user_limit, 0.0)
    if server_limit is not None:
        bucket.learn(RateLimitStatus(server_limit, None), 0.0, 0.0, 0.0)
    assert bucket.limit == kept


@given(limits, steps, st.floats(0.2, 60))
def test_no_interval_grants_more_than_burst_and_refill(
    limit: float, calls: list[tuple[float, float]], burst: float
) -> None:
    """GCRA's law: in any interval t at most burst + rate * t; a call larger than the burst needs a full bucket."""
    bucket, now, granted = known(limit, burst), 0.0, []
    for gap, share in calls:
        now += gap
        amount = share * burst * bucket.rate
        if bucket.wait(amount, now) == 0.0:
            bucket.take(amount, now)
            granted.append((now, amount))
    for first in range(len(granted)):
        total = 0.0
        for at, amount in granted[first:]:
            total += amount
            assert total <= bucket.rate * (burst + at - granted[first][0]) * (1 + 1e-6) + 1e-6


@given(limits, steps, st.floats(0.2, 60))
def test_waiting_the_returned_time_suffices(limit: float, calls: list[tuple[float, float]], burst: float) -> None:
    """Work conserving: a request that fits is not refused for longer than its wait."""
    bucket, now = known(limit, burst), 0.0
    for gap, share in calls:
        now += gap
        amount = share * 2 * burst * bucket.rate
        seconds = bucket.wait(amount, now)
        now += seconds
        assert bucket.wait(amount, now) <= 2 * SHORTEST_WAIT_SECONDS
        bucket.take(amount, now)


@given(limits, steps, st.floats(0.2, 60), st.booleans())
def test_calls_go_together_where_no_refill_is_lost_by_it(
    limit: float, calls: list[tuple[float, float]], burst: float, is_shared: bool
) -> None:
    """A longer wait than needed is short, and ends before the bucket is full, or its pace overdue."""
    bucket, now = known(limit, burst), 0.0
    if is_shared:
        bucket.backoff.cut(0.6, 60.0 / limit, 0.0)
    for gap, share in calls:
        bucket.take(share * limit / MINUTE, now)
        needed, seconds = bucket._missing(1.0, now), bucket.wait(1.0, now)
        if seconds > needed + SHORTEST_WAIT_SECONDS:
            assert seconds <= TOGETHER_SECONDS
            assert now + seconds <= bucket.own_at + SHORTEST_WAIT_SECONDS
            assert not bucket.backoff.lost or now + seconds <= bucket.backoff.next_at + SHORTEST_WAIT_SECONDS
        now += gap


def played(make: type[Bucket], per_minute: float, calls: int = 2_000) -> tuple[float, int]:
    """Return the seconds that so many calls take, and how often one had to wait."""
    bucket = make("requests" if make is Bucket else "output")
    bucket.restrict(per_minute, 0.0)
    bucket.burst = Burst(0.2, eagerness=0.0, refused_seconds=0.2)
    now, waits = 0.0, 0
    for _ in range(calls):
        while seconds := bucket.wait(1.0, now):
            now, waits = now + seconds, waits + 1
        bucket.take(1.0, now)
        bucket.land(1.0, 1.0, now, now)
    return now, waits


@pytest.mark.parametrize("make", [Bucket, OutputBucket, ReservedBucket])
@pytest.mark.parametrize(("per_minute", "share"), [(3_000.0, 1.0), (100_000.0, 0.2), (600_000.0, 0.04)])
def test_at_many_calls_a_second_one_wait_serves_several(
    make: type[Bucket], per_minute: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the client's work for a call does not depend on whether a limit holds it back; and the rate stays whole."""
    seconds, waits = played(make, per_minute)
    monkeypatch.setattr(tickets, "TOGETHER_SECONDS", 0.0)
    at_once, each = played(make, per_minute)
    assert waits <= share * each
    assert seconds <= at_once + TOGETHER_SECONDS


@given(st.floats(1, 1e6), st.floats(0, 1e6))
def test_a_charge_is_corrected_by_what_it_weighed(charged: float, real: float) -> None:
    """Estimates are only borrowed."""
    bucket = known(60.0)
    bucket.take(charged, 0.0)
    assert bucket.debt(0.0) == pytest.approx(charged)
    bucket.land(charged, real, 0.0, 0.0)
    assert bucket.debt(0.0) == pytest.approx(real, abs=1e-6)


def test_a_bucket_that_was_full_since_has_forgotten_the_charge() -> None:
    """What was owed too much has been lost by then; to give it back would borrow from the future."""
    bucket = known(60.0)
    bucket.take(5.0, 0.0)
    bucket.take(1.0, 10.0)
    bucket.land(5.0, 1.0, 0.0, 10.0)
    assert bucket.debt(10.0) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_another_limit_changes_the_wait_at_once(factor: float) -> None:
    """A header that tells another limit is a fact."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(600.0, 600.0), 0.0, 0.0, 0.0)
    bucket.learn(RateLimitStatus(600.0 * factor, None), 0.0, 1.0, 1.0)
    assert bucket.rate == pytest.approx(10.0 * factor)


def test_an_older_answer_does_not_bring_an_old_limit_back() -> None:
    """Answers overtake each other: the limit of the request that was sent last counts."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(60.0, None), 0.0, 5.0, 6.0)
    bucket.learn(RateLimitStatus(600.0, None), 0.0, 1.0, 7.0)
    assert bucket.limit == 60.0


@given(st.floats(0.2, 50), st.sampled_from(["minute", "capacity"]))
def test_what_remains_shows_the_capacity_exactly(capacity: float, style: str) -> None:
    """After one refusal, or at once where it cannot speak of a whole minute, ``remaining`` is believed."""
    bucket, limit = Bucket("requests"), 60_000.0
    rate, offset = limit / 60, (MINUTE - capacity if style == "minute" else 0.0)
    bucket.learn(RateLimitStatus(limit, (capacity + offset) * rate), 0.0, 0.0, 0.0)
    if style == "minute":
        refused = RateLimitStatus(limit, offset * rate)
        bucket.refused(Refusal(refused, 1.0, capacity, 0.001, 0.001, 1.0), 1.0, is_new_episode=True)
        bucket.full_at = -math.inf
        bucket.learn(RateLimitStatus(limit, (capacity + offset) * rate), 0.0, 2.0, 2.0)
    assert 0.75 * capacity <= max(bucket.burst.seconds, bucket.burst.expected) <= capacity


def test_a_small_bucket_makes_no_neighbour() -> None:
    """A full bucket loses refill: that is no other program's use, and costs none of our rate."""
    bucket = Bucket("requests", rounding=1.0)
    for second in range(100):
        bucket.learn(RateLimitStatus(3_000.0, 10.0), 0.0, float(second), float(second))
    assert bucket.backoff.at(100.0) == 1.0
    assert bucket.rate == 50.0


@given(st.floats(0.05, 1.0), st.floats(1, 200))
def test_a_lost_share_is_back_within_ten_seconds(measured: float, calls_per_second: float) -> None:
    """A belief that a single event set is within 10 % of the fact after 10 s of kind answers, or 40 calls."""
    backoff = Backoff()
    backoff.cut(measured, 1 / calls_per_second, 0.0)
    assert LEAST <= backoff.at(0.0) < 1.0
    assert backoff.at(max(RECOVERY_SECONDS, 40 / calls_per_second)) == pytest.approx(1.0)
    assert backoff.at(0.5 * backoff.recovery_seconds) <= backoff.at(0.9 * backoff.recovery_seconds)


def test_only_a_refusal_that_our_own_use_does_not_explain_lowers_the_rate() -> None:
    """One that ends the growth does not; one far below what was accepted shows a debt, and the second a share."""
    bucket = known(600.0, burst=10.0)
    bucket.refused(Refusal(None, 1.0, 9.1, None, 0.25, 1.0), 1.0, is_new_episode=True)
    assert bucket.backoff.at(1.0) == 1.0
    assert bucket.burst.seconds == pytest.approx(cautious(9.0, bucket.burst.call))
    bucket.accepted(7.0, 2.0, 2.0)
    bucket.refused(Refusal(None, 1.0, 3.0, None, 0.25, 3.0), 3.0, is_new_episode=True)
    assert bucket.backoff.at(3.0) == 1.0
    assert bucket.debt(3.0) > bucket.burst.seconds
    bucket.refused(Refusal(None, 1.0, 3.0, None, 0.25, 4.0), 4.0, is_new_episode=True)
    assert bucket.backoff.at(4.0) < 1.0


@pytest.mark.parametrize(("retry_after", "fits"), [(None, 4.9), (1.5, 3.5), (2.0, 4.9), (0.001, 4.999)])
def test_retry_after_says_how_much_was_missing(retry_after: float | None, fits: float) -> None:
    """To the fraction where it has one; where it is rounded or missing, a call's worth."""
    bucket = known(600.0, burst=60.0)
    bucket.refused(Refusal(None, 1.0, 5.0, retry_after, 1.0, 1.0), 1.0, is_new_episode=True)
    assert bucket.burst.seconds == pytest.approx(cautious(fits, bucket.burst.call))


def test_the_burst_grows_while_it_holds_back_and_nobody_objects() -> None:
    """From a tenth of a second to half a minute within a quarter of one."""
    bucket, now = Bucket("requests"), 0.0
    bucket.restrict(1_000.0, 0.0)
    while now < 15.0:
        seconds = bucket.wait(1.0, now)
        if seconds:
            now += seconds
        else:
            bucket.take(1.0, now)
    assert 30.0 <= bucket.burst.seconds <= MINUTE


def test_the_burst_is_ahead_of_what_is_owed_by_a_call_and_what_goes_unheard() -> None:
    """A long wait is no proof of more: no bucketful goes after it, since a refusal would come too late."""
    bucket, now, sent = Bucket("requests"), 0.0, 0
    bucket.restrict(50.0, 0.0)
    bucket.burst = Burst(2.0)
    bucket.take(2.0, 0.0)
    bucket.wait(1.0, 0.0)
    bucket.restrict(50.0, 0.0)
    for now in (1.2, 1.21, 1.22, 1.23, 1.24, 1.25):
        if not bucket.wait(1.0, now):
            bucket.take(1.0, now)
            sent += 1
    assert sent <= 2
    assert bucket.burst.seconds <= bucket.debt(now) + 1.2 + 0.05 * 12.0


def test_waiting_as_told_suffices_while_the_burst_grows() -> None:
    """The wait knows how fast the belief grows: who waits so long may go."""
    bucket, now, looks = Bucket("requests"), 0.0, 0
    bucket.restrict(1_000.0, 0.0)
    for _ in range(100):
        while seconds := bucket.wait(1.0, now):
            now, looks = now + seconds, looks + 1
        bucket.take(1.0, now)
    assert looks <= 110
    assert now < 100 / (1_000 / 60) - 1.0


def test_the_burst_does_not_grow_while_nothing_is_sent() -> None:
    """Idle time proves nothing."""
    bucket = Bucket("requests")
    bucket.restrict(1_000.0, 0.0)
    bucket.wait(100.0, 0.0)
    bucket.wait(100.0, 1_000.0)
    assert bucket.burst.seconds <= 2 * FIRST_SECONDS


def test_output_waits_for_what_was_written_only() -> None:
    """Any call goes while something is left, whatever it will write."""
    bucket = OutputBucket("output")
    bucket.restrict(6_000.0, 0.0)
    bucket.burst = Burst(1.0, eagerness=0.0, refused_seconds=1.0)
    assert bucket.wait(5_000.0, 0.0) == 0.0
    bucket.take(5_000.0, 0.0)
    bucket.land(5_000.0, 500.0, 0.0, 1.0)
    assert bucket.wait(1.0, 60.0) == 0.0
    assert bucket.wait(1.0, 1.0) >= 3.9


@given(st.floats(1, 100), st.floats(2, 50))
def test_a_guess_is_what_came_through_between_two_refusals(rate: float, seconds: float) -> None:
    """Both found the bucket empty, so that is what came back."""
    guess = Guess()
    guess.refused(1e3, 1.0, 1.0, 0.0, is_first=True)
    guess.refused(max(5.0, rate * seconds), seconds, 1.0, seconds, is_first=False)
    assert guess.rate == pytest.approx(max(5.0, rate * seconds) / seconds)
    assert guess.at(seconds + 10.0) <= 1.03 * guess.rate
    assert guess.at(seconds + 100.0) >= 10 * guess.rate


# -- what proves nothing -----------------------------------------------------------------------------------------------


def test_a_call_into_a_full_bucket_proves_nothing() -> None:
    """A bucket of one second takes a call of two when it is full; two seconds are not what it holds."""
    bucket = known(60.0, burst=0.5)
    bucket.accepted(bucket.take(2.0, 0.0), 0.0, 1.0, 2.0)
    assert bucket.high_water.seconds == 0.0
    bucket.accepted(bucket.take(2.0, 1.5), 1.5, 2.0, 2.0)
    assert bucket.high_water.seconds == pytest.approx(2.5)


def test_what_the_first_of_an_episode_does_not_owe_the_others_do_not_owe_either() -> None:
    """Calls that went behind it owe more, and teach as little of the bucket."""
    bucket = known(600.0, burst=10.0)
    bucket.accepted(9.0, 1.0, 1.0)
    bucket.refused(Refusal(None, 1.0, 2.0, 0.5, 0.5, 2.0), 2.0, is_new_episode=True)
    bucket.refused(Refusal(None, 1.0, 9.5, 0.5, 0.5, 2.0), 2.0, is_new_episode=False)
    assert bucket.burst.seconds == 10.0


@given(st.floats(0.2, 50.0))
def test_a_neighbour_who_has_left_leaves_the_bucket_as_large_as_it_was(burst: float) -> None:
    """While he takes a part of the rate more is owed; how much the bucket holds is no less."""
    bucket = known(600.0, burst=burst)
    bucket.backoff.cut(None, 0.1, 0.0)
    bucket.take(1.0, 0.0)
    assert bucket.burst.seconds == burst
    assert bucket.debt(0.0) >= burst - FIRST_SECONDS
    assert bucket.wait(1.0, burst) == 0.0


def test_a_reservation_costs_a_lost_share_what_is_written_of_it() -> None:
    """With a tenth of ``max_tokens`` written, the pace is that of the tenth: else it would be ten times too slow."""
    bucket = ReservedBucket("output")
    bucket.restrict(6_000.0, 0.0)
    bucket.burst = Burst(60.0, eagerness=0.0, refused_seconds=60.0)
    for _ in range(200):
        bucket.take(100.0, 0.0)
        bucket.land(100.0, 10.0, 0.0, 0.0)
    bucket.backoff.cut(None, 1.0, 1.0)
    bucket.take(100.0, 1.0)
    assert bucket.backoff.wait(1.0) <= 0.1 / bucket.backoff.at(1.0)


# -- what ``remaining`` tells ------------------------------------------------------------------------------------------


@given(st.booleans(), st.floats(1.0, 60.0))
def test_remaining_tells_how_output_is_counted(reserves: bool, capacity: float) -> None:
    """The account that makes ``remaining`` a constant less is the server's, whatever was refused before."""
    written, reserved = OutputBucket("output"), ReservedBucket("output")
    outputs = OutputAccount(written, reserved)
    for number in range(20):
        owed = 0.04 * (number % 7) * capacity, 0.05 * (number % 5) * capacity
        remaining = 100.0 * (capacity - owed[reserves])
        for bucket, debt in zip((written, reserved), owed, strict=True):
            bucket.full_at = number + debt
            bucket.learn(RateLimitStatus(6_000.0, remaining), debt, float(number), float(number))
    outputs.look()
    outputs.reserves_until = math.inf if not reserves else -math.inf
    assert outputs.reserves(100.0) is reserves
    assert outputs.idle(100.0) is (written if reserves else reserved)


def test_a_refusal_ends_a_belief_in_reservations_that_does_not_explain_it() -> None:
    """More was reserved lately, and accepted; more is written than ever was."""
    written, reserved = OutputBucket("output"), ReservedBucket("output")
    for bucket in (written, reserved):
        bucket.restrict(6_000.0, 0.0)
    reserved.accepted(20.0, 1.0, 1.0)
    outputs = OutputAccount(written, reserved, reserves_until=60.0)
    written.used = 1.0
    assert outputs.blamed(Ticket(1, 2.0, (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 1.0, 15.0)), 2.0) == 2
    assert not outputs.reserves(2.0)


@pytest.mark.parametrize(("before", "reserves"), [(0.0, False), (0.05, False), (0.5, True)])
def test_a_call_that_reserves_all_there_is_was_not_refused_for_its_own_reservation(
    before: float, reserves: bool
) -> None:
    """A full bucket takes any call, also a larger one: only what was reserved before it can explain a refusal."""
    written, reserved = OutputBucket("output"), ReservedBucket("output")
    for bucket in (written, reserved):
        bucket.restrict(6_000.0, 0.0)
    outputs = OutputAccount(written, reserved)
    written.used = 1.0
    ticket = Ticket(1, 2.0, (1.0, 1.0, 50.0, 200.0), (0.0, 0.0, 0.08, 2.0 + before))
    assert outputs.blamed(ticket, 2.0) == (3 if reserves else 2)
    assert outputs.reserves(2.0) is reserves


@given(st.lists(st.floats(0.0, 3.0), min_size=60, max_size=60))
def test_readings_that_overtook_each_other_do_not_enlarge_a_bucket(ahead: list[float]) -> None:
    """A request that arrives before others sent earlier sees more left than there is: the mean counts, not the most."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(60.0, 20.0), 0.0, 0.0, 0.0)
    for number, seconds in enumerate(ahead, 1):
        now, owed = number / 10, 10.0 + number / 10
        bucket.full_at = now + owed + 4.0 * (number % 3)  # what it is by the end of an answer varies more
        bucket.learn(RateLimitStatus(60.0, 20.0 - owed + (seconds - 1.5)), owed, now, now)
    assert bucket.burst.ceiling <= 20.0 + 1.5


def send_until(bucket: Bucket, now: float, end: float, look: float) -> tuple[int, float]:
    """Send as much as goes, looking again after so many seconds at most, and return how much it was and the moment."""
    sent = 0
    while now < end:
        seconds = bucket.wait(1.0, now)
        if seconds:
            now += min(seconds, look)
        else:
            bucket.take(1.0, now)
            sent += 1
    return sent, now


def test_what_remaining_promises_is_not_sent_at_once() -> None:
    """Calls go by e times more in a fifth of a second, so a limit that nobody told refuses no bucketful."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(3_000.0, 500.0), 0.0, 0.0, 0.0)
    at_once, now = send_until(bucket, 0.0, 0.06, look=0.001)
    assert at_once <= 15
    later, _ = send_until(bucket, now, 1.0, look=0.001)
    assert at_once + later >= 500


# -- a part of an account ----------------------------------------------------------------------------------------------


def test_a_process_that_shares_an_account_does_not_leap_at_the_whole_minute() -> None:
    """The others believe the same, and two that both took the rest would take it twice."""
    whole, part = Burst(20.0), Burst(20.0, is_part=True)
    for burst in (whole, part):
        owed = burst.seconds
        for step in range(1, 11):
            burst.hold(0.1, owed, 0.06, 0.1 * step)
            owed = burst.seconds
    assert whole.seconds > 30.0
    assert part.seconds < 25.0


def test_a_part_that_changes_makes_no_reading_old() -> None:
    """Parts change every second, with calls under way: what the server says of the account is heard all the same."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(600.0, 600.0), 0.0, 0.0, 0.0)
    ceiling = bucket.burst.ceiling
    bucket.restrict(300.0, 1.0, is_part=True)
    bucket.learn(RateLimitStatus(600.0, 100.0), 0.1, 0.5, 1.5)
    assert bucket.burst.ceiling < ceiling


def test_a_refusal_from_before_a_part_has_changed_teaches_nothing() -> None:
    """What was owed then was counted in seconds of the other part, and who asked too much is not known."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(600.0, 600.0), 0.0, 0.0, 0.0)
    bucket.restrict(300.0, 1.0, is_part=True)
    debt, seconds = bucket.debt(1.5), bucket.burst.seconds
    bucket.refused(Refusal(None, 1.0, 0.1, 1.0, 1.0, 0.5), 1.5, is_new_episode=True)
    assert (bucket.debt(1.5), bucket.burst.seconds) == (debt, seconds)


@given(st.floats(1.0, 60.0), st.floats(0.1, 1.0))
def test_what_was_used_before_comes_out_of_our_part(debt: float, part: float) -> None:
    """In calls it stays what it was; and who gets a larger part again finds nothing new in it."""
    bucket = known(600.0, burst=60.0)
    bucket.take(10.0 * debt, 0.0)
    bucket.restrict(600.0 * part, 0.0, is_part=True)
    assert bucket.debt(0.0) * bucket.rate >= 10.0 * debt - 1e-6
    left = max(0.0, 60.0 - bucket.debt(0.0)) * bucket.rate
    bucket.restrict(600.0, 0.0, is_part=True)
    assert max(0.0, 60.0 - bucket.debt(0.0)) * bucket.rate <= left + 1e-6


@given(st.floats(1.0, 60.0), st.lists(st.floats(0.02, 1.0), min_size=1, max_size=6))
def test_whatever_parts_we_had_we_owe_no_more_than_the_whole_account_lends(debt: float, parts: list[float]) -> None:
    """No server's bucket is emptier than empty: who gets all of it back waits for a call, and not for a minute more."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(600.0, None), 0.0, 0.0, 0.0)
    bucket.burst = Burst(60.0, eagerness=0.0, refused_seconds=60.0)
    bucket.take(10.0 * debt, 0.0)
    for part in [*parts, 1.0]:
        bucket.restrict(600.0 * part, 0.0, is_part=True)
        assert bucket.debt(0.0) * bucket.rate <= 600.0 + 1e-6
    assert bucket.wait(1.0, 0.0) <= 0.1 + SHORTEST_WAIT_SECONDS + TOGETHER_SECONDS


# -- what a neighbour teaches ------------------------------------------------------------------------------------------


def test_a_refusal_ends_a_belief_that_nothing_ever_proved() -> None:
    """A minute was believed, a tenth of a second accepted: the bucket is empty, and it is not a minute that is owed."""
    bucket = Bucket("requests")
    bucket.restrict(600.0, 0.0)
    bucket.burst.seconds = 59.7
    bucket.accepted(0.2, 1.0, 1.0)
    bucket.refused(Refusal(None, 1.0, 0.15, 0.05, 0.05, 2.0), 2.0, is_new_episode=True)
    assert bucket.burst.seconds == pytest.approx(0.2, rel=0.01)
    assert bucket.debt(2.0) <= 0.2


def test_a_refusal_that_names_no_wait_does_not_tell_what_the_bucket_holds() -> None:
    """It may lack as much as the last answer took, or next to nothing: what was owed is believed, and not the least."""
    bucket = known(60.0)
    bucket.burst, bucket.overdraft = Burst(5.0), 3.0
    bucket.refused(Refusal(None, 1.0, 2.4, None, 0.25, 1.0), 1.0, is_new_episode=True)
    assert 1.0 <= bucket.burst.seconds <= 2.4
    assert bucket.debt(1.0) >= 3.0


def test_a_pause_is_no_part_of_a_measurement() -> None:
    """Ten calls a second came through once it was over: that is our part of the rate, however long it was."""
    bucket = known(1_200.0, burst=1.0)
    bucket.accepted(1.0, 0.0, 0.0)
    bucket.refused(Refusal(None, 1.0, 0.5, 5.0, 5.0, 1.0), 1.0, is_new_episode=True)
    for call in range(20):
        bucket.take(1.0, 6.0 + call / 10)
    bucket.refused(Refusal(None, 1.0, 0.5, 5.0, 5.0, 8.0), 8.0, is_new_episode=True)
    assert bucket.backoff.at(8.0) == pytest.approx(0.5, rel=0.1)


def test_what_remains_at_a_refusal_shows_that_others_have_taken_the_rest() -> None:
    """Then the first refusal lowers our share, and by what is usual: what came through before was all ours."""
    for remaining, is_shared in ((61.0, False), (20.0, True)):
        bucket = known(600.0, burst=10.0)
        for call in range(40):
            bucket.learn(RateLimitStatus(600.0, 100.0 - call), bucket.take(1.0, 0.0), 0.0, 0.0)
        bucket.accepted(9.0, 0.5, 0.5)
        bucket.refused(Refusal(RateLimitStatus(600.0, remaining), 1.0, 4.1, 0.05, 0.05, 1.0), 20.0, is_new_episode=True)
        assert (bucket.backoff.at(20.0) < 0.7) is is_shared


def test_what_others_owe_counts_once() -> None:
    """Remaining has sunk by seven seconds and a refusal says that the bucket is empty: nobody waits for seven more."""
    bucket = known(600.0, burst=10.0)
    bucket.burst.call = 0.1
    for _call in range(30):
        bucket.take(1.0, 0.0)
    bucket.burst.ceiling, bucket.burst.ceiling_at = 3.5, 0.0
    bucket.accepted(9.0, 0.0, 0.0)
    bucket.refused(Refusal(None, 1.0, 3.0, 0.05, 0.05, 0.0), 0.1, is_new_episode=True)
    assert 0.05 <= bucket.wait(1.0, 0.1) <= 0.5


def test_who_finds_nothing_left_waits_until_the_bucket_has_what_a_call_needs() -> None:
    """The hint is next to nothing, since others take what comes back: so much less is sent, and nothing refused."""
    bucket = known(600.0, burst=1.0)
    bucket.burst.note_remaining(0.0, 0.04, 0.0, is_idle=False)
    assert bucket.wait(1.0, 0.0) == 0.0  # it is long since we owed anything
    bucket.take(1.0, 0.0)
    assert bucket.wait(1.0, 0.0) == pytest.approx(0.1 + 0.1 + 0.05 - 0.04)


def test_a_part_of_an_account_is_ours_whatever_remains_of_the_whole() -> None:
    """Other processes of ours have the rest, and leave us our rate."""
    bucket = known(600.0, burst=1.0)
    bucket.restrict(300.0, 0.0, is_part=True)
    bucket.burst.call = 0.2
    bucket.burst.note_remaining(0.0, 0.04, 0.0, is_idle=False)
    bucket.take(1.0, 0.0)
    assert bucket.wait(1.0, 0.0) == pytest.approx(0.2)


# -- what a refusal says of the account --------------------------------------------------------------------------------


@given(st.floats(0.5, 50.0), st.floats(0.0, 30.0))
def test_a_refusal_after_a_limit_has_fallen_says_that_the_bucket_is_empty(burst: float, pause: float) -> None:
    """The call went under the old limit, and nobody knows since when the new one holds: only the refusal is sure."""
    bucket = known(6_000.0, burst)
    bucket.learn(RateLimitStatus(600.0, 0.0), 0.0, 1.0, 1.0)
    bucket.refused(Refusal(None, 1.0, 0.0, pause, pause, 0.5), 1.0, is_new_episode=True)
    assert bucket.debt(1.0) >= pause + burst - 0.1 - 1e-6
    assert bucket.backoff.at(1.0) == 1.0


def test_a_limit_that_fell_before_a_call_arrived_has_refilled_less_since() -> None:
    """Headers that are written on arrival tell of the fall one latency later."""
    late, soon = known(6_000.0), known(6_000.0)
    late.reported.moment = late.reported.arrival
    for bucket in (late, soon):
        bucket.take(950.0, 0.0)  # 50 are left, five seconds of the new limit, and four more come back
        bucket.learn(RateLimitStatus(600.0, 0.0), 0.0, 0.0, 4.0)
    assert (soon.debt(4.0), late.debt(4.0)) == (0.0, pytest.approx(1.0))


def test_the_end_of_a_bucket_that_growth_has_met_again_is_one_more_time_its_end() -> None:
    """A refusal at the very end of what is believed lowers the belief, and is not taken for a neighbour for good."""
    bucket = known(600.0, burst=10.0)
    bucket.accepted(10.0, 1.0, 1.0)
    bucket.refused(Refusal(None, 1.0, 10.0, 0.002, 0.002, 2.0), 2.0, is_new_episode=True)
    assert bucket.burst.seconds == pytest.approx(cautious(10.0, bucket.burst.call))
    assert bucket.backoff.at(2.0) == 1.0


@pytest.mark.parametrize(("retry_after", "held"), [(0.5, 9.5), (None, 8.0), (1.0, 9.0), (30.0, 8.0)])
def test_an_answer_may_have_taken_a_bucket_of_output_into_debt(retry_after: float | None, held: float) -> None:
    """Where the refusal does not say by how much, it may be as large as the answer."""
    bucket = OutputBucket("output")
    bucket.restrict(600.0, 0.0)
    bucket.burst = Burst(20.0)
    bucket.land(0.0, 20.0, 0.0, 0.0)
    bucket.refused(Refusal(None, 1.0, 10.0, retry_after, retry_after or 0.25, 1.0), 1.0, is_new_episode=True)
    assert bucket.burst.seconds == pytest.approx(cautious(held, bucket.burst.call))


def test_a_limit_that_only_refusals_tell_is_tried_again_when_none_tells_it() -> None:
    """A gateway drops the headers, and the limit rises: nothing is refused any more, and nothing tells it."""
    bucket = Bucket("requests")
    bucket.learn(RateLimitStatus(600.0, None), 0.0, 0.0, 0.0)
    sent, now = send_until(bucket, 0.0, 10.0, look=0.1)
    assert sent >= 1_000
    bucket.learn(RateLimitStatus(600.0, None), 0.0, now, now)
    assert bucket.limit == 600.0
    bucket.learn(RateLimitStatus(600.0, 5.0), 0.0, now, now)
    bucket.wait(1e9, now + 60.0)
    assert bucket.limit == 600.0


def test_a_call_that_has_to_find_the_bucket_full_comes_a_little_late() -> None:
    """What comes early on its way is refused, and costs more than three hundredths of its refill."""
    bucket = known(60.0, burst=0.5)
    bucket.take(1.0, 0.0)
    assert 1.0 < bucket.wait(1.0, 0.0) <= 1.05


def test_a_refusal_that_names_no_wait_may_lack_a_whole_call() -> None:
    """Five a minute, and the limit has fallen: a look every quarter of a second would be refused forty times."""
    bucket = known(5.0, burst=10.0)
    bucket.refused(Refusal(None, 1.0, 0.0, None, 0.25, 0.0), 1.0, is_new_episode=True)
    assert bucket.wait(1.0, 1.0) >= 11.9


def test_a_call_that_came_early_goes_later_from_then_on_and_makes_no_neighbour() -> None:
    """Requests overtake each other by some milliseconds, which a bucket of one call does not forgive."""
    bucket = known(50.0, burst=0.5)
    bucket.take(1.0, 0.0)
    before = bucket.wait(1.0, 0.0)
    bucket.refused(Refusal(None, 1.0, 1.2, 0.01, 0.01, 0.0), 0.05, is_new_episode=True)
    assert not bucket.backoff.is_shared(0.05)
    assert bucket.lateness.seconds(1.2) == pytest.approx(0.036 + 0.02)
    assert before == pytest.approx(1.2 + 0.036)
    bucket.refused(Refusal(None, 1.0, 1.2, 0.4, 0.4, 2.0), 2.0, is_new_episode=True)
    assert bucket.backoff.is_shared(2.0)  # it lacks a third of a call: somebody else has taken it


def test_how_remaining_is_rounded_shows_in_what_remains() -> None:
    """The documents say to the thousand; who tells more is understood better. A full bucket tells nothing of it."""
    bucket = Bucket("input", rounding=500.0)
    for remaining, rounding in ((79_000.0, 500.0), (80_500.0, 500.0), (78_543.0, 1.0), (77_000.0, 1.0)):
        bucket.learn(RateLimitStatus(80_500.0, remaining), 0.0, 0.0, 0.0)
        assert bucket.rounding == rounding


def test_the_moment_of_remaining_once_known_is_not_given_up_for_the_jitter_of_timers() -> None:
    """Sends and answers are even by then, and both sums steady; a server that really does otherwise is believed."""
    reported = ReportedRemaining()
    for number in range(20):  # the capacity is 20 s, and what is owed differs between the two moments
        reported.bounds(1.0 + number / 10, 2.0 + number % 3, 18.0 - number % 3, 0.001, is_empty=False)
    assert reported.moment is reported.end
    for number in range(100):
        reported.bounds(3.0, 3.0 + 0.02 * (number % 2), 17.0, 0.001, is_empty=False)
    assert reported.moment is reported.end
    for number in range(100):
        reported.bounds(1.0 + number % 5, 6.0, 19.0 - number % 5, 0.001, is_empty=False)
    assert reported.is_arrival


def test_sums_that_move_by_less_than_their_rounding_tell_nothing() -> None:
    """Neither when remaining was written, nor how output is counted: both sums look steady, and one is by chance."""
    assert not is_steadier(0.001, 0.01, rounding=3.75)
    assert is_steadier(0.001, 0.01, rounding=0.005)
    assert not is_steadier(0.006, 0.01, rounding=0.005)


@given(st.floats(0.1, 1_000.0))
def test_a_small_account_is_searched_no_quicker_than_half_a_call_goes_unheard(calls_per_second: float) -> None:
    """Growth slows down with the calls a second, and so do refusals grow more slowly than those."""
    slope = calls_slope(calls_per_second)
    assert slope <= 10.0
    assert slope >= calls_slope(2.0 * calls_per_second)
    assert slope * calls_per_second <= calls_slope(2.0 * calls_per_second) * 2.0 * calls_per_second
