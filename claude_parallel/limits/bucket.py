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
"""Whatever others seem to take, a tenth of the limit is ours: an estimate that is wrong must not end a run."""

_EXTERNAL_SECONDS = 3.0
"""Two readings are compared over at least so long; over less, requests that overtake look like others' use."""

_EXTERNAL_WEIGHT = 0.5
"""Of a new reading of others' use: two of them, six seconds, follow a neighbour that comes or goes."""

_EXTERNAL_NOISE = 0.03
"""Use below this share of the limit is not told from noise: readings are stale by about one latency."""

_FORGET_SECONDS = 120.0
"""Others' use fades when nothing confirms it: two minutes, twice the time in which a full bucket refills."""

# A refusal although something was left means that short bursts are policed (``burst_seconds`` of the cases).

_CAUTION_SECONDS = 0.1
"""Of refill that stays in the bucket beyond what a refusal showed: below the smallest burst seen (0.2 s), so that one
refusal is nearly always enough."""

_CAUTION_SHARE = 0.03
"""Of the limit, taken off the pace when a policed bucket refuses again although it was paced."""

_MOST_CAUTION_SECONDS = 2.0
"""Of refill: a reserve above that is a policed bucket, not caution, and grows by what refusals show alone."""

_POLICED_FILL = 0.5
"""Of a policed burst, the part that output on its way may fill: the server's bucket is neither empty, which is refused,
nor full, which is lost."""

_CATCH_UP = 1.25
"""Pace of policed output against the refill rate: calls shorter than expected leave room, which is filled slowly."""

_CHECK_SECONDS = 1.0
"""The level is corrected by the smallest error that this much time has shown; one reading proves little."""

_LOW_SHARE, _LOW_SPEED = 0.05, 3.0
"""Below this share of a minute's worth the sends are spread to this multiple of the refill rate, so that a bucket runs
dry softly and not in a row of refusals."""


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
    server_limit : float
        The limit as the server tells it.
    user_limit : float
        The limit as the user gave it.
    level : float
        What is left once everything in flight has landed; below zero after an underestimate.
    updated_at : float
        When `level` was last brought up to date, in seconds of the gate's clock.
    reserved : float
        Charged by us, not yet counted by the server; always 0 unless it counts at the end.
    counted : float
        Everything that the server has counted of ours; differences of it tell what it counted meanwhile.
    reserve : float
        What must stay in the bucket, learnt from refusals: most of it where short bursts are policed.
    lag : float
        Seconds between charge and count, where they differ: the latency of an answer.
    external_use : float
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
    server_limit: float = math.inf
    user_limit: float = math.inf
    level: float = math.inf
    updated_at: float = 0.0
    reserved: float = 0.0
    counted: float = 0.0
    reserve: float = 0.0
    lag: float = 0.0
    external_use: float = 0.0
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
        return max(nominal - self.external_use, _LEAST_SHARE * nominal)

    def set_limit(self, now: float) -> None:
        """Keep the tighter of what was told and given; a bucket that was not known begins full."""
        limit = min(self.server_limit, self.user_limit)
        if limit == self.limit:
            return
        if not self.is_known:
            self.level, self.updated_at = limit - self.reserved, now
        self.limit = limit
        self.level = min(self.level, limit)
        self.reserve = _CAUTION_SECONDS * limit / 60 if self.is_known else 0.0

    def refill(self, now: float) -> None:
        """Bring the level up to `now`."""
        seconds = now - self.updated_at
        if seconds > 0.0:
            full, level = self.limit - self.reserved, self.level + seconds * self.rate
            self.level = level if level < full else full
            if self.external_use:
                self.external_use *= max(0.0, 1.0 - seconds / _FORGET_SECONDS)
            self.updated_at = now

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
            landed = min(1.0 + self.reserve, self.limit) - self.level - self.reserved
            missing = max(landed, self._least_position(amount) - self.level)
        else:
            missing = min(amount + self.reserve, self.limit) - self.level
        return settled(missing / self.rate) if missing > 0.0 else 0.0

    def _least_position(self, amount: float) -> float:
        """Return the level below which no more output may be on its way.

        Where bursts are policed, as much is under way as comes back in one latency, and half a burst beside it: then
        the server's bucket is neither empty, which is refused, nor full, which is lost.
        """
        full = self.limit - self.reserved
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
            self.reserved += amount
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
            self.reserved = max(0.0, self.reserved - charged)
            self.counted += real

    def cancel(self, charged: float, sent_at: float) -> None:
        """Give a charge back: the server refused, and counted nothing."""
        if sent_at > self.synced_at:
            self.level += charged
        if self.counts_at_end:
            self.reserved = max(0.0, self.reserved - charged)
        else:
            self.counted -= charged

    def learn(self, rate_limit: RateLimitStatus, sent_at: float, counted_then: float, now: float) -> None:
        """Correct limit, level and external use by what a response's headers say.

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
        self.server_limit = rate_limit.limit
        self.set_limit(now)
        if rate_limit.remaining is None or self._is_too_coarse():
            return
        self.refill(now)
        self._watch(rate_limit.remaining, sent_at, counted_then)
        lowest = rate_limit.remaining - self.rounding - (self.counted - counted_then) - self.reserved
        highest = lowest + 2 * self.rounding + (now - sent_at) * self.rate
        if is_new:
            self.level = min(highest - 2 * self.rounding, self.limit - self.reserved)
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
        elif self.gap > 0.0 and self.user_limit >= self.server_limit:
            self.level = min(self.level + self.gap, self.limit - self.reserved)
        self.gap, self.excess, self.checked_at = math.inf, math.inf, now

    def _is_too_coarse(self) -> bool:
        """Say whether the server's rounding hides what matters: a burst that is smaller than a step."""
        return self.is_policed and self.limit - self.reserve < 2 * self.rounding

    def _watch(self, remaining: float, sent_at: float, counted_then: float) -> None:
        """Compare two rate_limits: what is missing beyond our own use, others have taken.

        A full bucket tells nothing, since refill is lost there.
        """
        nominal = self.limit / 60
        if remaining > 0.95 * self.limit or self.is_policed or self.user_limit < self.server_limit:
            self.anchor = None
            return
        if self.anchor is None:
            self.anchor = (sent_at, remaining, counted_then)
            return
        then, remained, counted = self.anchor
        seconds = sent_at - then
        if seconds < max(_EXTERNAL_SECONDS, 2 * self.rounding / (_EXTERNAL_NOISE * nominal)):
            return
        self.anchor = (sent_at, remaining, counted_then)
        refilled = (remaining - remained + counted_then - counted) / seconds
        seen = max(0.0, min((1 - _EXTERNAL_NOISE) * nominal - refilled, (1 - _LEAST_SHARE) * nominal))
        self.external_use += _EXTERNAL_WEIGHT * (seen - self.external_use)

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
            self.external_use = min(self.external_use + _CAUTION_SHARE * nominal, (1 - _LEAST_SHARE) * nominal)
        self.reserve = max(self.reserve, left - needed)
        if is_new_episode and (self.is_policed or self.reserve < _MOST_CAUTION_SECONDS * nominal):
            self.reserve += _CAUTION_SECONDS * min(nominal, self.limit - self.reserve)
        self.reserve = min(self.reserve, self.limit - 1.0)
        self.level = min(self.level, needed + self.reserve - self.reserved - retry_after * nominal)
        self.synced_at = now
