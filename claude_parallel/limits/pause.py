"""When nobody may send: the pause that a 429 asks for.

It knows no limits; what a 429 says of them is read in ``blame``, and what it comes to is decided in ``refusals``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..progress.waits import WaitReason
from .tickets import settled

UNNAMED_SECONDS, LONGEST_UNNAMED_SECONDS = 0.25, 8.0
"""The pause after a 429 that names none: doubles from episode to episode. A bucket of a fifth of a second is full again
by then, and none of the published ones needs more than eight (sweep: ``retry-after`` missing)."""


@dataclass(slots=True)
class Pause:
    """Nobody sends until it ends.

    Attributes
    ----------
    until : float
        Its end, in seconds of the gate's clock.
    reason : WaitReason
        What it is for.
    unnamed_seconds : float
        Length of the next pause for which the server names none; doubles from episode to episode.
    """

    until: float = -math.inf
    reason: WaitReason = WaitReason.RATE_LIMIT
    unnamed_seconds: float = UNNAMED_SECONDS

    def seconds(self, now: float) -> float:
        """Return the seconds until it ends; 0 without one."""
        return settled(max(0.0, self.until - now))

    def begin(self, now: float, retry_after: float | None, reason: WaitReason, *, is_new_episode: bool) -> float:
        """Pause for as long as the server says, and return these seconds; never shortens a pause."""
        seconds = self.unnamed_seconds if retry_after is None else retry_after
        if retry_after is None and is_new_episode:
            self.unnamed_seconds = min(2 * self.unnamed_seconds, LONGEST_UNNAMED_SECONDS)
        if now + seconds > self.until:
            self.until, self.reason = now + seconds, reason
        return seconds

    def answered(self) -> None:
        """Take note that calls get through again."""
        self.unnamed_seconds = UNNAMED_SECONDS
