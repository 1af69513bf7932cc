"""The server's counters: a token bucket with continuous refill, and the acceleration limit.

They know one limit each; which of them a call meets is decided in :mod:`limiter`.
"""

from __future__ import annotations


class Bucket:
    """A token bucket that may go into debt.

    Parameters
    ----------
    per_minute : float
        The rate of refill.
    burst_seconds : float or None
        How many seconds of rate it holds; None = a minute. It holds at least 1.
    now : float
        Seconds on the caller's clock; the bucket begins full.
    """

    __slots__ = ("_burst_seconds", "_level", "_rate", "_since", "_taken", "capacity", "limit")

    def __init__(self, per_minute: float, burst_seconds: float | None, now: float) -> None:
        self._burst_seconds = 60.0 if burst_seconds is None else burst_seconds
        self._taken = 0.0
        self._set_limit(per_minute)
        self._level = self.capacity
        self._since = now

    def __repr__(self) -> str:
        return f"<Bucket {self._level:.1f} of {self.capacity:.1f}, {self.limit:g} per minute>"

    def change(self, per_minute: float, taken: float, now: float) -> None:
        """From `now` on another limit is in force, and neighbours take the share `taken` of its refill."""
        level = self.level(now)
        self._taken = taken
        self._set_limit(per_minute)
        self._level = min(level, self.capacity)

    def _set_limit(self, per_minute: float) -> None:
        self.limit = per_minute
        self._rate = per_minute / 60
        self.capacity = max(1.0, self._rate * self._burst_seconds)

    def level(self, now: float) -> float:
        """Return what is left at `now`; negative while in debt."""
        if now > self._since:
            refill = (now - self._since) * self._rate * (1.0 - self._taken)
            self._level = min(self.capacity, self._level + refill)
            self._since = now
        return self._level

    def wait(self, cost: float, now: float) -> float:
        """Return the seconds until `cost` fits; 0 when it does.

        A cost above the capacity fits when the bucket is full, and leaves a debt.
        """
        missing = min(cost, self.capacity) - self.level(now)
        return missing / self._rate if missing > 0 else 0.0

    def take(self, cost: float, now: float) -> None:
        """Take `cost`, into debt if need be; a negative cost gives back."""
        self._level = min(self.capacity, self.level(now) - cost)

    def remaining(self, now: float) -> float:
        """Return what is left of the minute for the headers: the limit less what is not refilled yet."""
        return max(0.0, self.limit - (self.capacity - self.level(now)))

    def full_in(self, now: float) -> float:
        """Return the seconds until the bucket is full again."""
        return (self.capacity - self.level(now)) / self._rate


class Ramp:
    """The acceleration limit: each window may take a multiple of what the window before took.

    Parameters
    ----------
    floor : int
        What every window may take.
    factor : float
        How fast use may grow from window to window.
    seconds : float
        The length of a window.
    """

    __slots__ = ("_before", "_factor", "_floor", "_seconds", "_taken", "_window")

    def __init__(self, floor: int, factor: float, seconds: float) -> None:
        self._floor, self._factor, self._seconds = floor, factor, seconds
        self._taken = self._before = self._window = 0

    def wait(self, now: float) -> float:
        """Return the seconds until one more request is allowed; 0 when it is."""
        window = int(now // self._seconds)
        if window != self._window:
            self._before = self._taken if window == self._window + 1 else 0
            self._taken, self._window = 0, window
        if self._taken < max(self._floor, self._factor * self._before):
            return 0.0
        return (window + 1) * self._seconds - now

    def take(self) -> None:
        """Count one request."""
        self._taken += 1
