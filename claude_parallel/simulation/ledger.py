"""What the simulator saw, said and would bill: the plain truth that tests compare a client's books with.

It knows counts only; nothing in the simulator depends on them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .wire import Exchange, Work


@dataclass(frozen=True, slots=True)
class Paid:
    """One answer that is billed.

    Attributes
    ----------
    request_id : str
        The response's ``request-id``, or ``<batch id>/<custom_id>``.
    model : str
        The model as asked for.
    input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, output_tokens : int
        Tokens by kind, disjoint.
    service_tier, speed, inference_geo : str
        What changes the price.
    digest : bytes
        Which body it was.
    lost : bool
        Whether the client never saw it whole.
    """

    request_id: str
    model: str
    input_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cache_read_tokens: int
    output_tokens: int
    service_tier: str
    speed: str
    inference_geo: str
    digest: bytes
    lost: bool = False


def paid_entry(request_id: str, model: str, usage: dict[str, Any], digest: bytes, lost: bool) -> Paid:
    """Return the entry for one answer with this ``usage`` object."""
    written = usage["cache_creation"]
    return Paid(
        request_id,
        model,
        usage["input_tokens"],
        written["ephemeral_5m_input_tokens"],
        written["ephemeral_1h_input_tokens"],
        usage["cache_read_input_tokens"],
        usage["output_tokens"],
        usage["service_tier"],
        usage["speed"],
        usage["inference_geo"],
        digest,
        lost,
    )


class Ledger:
    """Counters of one simulator's life.

    Attributes
    ----------
    requests : int
        Calls of POST /v1/messages.
    statuses : Counter
        How they were answered, by HTTP status; broken connections count as 0.
    answered : int
        Messages that were sent whole.
    seen : Counter
        How often each body arrived, by ``digest.body_digest``.
    answered_bodies : Counter
        How often each body was billed and its answer sent whole.
    paid : list of Paid
        What is billed, live and batch.
    unbilled_refusals : int
        Refusals before any output: answered, not billed.
    billed_but_lost : int
        Billed answers that broke on the way.
    in_flight, max_in_flight : int
        Accepted calls that are not closed yet, now and at most.
    counted : int
        Calls of token counting.
    batch_calls : int
        HTTP calls of the batch routes.
    batch_rows : int
        Rows accepted in batches.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.answered = 0
        self.seen: Counter[bytes] = Counter()
        self.answered_bodies: Counter[bytes] = Counter()
        self.paid: list[Paid] = []
        self.unbilled_refusals = 0
        self.billed_but_lost = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.counted = 0
        self.batch_calls = 0
        self.batch_rows = 0

    def __repr__(self) -> str:
        return (
            f"<Ledger {self.requests} requests, {self.answered} answered, {self.refused} refused, "
            f"{self.billed_but_lost} billed but lost, {self.in_flight} in flight>"
        )

    @property
    def refused(self) -> int:
        """Calls that were answered with an error status."""
        return sum(count for status, count in self.statuses.items() if status >= 400)

    @property
    def paid_twice(self) -> int:
        """Bodies whose answer was billed and sent whole more than once."""
        return sum(1 for count in self.answered_bodies.values() if count > 1)

    def total(self, field: str) -> int:
        """Return the sum of one kind of tokens (a field of :class:`Paid`) over all that is billed."""
        return sum(getattr(entry, field) for entry in self.paid)

    def arrived(self, digest: bytes) -> int:
        """Count a call, and return how often its body was seen before."""
        self.requests += 1
        before = self.seen[digest]
        self.seen[digest] = before + 1
        return before

    def accepted(self) -> None:
        """Count a call in flight."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def refuse(self, status: int) -> None:
        """Count a call that was answered with an error."""
        self.statuses[status] += 1

    def closed(self, exchange: Exchange, work: Work, *, lost: bool) -> None:
        """Count the end of an accepted call."""
        self.in_flight -= 1
        if not lost:
            self.answered += 1
        self.statuses[0 if lost else exchange.status] += 1
        self.bill(exchange.headers["request-id"], work.model, work.message, work.digest, lost=lost)

    def bill(self, request_id: str, model: str, message: dict[str, Any], digest: bytes, *, lost: bool = False) -> None:
        """Count one answer as billed, unless it is a refusal before any output."""
        if message["stop_reason"] == "refusal" and not message["content"]:
            self.unbilled_refusals += 1
            return
        self.paid.append(paid_entry(request_id, model, message["usage"], digest, lost))
        if lost:
            self.billed_but_lost += 1
        else:
            self.answered_bodies[digest] += 1
