"""The gate: may one more request go now, and if not, when.

One gate serves one account and model group, and is shared by all runs of the process. It keeps a token bucket for
requests, input and output tokens, a window of calls in flight, and the pause that a 429 asks for; it learns from
every response. It knows no network and no clock: callers bring the time (seconds, monotonic).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from .buckets import UNPACED, Bucket, settled
from .errors import InputError
from .records import DIMENSIONS, Dimension, Failure, Load, Reading, Readings
from .window import Window

_NAMES: dict[Dimension, str] = {
    "requests": "requests per minute",
    "input": "input tokens per minute",
    "output": "output tokens per minute",
}
_ROUNDING: dict[Dimension, float] = {"requests": 0.0, "input": 500.0, "output": 500.0}
_BLIND_PER_SECOND = 20.0
_BLIND_WINDOW = 100
_SPEED_UP_FACTOR = 1.5
_SPEED_UP_SECONDS = 0.25
_CALM_SECONDS = 5.0
_LEAST_MARGIN = 0.9
_MARGIN_STEP = 0.01


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits per minute; None = not limited, or not known.

    Parameters
    ----------
    requests_per_minute, input_tokens_per_minute, output_tokens_per_minute : float, optional
        As the Limits page of the Claude Console shows them.

    Raises
    ------
    InputError
        For a limit that is not above zero.
    """

    requests_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and math.isfinite(value) and value > 0):
                raise InputError(f"{field.name} must be a number above 0, not {value!r}")

    def by_dimension(self) -> dict[Dimension, float]:
        """Return the known limits by dimension."""
        values = (self.requests_per_minute, self.input_tokens_per_minute, self.output_tokens_per_minute)
        return {dimension: value for dimension, value in zip(DIMENSIONS, values, strict=True) if value is not None}


TIERS: Mapping[str, Limits] = {
    "start": Limits(1_000, 2_000_000, 400_000),
    "build": Limits(5_000, 5_000_000, 1_000_000),
    "scale": Limits(10_000, 10_000_000, 2_000_000),
    "tier-1": Limits(50, 40_000, 40_000),
    "tier-2": Limits(1_000, 80_000, 80_000),
    "tier-3": Limits(2_000, 160_000, 160_000),
    "tier-4": Limits(4_000, 400_000, 400_000),
}
"""Published limits by tier. Source: rate limits of the Claude API as of 2026-10 (Haiku 5.5, Opus, Sonnet); the
numbered tiers are the older table, which still circulates: requests and tokens a minute."""


def resolve_limits(limits: Limits | str | Mapping[str, float] | None) -> Limits | None:
    """Return the limits that a user's argument means: a :class:`Limits`, a tier name, a mapping, or None."""
    if limits is None or isinstance(limits, Limits):
        return limits
    if isinstance(limits, str):
        if limits not in TIERS:
            raise InputError(f"no tier {limits!r}; there are {', '.join(TIERS)}, or give cp.Limits(...)")
        return TIERS[limits]
    if isinstance(limits, Mapping):
        try:
            return Limits(**limits)
        except TypeError as error:
            raise InputError(f"limits: {error}") from None
    raise InputError(f"limits must be cp.Limits(...), a tier name or None, not {type(limits).__name__}")


_SHARED_GROUPS = (
    (re.compile(r"claude-opus-4-[5-8]"), "opus-4"),
    (re.compile(r"claude-sonnet-4-[56]"), "sonnet-4"),
    (re.compile(r"claude-fable-5"), "fable-5"),
)


def model_group(model: str) -> str:
    """Return the name of the group of models that share one limit.

    Source: rate limits of the Claude API as of 2026-10 (Opus 4.5 to 4.8, Sonnet 4.5 and 4.6, and Fable 5.x are
    shared); every other model stands for itself.
    """
    for pattern, group in _SHARED_GROUPS:
        if pattern.search(model):
            return group
    return model


