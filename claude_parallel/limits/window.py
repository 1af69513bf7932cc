"""How many calls may be in flight at once when nobody says so: what the rate needs, and no more.

Where limits are known, Little's law says it: calls a second times seconds of an answer. Where none are, the window is
searched as BBR does at its start: it opens while that brings more answers a second, and ends at what they needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

START = 20
"""Calls in flight to begin with: no more is lost to a storm of refusals."""

CEILING = 10_000
"""The most that a search ends at; the open files of the system allow less nearly everywhere (see the environment)."""

FLOOR = 4
"""A window never closes entirely: somebody has to find out that things are better again."""

SLOW_START = 2.0
"""What a good answer opens the window by while it is searched: it triples per round trip."""

CUT = 0.7
"""What is left of it after a bad episode (CUBIC's factor, RFC 9438)."""

BAD_SHARE = 0.25
"""From this share of bad answers on, an episode is bad; isolated 529s teach nothing (case: 2 % of 529s)."""

MARGIN = 2.0
"""In flight beyond what the mean needs: latencies vary, and the window must never be what holds the rate back."""

SEARCHED_MARGIN = 1.3
"""The same where the rate was found by a search: more would only wait in a queue of the server's or of ours."""

SLOWER = 5.0
"""Answers that take so many times what they once took are queueing somewhere: to send more would not help them. The
first answers are the quickest of their round, so this is generous."""

QUEUEING = 1.5
"""A round whose answers take so many times the quickest one's is wide enough: what is more only queues."""

PAYS = 1.1
"""A round has to bring so many times the answers of the best before, or wider is only more risk."""

ROUNDS_WITHOUT = 2
"""Rounds in a row that did not pay before the search ends: one may be chance."""

AGAIN_SECONDS = 15.0
"""When to search again: the server may have become quicker, or the answers shorter."""

LEAST_ROUND_ANSWERS = 20
"""Fewer answers say little about a rate."""


@dataclass(slots=True)
class Window:
    """Calls that may be in flight.

    Attributes
    ----------
    size : float
        How many.
    is_searching : bool
        True while good answers open it.
    wanted : float
        Answers that may still open it because a call had to wait for it.
    best : float
        The most answers a second that any round brought.
    fruitless : int
        Rounds in a row that did not bring more.
    round_at, answers, seconds : float
        When the round began; its answers, and the sum of their latencies.
    quickest : float
        The least mean latency of a round: what answers take while nothing queues.
    bad_share : float
        Moving average of the share of bad answers.
    last_cut : float
        When the window was last cut; answers to calls sent before belong to the old episode.
    """

    size: float = START
    is_searching: bool = True
    wanted: float = 0.0
    best: float = 0.0
    fruitless: int = 0
    round_at: float = -math.inf
    answers: int = 0
    seconds: float = 0.0
    quickest: float = math.inf
    bad_share: float = 0.0
    last_cut: float = -math.inf

    def refuse(self) -> None:
        """Take note that a call had to wait for the window: as many answers as it is wide may open it."""
        self.wanted = self.size

    def good(self, latency: float, now: float) -> None:
        """Take note of a good answer after `latency` seconds."""
        self._note(0.0)
        self.answers += 1
        self.seconds += latency
        if self.wanted >= 1.0:
            self.wanted -= 1.0
            if self.is_searching and not self._is_queueing():
                self.size = min(CEILING, self.size + SLOW_START)
        if self.round_at == -math.inf:
            self.round_at = now
        elif self.answers >= LEAST_ROUND_ANSWERS and now - self.round_at >= 2.0 * self.seconds / self.answers:
            self._end_round(now)

    def _is_queueing(self) -> bool:
        return self.seconds > QUEUEING * self.quickest * self.answers

    def _end_round(self, now: float) -> None:
        """Compare what a round trip brought with the best before."""
        rate, latency = self.answers / max(now - self.round_at, 1e-3), self.seconds / self.answers
        self.quickest = min(self.quickest, latency)
        is_full = self.wanted > 0.0
        if rate > PAYS * self.best and not (self.is_searching and self._is_queueing()):
            self.best, self.fruitless = rate, 0
        elif is_full and self.is_searching:
            self.fruitless += ROUNDS_WITHOUT if self._is_queueing() else 1
            if self.fruitless >= ROUNDS_WITHOUT:
                self.is_searching = False
                self.size = max(START, SEARCHED_MARGIN * rate * self.quickest)
                self.last_cut = now
        elif not self.is_searching and now - self.last_cut > AGAIN_SECONDS:
            self.is_searching, self.fruitless, self.best, self.quickest = True, 0, rate, latency
        self.round_at, self.answers, self.seconds = now, 0, 0.0

    def needed(self, calls_per_second: float, latency: float) -> float:
        """Return what a known rate needs (Little's law), with a margin."""
        return START + MARGIN * calls_per_second * min(latency, SLOWER * self.quickest)

    def bad(self, sent_at: float, now: float) -> None:
        """Take note of an overload, a server error, a timeout or a lost connection."""
        if sent_at <= self.last_cut:
            return
        self._note(1.0)
        if self.bad_share > BAD_SHARE:
            self.size = max(FLOOR, self.size * CUT)
            self.bad_share, self.last_cut, self.is_searching = 0.0, now, False

    def _note(self, bad: float) -> None:
        weight = 1.0 / max(10.0, self.size / 2)
        self.bad_share += weight * (bad - self.bad_share)
