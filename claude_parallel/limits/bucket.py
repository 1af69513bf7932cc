"""One limit: what we owe to the bucket that keeps it, and when the next request may go.

Facts are the limit that a header told or the user gave, our own sends, and refusals; beliefs stand in ``burst``,
``share`` and ``guess``. What we owe is one moment, `full_at`: when the bucket would be full again if nobody else used
it (the theoretical arrival time of GCRA, ITU-T I.371). There is no level, so nothing can drift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..records import Dimension, RateLimitStatus
from .burst import CHECKED_GROWTH_SECONDS, FIRST_SECONDS, MINUTE, MOST_MARGIN_SECONDS, Burst
from .guess import BURST_SECONDS, Guess
from .share import MEASURED_SECONDS, Share
from .sight import Sight

SHORTEST_WAIT_SECONDS = 1e-6
"""A wait that short is none: timers may fire a clock tick early, and sums of floats miss by less."""

ALONE = 1.5
"""A call that was refused while little more than itself was owed: somebody else has used the bucket, or it is so small
that only one call fits, and this one came a little early."""

SLACK_STEP, MOST_SLACK = 0.02, 0.04
"""What the latter adds to the wait for a full bucket, and how much at most, as a share of the call's refill: jitter is
small beside calls that take seconds (sweep: 50 requests a minute, one at a time)."""

PROVEN_SHARE = 0.98
"""A refusal below this share of what was accepted lately is not explained by our own use."""


def settled(seconds: float) -> float:
    """Return a wait in seconds, and 0 for one that is too short to be real."""
    return seconds if seconds > SHORTEST_WAIT_SECONDS else 0.0


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
    told_at : float
        When the request was sent whose answer told the limit last.
    known_at : float
        Since when there is a limit.
    rate : float
        What comes back per second.
    full_at : float
        When the bucket is full again, by our own use.
    idle_at : float
        When it last was.
    used : float
        All that the server has counted of ours.
    began_at : float or None
        When we first used it.
    call : float
        What the last call took.
    accepted : float
        The most that was owed lately when a call was accepted, in seconds.
    slack : float
        Seconds to wait longer for a bucket that has to be full.
    refused_at, used_then : float
        When the last episode of refusals began, and `used` then.
    """

    dimension: Dimension
    rounding: float = 0.0
    server_limit: float = math.inf
    user_limit: float = math.inf
    limit: float = math.inf
    told_at: float = -math.inf
    known_at: float = -math.inf
    rate: float = math.inf
    full_at: float = -math.inf
    idle_at: float = -math.inf
    used: float = 0.0
    began_at: float | None = None
    call: float = 1.0
    accepted: float = 0.0
    slack: float = 0.0
    refused_at: float = -math.inf
    used_then: float = 0.0
    burst: Burst = field(default_factory=Burst)
    share: Share = field(default_factory=Share)
    guess: Guess = field(default_factory=Guess)
    sight: Sight = field(default_factory=Sight)
    recalled: float = 0.0

    @property
    def lends_calls(self) -> float:
        """How many calls may go at once beyond what comes back."""
        return self.burst.allowed * self.rate / max(self.call, 1e-9)

    def recall(self, limit: float, burst_seconds: float, now: float) -> None:
        """Begin with what an earlier run has learnt; how much may go at once, once an answer confirms the limit."""
        self.server_limit, self.recalled = limit, burst_seconds
        self._set_limit(now)

    @property
    def is_known(self) -> bool:
        """True once there is a limit to keep, told, given or guessed."""
        return self.rate != math.inf

    def restrict(self, user_limit: float, now: float) -> None:
        """Keep below a limit of the user's; infinite = none."""
        self.user_limit = user_limit
        self._set_limit(now)

    def _set_limit(self, now: float) -> None:
        limit = min(self.server_limit, self.user_limit)
        if limit == self.limit:
            return
        was_known, before, self.limit = self.is_known, self.rate, limit
        self.rate = limit / MINUTE if limit != math.inf else self.guess.rate
        if was_known and self.is_known:
            # What was left of the bucket is left of it under another limit, too.
            left = (self.burst.allowed - self.debt(now)) * before / self.rate
            self.full_at = now + max(0.0, self.burst.allowed - left)
        elif self.is_known:
            self.known_at = now
            if self.began_at is not None:
                self.full_at = now + max(0.0, self.used / self.rate - (now - self.began_at))

    def debt(self, now: float) -> float:
        """Return what we owe to the bucket, in seconds of refill."""
        return self.full_at - now if self.full_at > now else 0.0

    # -- sending ---------------------------------------------------------------------------------------------------

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may go; 0 when it may."""
        if self.rate == math.inf:
            return 0.0
        if self.limit == math.inf:
            self.rate = self.guess.at(now)
        seconds = self._missing(amount, now)
        if seconds <= SHORTEST_WAIT_SECONDS:
            return 0.0
        if not self.share.lost:
            self._hold(amount, seconds, now)
            seconds = self._missing(amount, now)
        return settled(seconds)

    def _missing(self, amount: float, now: float) -> float:
        """Return the seconds that are missing; a call that is larger than the burst waits for a full bucket."""
        cost, allowed = amount / self.rate, self.burst.allowed
        owed = self.full_at - now
        missing = owed + cost - allowed if cost < allowed else owed + self.slack
        return max(missing, self.share.wait(now))

    def _hold(self, amount: float, seconds: float, now: float) -> None:
        self.burst.hold(seconds, self.debt(now), self.rate / max(amount, 1e-9), 0.0, now)

    def take(self, amount: float, now: float) -> None:
        """Charge `amount` as it is sent."""
        self.call = amount
        if self.began_at is None:
            self.began_at = now
        if self.share.lost:
            self.share.sent(amount / self.rate, now)
            # What we do not owe by now, others have taken: it is not there to be sent at once when the share is back.
            self.burst.seconds = min(self.burst.seconds, self.debt(now) + FIRST_SECONDS)
        self._charge(amount, now)

    def _charge(self, amount: float, now: float) -> None:
        self.used += amount
        if self.rate != math.inf:
            if self.full_at <= now:
                self.full_at = self.idle_at = now
            self.full_at += amount / self.rate

    def land(self, charged: float, real: float, sent_at: float, now: float) -> None:
        """Correct a charge once its real weight is known; a bucket that was full since has forgotten it."""
        self.used += real - charged
        if sent_at >= self.idle_at and self.rate != math.inf:
            self.full_at += (real - charged) / self.rate

    def cancel(self, charged: float, sent_at: float, now: float) -> None:
        """Give a charge back: the server has counted nothing."""
        self.land(charged, 0.0, sent_at, now)

    # -- learning --------------------------------------------------------------------------------------------------

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
            if status.limit != self.server_limit:
                if self.server_limit != math.inf:
                    self.recalled = 0.0
                    self.burst.forget_hint()
                self.server_limit = status.limit
                self._set_limit(now)
        if self.recalled:
            self.burst.recall(min(self.recalled, math.inf if status.remaining is None else self._seconds_left(status)))
            self.recalled = 0.0
        if status.remaining is None or status.limit != self.server_limit:
            return
        owed, rate = self.debt(now), self.server_limit / MINUTE
        self.accepted = max(self.accepted, owed_then)
        low, high = self.sight.bounds(owed_then, owed, status.remaining / rate)
        most = high + self.rounding / rate
        # A bucket in debt says 0 as well: only what is above its rounding is a lower bound. And while others use the
        # account, what is left now will be theirs.
        is_clipped = status.remaining <= self.rounding or bool(self.share.lost)
        least = -math.inf if is_clipped else low - self.rounding / rate
        if least > MINUTE + MOST_MARGIN_SECONDS:
            # No bucket holds more than a minute, so we owe less than we thought.
            self.full_at -= least - MINUTE
            return
        self.burst.hint(least, most, now, is_idle=max(owed, owed_then) < FIRST_SECONDS and not is_clipped)

    def _seconds_left(self, status: RateLimitStatus) -> float:
        return (status.remaining or 0.0) / (status.limit / MINUTE)

    def refused(
        self,
        status: RateLimitStatus | None,
        needed: float,
        owed_then: float,
        retry_after: float | None,
        sent_at: float,
        now: float,
        *,
        is_new_episode: bool,
    ) -> None:
        """Learn from a refusal.

        Parameters
        ----------
        status : RateLimitStatus or None
            What the refusal's headers say.
        needed : float
            What was missing at most.
        owed_then : float
            What was owed when the request was sent, itself included, in seconds.
        retry_after : float or None
            When it would fit, in seconds.
        sent_at, now : float
            When it was sent; the present.
        is_new_episode : bool
            Whether it was sent after the last refusals were known; the others teach nothing about rates.
        """
        if self.limit == math.inf:
            if is_new_episode:
                self._guess(retry_after or 0.0, now)
            return
        if status is not None and status.remaining is not None:
            rate = self.server_limit / MINUTE
            least, most = status.remaining - self.rounding - needed, status.remaining + self.rounding
            self.burst.learn_offset(least / rate, most / rate)
        if sent_at < self.known_at:
            return
        fits = owed_then - _certain(retry_after)
        if is_new_episode:
            call_seconds = needed / self.rate
            is_alone = owed_then <= ALONE * call_seconds
            if is_alone and call_seconds > FIRST_SECONDS and self.slack < MOST_SLACK * call_seconds:
                self.slack += SLACK_STEP * call_seconds
            elif is_alone or owed_then <= PROVEN_SHARE * self.accepted or fits <= 0.0:
                self._cut_share(now)
            self.refused_at, self.used_then, self.accepted = now, self.used, 0.0
        self.burst.refused(fits, is_new_episode=is_new_episode)

    def _cut_share(self, now: float) -> None:
        seconds = now - self.refused_at
        is_measured = MEASURED_SECONDS < seconds < math.inf
        measured = (self.used - self.used_then) / seconds / self.rate if is_measured else None
        self.share.cut(measured, self.call / self.rate, now)

    def _guess(self, pause_seconds: float, now: float) -> None:
        is_first = self.refused_at == -math.inf
        began = (now if self.began_at is None else self.began_at) if is_first else self.refused_at
        self.guess.refused(self.used - self.used_then, now - began, self.call, now, is_first=is_first)
        # During a pause the bucket fills up, and part of that may be lost: half of it counts.
        self.refused_at, self.used_then, self.rate = now + pause_seconds / 2, self.used, self.guess.rate
        self.burst.seconds, self.burst.growth_seconds = BURST_SECONDS, CHECKED_GROWTH_SECONDS


def _certain(retry_after: float | None) -> float:
    """Return the seconds that are surely missing: whole ones were rounded up."""
    if retry_after is None:
        return 0.0
    return max(0.0, retry_after - 1.0) if retry_after == int(retry_after) else retry_after
