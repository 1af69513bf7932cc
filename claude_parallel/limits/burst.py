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

LEAST_SECONDS = 0.05
"""The belief never sinks below: less than the jitter of timers would cost a part of the rate."""

LEAST_SLOPE, CALLS_SLOPE, CALLS_POWER, MOST_SLOPE = 0.3, 22.0, 0.75, 10.0
"""How fast the belief grows before the first refusal, in seconds of refill a second: so much, and besides the less the
more calls a second the account allows. While a refusal is on its way back, some 50 ms, as much is refused by a bucket
that has just run dry: one call at 50 a minute, four at 3,000, seven at 12,000 (sweep: three refusals, and 0.5 % of the
calls)."""

SURE_SECONDS = 11.0
"""Beyond so many seconds growth speeds up with the fourth power: who lends 20 s at once most likely lends the whole
minute (case: 1,000 rows at 1,000 requests a minute, sent at once)."""

PATIENCE = 0.001
"""The growth after a refusal, as a fraction of the belief a second: from 0.85 of the capacity it takes minutes to meet
it again (sweep: 50 requests a minute, where 0.5 % of the calls are two)."""

MANY_CALLS = 10.0
"""Below so many calls a second it is slower in proportion: half a percent of them is next to nothing (sweep: 50
requests a minute, where each look at the end of the bucket costs one of three refusals)."""

OVERDRAWN = 1.3
"""From so many times the belief on, it is not the belief that is being tried (sweep: the blind first second)."""

MOST_CAUTION_SECONDS = 0.3
"""How far below a capacity to stay at most, in seconds, or a call: what overtakes is a few calls, however large the
bucket (sweep: 50 requests a minute, where a call is more than a second)."""

CAUTION = 0.85
"""The fraction of what was refused, or hinted at, that is believed: requests overtake each other on their way (sweep:
reordering, in buckets of 0.2 s; in larger ones the seconds above are the bound)."""

HINT_MARGIN, LEAST_MARGIN_SECONDS, MOST_MARGIN_SECONDS = 0.1, 0.05, 0.5
"""How far to stay below the hint: a tenth, within these seconds (sweep: neighbours, seen a little late)."""

HINT_LEAK = 2.0
"""Seconds per second by which an old hint sinks to a lower new one: neighbours take less than that, and a single stale
reading throttles nobody for longer than a moment."""

HINT_RISE = 0.3
"""How fast it may rise after a refusal: what a neighbour left for a moment is his again in the next one."""

WINDOW_SECONDS = 1.0
"""A lower bound from ``remaining`` has to hold for so long before it lifts the belief: one reading may have overtaken
others (sweep: reordering)."""

HEARD_SECONDS = 0.05
"""How long a refusal takes to be heard: by what goes meanwhile the belief is ahead of what is owed, at most. It is also
the time constant of the way to what an earlier run was lent, so that a bucket that lends no more refuses a part of the
calls, and not a bucketful (test: a policed burst after a memory)."""

RISE_SECONDS = 0.2
"""Time constant of the way to what ``remaining`` promises: a limit that no header tells (an acceleration limit) may
come sooner, and then refuses three to five calls (sweep: acceleration limits, 3,000 a minute, where seven may be)."""

WHOLE_MINUTE_FRACTION = 0.9
"""A hint below this fraction of a minute cannot speak of a whole minute, so it speaks of the bucket."""


def cautious(seconds: float, call: float) -> float:
    """Return how much to owe to a bucket that holds so many seconds: a call's worth less, where a call is large."""
    return max(CAUTION * seconds, seconds - max(MOST_CAUTION_SECONDS, call))


def calls_slope(calls_per_second: float) -> float:
    """Return how fast the belief in a bucket of so many calls a second may grow, in seconds a second."""
    return min(MOST_SLOPE, CALLS_SLOPE / math.pow(calls_per_second, CALLS_POWER))


