"""The gate: may one more request go now, and if not, when.

One gate serves one account and model group, and is shared by all runs of the process. It keeps a token bucket for
requests, input and output tokens, a window of calls in flight, and the pause that a 429 asks for; it learns from
every response. It knows no network and no clock: callers bring the time (seconds, monotonic).
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable

from ..progress.waits import OUTAGES, WaitReason
from ..records import Dimension, Failure, Load, RateLimitStatuses
from .bucket import Bucket, settled
from .circuit import Circuit
from .pacing import Pace, Pause
from .tickets import Amounts, GateStatus, Ticket, Wait
from .tiers import TIERS, Limits, model_group, resolve_limits
from .window import Window

__all__ = ["TIERS", "Gate", "GateStatus", "Limits", "Ticket", "Wait", "model_group", "resolve_limits"]

_NAMES: dict[Dimension, WaitReason] = {
    "requests": WaitReason.REQUESTS,
    "input": WaitReason.INPUT_TOKENS,
    "output": WaitReason.OUTPUT_TOKENS,
}
_BLIND_PER_SECOND, _BLIND_WINDOW = 30.0, 200
"""Calls a second, and in flight at most, before the first answer has told the limits: a tier of 50 a minute refuses a
few of them, one of 10,000 loses a second."""

_LATENCY_WEIGHT = 0.05
"""Of an answer in the moving average of latencies: twenty answers are remembered."""

_LEARN_EVERY_SECONDS = 0.01
"""Headers are read at most so often: a hundred readings a second tell all that there is, and cost 0.1 % of a core."""

_RESUME_STEP_SECONDS = 0.05
"""How soon to look again while sending resumes after an outage: the level grows for two seconds."""


class Gate:
    """Admission control for one account and model group. Thread-safe.

    Parameters
    ----------
    limits : Limits, optional
        Limits to keep below whatever the headers say; None = learn them from the responses.
    rng : random.Random, optional
        Jitter of the probes in an outage.
    """

    def __init__(self, limits: Limits | None = None, rng: random.Random | None = None) -> None:
        self._lock = threading.Lock()
        self._requests = Bucket("requests")
        self._input = Bucket("input", rounding=500.0)
        self._output = Bucket("output", rounding=500.0, counts_at_end=True)
        self._buckets = (self._requests, self._input, self._output)
        self._window = Window()
        self._in_flight = 0
        self._has_answer = False
        self._latency = 1.0
        self._blind_since: float | None = None
        self._blind_at = 0.0
        self._learnt_at = -math.inf
        self._pace = Pace()
        self._pause = Pause()
        self._circuit = Circuit(rng or random.Random())
        self._sent = 0
        self._listeners: set[Callable[[], None]] = set()
        self.restrict(limits)

    def __repr__(self) -> str:
        limits = ", ".join(
            f"{bucket.limit:,.0f} {_NAMES[bucket.dimension]}" for bucket in self._buckets if bucket.is_known
        )
        return f"<Gate: {self._in_flight} of {int(self._window.size)} in flight, {limits or 'no limits known'}>"

    def restrict(self, limits: Limits | None) -> None:
        """Keep below `limits` from now on; None lifts what was given before."""
        given = limits.by_dimension() if limits else {}
        with self._lock:
            for bucket in self._buckets:
                bucket.user_limit = given.get(bucket.dimension, math.inf)
                bucket.set_limit(bucket.updated_at)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (from any thread) whenever a call has ended; returns the function that ends this."""
        with self._lock:
            self._listeners.add(wake)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.discard(wake)

        return unsubscribe

    @property
    def in_flight(self) -> int:
        """Calls under way, of all runs."""
        return self._in_flight

    def pause(self, now: float) -> tuple[float, WaitReason]:
        """Return the seconds until the pause, or the wait of an outage, ends (0 without one), and why it pauses."""
        seconds = self._pause.seconds(now)
        outage = self._circuit.seconds_to_probe(now)
        is_outage = self._circuit.is_open and outage >= seconds
        return (outage, self._circuit.reason) if is_outage else (seconds, self._pause.reason)

    def status(self, now: float) -> GateStatus:
        """Return what the gate knows at `now`."""
        with self._lock:
            seconds, reason = self.pause(now)
            opened_at = self._circuit.opened_at
            return GateStatus(
                window=int(self._window.size),
                in_flight=self._in_flight,
                limits={bucket.dimension: bucket.limit for bucket in self._buckets if bucket.is_known},
                pause_seconds=seconds,
                pause_reason=reason,
                outage_seconds=None if opened_at is None else now - opened_at,
            )

    def admit(self, load: Load, now: float, *, is_searching: bool = True) -> Ticket | Wait:
        """Return a ticket when the request may go at `now`, and charge it; else how long to wait.

        Parameters
        ----------
        load : Load
            What the request will weigh.
        now : float
            The present, in seconds.
        is_searching : bool
            False where the user named how many calls may be in flight: then the gate's own window does not hold, once
            the first answer has shown that the account answers. Pauses, outages and limits hold for both.
        """
        amounts = (1.0, load.input_tokens, load.output_tokens)
        with self._lock:
            return self._wait(amounts, now, is_searching=is_searching) or self._take(amounts, now)

    def settle(self, ticket: Ticket, real: Load, rate_limits: RateLimitStatuses, now: float) -> None:
        """Hand back a ticket after an answer: real weight for estimate, limits from the headers.

        Parameters
        ----------
        ticket : Ticket
            What :meth:`admit` gave.
        real : Load
            Uncached input and output tokens of the answer.
        rate_limits : mapping
            The limits in the response's headers.
        now : float
            The present, same clock as in :meth:`admit`.
        """
        weight = (1.0, real.input_tokens, real.output_tokens)
        with self._lock:
            if not self._has_answer:
                self._window.size = max(self._window.size, float(self._in_flight))
                self._has_answer = True
                self._latency = now - ticket.sent_at
                self._pace.faster_at = now
            self._latency += _LATENCY_WEIGHT * (now - ticket.sent_at - self._latency)
            self._output.lag = self._latency
            self._pause.answered()
            self._circuit.succeeded(ticket.number, now)
            self._window.good(self._in_flight)
            self._in_flight -= 1
            for bucket, charged, weighed in zip(self._buckets, ticket.amounts, weight, strict=True):
                bucket.land(charged, weighed)
            if now - self._learnt_at >= _LEARN_EVERY_SECONDS:
                self._learn(rate_limits, ticket, now)
        self._tell()

    def fail(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Hand back a ticket after a failure.

        A 429 has used nothing up, nor has a call that never arrived. Any other has been counted when it arrived,
        though it wrote nothing.
        """
        is_uncounted = failure.kind == "rate_limit" or (failure.status is None and not failure.perhaps_billed)
        with self._lock:
            self._in_flight -= 1
            for bucket, charged in zip(self._buckets, ticket.amounts, strict=True):
                if is_uncounted or bucket.counts_at_end:
                    bucket.cancel(charged, ticket.sent_at)
            if failure.status is not None:
                self._learn(failure.rate_limits or {}, ticket, now)
            if failure.kind == "rate_limit":
                self._refused(ticket, failure, now)
            self._note_outage(ticket, failure, now)
        self._tell()

    def _note_outage(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Let circuit and window learn from a failure; in an outage the window keeps its width for afterwards."""
        if failure.kind not in OUTAGES:
            self._circuit.dropped(ticket.number, now)
            return
        self._circuit.failed(ticket, failure, now, last_sent=self._sent, in_flight=self._in_flight + 1)
        if not self._circuit.is_open:
            self._window.bad(ticket.sent_at, now)

    def is_outage(self, since: float) -> bool:
        """Say whether a call that failed and was sent at `since` fell into an outage: that is not its row's fault."""
        with self._lock:
            return self._circuit.covers(since)

    def abandon(self, ticket: Ticket) -> None:
        """Hand back a ticket of a call that was cancelled; what it used up is unknown and stays charged."""
        with self._lock:
            self._in_flight -= 1
            self._output.land(ticket.amounts[2], ticket.amounts[2])
            self._circuit.dropped(ticket.number, ticket.sent_at)
        self._tell()

    def _tell(self) -> None:
        if self._listeners:
            for listener in tuple(self._listeners):
                listener()

    # -- admitting -------------------------------------------------------------------------------------------------

    def _wait(self, amounts: Amounts, now: float, *, is_searching: bool) -> Wait | None:
        seconds = self._pause.seconds(now)
        if seconds:
            return Wait(seconds, self._pause.reason)
        outage = self._outage_wait(now)
        if outage is not None:
            return outage
        if not self._has_answer:
            wait = self._blind_wait(now)
            if wait is not None:
                return wait
        elif is_searching and self._in_flight >= int(self._window.size):
            self._window.refuse()
            return Wait(math.inf, WaitReason.ANSWERS)
        for bucket, amount in zip(self._buckets, amounts, strict=True):
            if bucket.limit != math.inf and not bucket.is_ready(amount, now):
                return self._bucket_wait(amounts, now)
        return None

    def _outage_wait(self, now: float) -> Wait | None:
        seconds = self._circuit.wait(now)
        if seconds:
            return Wait(seconds, self._circuit.reason)
        if self._in_flight >= self._circuit.most_in_flight(now):
            return Wait(_RESUME_STEP_SECONDS, self._circuit.reason)
        return None

    def _bucket_wait(self, amounts: Amounts, now: float) -> Wait | None:
        longest, reason = 0.0, WaitReason.PACE
        for bucket, amount in zip(self._buckets, amounts, strict=True):
            if bucket.is_known:
                bucket.refill(now)
                seconds = bucket.level_wait(amount)
                if seconds > longest:
                    longest, reason = seconds, _NAMES[bucket.dimension]
        if longest:
            return Wait(longest, reason)
        seconds = self._pace.wait(self._buckets, now, self._latency)
        return Wait(seconds, WaitReason.PACE) if seconds else None

    def _blind_wait(self, now: float) -> Wait | None:
        """Before the first answer little is known: begin gently, so that no answer can be a storm of 429s."""
        since = self._blind_since if self._blind_since is not None else now
        allowed = min(_BLIND_WINDOW, self._window.size + _BLIND_PER_SECOND * (now - since))
        if self._in_flight >= allowed:
            return Wait(1.0 / _BLIND_PER_SECOND, WaitReason.FIRST_ANSWERS)
        if settled(self._blind_at - now):
            return Wait(self._blind_at - now, WaitReason.FIRST_ANSWERS)
        return None

    def _take(self, amounts: Amounts, now: float) -> Ticket:
        if self._blind_since is None:
            self._blind_since = now
            self._pace.faster_at = now
        self._blind_at = now + 1.0 / _BLIND_PER_SECOND
        self._in_flight += 1
        self._sent += 1
        self._circuit.sent(self._sent, now)
        for bucket, amount in zip(self._buckets, amounts, strict=True):
            bucket.take(amount, now, self._pace.speed)
        counted = (self._requests.counted, self._input.counted, self._output.counted)
        return Ticket(number=self._sent, sent_at=now, amounts=amounts, counted=counted)

    # -- learning --------------------------------------------------------------------------------------------------

    def _learn(self, rate_limits: RateLimitStatuses, ticket: Ticket, now: float) -> None:
        self._learnt_at = now
        for bucket, counted_then in zip(self._buckets, ticket.counted, strict=True):
            rate_limit = rate_limits.get(bucket.dimension)
            if rate_limit is not None:
                bucket.learn(rate_limit, ticket.sent_at, counted_then, now)

    def _refused(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Pause everyone for as long as the server says, and learn why it refused."""
        bucket = self._blamed(failure)
        is_new_episode = ticket.sent_at > self._pace.refused_at
        is_ramp = failure.error_code == "ramp_limit_exceeded"
        seconds = self._pause.begin(now, failure.retry_after, _reason(failure, bucket), is_new_episode=is_new_episode)
        for each in self._buckets:
            each.pace_at = max(each.pace_at, now + seconds)
        if bucket is not None:
            rate_limit = (failure.rate_limits or {}).get(bucket.dimension)
            amount = ticket.amounts[self._buckets.index(bucket)]
            bucket.refused(rate_limit, amount, seconds, now, is_new_episode=is_new_episode)
        elif is_ramp and failure.retry_after is not None:
            self._window.is_slow_start = False
        else:
            self._window.cut(ticket.sent_at, now)
        if is_new_episode:
            self._pace.refused(now, is_ramp=is_ramp)

    def _blamed(self, failure: Failure) -> Bucket | None:
        """Return the bucket that a 429 is about: the one that its message names, else the emptiest."""
        text = failure.message.lower()
        if failure.error_code is not None:
            return None
        for bucket, words in (
            (self._input, "input token"),
            (self._output, "output token"),
            (self._requests, "requests per"),
        ):
            if words in text and bucket.is_known:
                return bucket
        left = {d: r.remaining / r.limit for d, r in (failure.rate_limits or {}).items() if r.remaining is not None}
        return min((b for b in self._buckets if b.dimension in left), key=lambda b: left[b.dimension], default=None)


def _reason(failure: Failure, bucket: Bucket | None) -> WaitReason:
    if failure.error_code == "ramp_limit_exceeded":
        return WaitReason.GROWTH
    return WaitReason.RATE_LIMIT if bucket is None else _NAMES[bucket.dimension]
