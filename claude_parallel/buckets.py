"""One token bucket: how much of one limit is left, and when the next request fits.

A bucket refills continuously at ``limit / 60`` a second up to one minute's worth, as the API's own does (source: rate
limits, "token bucket algorithm"). Beside the level it keeps a pace, since short bursts may be policed even while the
level is high. What is charged, and what an answer teaches, is decided in ``limits``.
"""

from __future__ import annotations

from dataclasses import dataclass

from .records import Reading

PACE_TOLERANCE_SECONDS = 0.05
"""How far sends may run ahead of the pace: hides timer jitter, stays below any burst window seen (0.2 s)."""

UNPACED = 64.0
"""From this multiple of the refill rate on the pace no longer binds: a whole minute's worth within a second."""

SHORTEST_WAIT_SECONDS = 1e-6
"""A wait that short is none: timers may fire a clock tick early, and sums of floats miss by less."""


def settled(seconds: float) -> float:
    """Return a wait in seconds, and 0 for one that is too short to be real."""
    return seconds if seconds > SHORTEST_WAIT_SECONDS else 0.0


@dataclass(slots=True)
class Bucket:
    """The client's account of one limit.

    Attributes
    ----------
    limit : float
        Requests or tokens per minute.
    level : float
        What is left, as far as we know; below zero after an underestimate.
    stamp : float
        When `level` was last brought up to date, in seconds of the gate's clock.
    charged : float
        Everything ever charged less everything given back; differences of it tell what was charged meanwhile.
    pace_at : float
        When the next request is due if requests are spread evenly.
    """

    limit: float
    level: float
    stamp: float
    charged: float = 0.0
    pace_at: float = 0.0

    def refill(self, now: float, margin: float) -> None:
        """Bring the level up to `now`; `margin` is the share of the nominal rate that we dare to use."""
        self.level = min(self.limit, self.level + (now - self.stamp) * self.limit / 60 * margin)
        self.stamp = now

    def level_wait(self, amount: float, margin: float) -> float:
        """Return the seconds until `amount` is there; call :meth:`refill` first.

        A request larger than the whole bucket goes when the bucket is full, and leaves it in debt.
        """
        missing = min(amount, self.limit) - self.level
        return settled(missing / (self.limit / 60 * margin))

    def pace_wait(self, now: float) -> float:
        """Return the seconds until the pace lets the next request go."""
        return settled(self.pace_at - PACE_TOLERANCE_SECONDS - now)

    def take(self, amount: float, now: float, speed: float, margin: float) -> None:
        """Charge `amount` now, and move the pace on at `speed` times the refill rate."""
        self.level -= amount
        self.charged += amount
        if speed < UNPACED:
            self.pace_at = max(self.pace_at, now) + amount / (self.limit / 60 * margin * speed)

    def correct(self, amount: float) -> None:
        """Charge `amount` more (or, negative, give it back) once the real weight is known."""
        self.level -= amount
        self.charged += amount

    def learn(self, reading: Reading, sent_at: float, charged_then: float, now: float, slack: float) -> None:
        """Correct limit and level by what a response's headers say.

        Parameters
        ----------
        reading : Reading
            Limit and remaining, true at some moment between `sent_at` and `now`.
        sent_at : float
            When that request was sent.
        charged_then : float
            `charged` just after that request was charged.
        now : float
            The present, same clock.
        slack : float
            Rounding of `remaining` (the API rounds tokens to 1,000), half a step.

        Notes
        -----
        The server's level now is at least ``remaining - charged since`` and at most that plus the refill since
        `sent_at`. A level outside of this interval is wrong and moves to its edge; one inside may be right and stays.
        """
        self.limit = reading.limit
        self.level = min(self.level, self.limit)
        if reading.remaining is None:
            return
        since = self.charged - charged_then
        lowest = reading.remaining - slack - since
        highest = reading.remaining + slack - since + (now - sent_at) * self.limit / 60
        self.level = min(max(self.level, lowest), max(highest, lowest), self.limit)
