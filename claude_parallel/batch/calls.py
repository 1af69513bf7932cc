"""What a run of batches works with beside its context: the API, the record of envelopes, the limits of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .api import BatchApi
from .envelope import MAX_BYTES, MAX_REQUESTS
from .records import EnvelopeBook
from .seeder import Seeder


@dataclass(frozen=True, slots=True)
class BatchCalls:
    """The door to the Message Batches API, and how batches are made.

    Attributes
    ----------
    api : BatchApi
        Creates, lists, reads and cancels batches.
    book : EnvelopeBook
        The journal's record of envelopes.
    seeder : Seeder
        Sends one row live where that fills the prompt cache for the others.
    settled : callable
        Called once everything that can be submitted now is, and at the end.
    goes_live : bool
        True to leave to live calls what a batch could not answer.
    max_requests, max_bytes : int
        Limits of one batch.
    """

    api: BatchApi
    book: EnvelopeBook
    seeder: Seeder
    settled: Callable[[], object]
    goes_live: bool = False
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES
