"""The server's own accounts: token buckets with continuous refill, one set per model group.

It knows what was used and what is left; it admits or refuses, and writes the limit headers. What a
request costs is told by others. Source of the rules: Claude API, rate limits, read 2026-11-22.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from .buckets import Bucket, Ramp
from .profile import Limits, Profile
from .wire import Problem, rfc3339

_COUNTED = ("requests", "input tokens", "output tokens")

_HEADERS = {
    name: tuple(f"anthropic-ratelimit-{name}-{part}" for part in ("limit", "remaining", "reset"))
    for name in ("requests", "tokens", "input-tokens", "output-tokens")
}


class Account:
    """The limits of one model group.

    Parameters
    ----------
    profile : Profile
        Limits, bursts, the acceleration limit, and the policy by which all of them are kept.
    epoch : float
        Wall-clock seconds at which `now` is 0, for the reset headers.
    now : float
        Seconds on the caller's clock.
    """

    def __init__(self, profile: Profile, epoch: float, now: float) -> None:
        self._epoch = epoch
        self._policy = profile.policy
        self._limits = profile.limits
        limits = profile.limits
        self.requests = _bucket(limits.requests_per_minute, profile, now)
        self.input = _bucket(limits.input_tokens_per_minute, profile, now)
        self.output = _bucket(limits.output_tokens_per_minute, profile, now)
        self.ramp = (
            None if profile.ramp_floor is None else Ramp(profile.ramp_floor, profile.ramp_factor, profile.ramp_seconds)
        )
        self._turns = [now, *(turn for turn in self._policy.turns() if turn > now)]
        self._reserves = self._policy.output_counted == "reserved"

    def admit(self, input_tokens: float, now: float, max_tokens: float = 0.0) -> Problem | None:
        """Charge one request and its input tokens, or say why not and until when.

        Output is charged as it is generated, unless the policy reserves `max_tokens` here. Cache reads are no part of
        `input_tokens`.
        """
        self._turn(now)
        requests, inputs, outputs = self.requests, self.input, self.output
        reserved = max(1.0, max_tokens) if self._reserves else 1.0
        waits = (
            requests.wait(1, now) if requests else 0.0,
            inputs.wait(input_tokens, now) if inputs else 0.0,
            outputs.wait(reserved, now) if outputs else 0.0,
        )
        longest = max(waits)
        if longest > 0:
            at = waits.index(longest)
            return self._refuse(_exceeded(_COUNTED[at], (requests, inputs, outputs)[at], longest))
        if self.ramp is not None:
            seconds = self.ramp.wait(now)
            if seconds > 0:
                return self._refuse(_ramp_problem(seconds))
            self.ramp.take()
        if requests:
            requests.take(1, now)
        if inputs:
            inputs.take(input_tokens, now)
        if outputs and self._reserves:
            outputs.take(max_tokens, now)
        return None

    def generated(self, output_tokens: float, now: float, max_tokens: float = 0.0) -> None:
        """Charge the output tokens of an answer; what was reserved for it is given back."""
        self._turn(now)
        if self.output:
            self.output.take(output_tokens - (max_tokens if self._reserves else 0.0), now)

    def statuses(self, now: float) -> dict[str, tuple[float, float]]:
        """Return limit and remaining as the headers tell them, by the words in their names; without headers none."""
        if not self._policy.has_headers:
            return {}
        self._turn(now)
        found: dict[str, tuple[float, float]] = {}
        if self.requests:
            found["requests"] = (self.requests.limit, float(int(self._remaining(self.requests, now))))
        for name, bucket in (("input-tokens", self.input), ("output-tokens", self.output)):
            if bucket:
                found[name] = (bucket.limit, self._rounded(self._remaining(bucket, now)))
        return found

    def headers(self, now: float) -> dict[str, str]:
        """Return the ``anthropic-ratelimit-*`` headers: twelve, less those of unlimited dimensions."""
        found: dict[str, str] = {}
        limit = remaining = reset = 0.0
        buckets = {"requests": self.requests, "input-tokens": self.input, "output-tokens": self.output}
        for name, (most, left) in self.statuses(now).items():
            bucket = buckets[name]
            assert bucket is not None
            full = self._reset(bucket, now)
            _write(found, name, most, int(left), full)
            if name != "requests":
                limit, remaining, reset = limit + most, remaining + self._remaining(bucket, now), max(reset, full)
        if limit:
            _write(found, "tokens", limit, int(self._rounded(remaining)), int(reset))
        return found

    def _remaining(self, bucket: Bucket, now: float) -> float:
        if self._policy.remaining_of == "capacity":
            return max(0.0, bucket.level(now))
        return bucket.remaining(now)

    def _rounded(self, tokens: float) -> float:
        step = self._policy.rounded_to
        return float(int(tokens / step + 0.5) * step)

    def _refuse(self, problem: Problem) -> Problem:
        """Write the wait as the policy tells it."""
        style, seconds = self._policy.retry_after, problem.retry_after
        if not self._policy.names_limit:
            problem = replace(problem, message="Too many requests")
        if style == "exact" or seconds is None:
            return problem
        return replace(problem, retry_after=None if style == "none" else float(math.ceil(seconds)))

    def _turn(self, now: float) -> None:
        """Bring limits and neighbours up to date, turn by turn."""
        while self._turns and self._turns[0] <= now:
            turn = self._turns.pop(0)
            factor, taken = self._policy.factor(turn), self._policy.taken(turn)
            limits = self._limits
            for bucket, limit in (
                (self.requests, limits.requests_per_minute),
                (self.input, limits.input_tokens_per_minute),
                (self.output, limits.output_tokens_per_minute),
            ):
                if bucket and limit is not None:
                    bucket.change(factor * limit, taken, turn)

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
    """Return a ``retry-after`` value in seconds; fractions are rounded up to the millisecond, so the wait suffices."""
    if seconds == int(seconds):
        return str(int(seconds))
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


def _write(headers: dict[str, str], name: str, limit: float, remaining: int, reset: int) -> None:
    names = _HEADERS[name]
    headers[names[0]] = str(int(limit))
    headers[names[1]] = str(remaining)
    headers[names[2]] = _moment(reset)


@lru_cache(maxsize=512)
def _moment(second: int) -> str:
    return rfc3339(second)
