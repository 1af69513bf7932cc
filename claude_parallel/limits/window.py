"""How many calls may be in flight at once when nobody says so: the self-adjusting window.

It opens while it is what holds the run back, and closes once per bad episode (overload, server errors, timeouts).
Limits per minute are the business of ``limits``; this is only about how wide the road is.
"""

from __future__ import annotations

from dataclasses import dataclass

START = 20
"""Calls in flight to begin with."""

CEILING = 1_000
"""The most that one process keeps in flight; more sockets than this bring nothing but trouble."""

_FLOOR = 4
"""The window never closes further: fewer calls would take minutes to show that all is well again."""

_SLOW_START = 2.0
"""Every good answer opens the window by so much before the first cut, which triples it per round trip."""

_CUT = 0.7
"""What a bad episode leaves of the window, between TCP's half and CUBIC's 0.7."""

_BAD_SHARE = 0.25
"""Of the latest answers, before the window closes: with 12 % random faults it stays open."""

_SATURATED = 0.8
"""Of the window must have been in use for a good answer to open it: a narrow run teaches nothing about a wide road."""


@dataclass(slots=True)
class Window:
    """Additive increase, multiplicative decrease, with a slow start.

    Attributes
    ----------
    size : float
        Calls that may be in flight.
    bad_share : float
        Moving average of the share of bad answers; a few stray errors teach nothing, a bad episode does.
    last_cut : float
        When the window was last cut; answers to calls sent before that belong to the old episode.
    is_slow_start : bool
        True until the first cut: every good answer opens the window by two, which triples it per round trip.
    wanted : float
        Answers that may still open the window because a call had to wait for it; answers that come back all at once
        leave nothing in flight, and still tell that the window was full.
    """

    size: float = START
    bad_share: float = 0.0
    last_cut: float = float("-inf")
    is_slow_start: bool = True
    wanted: float = 0.0

    def refuse(self) -> None:
        """Take note that a call had to wait for the window: as many answers as it is wide may open it."""
        self.wanted = self.size

    def good(self, in_flight: int) -> None:
        """Take note of a good answer; `in_flight` counts the calls that were under way until now."""
        self._note(0.0)
        if in_flight >= _SATURATED * self.size or self.wanted >= 1.0:
            self.wanted -= 1.0
            self.size = min(CEILING, self.size + (_SLOW_START if self.is_slow_start else 1.0 / self.size))

    def bad(self, sent_at: float, now: float) -> None:
        """Take note of an overload, a server error, a timeout or a lost connection."""
        if sent_at <= self.last_cut:
            return
        self._note(1.0)
        if self.bad_share > _BAD_SHARE:
            self.cut(sent_at, now)

    def cut(self, sent_at: float, now: float) -> None:
        """Close the window by a step, once per episode, and open it slowly from then on."""
        if sent_at <= self.last_cut:
            return
        self.size = max(_FLOOR, self.size * _CUT)
        self.bad_share = 0.0
        self.last_cut = now
        self.is_slow_start = False

    def _note(self, bad: float) -> None:
        weight = 1.0 / max(10.0, self.size / 2)
        self.bad_share += weight * (bad - self.bad_share)
