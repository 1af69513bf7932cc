"""The server's own accounts: token buckets with continuous refill, one set per model group.

It knows what was used and what is left; it admits or refuses, and writes the limit headers. What a
request costs is told by others. Source of the rules: Claude API, rate limits, read 2026-11-22.
"""

from __future__ import annotations

import math
from functools import lru_cache

from .profile import Limits, Profile
from .wire import Problem, rfc3339

_COUNTED = ("requests", "input tokens", "output tokens")

_HEADERS = {
    name: tuple(f"anthropic-ratelimit-{name}-{part}" for part in ("limit", "remaining", "reset"))
    for name in ("requests", "tokens", "input-tokens", "output-tokens")
}


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

    __slots__ = ("_level", "_rate", "_since", "capacity", "limit")

    def __init__(self, per_minute: float, burst_seconds: float | None, now: float) -> None:
        self.limit = per_minute
        self._rate = per_minute / 60
        self.capacity = max(1.0, self._rate * (60.0 if burst_seconds is None else burst_seconds))
        self._level = self.capacity
        self._since = now

    def __repr__(self) -> str:
        return f"<Bucket {self._level:.1f} of {self.capacity:.1f}, {self.limit:g} per minute>"

    def level(self, now: float) -> float:
        """Return what is left at `now`; negative while in debt."""
        if now > self._since:
            self._level = min(self.capacity, self._level + (now - self._since) * self._rate)
            self._since = now
        return self._level

    def wait(self, cost: float, now: float) -> float:
        """Return the seconds until `cost` fits; 0 when it does.

        A cost above the capacity fits when the bucket is full, and leaves a debt.
        """
        missing = min(cost, self.capacity) - self.level(now)
        return missing / self._rate if missing > 0 else 0.0

    def take(self, cost: float, now: float) -> None:
        """Take `cost`, into debt if need be."""
        self._level = self.level(now) - cost

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


class Account:
    """The limits of one model group.

    Parameters
    ----------
    profile : Profile
        Limits, bursts and the acceleration limit.
    epoch : float
        Wall-clock seconds at which `now` is 0, for the reset headers.
    now : float
        Seconds on the caller's clock.
    """

    def __init__(self, profile: Profile, epoch: float, now: float) -> None:
        self._epoch = epoch
        limits = profile.limits
        self.requests = _bucket(limits.requests_per_minute, profile, now)
        self.input = _bucket(limits.input_tokens_per_minute, profile, now)
        self.output = _bucket(limits.output_tokens_per_minute, profile, now)
        self.ramp = (
            None if profile.ramp_floor is None else Ramp(profile.ramp_floor, profile.ramp_factor, profile.ramp_seconds)
        )

    def admit(self, input_tokens: float, now: float) -> Problem | None:
        """Charge one request and its input tokens, or say why not and until when.

        Output is not charged here: it counts as it is generated, and ``max_tokens`` does not count at all.
        Cache reads are no part of `input_tokens`.
        """
        requests, inputs, outputs = self.requests, self.input, self.output
        waits = (
            requests.wait(1, now) if requests else 0.0,
            inputs.wait(input_tokens, now) if inputs else 0.0,
            outputs.wait(1, now) if outputs else 0.0,
        )
        longest = max(waits)
        if longest > 0:
            at = waits.index(longest)
            return _exceeded(_COUNTED[at], (requests, inputs, outputs)[at], longest)
        if self.ramp is not None:
            seconds = self.ramp.wait(now)
            if seconds > 0:
                return _ramp_problem(seconds)
            self.ramp.take()
        if requests:
            requests.take(1, now)
        if inputs:
            inputs.take(input_tokens, now)
        return None

    def generated(self, output_tokens: float, now: float) -> None:
        """Charge the output tokens of an answer."""
        if self.output:
            self.output.take(output_tokens, now)

    def headers(self, now: float) -> dict[str, str]:
        """Return the ``anthropic-ratelimit-*`` headers: twelve, less those of unlimited dimensions."""
        found: dict[str, str] = {}
        if self.requests:
            _write(found, "requests", self.requests.limit, int(self.requests.remaining(now)),
                   self._reset(self.requests, now))  # fmt: skip
        limit = remaining = reset = 0.0
        for name, bucket in (("input-tokens", self.input), ("output-tokens", self.output)):
            if bucket:
                left, full = bucket.remaining(now), self._reset(bucket, now)
                _write(found, name, bucket.limit, _thousands(left), full)
                limit, remaining, reset = limit + bucket.limit, remaining + left, max(reset, full)
        if limit:
            _write(found, "tokens", limit, _thousands(remaining), int(reset))
        return found

    def _reset(self, bucket: Bucket, now: float) -> int:
        return math.ceil(self._epoch + now + bucket.full_in(now))


class Pool:
    """The requests per minute of a route that has a pool of its own (token counting, batches).

    Parameters
    ----------
    per_minute : float or None
        None = unlimited.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._per_minute = per_minute
        self._bucket: Bucket | None = None

    def admit(self, now: float) -> Problem | None:
        """Charge one request, or say why not and until when."""
        if self._per_minute is None:
            return None
        if self._bucket is None:
            self._bucket = Bucket(self._per_minute, None, now)
        seconds = self._bucket.wait(1, now)
        if seconds > 0:
            message = f"This request would exceed the limit of {self._per_minute:,.0f} requests per minute."
            return Problem(429, message, retry_after=seconds)
        self._bucket.take(1, now)
        return None


def retry_after_header(seconds: float) -> str:
    """Return a ``retry-after`` value in seconds, rounded up to the millisecond so that the wait suffices."""
    return f"{math.ceil(seconds * 1_000 + 1e-6) / 1_000:.3f}"


def limit_values(limits: Limits) -> list[dict[str, object]]:
    """Return the ``limits`` of a model group as ``GET /v1/organizations/rate_limits`` lists them."""
    pairs = (
        ("requests_per_minute", limits.requests_per_minute),
        ("input_tokens_per_minute_cache_aware", limits.input_tokens_per_minute),
        ("output_tokens_per_minute", limits.output_tokens_per_minute),
    )
    return [{"type": name, "value": int(value)} for name, value in pairs if value is not None]


def _bucket(per_minute: float | None, profile: Profile, now: float) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute, profile.burst_seconds, now)


def _exceeded(what: str, bucket: Bucket | None, seconds: float) -> Problem:
    limit = 0 if bucket is None else bucket.limit
    message = (
        f"This request would exceed your organization's rate limit of {limit:,.0f} {what} per minute. "
        "Please reduce the prompt length or the number of requests, or try again later."
    )
    return Problem(429, message, retry_after=seconds)


def _ramp_problem(seconds: float) -> Problem:
    message = (
        "This request would exceed your organization's ramp limit: your usage grows too fast. "
        "Please increase it gradually, and retry after the time in the retry-after header."
    )
    return Problem(429, message, "ramp_limit_exceeded", seconds)


def _thousands(tokens: float) -> int:
    return int(tokens / 1_000 + 0.5) * 1_000


def _write(headers: dict[str, str], name: str, limit: float, remaining: int, reset: int) -> None:
    names = _HEADERS[name]
    headers[names[0]] = str(int(limit))
    headers[names[1]] = str(remaining)
    headers[names[2]] = _moment(reset)


@lru_cache(maxsize=512)
def _moment(second: int) -> str:
    return rfc3339(second)
