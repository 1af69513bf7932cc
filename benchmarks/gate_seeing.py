"""A sender that sees the server's books: what it needs is the bound where a bucket of output must lose refill.

An answer that is larger than its bucket leaves a debt, nothing goes meanwhile, and the bucket is full again before the
next answer lands; answers of five seconds that land by chance find a bucket of a fifth of a second full or empty. No
sender can use that refill. This one knows what is left to the token, and is never refused; it does not know how long
an answer will take. A better one may exist: it is a bound for what we ask of the gate, and not of mathematics.
"""

from __future__ import annotations

import math

from claude_parallel.limits.gate import Ticket, Wait
from claude_parallel.progress.waits import WaitReason
from claude_parallel.records import Failure, Load, RateLimitStatuses

from .gate_player import OUTAGE_SECONDS, Player, Row
from .gate_worlds import World

GAPS = (0.0, 1.0, 1.05)
"""How it spaces its calls, in times of what a mean answer takes of the refill: as soon as one is admitted, or evenly.
The first is best where answers are short, the others where what lands in one latency is more than the bucket."""

SHORTEST_WAIT_SECONDS = 1e-6


class SeeingPlayer(Player):
    """Plays a world with that sender; its calls arrive as they are sent."""

    def __init__(self, world: World, gap: float) -> None:
        super().__init__(world, self)
        self._gap, self._next_at = gap, 0.0
        self._turns = (*self.outage, *world.policy.turns(), math.inf)

    def _send(self, row: Row, ticket: Ticket) -> None:
        self._arrive(row, ticket, self._now)

    def admit(self, load: Load, now: float) -> Ticket | Wait:
        """Return a ticket where the server would admit the call, else how long to wait for that, or for a change."""
        account, (begin, end) = self.account, self.outage
        account.generated(0.0, now)  # brings its buckets up to date
        waits = [self._next_at - now, end - now if begin <= now < end else 0.0]
        sizes = (1.0, load.input_tokens, max(1.0, self.max_tokens if self.is_reserved else 1.0))
        for bucket, size in zip((account.requests, account.input, account.output), sizes, strict=True):
            if bucket is not None:
                waits.append(bucket.wait(size, now))
        if account.ramp is not None:
            waits.append(account.ramp.wait(now))
        if max(waits) <= SHORTEST_WAIT_SECONDS:
            self._next_at = max(self._next_at, now - self._gap) + self._gap
            return Ticket(0, now, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))
        return Wait(min(max(waits), *(turn - now for turn in self._turns if turn > now)), WaitReason.OUTPUT_TOKENS)

    @property
    def is_reserved(self) -> bool:
        """Whether the server reserves output."""
        return self.world.policy.output_counted == "reserved"

    def settle(self, ticket: Ticket, real: Load, rate_limits: RateLimitStatuses, now: float) -> None:
        """Learn nothing."""

    def fail(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Learn nothing."""

    def is_outage(self, since: float) -> bool:
        """Count no failure against its row."""
        return True


def seen_seconds(world: World) -> float:
    """Return the seconds that the best of these senders needs, an outage left out."""
    call_seconds = world.sizes[1] / (world.limits[2] / 60)
    seconds = min(SeeingPlayer(world, gap * call_seconds).play().seconds for gap in GAPS)
    return seconds - (OUTAGE_SECONDS if world.event == "outage" else 0.0)
