"""The gate: may one more request go now, and if not, when.

One gate serves one account and model group, and is shared by all runs of the process. It asks the parts of this room in
this order: the pause that a 429 asks for, the circuit of an outage, the window (before an answer, the blind start), the
ramp of an acceleration limit, and the buckets. It knows no network and no clock: callers bring the time (seconds).
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Hashable

from ..errors import Kind
from ..progress.waits import LIMITS, OUTAGES, WaitReason
from ..records import Failure, Load, RateLimitStatuses
from .blame import told_limits
from .blind import BlindStart
from .bucket import Bucket
from .circuit import Circuit
from .memory import learnt, take_over
from .output import OutputAccount, OutputBucket, ReservedBucket
from .pause import Pause
from .ramp import Ramp
from .refusals import Refusals
from .tickets import Amounts, GateStatus, Remembered, Ticket, Wait, settled
from .tiers import TIERS, GivenLimits, Limits, model_group
from .window import CEILING, START, Window

__all__ = ["TIERS", "Gate", "GateStatus", "Limits", "Ticket", "Wait", "model_group"]

LATENCY_WEIGHT = 0.05
"""Of an answer in the moving average of latencies: twenty answers are remembered, so that one of ten times the mean
moves what is needed in flight by less than the margin (sweep: sigma 1.2)."""

LEARN_EVERY_SECONDS = 0.01
"""Headers are read so often at most: a hundred times a second shows all that there is, at less cost (a row, 15 us)."""

TOO_LONG: frozenset[Kind] = frozenset({"too_large", "context_window"})
"""Kinds of a prompt that is refused for its length. It may weigh minutes of the limit, for which all other rows would
wait; should a server count it after all, the ``remaining`` of the next answer says so."""

TOKEN_ROUNDING = 500.0
"""Half a step of the ``remaining`` of tokens (source: rate limits, "rounded to the nearest thousand")."""


class Gate:
    """Admission control for one account and model group. Thread-safe.

    Parameters
    ----------
    limits : Limits, optional
        Limits to keep below whatever the headers say; None = learn them from the responses.
    rng : random.Random, optional
        Source of the jitter of probes.
    """

    def __init__(self, limits: Limits | None = None, *, rng: random.Random | None = None) -> None:
        self._lock = threading.Lock()
        self._requests = Bucket("requests", rounding=1.0)  # rounded down to whole requests
        self._input = Bucket("input", rounding=TOKEN_ROUNDING)
        self._output = OutputBucket("output", rounding=TOKEN_ROUNDING)
        self._reserved = ReservedBucket("output", rounding=TOKEN_ROUNDING)
        self._buckets: tuple[Bucket, ...] = (self._requests, self._input, self._output, self._reserved)
        self._outputs = OutputAccount(self._output, self._reserved)
        self._window = Window()
        self._pause = Pause()
        self._circuit = Circuit(rng or random.Random())
        self._ramp = Ramp()
        self._refusals = Refusals(self._buckets, self._outputs, self._pause, self._ramp)
        self._sent = 0
        self._in_flight = 0
        self._has_answer = False
        self._blind = BlindStart()
        self._recalled: Remembered | None = None
        self._most = self._needed = START
        self._latency = 1.0
        self._learnt_at = -math.inf
        self._listeners: set[Callable[[], None]] = set()
        self._given = GivenLimits()
        self.restrict(limits, -math.inf)

    def __repr__(self) -> str:
        limits = ", ".join(f"{bucket.limit:,.0f} {LIMITS[bucket.dimension]}" for bucket in self._known())
        return f"<Gate: {self._in_flight} of {self._most} in flight, {limits or 'no limits known'}>"

    def restrict(self, limits: Limits | None, now: float, *, owner: Hashable = None, is_part: bool = False) -> None:
        """Keep below `limits` from `now` on; None lifts what the same owner gave before.

        The tightest that any `owner` gives holds, be it a run or the lease of this process. Where they are a part of
        the account (`is_part`), what was used up before is used up of the part.
        """
        with self._lock:
            self._given.give(limits, owner)
            for bucket in self._buckets:
                bucket.restrict(self._given.tightest(bucket.dimension), now, is_part=is_part)
        self._tell()

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` (from any thread) whenever a call has ended; returns the function that ends this."""
        with self._lock:
            self._listeners.add(wake)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.discard(wake)

        return unsubscribe

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
                window=self._most,
                in_flight=self._in_flight,
                limits={bucket.dimension: bucket.limit for bucket in self._known()},
                pause_seconds=seconds,
                pause_reason=reason,
                outage_seconds=None if opened_at is None else now - opened_at,
            )

    def admit(self, load: Load, now: float, *, is_searching: bool = True) -> Ticket | Wait:
        """Return a ticket when the request may go at `now`, and charge it; else how long to wait.

        Parameters
        ----------
        load : Load
            What it is expected to weigh.
        now : float
            The present, in seconds.
        is_searching : bool
            Whether the gate decides how many calls are in flight; False where the user named a number, which the
            caller keeps.
        """
        amounts = (1.0, load.input_tokens, load.output_tokens, load.max_output_tokens)
        with self._lock:
            return self._wait(amounts, now, is_searching) or self._take(amounts, now)

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
        with self._lock:
            self._note_latency(now - ticket.sent_at)
            self._pause.answered()
            self._circuit.succeeded(ticket.number, now)
            self._window.good(now - ticket.sent_at, now)
            self._in_flight -= 1
            _, tokens_in, tokens_out, reserved = ticket.amounts  # a request weighs what it was charged
            self._input.land(tokens_in, real.input_tokens, ticket.sent_at, now)
            self._output.land(tokens_out, real.output_tokens, ticket.sent_at, now)
            self._reserved.land(reserved, real.output_tokens, ticket.sent_at, now)
            if now - self._learnt_at >= LEARN_EVERY_SECONDS:
                self._learn(rate_limits, ticket, now)
                for bucket, amount, owed in zip(self._buckets, ticket.amounts, ticket.owed, strict=True):
                    bucket.accepted(owed, ticket.sent_at, now, amount)
                if self._recalled is not None:
                    take_over(self._recalled, self._buckets[:3])
                    self._recalled = None
                self._needed = self._allowed()
            # One by one: after a limit has fallen, calls that went under the old one hold nobody back.
            self._most = max(self._needed, self._most - 1)
        self._tell()

    def fail(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Hand back a ticket after a failure.

        A 429 has used nothing up, nor has a call that never arrived. Any other has been counted when it arrived,
        though it wrote nothing; the tokens of one that was too long to be read have not.
        """
        is_uncounted = failure.kind == "rate_limit" or (failure.status is None and not failure.perhaps_billed)
        with self._lock:
            self._in_flight -= 1
            for bucket, charged in zip(self._buckets, ticket.amounts, strict=True):
                is_unread = failure.kind in TOO_LONG and bucket.dimension == "input"
                if is_uncounted or is_unread or bucket.dimension == "output":
                    bucket.land(charged, 0.0, ticket.sent_at, now)
            if failure.status is not None:
                self._learn(told_limits(failure), ticket, now)
            self._judge(ticket, failure, now)
        self._tell()

    def abandon(self, ticket: Ticket) -> None:
        """Hand back a ticket of a call that was cancelled; what it used up is unknown and stays charged."""
        with self._lock:
            self._in_flight -= 1
            self._output.land(ticket.amounts[2], ticket.amounts[2], ticket.sent_at, ticket.sent_at)
            self._circuit.dropped(ticket.number, ticket.sent_at)
        self._tell()

    @property
    def is_new(self) -> bool:
        """True until the first call has gone."""
        return not self._sent

    def recall(self, remembered: Remembered) -> None:
        """Begin with what an earlier run has learnt, once an answer has checked it; not where calls went already."""
        with self._lock:
            if self.is_new:
                self._recalled = remembered

    def remember(self) -> Remembered | None:
        """Return what a later run may begin with; None where nothing was learnt."""
        with self._lock:
            return learnt(self._buckets[:3]) if self._has_answer else None

    def is_outage(self, since: float) -> bool:
        """Say whether a call that failed and was sent at `since` fell into an outage: that is not its row's fault."""
        with self._lock:
            return self._circuit.covers(since)

    # -- admitting -------------------------------------------------------------------------------------------------

    def _known(self) -> list[Bucket]:
        return [bucket for bucket in self._buckets[:3] if bucket.limit != math.inf]

    def _allowed(self) -> int:
        """Return how many calls may be in flight: what the limits and the latency need, or what a search found."""
        allowed = math.inf
        for bucket in self._buckets[:3]:
            if bucket.limit != math.inf and bucket.call:
                lent = bucket.burst.allowed * bucket.rate / bucket.call
                allowed = min(allowed, lent + self._window.allowed(bucket.rate / bucket.call, self._latency))
        return int(self._window.size if allowed == math.inf else min(allowed, CEILING))

    def _wait(self, amounts: Amounts, now: float, is_searching: bool) -> Wait | None:
        seconds = self._pause.seconds(now)
        if seconds:
            return Wait(seconds, self._pause.reason)
        seconds = self._circuit.hold(self._in_flight, now)
        if seconds:
            return Wait(seconds, self._circuit.reason)
        if not self._blind.is_over:
            seconds = settled(self._blind.wait(self._in_flight, now))
            if seconds:
                return Wait(seconds, WaitReason.FIRST_ANSWERS)
        elif is_searching and self._in_flight >= self._most:
            self._window.refuse()
            return Wait(math.inf, WaitReason.ANSWERS)
        longest, reason = settled(self._ramp.wait(now)), WaitReason.GROWTH
        idle = self._outputs.idle(now)
        for bucket, amount in zip(self._buckets, amounts, strict=True):
            if bucket is not idle:
                seconds = bucket.wait(amount, now)
                if seconds > longest:
                    longest, reason = seconds, LIMITS[bucket.dimension]
        return Wait(longest, reason) if longest else None

    def _take(self, amounts: Amounts, now: float) -> Ticket:
        if not self._blind.is_over:
            self._blind.sent(self._in_flight, now)
        self._in_flight += 1
        self._sent += 1
        self._circuit.sent(self._sent, now)
        self._ramp.sent(now)
        requests, tokens_in, tokens_out, reserved = amounts
        owed = (
            self._requests.take(requests, now),
            self._input.take(tokens_in, now),
            self._output.take(tokens_out, now),
            self._reserved.take(reserved, now),
        )
        return Ticket(self._sent, now, amounts, owed)

    # -- learning --------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        if self._listeners:
            for listener in tuple(self._listeners):
                listener()

    def _note_latency(self, seconds: float) -> None:
        if not self._has_answer:
            self._has_answer = self._blind.is_over = True
            self._latency = seconds
            self._window.size = max(self._window.size, float(self._in_flight))
        self._latency += LATENCY_WEIGHT * (seconds - self._latency)
        self._output.latency = max(self._latency, 1e-3)

    def _learn(self, rate_limits: RateLimitStatuses, ticket: Ticket, now: float) -> None:
        self._learnt_at = now
        for bucket, owed in zip(self._buckets, ticket.owed, strict=True):
            status = rate_limits.get(bucket.dimension)
            if status is not None:
                bucket.learn(status, owed, ticket.sent_at, now)
        self._outputs.look()

    def _judge(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Let the part that a failure is about learn from it."""
        if failure.kind == "rate_limit":
            self._circuit.dropped(ticket.number, now)
            self._refusals.learn(ticket, failure, now)
        elif failure.kind in OUTAGES and not failure.is_broken_answer:  # that one came through
            self._circuit.failed(ticket, failure, now, in_flight=self._in_flight + 1)
            if not self._circuit.is_open:
                self._window.bad(ticket.sent_at, now, self._in_flight)
        elif failure.status is not None:
            self._circuit.succeeded(ticket.number, now)
        else:
            self._circuit.dropped(ticket.number, now)
