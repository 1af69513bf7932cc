"""One token bucket: how much of one limit is left, and when the next request fits.

A bucket refills continuously at ``limit / 60`` a second up to one minute's worth, as the API's own does (source: rate
limits, "token bucket algorithm"). What is charged when, and what a refusal means, is decided in ``limits``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import Dimension, RateLimitStatus

PACE_TOLERANCE_SECONDS = 0.05
"""How far sends may run ahead of the pace: hides timer jitter, stays below any burst window seen (0.2 s)."""

UNPACED = 64.0
"""From this multiple of the refill rate on the pace no longer binds: a whole minute's worth within a second."""

SHORTEST_WAIT_SECONDS = 1e-6
"""A wait that short is none: timers may fire a clock tick early, and sums of floats miss by less."""

_LEAST_SHARE = 0.1
_DRAIN_SECONDS = 3.0
_DRAIN_WEIGHT = 0.5
_DRAIN_NOISE = 0.03
_FORGET_SECONDS = 120.0
_CAUTION_SECONDS = 0.1
_CAUTION_SHARE = 0.03
_MOST_CAUTION_SECONDS = 2.0
_POLICED_FILL = 0.5
_CATCH_UP = 1.25
_CHECK_SECONDS = 1.0
_LOW_SHARE = 0.05
_LOW_SPEED = 3.0


def settled(seconds: float) -> float:
    """Return a wait in seconds, and 0 for one that is too short to be real."""
    return seconds if seconds > SHORTEST_WAIT_SECONDS else 0.0


