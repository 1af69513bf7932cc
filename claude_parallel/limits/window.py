"""How many calls may be in flight at once when nobody says so: what the rate needs, and no more.

Where limits are known, Little's law says it: calls a second times seconds of an answer. Where none are, the window is
searched as BBR does at its start: it opens while that brings more answers a second, and ends at what they needed. As in
Vegas, it stays as it is while answers take much longer than they did at first: what is more only waits in a queue, the
server's or that of our own event loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

START = 20
"""Calls in flight to begin with, and beside what the rate needs: a storm of refusals costs no more than these, and an
account of 50 a minute needs no more (sweep: no headers)."""

CEILING = 10_000
"""The most that a search ends at; the open files of the system allow less nearly everywhere (see ``environment``)."""

FLOOR = 4
"""The window never closes further: fewer calls would take minutes to show that all is well again (case: 12 % random
faults)."""

SLOW_START = 2.0
"""What a good answer opens the window by while it is searched: it triples per round trip."""

REOPENING = 0.5
"""The same after a cut: half as much again per round trip, until it is as wide as it was."""

CUT = 0.7
"""What a bad episode leaves of the window (CUBIC's factor, RFC 9438)."""

BAD_FRACTION = 0.25
"""Of the latest answers, before the window closes: with 12 % random faults it stays open."""

MARGIN = 2.0
"""In flight beyond what the mean needs: latencies vary, and the window must never be what holds the rate back."""

SEARCHED_MARGIN = 1.25
"""The same where the rate was found by a search: what is more only waits in a queue of the server's or of ours, and is
paid twice where the process is killed (loopback: answers of 0.2 s without limits)."""

PROBE = 0.25
"""What a good answer opens the window by in a later search, as BBR probes for bandwidth, since it has been searched
before; unless answers take ``LONGER``, and the same rate needs more of them in flight."""

LONGER = 2.0
"""An answer that takes so many times as long as the mean while nothing queued has spent half of it in a queue, or is
one of the long ones; the mean itself, so many times as long, belongs to other answers."""

QUEUEING, QUEUED_WEIGHT = 0.5, 0.05
"""Of the latest twenty answers or so, the share that takes ``LONGER`` where a queue has built up. The median tells it,
since long answers are some ten in a hundred where sizes vary tenfold, and more than half of all only in a queue
(loopback: answers at once, 540 in flight for the rows per second of 50)."""

QUICK_SECONDS = 1.0
"""Only where the mean is below does a queue tell so much. Where sizes vary, the first to come back are the short
answers: a mean of seconds then doubles by itself (sweep: sigma 1.2)."""

QUICK_LEAST = 50
"""What a search ends at least at where a queue has ended it: with 20 in flight the transactions of the journal become
so small that a row costs a tenth more CPU, and with 100 nothing is won (loopback: answers at once)."""

PAYS = 1.25
"""A round, up to three times as wide as the one before, has to bring so many times the answers of the best one: less is
bought with a queue, and wider is only more risk (loopback: answers of 0.2 s without limits)."""

ROUNDS_WITHOUT = 2
"""Rounds in a row that did not pay before the search ends: one may be chance, unless a queue tells the same."""

LEAST_ROUND_SECONDS = 0.3
"""It triples no sooner than that: a refusal has to be heard first (sweep: no headers, answers of 0.1 s)."""

ROUND_LATENCIES = 2.0
"""A round ends with a window full of answers, or after so many latencies: in a queue the former takes ever longer."""

AGAIN_SECONDS = 15.0
"""When to search again: the server may have become quicker, or the answers shorter."""


@dataclass(slots=True)
class Window:
    """Calls that may be in flight.

    Attributes
    ----------
    size : float
        How many, as far as is found out.
    is_searching, growth : bool, float
        True while good answers open it; by how much each of them.
    is_cut, before_cut : bool, float
        True after a bad episode, until it is as wide as it was, or as needed.
    wanted : float
        Answers that may still open it because a call had to wait for it; answers that come back all at once leave
        nothing in flight, and still tell that the window was full.
    best : float
        The most answers a second that any round brought.
    best_size : float
        How wide the window was when that round began.
    latency : float
        Mean seconds of an answer in that round: little of it was spent in a queue, since wider brought more.
    saturated : float
        The most answers a second of the rounds after it, which were wider and did not bring more.
    fruitless : int
        Rounds in a row that did not bring more.
    quickest : float
        The least mean latency of a round: what answers take while nothing queues. Not known in the first round.
    queued : float
        Moving average of the share of answers that take much longer.
    round_at, round_size, answers, seconds : float
        When the round began, and how wide the window was then; its answers, and the sum of their latencies.
    bad_fraction : float
        Moving average of the fraction of bad answers; a few stray errors teach nothing, a bad episode does.
    changed_at : float
        When it was last cut, or its search ended; answers to calls sent before a cut belong to the old episode.
    """

    size: float = START
    is_searching: bool = True
    growth: float = SLOW_START
    is_cut: bool = False
    before_cut: float = 0.0
    wanted: float = 0.0
    best: float = 0.0
    best_size: float = START
    latency: float = 0.0
    saturated: float = 0.0
    fruitless: int = 0
    quickest: float = math.inf
    queued: float = 0.0
    round_at: float = -math.inf
    round_size: float = START
    answers: int = 0
    seconds: float = 0.0
    bad_fraction: float = 0.0
    changed_at: float = -math.inf

    def allowed(self, calls_per_second: float, latency: float) -> float:
        """Return how many calls may be in flight."""
        needed = START + MARGIN * calls_per_second * latency
        if self.is_cut and self.size < needed:
            return self.size
        self.is_cut = False
        return min(CEILING, needed)

    @property
    def is_queueing(self) -> bool:
        """Say whether most answers take much longer than they did while nothing queued."""
        return self.queued >= QUEUEING and self.quickest < QUICK_SECONDS

    def refuse(self) -> None:
        """Take note that a call had to wait for the window: as many answers as it is wide may open it."""
        self.wanted = self.size

    def good(self, latency: float, now: float) -> None:
        """Take note of a good answer after `latency` seconds."""
        if self.bad_fraction:
            self._note(0.0)
        if self.round_at == -math.inf:
            self.round_at, self.round_size = now, self.size
        self.answers += 1
        self.seconds += latency
        self.queued += QUEUED_WEIGHT * ((latency > LONGER * self.quickest) - self.queued)
        if self.wanted >= 1.0:
            self.wanted -= 1.0
            if self.is_cut:
                self.size = min(CEILING, self.size + REOPENING)
                self.is_cut = self.size < self.before_cut
            elif self.is_searching and self._may_open(latency):
                self.size = min(CEILING, self.round_size * (1.0 + self.growth), self.size + self.growth)
        if self._is_round_over(now):
            self._end_round(now)

    def _may_open(self, latency: float) -> bool:
        """Say whether wider may bring more; in the first round only what is answered after it, and disturbs no mean."""
        is_first = self.quickest == math.inf
        return latency >= LEAST_ROUND_SECONDS if is_first else not (self.fruitless or self.is_queueing)

    def _is_round_over(self, now: float) -> bool:
        seconds = now - self.round_at
        if seconds < LEAST_ROUND_SECONDS or self.answers < min(START, self.round_size):
            return False
        is_first = self.quickest == math.inf
        return is_first or self.answers >= self.round_size or seconds >= ROUND_LATENCIES * self.quickest

    def _end_round(self, now: float) -> None:
        """Compare what a window full of answers brought with the best before."""
        # Never more than a window full per latency: the first answers of a run come in a bunch.
        if self.is_cut:
            self.round_at, self.answers, self.seconds, self.round_size = now, 0, 0.0, self.size
            return
        latency = self.seconds / self.answers
        rate = self.answers / max(now - self.round_at, latency, 1e-3)
        self.quickest = min(self.quickest, latency)
        if rate > PAYS * self.best:
            self.best, self.best_size, self.latency = rate, self.round_size, latency
            self.fruitless, self.saturated = 0, 0.0
        elif self.is_searching and self.wanted > 0.0 and (self.round_size > self.best_size or self.is_queueing):
            self.fruitless, self.saturated = self.fruitless + 1, max(self.saturated, rate)
            if self.fruitless >= ROUNDS_WITHOUT or self.is_queueing:
                least = QUICK_LEAST if self.is_queueing else START
                self.is_searching, self.changed_at = False, now
                self.size = max(least, SEARCHED_MARGIN * self.saturated * self.latency)
        elif not self.is_searching and now - self.changed_at > AGAIN_SECONDS:
            self._search_again(rate, latency)
        self.round_at, self.answers, self.seconds, self.round_size = now, 0, 0.0, self.size

    def _search_again(self, rate: float, latency: float) -> None:
        self.is_searching, self.fruitless, self.saturated, self.growth = True, 0, 0.0, PROBE
        self.best, self.best_size, self.quickest = rate, self.round_size, latency
        if latency > LONGER * self.latency:
            self.latency, self.growth = latency, SLOW_START

    def bad(self, sent_at: float, now: float, in_flight: int = 0) -> None:
        """Take note of an overload, a server error, a timeout or a lost connection; failures come back sooner."""
        if sent_at <= self.changed_at:
            return
        self._note(1.0, in_flight)
        if self.bad_fraction > BAD_FRACTION:
            self.cut(sent_at, now)

    def cut(self, sent_at: float, now: float) -> None:
        """Close the window by a step, once per episode, and open it slowly from then on."""
        if sent_at <= self.changed_at:
            return
        self.before_cut, self.size = self.size, max(FLOOR, self.size * CUT)
        self.bad_fraction, self.changed_at, self.is_searching, self.is_cut = 0.0, now, False, True

    def _note(self, bad: float, in_flight: int = 0) -> None:
        weight = 1.0 / max(10.0, self.size / 2, in_flight / 2)
        self.bad_fraction += weight * (bad - self.bad_fraction)
