"""The message batches of an account: created, listed, worked through, cancelled, read and deleted.

It knows the life of a batch from outside; what happens to its rows is kept by :mod:`batch_rows`. Source of
the rules: Claude docs, batch processing, read 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .batch_rows import Batch, RowWorker
from .cache import PromptCache
from .ledger import Ledger
from .paging import Query, page
from .profile import Profile
from .wire import Problem, rfc3339_exact

MAX_REQUESTS = 100_000
"""Requests that one batch may hold."""

EXPIRY_SECONDS = 24 * 3_600.0
"""When a batch that is not done ends."""

RESULTS_SECONDS = 29 * 24 * 3_600.0
"""How long results can be read, from the batch's creation."""

CANCEL_SECONDS = 1.0
"""How long a batch is ``canceling`` before it ends, at most; a tenth of its duration where that is less."""

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Batches:
    """All batches of one account.

    Parameters
    ----------
    profile : Profile
        Durations, faults and the queue limit.
    seed : int
        Fixes answers, faults and the order of results.
    epoch : float
        Wall-clock seconds at which `now` is 0.
    base_url : str
        What ``results_url`` begins with.
    cache : PromptCache
        The workspace's prompt cache.
    ledger : Ledger
        Where answered rows are billed.
    """

    def __init__(
        self, profile: Profile, seed: int, epoch: float, base_url: str, cache: PromptCache, ledger: Ledger
    ) -> None:
        self.base_url = base_url
        self._profile = profile
        self._epoch = epoch
        self._ledger = ledger
        self._worker = RowWorker(profile, seed, cache, ledger)
        self._batches: dict[str, Batch] = {}
        self._created = 0

    def __repr__(self) -> str:
        return f"<Batches {len(self._batches)}>"

    def create(self, body: Any, now: float) -> dict[str, Any] | Problem:
        """Accept a batch; its rows' parameters are judged later, row by row."""
        requests = body.get("requests") if isinstance(body, Mapping) else None
        if not isinstance(requests, list):
            return Problem(400, "requests: Field required")
        problem = _requests_problem(requests) or self._queue_problem(len(requests), now)
        if problem is not None:
            return problem
        self._created += 1
        seconds = self._profile.batch_seconds
        batch = self._worker.batch(f"msgbatch_sim{self._created:020d}", self._created, requests, now, seconds)
        self._batches[batch.id] = batch
        self._ledger.batch_rows += len(requests)
        self._advance(batch, now)
        return self._shown(batch, now)

    def _queue_problem(self, more: int, now: float) -> Problem | None:
        limit = self._profile.limits.batch_queue
        if limit is None:
            return None
        waiting = 0
        for batch in self._batches.values():
            self._advance(batch, now)
            waiting += 0 if batch.ended is not None else len(batch.order) - batch.done
        if waiting + more <= limit:
            return None
        message = f"This batch would exceed the limit of {limit:,} requests in the processing queue."
        return Problem(429, message, retry_after=60.0)

    def retrieve(self, batch_id: str, now: float) -> dict[str, Any] | Problem:
        """Return the state of a batch."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return _missing(batch_id)
        self._advance(batch, now)
        return self._shown(batch, now)

    def list(self, query: Query, now: float) -> dict[str, Any] | Problem:
        """Return one page of batches, newest first."""
        for batch in self._batches.values():
            self._advance(batch, now)
        return page([self._shown(batch, now) for batch in reversed(self._batches.values())], query)

    def cancel(self, batch_id: str, now: float) -> dict[str, Any] | Problem:
        """Begin to cancel: rows that are done are kept."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return _missing(batch_id)
        self._advance(batch, now)
        if batch.ended is not None:
            return Problem(400, f"Batch {batch_id} has already ended and cannot be canceled")
        if batch.cancelled is None:
            batch.cancelled = now
        return self._shown(batch, now)

    def delete(self, batch_id: str, now: float) -> dict[str, Any] | Problem:
        """Forget a batch that has ended."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return _missing(batch_id)
        self._advance(batch, now)
        if batch.ended is None:
            return Problem(400, f"Batch {batch_id} cannot be deleted before it has ended; cancel it first")
        del self._batches[batch_id]
        return {"id": batch_id, "type": "message_batch_deleted"}

    def results(self, batch_id: str, now: float) -> Problem | Iterator[str]:
        """Return the lines of the results, each made when it is read."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return _missing(batch_id)
        self._advance(batch, now)
        if batch.ended is None:
            return Problem(400, f"Batch {batch_id} has not ended yet; its results are not available")
        if now >= batch.created + RESULTS_SECONDS:
            return Problem(404, f"The results of batch {batch_id} are archived")
        return self._worker.lines(batch)

    def _advance(self, batch: Batch, now: float) -> None:
        """Work off the rows whose time has come, and end the batch when its own time has come."""
        if batch.ended is not None:
            return
        end, outcome = self._end(batch)
        self._worker.work_until(batch, min(now, batch.cancelled if batch.cancelled is not None else now, end))
        if now >= end:
            batch.end(end, outcome)

    def _end(self, batch: Batch) -> tuple[float, str]:
        """Return when a batch ends as things stand, and what becomes of rows that are not done by then."""
        end = batch.created + min(batch.seconds, EXPIRY_SECONDS)
        if batch.cancelled is None:
            return end, "expired"
        return min(end, batch.cancelled + min(CANCEL_SECONDS, batch.seconds / 10)), "canceled"

    def _shown(self, batch: Batch, now: float) -> dict[str, Any]:
        archived = batch.created + RESULTS_SECONDS
        ended, gone = batch.ended is not None, now >= archived
        status = "ended" if ended else "in_progress" if batch.cancelled is None else "canceling"
        url = f"{self.base_url.rstrip('/')}/v1/messages/batches/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": batch.counts(),
            "created_at": self._moment(batch.created),
            "expires_at": self._moment(batch.created + EXPIRY_SECONDS),
            "ended_at": self._moment(batch.ended),
            "cancel_initiated_at": self._moment(batch.cancelled),
            "archived_at": self._moment(archived) if gone else None,
            "results_url": url if ended and not gone else None,
        }

    def _moment(self, now: float | None) -> str | None:
        return None if now is None else rfc3339_exact(self._epoch + now)


def _missing(batch_id: str) -> Problem:
    return Problem(404, f"Message batch {batch_id} not found")


def _requests_problem(requests: list[Any]) -> Problem | None:
    if not requests:
        return Problem(400, "requests: List should have at least 1 item")
    if len(requests) > MAX_REQUESTS:
        return Problem(400, f"requests: List should have at most {MAX_REQUESTS} items, not {len(requests)}")
    seen: set[str] = set()
    for at, row in enumerate(requests):
        if not isinstance(row, Mapping) or not isinstance(row.get("params"), Mapping):
            return Problem(400, f"requests.{at}.params: Field required")
        custom_id = row.get("custom_id")
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            pattern = "^[a-zA-Z0-9_-]{1,64}$"
            return Problem(400, f"requests.{at}.custom_id: String should match pattern '{pattern}'")
        if custom_id in seen:
            return Problem(400, f"requests.{at}.custom_id: '{custom_id}' is not unique in the batch")
        seen.add(custom_id)
    return None
