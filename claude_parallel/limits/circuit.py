"""The circuit breaker: when everything fails, nobody sends but one probe now and then.

It knows tickets by their number, failures and successes; whose failure counts for what is decided in ``gate``. After
M. Nygard, Release It!, "Circuit Breaker".
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field

from ..progress.waits import OUTAGES, WaitReason
from ..records import Failure
from .tickets import Ticket

FAILURES_TO_OPEN = 5
"""Fewer happen by chance: with 12 % random faults, five in a row come once in 40,000 calls."""

FAILED_FRACTION = 0.5
"""And so many of the calls from the first to the last of them: faults that come back sooner than good answers are no
outage. Younger calls are no witnesses: where failing takes as long as an answer, all that are in flight may be doomed
(benchmark ``outages``: resets)."""

LEAST_PROBE_SECONDS, MOST_PROBE_SECONDS, PROBE_GROWTH = 1.0, 30.0, 0.15
"""The wait between two probes: a fraction of the time that the outage has lasted, so that it is at most so much longer
than it had to be, within these seconds."""

JITTER = 0.1
"""Of that wait, so that many clients do not come back at the same moment: a tenth spreads them over three seconds of
thirty (no case: it is owed to the server)."""

OUTLIVES = 3.0
"""A probe that lives so many times longer than failures did has got through; long answers need not end first."""

RESUME_SECONDS, RESUME_FRACTION = 2.0, 0.5
"""Once closed, sending resumes at this fraction of the old level, and is back at it so many seconds later."""

RESUME_STEP_SECONDS = 0.05
"""How soon to ask again meanwhile: forty steps, so that the level rises evenly and costs no wakeups to speak of (case:
``outages``, back at speed within 5 s)."""

LEAST_LEVEL = 4.0
"""In flight, when sending resumes: as few as the window ever has (``window.FLOOR``), so that a run of single calls is
not held back after an outage."""

REMEMBERED_OUTAGES = 8
"""Whose beginnings and ends are kept: rows that fell into an older one have long been asked again."""


@dataclass(slots=True)
class Circuit:
    """Closed while calls come through, open in an outage.

    Attributes
    ----------
    rng : random.Random
        Source of jitter.
    opened_at : float or None
        Since when it is open.
    reason : WaitReason
        What the outage is called.
    probe : int or None
        The number of the call that finds out, while it is under way.
    probe_at, probe_sent_at : float
        When the next one may go; when the last one went.
    failures, first_failed, last_failed, first_sent_at : int, int, int, float
        Failures since the last success, the numbers of the first and the last call among them, and when the first was
        sent.
    failed_after : float
        How long the last failure took.
    closed_at, level : float
        When it was closed last, and how many calls had been in flight before.
    outages : deque of pairs of float
        When the first call of an outage was sent, and when the outage was over.
    """

    rng: random.Random = field(default_factory=random.Random)
    opened_at: float | None = None
    reason: WaitReason = WaitReason.SERVER_ERRORS
    probe: int | None = None
    probe_at: float = math.inf
    probe_sent_at: float = math.inf
    failures: int = 0
    first_failed: int = -1
    last_failed: int = -1
    first_sent_at: float = math.inf
    failed_after: float = 0.0
    closed_at: float = -math.inf
    level: float = math.inf
    outages: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_OUTAGES))

    @property
    def is_open(self) -> bool:
        """True in an outage."""
        return self.opened_at is not None

    def hold(self, in_flight: int, now: float) -> float:
        """Return the seconds until one more call may go beside those `in_flight`; 0 when it may."""
        seconds = self.wait(now)
        if not seconds and in_flight >= self.most_in_flight(now):
            return RESUME_STEP_SECONDS
        return seconds

    def wait(self, now: float) -> float:
        """Return the seconds until the next probe may go; 0 where the circuit is closed or the probe is due."""
        if self.opened_at is None:
            return 0.0
        if self.probe is not None:
            patience = max(LEAST_PROBE_SECONDS, OUTLIVES * self.failed_after)
            if now - self.probe_sent_at < patience:
                return self.probe_sent_at + patience - now
            self._close(now)
            return 0.0
        return max(0.0, self.probe_at - now)

    def seconds_to_probe(self, now: float) -> float:
        """Return the seconds until the next probe, for those who look on; 0 where there is no outage."""
        if self.opened_at is None:
            return 0.0
        return max(0.0, self.probe_at - now) if self.probe is None else 0.0

    def most_in_flight(self, now: float) -> float:
        """Return how many calls may be in flight while sending resumes: a half at once, all of them 2 seconds later."""
        if self.level == math.inf or self.opened_at is not None:
            return math.inf
        passed = (now - self.closed_at) / RESUME_SECONDS
        if passed >= 1.0:
            self.level = math.inf
            return math.inf
        return max(LEAST_LEVEL, self.level * (RESUME_FRACTION + (1.0 - RESUME_FRACTION) * passed))

    def sent(self, number: int, now: float) -> None:
        """Take note of a call; while the circuit is open, it is the probe."""
        if self.opened_at is not None:
            self.probe, self.probe_sent_at = number, now

    def succeeded(self, number: int, now: float) -> None:
        """Take note of a success; one that was sent before the failures began says nothing."""
        if number <= self.first_failed:
            return
        if self.opened_at is not None:
            self._close(now)
        self._forget_failures()

    def failed(self, ticket: Ticket, failure: Failure, now: float, *, in_flight: int) -> None:
        """Take note of a failure of the server or of the way to it.

        Parameters
        ----------
        ticket, failure : Ticket, Failure
            The call, and what came of it.
        now : float
            The present.
        in_flight : int
            How many calls had been under way until now.
        """
        if self.first_failed < 0 or ticket.number < self.first_failed:
            self.first_failed, self.first_sent_at = ticket.number, ticket.sent_at
        self.last_failed = max(self.last_failed, ticket.number)
        self.failures += 1
        if self.opened_at is None:
            sent = self.last_failed - self.first_failed + 1
            if self.failures < FAILURES_TO_OPEN or self.failures < FAILED_FRACTION * sent:
                return
            self.opened_at, self.level = now, max(LEAST_LEVEL, float(in_flight))
        elif ticket.number != self.probe:
            return
        self.probe, self.reason, self.failed_after = None, OUTAGES[failure.kind], now - ticket.sent_at
        seconds = max(LEAST_PROBE_SECONDS, min(PROBE_GROWTH * (now - self.opened_at), MOST_PROBE_SECONDS))
        seconds *= self.rng.uniform(1.0 - JITTER, 1.0 + JITTER)
        self.probe_at = now + max(seconds, failure.retry_after or 0.0)

    def dropped(self, number: int, now: float) -> None:
        """Take note that a call ended without saying anything about the server."""
        if number == self.probe:
            self.probe, self.probe_at = None, now

    def covers(self, sent_at: float) -> bool:
        """Say whether a call that was sent at `sent_at`, and failed, fell into an outage."""
        if self.opened_at is not None and sent_at >= self.first_sent_at:
            return True
        return any(begin <= sent_at <= end for begin, end in self.outages)

    def _close(self, now: float) -> None:
        self.outages.append((self.first_sent_at, now))
        self.opened_at, self.probe, self.probe_at = None, None, math.inf
        self._forget_failures()
        self.closed_at = now

    def _forget_failures(self) -> None:
        self.failures, self.first_failed, self.last_failed, self.first_sent_at = 0, -1, -1, math.inf
