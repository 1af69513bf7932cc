"""How evenly calls are sent, and when nobody may send: the pace and the pause of one gate.

Neither knows the limits: those are in ``buckets``. What a 429 says is read in ``limits``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..progress.waits import WaitReason
from .bucket import UNPACED, Bucket, settled

_FASTER, _FASTER_EVERY_SECONDS = 1.3, 0.25
"""While nobody objects the pace grows by a third every quarter of a second: from even to a whole minute's burst in four
seconds, and a refusal on the way comes when little too much was sent."""

_CALM_SECONDS = 5.0
"""After an episode of refusals the pace stays even for so long; their Retry-After is over by then."""

_RAMP_SPEED = 2.5
"""The most that the pace may be after ``ramp_limit_exceeded``: the account's growth is what was refused."""

_UNNAMED_SECONDS, _LONGEST_UNNAMED_SECONDS = 0.5, 32.0
"""A pause for which the server names no time; doubles from episode to episode, as the SDK's own backoff does."""


@dataclass(slots=True)
class Pace:
    """Spreads the sends; while nobody objects, less and less, until whole bursts go through.

    Attributes
    ----------
    speed : float
        How many times the refill rate may be sent.
    top_speed : float
        The most that `speed` may become: low once the account's growth was limited.
    faster_at : float
        When it last became faster.
    refused_at : float
        When the last episode of refusals began to be known; calls sent before that teach nothing new.
    """

    speed: float = 1.0
    top_speed: float = UNPACED
    faster_at: float = 0.0
    refused_at: float = -math.inf

    def wait(self, buckets: Iterable[Bucket], now: float, latency_seconds: float) -> float:
        """Return the seconds until the pace of every bucket lets the next request go."""
        longest, slowest = 0.0, None
        for bucket in buckets:
            seconds = bucket.pace_wait(now)
            if seconds > longest:
                longest, slowest = seconds, bucket
        if slowest is not None:
            # Objections to output come only once it is written: wait for those before the next step.
            patience = 2 * latency_seconds if slowest.counts_at_end else _FASTER_EVERY_SECONDS
            if now >= self.faster_at + patience and now - self.refused_at > _CALM_SECONDS:
                self._go_faster(buckets, now)
        return longest

    def _go_faster(self, buckets: Iterable[Bucket], now: float) -> None:
        if self.speed * _FASTER > self.top_speed or any(bucket.is_policed for bucket in buckets):
            return
        self.speed *= _FASTER
        self.faster_at = now
        for bucket in buckets:
            bucket.pace_at = min(bucket.pace_at, now + (bucket.pace_at - now) / _FASTER)

    def refused(self, now: float, *, is_ramp: bool) -> None:
        """Begin anew at the even pace, after the first refusal of an episode."""
        self.speed = 1.0
        self.refused_at = now
        if is_ramp:
            self.top_speed = _RAMP_SPEED


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
    unnamed_seconds: float = _UNNAMED_SECONDS

    def seconds(self, now: float) -> float:
        """Return the seconds until it ends; 0 without one."""
        return settled(max(0.0, self.until - now))

    def begin(self, now: float, retry_after: float | None, reason: WaitReason, *, is_new_episode: bool) -> float:
        """Pause for as long as the server says, and return these seconds; never shortens a pause."""
        seconds = self.unnamed_seconds if retry_after is None else retry_after
        if retry_after is None and is_new_episode:
            self.unnamed_seconds = min(2 * self.unnamed_seconds, _LONGEST_UNNAMED_SECONDS)
        if now + seconds > self.until:
            self.until, self.reason = now + seconds, reason
        return seconds

    def answered(self) -> None:
        """Take note that calls get through again."""
        self.unnamed_seconds = _UNNAMED_SECONDS
