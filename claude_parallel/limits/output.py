"""How output is counted: as it is written (so the API says), or reserved by ``max_tokens`` until the answer is there.

Older documents and other servers reserve. Two buckets keep both accounts; this module knows which one explains what
the server refuses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .bucket import Bucket
from .burst import FIRST_SECONDS, SURE_SECONDS, calls_slope
from .remaining import is_steadier
from .tickets import Ticket

BELIEVED_SECONDS = 60.0
"""How long reservations are believed in after a refusal that they explain, where no header shows them; a minute is as
long as a bucket needs to fill, and it doubles each time (sweep: no headers, output reserved)."""

WRITTEN, RESERVED = 2, 3
"""Their places in a ticket."""

KEPT_WEIGHT = 0.1
"""Of an answer in the average of what is written of a reservation: ten answers are remembered, since only the order of
magnitude counts (sweep: reservations of four times the output, a neighbour)."""

LATENCY_SPREADS = 2.0
"""By how many standard deviations of a Poisson count more output lands at times than one latency refills: so much of
the bucket is kept free, half of it at most (sweep: output, 0.2 to 3 s, latencies that vary)."""

LEAST_SPEED = 1.25
"""How many times the refill is sent at least while the size of the bucket is searched (sweep: output, 60 s)."""

KNOWN_SPEED, OVERDRAFT, HEARD_SECONDS = 1.02, 0.5, 0.5
"""The same once it is known: a little more than the refill, and so much more that what is sent in one latency, half a
second at least, takes half of what the bucket holds. More fills and empties a small one by turns (sweep: output, 1 s,
answers of 5 s), and has a large one refuse a hundred calls where a neighbour has emptied it (sweep: output, 10 s)."""

AHEAD_SECONDS = 0.01
"""How far sends may run ahead of their pace: timers are some milliseconds late, and what they are late would be lost
(sweep: output, 12,000 requests a minute)."""

TRIED_SECONDS, TRIED_LATENCIES, TRIED = 0.5, 1.0, 3.0
"""Before a bucket's size is known, three times what has landed without an objection may be on its way beyond what comes
back meanwhile: what is sent now is heard of one latency later (case: output of 5 s in a bucket of 0.2 s). At first it
is half a second or a latency, and more than the mean of early answers is short of the later ones: else nothing is
ever owed, and nothing learnt (sweep: output, answers of 5 s that vary tenfold, 60 s)."""

SPEED_FRACTION = 0.4
"""Of the growth of the other beliefs (see ``burst``): once output runs dry, all that is sent is refused."""


@dataclass(slots=True)
class OutputBucket(Bucket):
    """A limit that is charged as output is written, when an answer ends: any call goes while something is left.

    Attributes
    ----------
    on_its_way : float
        Tokens expected of the calls in flight.
    latency : float
        Seconds of an answer.
    paced_at, speed : float
        When the next call is due, and how many times the refill may be sent: a refusal comes once the bucket is empty,
        and then to all.
    """

    on_its_way: float = 0.0
    latency: float = 1.0
    paced_at: float = -math.inf
    speed: float = LEAST_SPEED

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may go; 0 when it may."""
        rate = self.rate
        if rate == math.inf:
            return 0.0
        owed = self.full_at - now if self.full_at > now else 0.0
        if (
            owed < self.allowed
            and self.paced_at - AHEAD_SECONDS <= now
            and owed + (self.on_its_way + amount) / rate < self.latency + 0.5 * min(self.allowed, TRIED_SECONDS)
            and not self.backoff.lost
            and self.limit != math.inf
        ):
            return 0.0
        return self._slow_wait(amount, now)

    def _missing(self, amount: float, now: float) -> float:
        """Return the seconds until something is left, and no more is on its way than comes back meanwhile."""
        cost, allowed = amount / self.rate, self.burst.allowed
        owed = self.debt(now)
        is_there = max(self.own_at - self.burst.left, self.full_at - self.burst.seconds) - now
        missing = max(is_there, self.backoff.wait(now), self.paced_at - AHEAD_SECONDS - now)
        if self.on_its_way:
            if not self.burst.is_sure:
                allowed = min(allowed, max(TRIED_SECONDS, TRIED_LATENCIES * self.latency) + TRIED * max(owed, 0.0))
            room = self.latency + max(
                2.0 * cost, allowed - min(allowed / 2.0, LATENCY_SPREADS * math.sqrt(self.latency * cost))
            )
            # A call that is larger than all the room goes when nothing is owed.
            missing = max(missing, owed + self.on_its_way / self.rate + cost - room if cost < room else owed)
        return missing

    def _patience(self, now: float) -> float:
        """Return how long nobody need come back: the pace of sends may be caught up with, too."""
        return min(Bucket._patience(self, now), self.paced_at - now)

    def _grow(self, seconds: float, amount: float, now: float) -> float:
        """Believe in more; the pace of sends, and not the belief, says when the next one goes."""
        debt, call = self.debt(now), max(amount, 1e-9) / self.rate
        self.burst.hold(seconds, debt, call, now, on_its_way=self.on_its_way / self.rate)
        return 0.0

    def _charge(self, amount: float, now: float) -> None:
        self.on_its_way += amount
        if self.rate != math.inf:
            speed = KNOWN_SPEED if self.backoff.is_shared(now) else self.speed
            self.paced_at = max(self.paced_at, now) + min(amount / self.rate, self.latency) / speed

    def _refresh(self) -> None:
        Bucket._refresh(self)  # not super(): it does not know the class that slots=True makes of this one
        if self.burst.is_sure:
            self.speed = KNOWN_SPEED + OVERDRAFT * self.allowed / max(self.latency, HEARD_SECONDS)
            return
        calls = self.rate / max(self.call, 1e-9)
        self.speed = LEAST_SPEED + SPEED_FRACTION * calls_slope(calls) + (self.high_water.seconds / SURE_SECONDS) ** 3

    def accepted(self, owed_then: float, sent_at: float, now: float, amount: float = 0.0) -> None:
        """Take note that a call was accepted while so much was owed; nothing of it was charged by then."""
        Bucket.accepted(self, owed_then, sent_at, now)

    def land(self, charged: float, real: float, sent_at: float, now: float) -> None:
        """Charge what was written; all but the last token of it may be debt."""
        self.overdraft = max(real, (1.0 - KEPT_WEIGHT) * self.overdraft)
        self.on_its_way = max(0.0, self.on_its_way - charged)
        Bucket._charge(self, real, now)


@dataclass(slots=True)
class ReservedBucket(Bucket):
    """A limit that is charged with ``max_tokens`` when a request arrives, and given back what was not written.

    Attributes
    ----------
    kept : float
        Moving average of the fraction of a reservation that is written.
    """

    kept: float = 1.0

    def _kept(self, amount: float) -> float:
        return self.kept * amount

    def land(self, charged: float, real: float, sent_at: float, now: float) -> None:
        """Give back what was not written."""
        if real:
            self.kept += KEPT_WEIGHT * (real / max(charged, real) - self.kept)
        Bucket.land(self, charged, real, sent_at, now)


@dataclass(slots=True)
class OutputAccount:
    """Which of two accounts the server keeps.

    Attributes
    ----------
    written, reserved : Bucket
        The accounts.
    reserves_until : float
        Until when reservations are believed in.
    believed_seconds : float
        How long the next belief lasts.
    is_seen : bool or None
        Whether ``remaining`` shows that the server reserves; None while it shows nothing, and refusals have to.
    """

    written: OutputBucket
    reserved: Bucket
    reserves_until: float = -math.inf
    believed_seconds: float = BELIEVED_SECONDS
    is_seen: bool | None = None

    def look(self) -> None:
        """See which account makes sense of ``remaining``: what is owed and what remains are the capacity."""
        written, reserved = self.written.reported.deviation, self.reserved.reported.deviation
        rounding = self.written.reported.rounding
        if is_steadier(reserved, written, rounding):
            self.is_seen = True
        elif is_steadier(written, reserved, rounding):
            self.is_seen = False
        else:
            self.is_seen = None

    def reserves(self, now: float) -> bool:
        """Say whether the server seems to reserve output at `now`."""
        return now < self.reserves_until if self.is_seen is None else self.is_seen

    def idle(self, now: float) -> Bucket:
        """Return the account that holds nothing back at `now`."""
        return self.written if self.reserves(now) else self.reserved

    def blamed(self, ticket: Ticket, now: float) -> int:
        """Return which account explains that output was refused: its place in a ticket.

        Where next to nothing was written, no bucket of written tokens can be empty, unless others use it.
        """
        reserves = self.reserves(now)
        if self.is_seen is None and reserves and self._explains_less(ticket, now):
            self.reserves_until = -math.inf
            return WRITTEN
        if self.is_seen is None and not reserves and self._explains_more(ticket, now):
            self.reserved.burst.seconds = max(self.reserved.burst.seconds, ticket.owed[RESERVED])
            self.believed_seconds *= 2.0
            reserves = True
        if reserves:
            self.reserves_until = now + self.believed_seconds
            return RESERVED
        return WRITTEN

    def _explains_less(self, ticket: Ticket, now: float) -> bool:
        """Say whether what is written explains a refusal that reservations do not."""
        written, reserved = ticket.owed[WRITTEN], ticket.owed[RESERVED]
        is_comparable = ticket.sent_at >= self.written.known_at and written > FIRST_SECONDS
        return is_comparable and self.written.explains(written, now) and not self.reserved.explains(reserved, now)

    def _explains_more(self, ticket: Ticket, now: float) -> bool:
        if not self.written.used:
            return True
        is_comparable = ticket.sent_at >= self.written.known_at and not self.written.backoff.lost
        written, reserved = ticket.owed[WRITTEN], ticket.owed[RESERVED]
        if not is_comparable or self.written.explains(written, now):
            before = reserved - ticket.amounts[RESERVED] / self.reserved.rate  # a full bucket takes any call
            return is_comparable and written <= FIRST_SECONDS < before
        return reserved > FIRST_SECONDS and self.reserved.explains(reserved, now)