@dataclass(slots=True)
class Burst:
    """How much may be owed at once, in seconds of refill.

    Attributes
    ----------
    seconds : float
        The belief.
    eagerness : float
        How fast it grows: 1 before the first refusal, far less afterwards.
    refused_seconds : float
        Somewhat less than what was refused last; no hint lifts the belief above it.
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
    expected : float
        Up to where the belief grows quickly: ``remaining`` says so, or an earlier run has been there.
    call : float
        What the last call that was held back takes, in seconds of refill.
    is_part : bool
        Whether other processes of ours have the rest of the account: then growth never speeds up, since what is lent to
        all is not for us alone to take (test: neighbours that join one after the other).
    rise_seconds : float
        Time constant of the way to what is expected.
    """

    seconds: float = FIRST_SECONDS
    eagerness: float = 1.0
    refused_seconds: float = math.inf
    held_at: float = -math.inf
    held_seconds: float = 0.0
    ceiling: float = math.inf
    ceiling_at: float = -math.inf
    lowest: float = math.inf
    lowest_since: float = -math.inf
    least_offset: float = 0.0
    most_offset: float = 0.0
    is_plain: bool = False
    expected: float = 0.0
    call: float = 0.0
    is_part: bool = False
    rise_seconds: float = RISE_SECONDS

    @property
    def allowed(self) -> float:
        """How much may be owed, in seconds; never below 0."""
        return max(0.0, min(self.seconds, self.left))

    @property
    def left(self) -> float:
        """What the hint leaves us, in seconds; below 0 where others have all."""
        margin = min(max(MOST_MARGIN_SECONDS, self.call), max(LEAST_MARGIN_SECONDS, HINT_MARGIN * self.ceiling))
        return max(self.call, self.ceiling - margin) if self.is_part else self.ceiling - margin

    @property
    def is_checked(self) -> bool:
        """True once a refusal has shown where it ends."""
        return self.eagerness < 1.0

    @property
    def is_refused(self) -> bool:
        """True once the bucket has refused more than is believed, in this run or in one that is remembered."""
        return self.refused_seconds != math.inf

    def recall(self, seconds: float, *, is_end: bool) -> None:
        """Grow quickly to what an earlier run found out, and hardly beyond where `is_end`: there it was refused."""
        if self.is_checked:
            return
        self.expected, self.rise_seconds = min(cautious(MINUTE, self.call), seconds), HEARD_SECONDS
        if is_end:
            self.eagerness, self.refused_seconds = PATIENCE, seconds
            self.seconds = max(LEAST_SECONDS, min(self.seconds, seconds))

    def hold(self, seconds: float, owed: float, call: float, now: float, *, on_its_way: float = 0.0) -> float:
        """Take note that a call has to wait, and grow by the time that calls have been held back.

        The belief is never further ahead of what is owed than this call, and what goes until a refusal is heard.

        Parameters
        ----------
        seconds : float
            How long it has to wait.
        owed : float
            What is owed without the call; where that is far above the belief, waiting proves nothing.
        call : float
            What the call takes, in seconds of refill.
        now : float
            The present.
        on_its_way : float
            What calls in flight will owe besides.

        Returns
        -------
        float
            Seconds of belief a second, 0 where that will not let the call go.
        """
        passed = min(now - self.held_at, 2.0 * self.held_seconds + 0.05)
        self.held_at, self.held_seconds, self.call = now, seconds, call
        if self.seconds > self.allowed or owed > OVERDRAWN * self.seconds + 2.0 * call:
            return 0.0
        slope, most = self._slope(1.0 / call), cautious(MINUTE, call)
        if self.seconds < self.expected:
            slope, most = self.seconds / self.rise_seconds, self.expected
        ahead = min(most, owed + on_its_way + call + slope * HEARD_SECONDS)
        self.seconds = max(self.seconds, min(ahead, self.seconds + slope * max(0.0, passed)))
        is_enough = call < self.allowed and owed + call < min(most, self.left)
        return slope if is_enough else 0.0  # a call that is larger than all waits for a full bucket

    def _slope(self, calls_per_second: float) -> float:
        if self.is_checked:
            return self.eagerness * self.seconds * min(1.0, calls_per_second / MANY_CALLS)
        # Who lends so much most likely lends the whole minute: to all who use it.
        haste = 0.0 if self.is_part else (self.seconds / SURE_SECONDS) ** 4
        return LEAST_SLOPE + calls_slope(calls_per_second) + haste

    @property
    def is_sure(self) -> bool:
        """True once a refusal, or ``remaining``, has told how much the bucket holds."""
        return self.is_refused or self.ceiling <= WHOLE_MINUTE_FRACTION * MINUTE

    def accepted(self, owed: float) -> None:
        """Take note that a call was accepted while `owed` seconds were owed: so much goes, until somebody objects."""
        if self.eagerness == 1.0:
            self.seconds = max(self.seconds, min(owed, cautious(MINUTE, self.call)))

    def note_remaining(self, least: float, most: float, now: float, *, is_idle: bool) -> None:
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
        if self.is_checked:
            most = min(most, self.ceiling + HINT_RISE * (now - self.ceiling_at))
        self.ceiling = most if self.ceiling == math.inf else max(most, leaked)
        self.ceiling_at = now
        if not self.is_plain and self.ceiling > WHOLE_MINUTE_FRACTION * MINUTE:
            return
        self.lowest = min(self.lowest, least - self.most_offset)
        if is_idle or now - self.lowest_since >= WINDOW_SECONDS:
            if is_idle or self.lowest_since != -math.inf:
                self.expected = max(self.expected, min(cautious(self.lowest, self.call), self.refused_seconds))
            self.lowest, self.lowest_since = math.inf, now

    def learn_offset(self, least: float, most: float) -> None:
        """Take note of what ``remaining`` counted at a refusal: so much is always too much."""
        if least > 0.0 and not self.is_plain:
            self.least_offset, self.most_offset = least, most
            self.ceiling = math.inf
        self.is_plain = True

    def refused(self, owed: float, *, is_new_episode: bool) -> None:
        """Take note that `owed` seconds were too much."""
        self.expected = 0.0
        if is_new_episode:
            self.eagerness = min(self.eagerness, PATIENCE)
        self.refused_seconds = cautious(owed, self.call)
        self.seconds = max(LEAST_SECONDS, min(self.seconds, self.refused_seconds))

    def forget_end(self) -> None:
        """Forget where it ended, and grow as before the first refusal."""
        self.eagerness, self.refused_seconds, self.ceiling = 1.0, math.inf, math.inf
        self.least_offset, self.most_offset, self.is_plain = 0.0, 0.0, False

    def forget_remaining(self) -> None:
        """Forget what ``remaining`` said, and let it speak anew before growing on: the limit has changed."""
        self.eagerness = min(self.eagerness, PATIENCE)
        self.ceiling, self.lowest, self.lowest_since, self.expected = math.inf, math.inf, -math.inf, 0.0
