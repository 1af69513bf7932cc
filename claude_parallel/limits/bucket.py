"""One limit: what we owe to the token bucket that keeps it, and when the next request may go.

Facts are the limit that a header told or the user gave, our own sends, and refusals; beliefs stand in ``burst``,
``backoff`` and ``guess``. What we owe is one moment, `own_at`: when the bucket would be full again if nobody else used
it (the theoretical arrival time of GCRA, ITU-T I.371). There is no level, so nothing can drift. What others seem to owe
besides is in `full_at`. The words of this room stand in its ``__init__``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..records import Dimension, RateLimitStatus
from .backoff import Backoff
from .blame import Refusal, lacking
from .burst import FIRST_SECONDS, LEAST_SECONDS, MINUTE, PATIENCE, Burst
from .guess import BURST_SECONDS, Guess
from .high_water import PROVEN_FRACTION, HighWater
from .lateness import Lateness
from .limit_probe import LimitProbe
from .remaining import ReportedRemaining
from .tickets import SHORTEST_WAIT_SECONDS, together

ALONE = 1.5
"""A call that was refused while less than half another was owed: others have used the bucket (sweep: 50 a minute)."""


@dataclass(slots=True)
class Bucket:
    """One limit that is charged when a request arrives.

    Attributes
    ----------
    dimension : str
        What is limited.
    rounding : float
        Half a step of the server's ``remaining``, or a whole one where it is rounded down.
    server_limit, user_limit, limit : float
        Per minute: as the server tells it, as the user gave it, and the tighter of both; infinite while unknown.
    told_at, known_at, first_known_at, changed_at : float
        When the request was sent whose answer told it last; since when it holds; since when there is one at all; when
        the server last told another one.
    rate, allowed : float
        What comes back per second; how much may be owed, as ``burst`` says, at hand for a quick look.
    full_at, own_at, idle_at : float
        When the bucket is full again, as far as we believe; by our own use alone, which is a fact; when it last was.
    overdraft : float
        How far the last call may have taken the bucket into debt.
    used, began_at, call : float
        All that the server has counted of ours; when we first used it (None = never); what the last call took.
    refused_at : float
        When the last episode of refusals began.
    measured_from, used_then : float
        When sending resumed after it, and `used` then.
    burst, high_water, backoff, guess, probe, reported, lateness
        How much may be owed at once, as we believe; the most that was; what others use; a limit that nobody told;
        whether one that only refusals tell has risen; when ``remaining`` was true; calls that overtake each other.
    """

    dimension: Dimension
    rounding: float = 0.0
    server_limit: float = math.inf
    user_limit: float = math.inf
    limit: float = math.inf
    told_at: float = -math.inf
    known_at: float = -math.inf
    first_known_at: float = -math.inf
    changed_at: float = -math.inf
    rate: float = math.inf
    allowed: float = 0.0
    full_at: float = -math.inf
    own_at: float = -math.inf
    idle_at: float = -math.inf
    overdraft: float = 0.0
    used: float = 0.0
    began_at: float | None = None
    call: float = 1.0
    refused_at: float = -math.inf
    measured_from: float = -math.inf
    used_then: float = 0.0
    burst: Burst = field(default_factory=Burst)
    high_water: HighWater = field(default_factory=HighWater)
    backoff: Backoff = field(default_factory=Backoff)
    guess: Guess = field(default_factory=Guess)
    probe: LimitProbe = field(default_factory=LimitProbe)
    reported: ReportedRemaining = field(default_factory=ReportedRemaining)
    lateness: Lateness = field(default_factory=Lateness)

    def restrict(self, user_limit: float, now: float, *, is_part: bool = False) -> None:
        """Keep below a limit of the user's, or below our part of the account's; infinite = none."""
        self.user_limit, self.burst.is_part = user_limit, is_part and user_limit != math.inf
        self._set_limit(now, is_part=is_part)

    def _set_limit(self, now: float, *, is_part: bool = False, since: float = math.inf) -> None:
        """Take over the tighter limit, which has been in force `since` then where that is known."""
        limit = min(self.server_limit * self.probe.factor, self.user_limit)
        if limit == self.limit:
            return
        before, self.limit, self.known_at = self.rate, limit, now
        self.rate = limit / MINUTE if limit != math.inf else self.guess.rate
        was_known, is_known = before != math.inf, self.rate != math.inf  # told, given or guessed
        if was_known and is_known:
            # What was left of the bucket is left of it under another limit, too.
            debt, lent = self.debt(now), self.burst.allowed
            owed = lent - (lent - debt) * before / self.rate
            if is_part:  # what we have used up already comes out of our part, but no account lacks more than it lends
                owed = max(debt * before / self.rate, min(owed, lent * self.server_limit / MINUTE / self.rate))
            if since < now and self.rate < before:  # what we counted as refilled since then was not
                owed += (now - since) * (before / self.rate - 1.0)
            self.full_at = self.own_at = now + max(0.0, owed)
        elif is_known:
            self.first_known_at = now
        if not was_known and is_known and self.began_at is not None:
            self.full_at = self.own_at = now + max(0.0, self.used / self.rate - (now - self.began_at))
            if self.dimension == "requests":  # the only ones whose weight is known before the answer
                self.burst.accepted(self.debt(now))

    def debt(self, now: float) -> float:
        """Return what we owe to the bucket, in seconds of refill; what others owe counts once, here or in the hint."""
        others_at = self.full_at - (self.burst.seconds - self.burst.allowed)
        return max(0.0, self.own_at - now, others_at - now)

    # -- sending ---------------------------------------------------------------------------------------------------

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may go; 0 when it may."""
        if self.rate == math.inf:
            return 0.0
        if self.limit == math.inf:
            self.rate = self.guess.at(now)
        elif self.full_at - now + amount / self.rate < self.allowed and not self.backoff.lost:
            return 0.0
        return self._slow_wait(amount, now)

    def _slow_wait(self, amount: float, now: float) -> float:
        """Return the same, after a closer look."""
        seconds = self._missing(amount, now)
        if seconds <= SHORTEST_WAIT_SECONDS:
            return 0.0
        if now >= self.probe.next_at:
            self.probe.grow(now)
            self._set_limit(now)
            return self._slow_wait(amount, now)
        if not self.backoff.lost:
            slope = self._grow(seconds, amount, now)
            self._refresh()
            seconds = self._missing(amount, now) / (1.0 + slope)
        return together(seconds, amount / self.rate, self._patience(now))

    def _patience(self, now: float) -> float:
        """Return for how long nobody need come back: as long as we owe, no refill is lost."""
        return min(self.own_at, self.backoff.next_at if self.backoff.lost else math.inf) - now

    def _grow(self, seconds: float, amount: float, now: float) -> float:
        """Believe in more, since a call is held back, and return how fast that goes on until it may go."""
        return self.burst.hold(seconds, self.debt(now), max(amount, 1e-9) / self.rate, now)

    def _refresh(self) -> None:
        """Keep at hand what a quick look needs."""
        self.allowed = self.burst.allowed

    def _missing(self, amount: float, now: float) -> float:
        """Return the seconds that are missing; a call that is larger than the burst waits for a full bucket."""
        cost, burst = amount / self.rate, self.burst
        if cost < burst.seconds:
            missing = max(self.own_at - burst.left, self.full_at - burst.seconds) - now + cost
        else:
            missing = self.full_at - now + self.lateness.seconds(cost)
        return max(missing, self.backoff.wait(now))

    def take(self, amount: float, now: float) -> float:
        """Charge `amount` as it is sent, and return what is owed then, in seconds."""
        self.call = amount
        if self.backoff.lost:
            self.backoff.sent(self._kept(amount) / self.rate, now)
            # What we do not owe by now, others have taken: it is not there to be sent at once when all is ours again.
            taken = self.burst.seconds - max(FIRST_SECONDS, amount / self.rate)
            self.full_at = max(self.full_at, now + taken)
        self._charge(amount, now)
        return self.own_at - now if self.own_at > now else 0.0

    def _kept(self, amount: float) -> float:
        """Return what will have been used of a charge in the end."""
        return amount

    def _charge(self, amount: float, now: float) -> None:
        if self.began_at is None:
            self.began_at = now
        self.used += amount
        if self.rate != math.inf:
            if self.full_at <= now:
                self.full_at = self.idle_at = now
            self.full_at += amount / self.rate
            self.own_at = (self.own_at if self.own_at > now else now) + amount / self.rate

    def land(self, charged: float, real: float, sent_at: float, now: float) -> None:
        """Correct a charge once its real weight is known, 0 where nothing was counted; a full bucket forgot it."""
        self.used += real - charged
        if sent_at >= self.idle_at and self.rate != math.inf:
            self.full_at += (real - charged) / self.rate
            self.own_at += (real - charged) / self.rate
            if not real:
                self.high_water.took_back(charged / self.rate, sent_at, now)

    # -- learning --------------------------------------------------------------------------------------------------

    def accepted(self, owed_then: float, sent_at: float, now: float, amount: float = 0.0) -> None:
        """Take note that a call of `amount` was accepted while so much was owed, itself included.

        A full bucket accepts any call, also one that is larger than it: that proves nothing.
        """
        owed_then = self.high_water.corrected(owed_then, sent_at)
        if sent_at >= self.known_at and owed_then - amount / self.rate > LEAST_SECONDS:
            self.high_water.note(owed_then, sent_at, now)
            self.burst.accepted(owed_then)
            self._refresh()

    def learn(self, status: RateLimitStatus, owed_then: float, sent_at: float, now: float) -> None:
        """Correct limit and beliefs by what a response's headers say.

        Parameters
        ----------
        status : RateLimitStatus
            Limit and remaining, true at some moment between `sent_at` and `now`.
        owed_then : float
            What was owed when that request was sent, itself included.
        sent_at : float
            When that was.
        now : float
            The present, same clock.
        """
        if sent_at >= self.told_at:
            self.told_at = sent_at
            if status.remaining is None:  # the message of a refusal
                self.probe.told(self.call * MINUTE / status.limit, now)
            else:
                self.probe.end()
            if status.limit != self.server_limit and self.server_limit != math.inf:
                self.burst.forget_remaining()
            before, self.server_limit = self.limit, status.limit
            self._set_limit(now, since=sent_at if self.reported.is_arrival else math.inf)
            if before not in (self.limit, math.inf):
                self.changed_at = now
        if status.remaining is None or status.limit != self.server_limit or sent_at <= self.backoff.suspected_at:
            return
        if sent_at < self.changed_at:
            return  # what was owed then was counted in seconds of another limit
        owed, rate = max(0.0, self.own_at - now), self.server_limit / MINUTE
        if self.rounding > 1.0 and status.remaining < status.limit and status.remaining % (2.0 * self.rounding):
            self.rounding = 1.0  # not every server rounds as the documents say
        is_empty = status.remaining <= self.rounding
        remaining, rounding = status.remaining / rate, self.rounding / rate
        low, high = self.reported.bounds(owed_then, owed, remaining, rounding, is_empty=is_empty)
        most = high + rounding
        # A bucket in debt says 0 as well: only what is above its rounding is a lower bound. And while others use the
        # account, what is left now will be theirs.
        is_clipped = is_empty or self.backoff.is_shared(now)
        least = -math.inf if is_clipped else low - rounding
        self.burst.note_remaining(least, most, now, is_idle=max(owed, owed_then) < FIRST_SECONDS and not is_clipped)
        self._refresh()

    def refused(self, refusal: Refusal, now: float, *, is_new_episode: bool) -> None:
        """Learn from a refusal; of rates only where its call went after the last were known (`is_new_episode`)."""
        needed, owed_then, status = refusal.needed, refusal.owed_then, refusal.status
        self.probe.paused(refusal.pause_seconds, now)
        if self.limit == math.inf:
            if is_new_episode:
                self._guess(refusal.pause_seconds, now)
            return
        if status is not None and status.remaining is not None:
            rate = self.server_limit / MINUTE
            least, most = status.remaining - self.rounding - needed, status.remaining + self.rounding
            self.burst.learn_offset(least / rate, most / rate)
        if refusal.sent_at < self.known_at:
            if refusal.sent_at < self.changed_at:  # the limit fell meanwhile, and we counted with the old one
                self._empty(refusal, now)
                self.own_at = self.full_at
            if self.known_at > self.first_known_at:
                return
            owed_then = self.debt(now) + needed / self.rate  # it went before the limit was known
            if self.known_at == now:
                self.burst.accepted(owed_then)
        call_seconds = needed / self.rate
        fits = owed_then - lacking(refusal.retry_after, call_seconds)
        is_explained = fits > LEAST_SECONDS and self.explains(owed_then, now)
        if is_new_episode:
            is_explained &= owed_then > ALONE * call_seconds or call_seconds < self.burst.allowed
            if not is_explained:
                self._unexplained(refusal, now)
            self.refused_at, self.measured_from, self.used_then = now, now + refusal.pause_seconds, self.used
        elif -math.inf < self.refused_at <= self.backoff.suspected_at:
            is_explained = False  # what the first of an episode does not owe, the others do not owe either
        if is_explained:
            fits = owed_then - lacking(refusal.retry_after, max(needed, self.overdraft) / self.rate)
            if fits <= 0.0:  # it may lack more than we owe, so our account is wrong
                self._empty(refusal, now)
                self.own_at = self.full_at
            self.burst.refused(max(fits, owed_then / 2.0), is_new_episode=is_new_episode)
        self._refresh()

    def forget_refusals(self) -> None:
        """Forget what refusals taught that may have come by chance: where the bucket ends, and what others use."""
        self.burst.forget_end()
        self.backoff, self.full_at = Backoff(), self.own_at
        self._refresh()

    def explains(self, owed: float, now: float) -> bool:
        """Say whether a call may have been refused because `owed` seconds were owed."""
        return not self.high_water.covers(owed, now, is_checked=self.burst.is_checked)

    def _came_early(self, refusal: Refusal, now: float) -> bool:
        """Say whether a call that needs a full bucket overtook others on its way, and was refused for that."""
        call = refusal.needed / self.rate
        needs_all = call >= self.burst.allowed and not self.backoff.is_shared(now)
        return needs_all and self.lateness.came_early(lacking(refusal.retry_after, call), call)

    def _is_taken(self, refusal: Refusal) -> bool:
        """Say whether what a refusal says remains shows that others have taken the rest."""
        if refusal.status is None or refusal.status.remaining is None:
            return False
        rate, owed = self.server_limit / MINUTE, refusal.owed_then - refusal.needed / self.rate
        return self.reported.taken(owed, refusal.status.remaining / rate)[0] > LEAST_SECONDS + self.rounding / rate

    def _unexplained(self, refusal: Refusal, now: float) -> None:
        """Learn from a refusal that our own use does not explain: others take it, if that shows, or the second time."""
        if not self._came_early(refusal, now):
            if self.backoff.is_shared(now) or self._is_taken(refusal):
                used, call = (self.used - self.used_then) / self.rate, self.call / self.rate
                self.backoff.cut(self.backoff.measured(used, call, self.measured_from, now), call, now)
            elif self.burst.is_sure and refusal.owed_then > PROVEN_FRACTION * self.burst.seconds:
                self.burst.refused(refusal.owed_then, is_new_episode=True)  # it grew until it met the end of the bucket
            self.backoff.suspected_at = now
        self._empty(refusal, now)

    def _empty(self, refusal: Refusal, now: float) -> None:
        """Take note that a bucket lacks what a call needs, and gets it at the rate that is left for us."""
        if not self.burst.is_sure and refusal.retry_after is not None:  # what lacks is known, and more never went
            self.burst.seconds = max(LEAST_SECONDS, min(self.burst.seconds, self.high_water.lately(now)))
        left = max(0.0, self.burst.seconds - refusal.needed / self.rate)
        missing = lacking(refusal.retry_after, max(refusal.needed, self.overdraft) / self.rate)
        self.full_at = max(self.full_at, now + max(missing, refusal.pause_seconds / self.backoff.at(now)) + left)

    def _guess(self, pause_seconds: float, now: float) -> None:
        is_first = self.refused_at == -math.inf
        began = (now if self.began_at is None else self.began_at) if is_first else self.refused_at
        self.guess.refused(self.used - self.used_then, now - began, self.call, now, is_first=is_first)
        # During a pause the bucket fills up, and part of that may be lost: half of it counts.
        self.refused_at, self.used_then, self.rate = now + pause_seconds / 2, self.used, self.guess.rate
        self.burst = Burst(BURST_SECONDS, PATIENCE, BURST_SECONDS)