@dataclass(frozen=True, slots=True)
class Ticket:
    """The leave to send one request; hand it back with what came of it."""

    sent_at: float
    amounts: tuple[float, float, float]
    charged: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ask again in `seconds`, because of `reason`."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What the gate knows, for progress and reports.

    Attributes
    ----------
    window : int
        Calls that may be in flight.
    in_flight : int
        Calls that are.
    limits : mapping of str to float
        Limits per minute in force by dimension.
    pause_seconds : float
        Seconds until the pause ends; 0 without a pause.
    pause_reason : str
        Why it pauses.
    """

    window: int
    in_flight: int
    limits: Mapping[Dimension, float]
    pause_seconds: float
    pause_reason: str


class Gate:
    """Admission control for one account and model group. Thread-safe.

    Parameters
    ----------
    limits : Limits, optional
        Limits to keep below whatever the headers say; None = learn them from the responses.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._lock = threading.Lock()
        self._given = limits.by_dimension() if limits else {}
        self._buckets: dict[Dimension, Bucket] = {}
        self._window = Window()
        self._in_flight = 0
        self._blind_since: float | None = None
        self._has_feedback = False
        self._blind_at = 0.0
        self._speed = 1.0
        self._may_burst = True
        self._speed_up_at = 0.0
        self._margin = 1.0
        self._margin_at = 0.0
        self._last_refusal = -math.inf
        self._paused_until = -math.inf
        self._pause_reason = ""
        self._listeners: set[Callable[[], None]] = set()

    def __repr__(self) -> str:
        limits = ", ".join(f"{bucket.limit:,.0f} {_NAMES[d]}" for d, bucket in self._buckets.items())
        return f"<Gate: {self._in_flight} of {int(self._window.size)} in flight, {limits or 'no limits known'}>"

    def restrict(self, limits: Limits | None) -> None:
        """Keep below `limits` from now on; None lifts what was given before."""
        with self._lock:
            self._given = limits.by_dimension() if limits else {}

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (from any thread) whenever a call has ended; returns the function that ends this."""
        with self._lock:
            self._listeners.add(wake)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.discard(wake)

        return unsubscribe

    def status(self, now: float) -> GateStatus:
        """Return what the gate knows at `now`."""
        with self._lock:
            return GateStatus(
                window=int(self._window.size),
                in_flight=self._in_flight,
                limits={dimension: bucket.limit for dimension, bucket in self._buckets.items()},
                pause_seconds=max(0.0, self._paused_until - now),
                pause_reason=self._pause_reason,
            )

    def admit(self, load: Load, now: float) -> Ticket | Wait:
        """Return a ticket when the request may go at `now`, and charge it; else how long to wait."""
        with self._lock:
            self._open_given(now)
            amounts = (1.0, load.input_tokens, load.output_tokens)
            wait = self._wait(amounts, now)
            return wait if wait is not None else self._take(amounts, now)

    def settle(self, ticket: Ticket, real: Load, readings: Readings, now: float) -> None:
        """Hand back a ticket after an answer: real weight for estimate, limits from the headers.

        Parameters
        ----------
        ticket : Ticket
            What :meth:`admit` gave.
        real : Load
            Uncached input and output tokens of the answer.
        readings : mapping
            The limits in the response's headers.
        now : float
            The present, same clock as in :meth:`admit`.
        """
        with self._lock:
            self._window.good(self._in_flight)
            self._return(ticket, (1.0, real.input_tokens, real.output_tokens))
            self._learn(readings, ticket, now)
            self._regain_margin(now)
        self._tell()

    def fail(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Hand back a ticket after a failure: nothing was used up, but much may be learnt."""
        with self._lock:
            self._return(ticket, (0.0, 0.0, 0.0))
            if failure.status is not None:
                self._learn(failure.readings or {}, ticket, now)
            if failure.kind == "rate_limit":
                self._refused(ticket, failure, now)
            elif failure.kind in ("overloaded", "server", "timeout", "connection"):
                self._window.bad(ticket.sent_at, now)
        self._tell()

    def abandon(self, ticket: Ticket) -> None:
        """Hand back a ticket of a call that was cancelled; what it used up is unknown and stays charged."""
        with self._lock:
            self._in_flight -= 1
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _open_given(self, now: float) -> None:
        """Open buckets for limits that the user gave and no header has told yet."""
        for dimension, limit in self._given.items():
            if dimension not in self._buckets:
                self._buckets[dimension] = Bucket(limit=limit, level=limit, stamp=now)

    def _wait(self, amounts: tuple[float, float, float], now: float) -> Wait | None:
        if settled(self._paused_until - now):
            return Wait(self._paused_until - now, self._pause_reason)
        if not self._has_feedback and not self._buckets:
            return self._blind_wait(now)
        if self._in_flight >= int(self._window.size):
            return Wait(math.inf, "answers")
        longest, reason = 0.0, ""
        for dimension, bucket in self._buckets.items():
            bucket.refill(now, self._margin)
            seconds = bucket.level_wait(amounts[DIMENSIONS.index(dimension)], self._margin)
            if seconds > longest:
                longest, reason = seconds, _NAMES[dimension]
        if longest:
            return Wait(longest, reason)
        return self._pace_wait(now)

    def _blind_wait(self, now: float) -> Wait | None:
        """Before the first response nothing is known: begin gently, so that no answer can be a storm of 429s."""
        since = self._blind_since if self._blind_since is not None else now
        allowed = min(_BLIND_WINDOW, self._window.size + _BLIND_PER_SECOND * (now - since))
        if self._in_flight >= allowed:
            return Wait(1.0 / _BLIND_PER_SECOND, "the first answers")
        if settled(self._blind_at - now):
            return Wait(self._blind_at - now, "the first answers")
        return None

    def _pace_wait(self, now: float) -> Wait | None:
        """Spread the sends; while nobody objects, spread them less and less, until bursts go through."""
        if self._speed >= UNPACED:
            return None
        longest = max((bucket.pace_wait(now) for bucket in self._buckets.values()), default=0.0)
        if not longest:
            return None
        calm = now - self._last_refusal > _CALM_SECONDS
        if self._may_burst and calm and now >= self._speed_up_at:
            self._speed *= _SPEED_UP_FACTOR
            self._speed_up_at = now + _SPEED_UP_SECONDS
            for bucket in self._buckets.values():
                bucket.pace_at = min(bucket.pace_at, now + (bucket.pace_at - now) / _SPEED_UP_FACTOR)
        return Wait(longest, "an even pace")

    def _take(self, amounts: tuple[float, float, float], now: float) -> Ticket:
        if self._blind_since is None:
            self._blind_since = now
            self._speed_up_at = now + _SPEED_UP_SECONDS
        self._blind_at = now + 1.0 / _BLIND_PER_SECOND
        self._in_flight += 1
        for dimension, bucket in self._buckets.items():
            bucket.take(amounts[DIMENSIONS.index(dimension)], now, self._speed, self._margin)
        return Ticket(sent_at=now, amounts=amounts, charged=self._charged())

    def _charged(self) -> tuple[float, float, float]:
        requests, tokens_in, tokens_out = (
            self._buckets[dimension].charged if dimension in self._buckets else 0.0 for dimension in DIMENSIONS
        )
        return requests, tokens_in, tokens_out

    def _return(self, ticket: Ticket, real: tuple[float, float, float]) -> None:
        if not self._has_feedback:
            self._window.size = max(self._window.size, float(self._in_flight))
            self._has_feedback = True
        self._in_flight -= 1
        for index, dimension in enumerate(DIMENSIONS):
            if dimension in self._buckets:
                self._buckets[dimension].correct(real[index] - ticket.amounts[index])

    def _learn(self, readings: Readings, ticket: Ticket, now: float) -> None:
        for dimension, reading in readings.items():
            bucket = self._buckets.get(dimension)
            if bucket is None:
                level = reading.limit if reading.remaining is None else reading.remaining
                self._buckets[dimension] = Bucket(limit=reading.limit, level=level - self._owed(dimension), stamp=now)
                continue
            bucket.refill(now, self._margin)
            charged_then = ticket.charged[DIMENSIONS.index(dimension)]
            bucket.learn(self._cautious(dimension, reading), ticket.sent_at, charged_then, now, _ROUNDING[dimension])

    def _owed(self, dimension: Dimension) -> float:
        """Requests under way when a limit first becomes known; their tokens are corrected as they come back."""
        return float(self._in_flight) if dimension == "requests" else 0.0

    def _cautious(self, dimension: Dimension, reading: Reading) -> Reading:
        """Return the reading as far as it may be believed.

        A limit that the user gave stays when it is the tighter one. Output is counted by the server as it is
        written, by us when sent. In both cases the server's `remaining` may lower our level but never raise it.
        """
        limit = min(reading.limit, self._given.get(dimension, math.inf))
        may_raise = dimension != "output" and limit == reading.limit
        if may_raise or reading.remaining is None or reading.remaining < self._buckets[dimension].level:
            return Reading(limit=limit, remaining=reading.remaining)
        return Reading(limit=limit, remaining=None)

    def _refused(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Pause everyone for as long as the server says, and learn why it refused."""
        until = now + (failure.retry_after if failure.retry_after is not None else 0.5)
        if until > self._paused_until:
            self._paused_until, self._pause_reason = until, self._reason(failure)
        for bucket in self._buckets.values():
            bucket.pace_at = max(bucket.pace_at, until)
        if ticket.sent_at <= self._last_refusal:
            return  # sent before the episode was known: it teaches nothing new
        if failure.error_code == "ramp_limit_exceeded" or not self._buckets:
            self._window.cut(ticket.sent_at, now)
        if self._was_a_burst(ticket, failure):
            self._may_burst = False
        if self._speed <= 1.0:
            self._margin = max(_LEAST_MARGIN, self._margin - _MARGIN_STEP)
            self._margin_at = now
        self._speed = 1.0
        self._last_refusal = now

    def _was_a_burst(self, ticket: Ticket, failure: Failure) -> bool:
        """Say whether the server refused although, by its own count, there was room: it polices bursts."""
        if failure.error_code == "ramp_limit_exceeded":
            return True
        left = {d: r.remaining for d, r in (failure.readings or {}).items() if r.remaining is not None}
        if not left:
            return False
        return all(left[d] >= ticket.amounts[DIMENSIONS.index(d)] + 2 * _ROUNDING[d] for d in left)

    def _reason(self, failure: Failure) -> str:
        text = failure.message.lower()
        for dimension in ("input", "output"):
            if f"{dimension} token" in text:
                return _NAMES[dimension]
        if failure.error_code == "ramp_limit_exceeded":
            return "the account's growth limit"
        readings = {d: r for d, r in (failure.readings or {}).items() if r.remaining is not None}
        if not readings:
            return "the account's rate limit"
        return _NAMES[min(readings, key=lambda d: (readings[d].remaining or 0.0) / readings[d].limit)]

    def _regain_margin(self, now: float) -> None:
        """Forget old refusals slowly: back to the nominal rate within some ten quiet minutes."""
        if self._margin < 1.0 and now - self._margin_at > 60.0:
            self._margin = min(1.0, self._margin + _MARGIN_STEP / 2)
            self._margin_at = now