@dataclass(slots=True)
class Bucket:
    """The client's account of one limit.

    Requests and input tokens are counted by the server as a call arrives, output tokens as they are written (source:
    rate limits, "OTPM"). We charge all three when we send, so that calls in flight are never forgotten.

    Attributes
    ----------
    dimension : str
        What is limited.
    rounding : float
        Half a step of the server's `remaining` (the API rounds tokens to 1,000).
    counts_at_end : bool
        True where the server counts at the end of a call (output).
    limit : float
        Requests or tokens per minute; infinite while unknown.
    told : float
        The limit as the server tells it.
    given : float
        The limit as the user gave it.
    level : float
        What is left once everything in flight has landed; below zero after an underestimate.
    stamp : float
        When `level` was last brought up to date, in seconds of the gate's clock.
    owed : float
        Charged by us, not yet counted by the server; always 0 unless it counts at the end.
    counted : float
        Everything that the server has counted of ours; differences of it tell what it counted meanwhile.
    reserve : float
        What must stay in the bucket, learnt from refusals: most of it where short bursts are policed.
    lag : float
        Seconds between charge and count, where they differ: the latency of an answer.
    drain : float
        What others seem to take, per second: another process, or a server slower than it says.
    pace_at : float
        When the next request is due if requests are spread evenly.
    synced_at : float
        When a refusal told the level exactly, without whatever was then still on its way to be refused.
    anchor : tuple of float or None
        An earlier rate_limit: when its request was sent, what remained, and `counted` then.
    gap, excess : float
        By how much the level is too low, or too high, at least, according to all rate_limits since `checked_at`.
    checked_at : float
        When the level was last corrected by rate_limits.
    """

    dimension: Dimension
    rounding: float = 0.0
    counts_at_end: bool = False
    limit: float = math.inf
    told: float = math.inf
    given: float = math.inf
    level: float = math.inf
    stamp: float = 0.0
    owed: float = 0.0
    counted: float = 0.0
    reserve: float = 0.0
    lag: float = 0.0
    drain: float = 0.0
    pace_at: float = -math.inf
    synced_at: float = -math.inf
    anchor: tuple[float, float, float] | None = None
    gap: float = math.inf
    excess: float = math.inf
    checked_at: float = -math.inf

    @property
    def is_known(self) -> bool:
        """True once there is a limit to keep."""
        return self.limit != math.inf

    @property
    def is_policed(self) -> bool:
        """True where the server has refused although much was left: short bursts are policed."""
        return self.reserve > self.limit / 2

    @property
    def rate(self) -> float:
        """What comes back per second, for us."""
        nominal = self.limit / 60
        return max(nominal - self.drain, _LEAST_SHARE * nominal)

    def set_limit(self, now: float) -> None:
        """Keep the tighter of what was told and given; a bucket that was not known begins full."""
        limit = min(self.told, self.given)
        if limit == self.limit:
            return
        if not self.is_known:
            self.level, self.stamp = limit - self.owed, now
        self.limit = limit
        self.level = min(self.level, limit)
        self.reserve = _CAUTION_SECONDS * limit / 60 if self.is_known else 0.0

    def refill(self, now: float) -> None:
        """Bring the level up to `now`."""
        seconds = now - self.stamp
        if seconds > 0.0:
            full, level = self.limit - self.owed, self.level + seconds * self.rate
            self.level = level if level < full else full
            if self.drain:
                self.drain *= max(0.0, 1.0 - seconds / _FORGET_SECONDS)
            self.stamp = now

    def is_ready(self, amount: float, now: float) -> bool:
        """Say at little cost that `amount` may surely go; False means: ask for the waits."""
        self.refill(now)
        if self.counts_at_end:
            return self.level >= amount and self.level > self.reserve + 1.0 and self.pace_at <= now
        return self.level >= amount + self.reserve and self.pace_at <= now

    def level_wait(self, amount: float) -> float:
        """Return the seconds until `amount` is there; call :meth:`refill` first.

        A request larger than the whole bucket goes when the bucket is full, and leaves it in debt.
        """
        if self.counts_at_end:
            landed = min(1.0 + self.reserve, self.limit) - self.level - self.owed
            missing = max(landed, self._least_position(amount) - self.level)
        else:
            missing = min(amount + self.reserve, self.limit) - self.level
        return settled(missing / self.rate) if missing > 0.0 else 0.0

    def _least_position(self, amount: float) -> float:
        """Return the level below which no more output may be on its way.

        Where bursts are policed, as much is under way as comes back in one latency, and half a burst beside it: then
        the server's bucket is neither empty, which is refused, nor full, which is lost.
        """
        full = self.limit - self.owed
        if not self.is_policed:
            return min(amount, full)
        room = _POLICED_FILL * (self.limit - self.reserve) + self.lag * self.rate
        return self.limit + amount - room if amount < room else full

    def pace_wait(self, now: float) -> float:
        """Return the seconds until the pace lets the next request go."""
        return settled(self.pace_at - PACE_TOLERANCE_SECONDS - now)

    def take(self, amount: float, now: float, speed: float) -> None:
        """Charge `amount` as it is sent, and move the pace on at `speed` times the refill rate."""
        self.level -= amount
        if self.counts_at_end:
            self.owed += amount
        else:
            self.counted += amount
        if not self.is_known:
            return
        if self.counts_at_end and self.is_policed:
            speed = _CATCH_UP
        elif self.level < _LOW_SHARE * self.limit:
            speed = min(speed, _LOW_SPEED)
        if speed < UNPACED:
            self.pace_at = max(self.pace_at, now) + amount / (self.rate * speed)

    def land(self, charged: float, real: float) -> None:
        """Correct a charge once its real weight is known."""
        self.level += charged - real
        if self.counts_at_end:
            self.owed = max(0.0, self.owed - charged)
            self.counted += real

    def cancel(self, charged: float, sent_at: float) -> None:
        """Give a charge back: the server refused, and counted nothing."""
        if sent_at > self.synced_at:
            self.level += charged
        if self.counts_at_end:
            self.owed = max(0.0, self.owed - charged)
        else:
            self.counted -= charged

    def learn(self, rate_limit: RateLimitStatus, sent_at: float, counted_then: float, now: float) -> None:
        """Correct limit, level and drain by what a response's headers say.

        Parameters
        ----------
        rate_limit : RateLimitStatus
            Limit and remaining, true at some moment between `sent_at` and `now`.
        sent_at : float
            When that request was sent.
        counted_then : float
            `counted` just after that request was charged.
        now : float
            The present, same clock.

        Notes
        -----
        The server's level now is at least ``remaining - counted since`` and at most that plus the refill since
        `sent_at`. A level outside of this interval is wrong and moves to its edge; one inside may be right and stays.
        """
        is_new = not self.is_known
        self.told = rate_limit.limit
        self.set_limit(now)
        if rate_limit.remaining is None or self._is_too_coarse():
            return
        self.refill(now)
        self._watch(rate_limit.remaining, sent_at, counted_then)
        lowest = rate_limit.remaining - self.rounding - (self.counted - counted_then) - self.owed
        highest = lowest + 2 * self.rounding + (now - sent_at) * self.rate
        if is_new:
            self.level = min(highest - 2 * self.rounding, self.limit - self.owed)
        else:
            self._correct(lowest - self.level, self.level - highest, now)

    def _correct(self, gap: float, excess: float, now: float) -> None:
        """Move the level by the smallest error that a second of rate_limits has shown.

        One rate_limit proves little: requests overtake each other on their way, and are counted in another order.
        """
        self.gap, self.excess = min(self.gap, gap), min(self.excess, excess)
        if now - self.checked_at < _CHECK_SECONDS:
            return
        if self.excess > 0.0:
            self.level -= self.excess
        elif self.gap > 0.0 and self.given >= self.told:
            self.level = min(self.level + self.gap, self.limit - self.owed)
        self.gap, self.excess, self.checked_at = math.inf, math.inf, now

    def _is_too_coarse(self) -> bool:
        """Say whether the server's rounding hides what matters: a burst that is smaller than a step."""
        return self.is_policed and self.limit - self.reserve < 2 * self.rounding

    def _watch(self, remaining: float, sent_at: float, counted_then: float) -> None:
        """Compare two rate_limits: what is missing beyond our own use, others have taken.

        A full bucket tells nothing, since refill is lost there.
        """
        nominal = self.limit / 60
        if remaining > 0.95 * self.limit or self.is_policed or self.given < self.told:
            self.anchor = None
            return
        if self.anchor is None:
            self.anchor = (sent_at, remaining, counted_then)
            return
        then, remained, counted = self.anchor
        seconds = sent_at - then
        if seconds < max(_DRAIN_SECONDS, 2 * self.rounding / (_DRAIN_NOISE * nominal)):
            return
        self.anchor = (sent_at, remaining, counted_then)
        refilled = (remaining - remained + counted_then - counted) / seconds
        seen = max(0.0, min((1 - _DRAIN_NOISE) * nominal - refilled, (1 - _LEAST_SHARE) * nominal))
        self.drain += _DRAIN_WEIGHT * (seen - self.drain)

    def refused(
        self, rate_limit: RateLimitStatus | None, amount: float, retry_after: float, now: float, *, is_new_episode: bool
    ) -> None:
        """Learn from a refusal of `amount`, which is said to fit `retry_after` seconds from `now`.

        What was left by the server's own count was not enough: so much has to stay in the bucket from now on.
        """
        needed = 1.0 if self.counts_at_end else amount
        nominal = self.limit / 60
        left = 0.0 if rate_limit is None or rate_limit.remaining is None else rate_limit.remaining
        if is_new_episode and self.is_policed and left - needed <= self.reserve:
            self.drain = min(self.drain + _CAUTION_SHARE * nominal, (1 - _LEAST_SHARE) * nominal)
        self.reserve = max(self.reserve, left - needed)
        if is_new_episode and (self.is_policed or self.reserve < _MOST_CAUTION_SECONDS * nominal):
            self.reserve += _CAUTION_SECONDS * min(nominal, self.limit - self.reserve)
        self.reserve = min(self.reserve, self.limit - 1.0)
        self.level = min(self.level, needed + self.reserve - self.owed - retry_after * nominal)
        self.synced_at = now
