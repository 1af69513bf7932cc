"""What a 429 comes to: a pause for everyone and a lesson for its bucket, or neither, where it came by chance.

It knows the parts of one gate that refusals are about; which of them come by chance is found out in ``chance``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..progress.waits import LIMITS, WaitReason
from ..records import DIMENSIONS, Dimension, Failure
from .blame import Refusal, blamed_limit, told_limits
from .bucket import Bucket
from .chance import SHORT_SECONDS, Chance, Verdict, contradicts
from .output import RESERVED, WRITTEN, OutputAccount
from .pause import Pause
from .ramp import UNNAMED_SECONDS, Ramp
from .tickets import Ticket

RAMP_CODE = "ramp_limit_exceeded"
"""The error code of the acceleration limit (source: Claude API, rate limits)."""


@dataclass(slots=True)
class Refusals:
    """Learns from the 429s of one gate.

    Attributes
    ----------
    buckets : sequence of Bucket
        In the order of a ticket's amounts.
    outputs, pause, ramp : OutputAccount, Pause, Ramp
        The other parts of the gate that learn from them.
    chance : Chance
        Whether they come by chance.
    known_at : float
        When the last episode of refusals began; calls that were sent before belong to it.
    """

    buckets: Sequence[Bucket]
    outputs: OutputAccount
    pause: Pause
    ramp: Ramp
    chance: Chance = field(default_factory=Chance)
    known_at: float = -math.inf

    def learn(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Pause everyone for as long as the server says, and learn why it refused."""
        self.ramp.take_back()
        dimension = blamed_limit(failure)
        verdict = self._judge(ticket, failure, dimension, now)
        if verdict is Verdict.CHANCE:
            return
        is_ramp = failure.error_code == RAMP_CODE
        reason = WaitReason.GROWTH if is_ramp else WaitReason.RATE_LIMIT
        if dimension is not None and not is_ramp:
            reason = LIMITS[dimension]
        is_new_episode = ticket.sent_at > self.known_at
        retry_after = UNNAMED_SECONDS if is_ramp and failure.retry_after is None else failure.retry_after
        seconds = self.pause.begin(now, retry_after, reason, is_new_episode=is_new_episode)
        if verdict is Verdict.WARNING:
            return
        if is_ramp:
            self.ramp.refused(now, self.pause.until)
        elif failure.error_code is None:
            place = 0 if dimension is None else DIMENSIONS.index(dimension)
            if place == WRITTEN:
                place = self.outputs.blamed(ticket, now)
            refusal = Refusal(
                (failure.rate_limits or {}).get(self.buckets[place].dimension),
                1.0 if place == WRITTEN else ticket.amounts[place],
                ticket.owed[place],
                failure.retry_after,
                seconds,
                ticket.sent_at,
            )
            self.buckets[place].refused(refusal, now, is_new_episode=is_new_episode)
        if is_new_episode:
            self.known_at = now

    def _judge(self, ticket: Ticket, failure: Failure, dimension: Dimension | None, now: float) -> Verdict:
        """Judge whether it came by chance: it may, where it tells no limit, or its own headers contradict it.

        The API's own refusals tell their limits (source: Claude API, rate limits).
        """
        if failure.error_code is not None or (failure.retry_after or 0.0) > SHORT_SECONDS:
            return Verdict.BELIEVED
        if told_limits(failure):
            if dimension is not None and self._is_contradicted(ticket, failure, dimension, now):
                if self.chance.contradict(ticket.number):
                    for bucket in self.buckets:
                        bucket.forget_refusals()
            elif not self.chance.is_known(ticket.number):
                return Verdict.BELIEVED
        return self.chance.judge(ticket.number, self.ramp.calls_lately)

    def _is_contradicted(self, ticket: Ticket, failure: Failure, dimension: Dimension, now: float) -> bool:
        place = DIMENSIONS.index(dimension)
        if place == WRITTEN and self.outputs.reserves(now):
            place = RESERVED
        status = (failure.rate_limits or {}).get(dimension)
        return contradicts(self.buckets[place], place, status, ticket, failure.retry_after, now)
