"""How much may be owed to a bucket at once: a belief that grows while nobody objects, and shrinks to what was refused.

Everything is measured in seconds of refill. A hint from the server's ``remaining`` bounds it from above, and lifts it
where ``remaining`` is known to speak of the bucket itself. What we owe is counted in ``bucket``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUTE = 60.0
"""Seconds of refill that a bucket holds at most: the limits are per minute."""

FIRST_SECONDS = 0.1
"""Where the belief begins: below the smallest bucket of the sweep (0.2 s), above the jitter of timers."""

GROWTH_SECONDS = 0.7
"""Time constant of the growth before the first refusal: from 0.1 s to a minute within 15 s, so that a run of half a
minute still spends a full bucket (sweep: capacity 60 s); faster would meet a small bucket with a storm."""

CHECKED_GROWTH_SECONDS = 1_000.0
"""The same after a refusal: 0.85 of the capacity takes minutes to meet it again (sweep: 50 requests a minute, where
0.5 % of the calls are two)."""

GROWTH_PATIENCE = 4.0
"""Each further refusal makes the growth so many times slower: what was refused twice is probably a fact."""

MOST_EXCESS_CALLS = 60.0
"""Calls a second above the refill that growth may always cost: a refusal takes some 50 ms to be known, so three of them
are under way by then."""

MOST_EXCESS = 1.0
"""The same as a multiple of the rate, for large accounts (sweep: 12,000 a minute, 0.5 % of 4,000 rows are 20)."""

LIKELY_SECONDS = 3.0
"""Above so many seconds the slope may grow with the belief: who lends 20 s at once most likely lends the minute."""

OVERDRAWN = 1.3
"""From so many times the belief on, it is not the belief that is being tried (sweep: the blind first second)."""

MOST_CAUTION_SECONDS = 1.0
"""How far below a capacity to stay at most, in seconds: what overtakes is a few calls, however large the bucket."""

CAUTION = 0.85
"""The share of what was refused, or hinted at, that is believed: requests overtake each other on their way."""

HINT_MARGIN, LEAST_MARGIN_SECONDS, MOST_MARGIN_SECONDS = 0.1, 0.05, 0.5
"""How far to stay below the hint: a tenth, within these seconds (sweep: neighbours, seen a little late)."""

HINT_LEAK = 2.0
"""Seconds per second by which an old hint sinks to a lower new one: neighbours take less than that, and a single stale
reading throttles nobody for longer than a moment."""

WINDOW_SECONDS = 1.0
"""A lower bound from ``remaining`` has to hold for so long before it lifts the belief: one reading may have overtaken
others (sweep: reordering)."""

WHOLE_MINUTE_SHARE = 0.9
"""A hint below this share of a minute cannot speak of a whole minute, so it speaks of the bucket."""


def cautious(seconds: float) -> float:
    """Return how much to owe to a bucket that holds so many seconds."""
    return max(CAUTION * seconds, seconds - MOST_CAUTION_SECONDS)


@dataclass(slots=True)
class Burst:
    """How much may be owed at once, in seconds of refill.

    Attributes
    ----------
    seconds : float
        The belief.
    growth_seconds : float
        Time constant of its growth.
    held_at, held_seconds : float
        When it last held a call back, and for how long.
    ceiling, ceiling_at : float
        The hint from ``remaining``, and when it was heard.
    lowest, lowest_since : float
        The least lower bound that ``remaining`` gave since a moment.
    least_offset, most_offset : float
        Bounds of what ``remaining`` counts and the bucket does not hold.
    is_plain : bool
        True once `least_offset` and `most_offset` are known, by a refusal.
    """

    seconds: float = FIRST_SECONDS
    growth_seconds: float = GROWTH_SECONDS
    held_at: float = -math.inf
    held_seconds: float = 0.0
    ceiling: float = math.inf
    ceiling_at: float = -math.inf
    lowest: float = math.inf
    lowest_since: float = -math.inf
    least_offset: float = 0.0
    most_offset: float = 0.0
    is_plain: bool = False

    @property
    def allowed(self) -> float:
        """How much may be owed, in seconds; never below 0."""
        margin = min(MOST_MARGIN_SECONDS, max(LEAST_MARGIN_SECONDS, HINT_MARGIN * self.ceiling))
        return max(0.0, min(self.seconds, self.ceiling - margin))

    @property
    def is_checked(self) -> bool:
        """True once a refusal has shown where it ends."""
        return self.growth_seconds > GROWTH_SECONDS

    def recall(self, seconds: float) -> None:
        """Take over what an earlier run had found out."""
        self.seconds = max(self.seconds, min(MINUTE, seconds))

    def hold(self, seconds: float, owed: float, calls_per_second: float, latency: float, now: float) -> None:
        """Take note that a call has to wait, and grow by the time that calls have been held back.

        Parameters
        ----------
        seconds : float
            How long it has to wait.
        owed : float
            What is owed, with the call; where that is far above the belief, waiting proves nothing.
        calls_per_second : float
            What the refill allows.
        latency : float
            Seconds after which an objection would be heard; 0 where refusals come at once.
        now : float
            The present.
        """
        passed = min(now - self.held_at, 2.0 * self.held_seconds + 0.05)
        self.held_at, self.held_seconds = now, seconds
        if passed <= 0.0 or self.seconds > self.allowed or owed > OVERDRAWN * self.seconds + 2.0 / calls_per_second:
            return
        steepest = max(MOST_EXCESS, MOST_EXCESS_CALLS / calls_per_second, self.seconds / LIKELY_SECONDS)
        slope = min(self.seconds / max(self.growth_seconds, latency), steepest)
        self.seconds = max(self.seconds, min(cautious(MINUTE), self.seconds + slope * passed))

    def hint(self, least: float, most: float, now: float, *, is_idle: bool) -> None:
        """Take note of what ``remaining`` says of the capacity.

        Parameters
        ----------
        least, most : float
            What we owe, and what remains, in seconds; the capacity lies between, offset included.
        now : float
            The present.
        is_idle : bool
            Whether next to nothing was owed, so that nothing can have been overtaken.
        """
        most -= self.least_offset
        leaked = self.ceiling - HINT_LEAK * (now - self.ceiling_at)
        self.ceiling = most if self.ceiling == math.inf else max(most, leaked)
        self.ceiling_at = now
        if not self.is_plain and self.ceiling > WHOLE_MINUTE_SHARE * MINUTE:
            return
        self.lowest = min(self.lowest, least - self.most_offset)
        if is_idle or now - self.lowest_since >= WINDOW_SECONDS:
            if is_idle or self.lowest_since != -math.inf:
                self.seconds = max(self.seconds, cautious(self.lowest))
            self.lowest, self.lowest_since = math.inf, now

    def learn_offset(self, least: float, most: float) -> None:
        """Take note of what ``remaining`` counted at a refusal: so much is always too much."""
        if least > 0.0 and not self.is_plain:
            self.least_offset, self.most_offset = least, most
            self.ceiling = math.inf
        self.is_plain = True

    def refused(self, owed: float, *, is_new_episode: bool) -> None:
        """Take note that `owed` seconds were too much."""
        if is_new_episode:
            self.growth_seconds *= GROWTH_PATIENCE
            self.growth_seconds = max(CHECKED_GROWTH_SECONDS, self.growth_seconds)
        self.seconds = max(0.0, min(self.seconds, cautious(owed)))

    def forget_hint(self) -> None:
        """Forget what ``remaining`` said, and let it speak anew before growing on: the limit has changed."""
        self.growth_seconds = max(self.growth_seconds, CHECKED_GROWTH_SECONDS)
        self.ceiling, self.lowest, self.lowest_since = math.inf, math.inf, -math.inf
