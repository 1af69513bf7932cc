"""The rows of one batch: how they are stored, worked off and told.

It knows rows only, packed small so that 100,000 of them fit; the batch's life is kept by :mod:`batches`.
"""

from __future__ import annotations

import json
import marshal
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .answers import draft_answer, message_json
from .cache import PromptCache, Split
from .checks import batch_row_problem
from .content_checks import has_breakpoints
from .digest import body_digest, chances, pack
from .faults import draw_fate, pick
from .ledger import Ledger
from .models import MODELS
from .profile import Profile
from .tokens import count_tokens
from .wire import Problem, error_body

OUTCOMES = ("processing", "succeeded", "errored", "canceled", "expired")

_PROCESSING, _SUCCEEDED, _ERRORED, _CANCELED, _EXPIRED = range(5)

_SERVER_ERROR = Problem(500, "Internal server error")


@dataclass(slots=True)
class Batch:
    """One batch. Moments are seconds on the caller's clock.

    Attributes
    ----------
    id : str
        As in the API.
    number : int
        Counts batches from 1.
    created, seconds : float
        When it was created, and how long it takes.
    custom_ids : list of str
        In the order of the request.
    packed : list of bytes
        Each row's parameters (see ``digest.pack``).
    order : array of int
        The order in which rows are worked off and told.
    verdicts : bytearray
        Index into :data:`OUTCOMES`, by row.
    done : int
        How many of `order` are worked off.
    splits : dict
        How the input of rows with cache breakpoints divided, by row.
    own_answers : dict
        Messages with the caller's own answers, by row: a function is asked once, and may say something else each time.
    cancelled, ended : float or None
        When cancelling began, and when it ended.
    """

    id: str
    number: int
    created: float
    seconds: float
    custom_ids: list[str]
    packed: list[bytes]
    order: array[int]
    verdicts: bytearray
    done: int = 0
    splits: dict[int, Split] = field(default_factory=dict)
    own_answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    cancelled: float | None = None
    ended: float | None = None

    def end(self, at: float, outcome: str) -> None:
        """End the batch; rows that are not done get `outcome`."""
        self.ended = at
        code = OUTCOMES.index(outcome)
        for row in self.order[self.done :]:
            self.verdicts[row] = code
        self.done = len(self.order)

    def counts(self) -> dict[str, int]:
        """Return ``request_counts``: all in ``processing`` until the whole batch has ended."""
        if self.ended is None:
            return {**dict.fromkeys(OUTCOMES, 0), "processing": len(self.order)}
        return {name: self.verdicts.count(code) for code, name in enumerate(OUTCOMES)}


class RowWorker:
    """Answers the rows of batches, each when its time has come.

    Parameters
    ----------
    profile : Profile
        Faults and lengths.
    seed : int
        Fixes answers, faults and orders.
    cache : PromptCache
        The workspace's prompt cache.
    ledger : Ledger
        Where answered rows are billed.
    """

    def __init__(self, profile: Profile, seed: int, cache: PromptCache, ledger: Ledger) -> None:
        self._profile = profile
        self._seed = seed
        self._cache = cache
        self._ledger = ledger

    def batch(self, batch_id: str, number: int, requests: list[Any], now: float, seconds: float) -> Batch:
        """Return a new batch of `requests`."""
        order = array("I", range(len(requests)))
        Random(f"{self._seed}/{number}").shuffle(order)
        return Batch(
            batch_id,
            number,
            now,
            seconds,
            [str(row["custom_id"]) for row in requests],
            [pack(row["params"]) for row in requests],
            order,
            bytearray(len(requests)),
        )

    def work_until(self, batch: Batch, now: float) -> None:
        """Work off the rows whose time has come: they are spread evenly over the batch's duration."""
        count = len(batch.order)
        share = 1.0 if batch.seconds <= 0 else (now - batch.created) / batch.seconds
        # A tiny bit more, so that a row due exactly now is not lost to rounding.
        for place in range(batch.done, min(count, int(count * share + 1e-6))):
            at = batch.created + batch.seconds * (place + 1) / count
            row = batch.order[place]
            batch.verdicts[row] = self._work(batch, row, at)
            batch.done = place + 1

    def _work(self, batch: Batch, row: int, at: float) -> int:
        body = marshal.loads(batch.packed[row])
        if batch_row_problem(body) is not None:
            return _ERRORED
        digest = body_digest(body)
        fault = self._fault(batch, row, digest)
        if fault is not None:
            return _ERRORED if fault == "errored" else _EXPIRED
        if self._profile.cache and has_breakpoints(body):
            self._split(batch, row, body, digest, at)
        request_id = f"{batch.id}/{batch.custom_ids[row]}"
        self._ledger.bill(request_id, body["model"], self._message(batch, row, body, digest), digest)
        return _SUCCEEDED

    def _split(self, batch: Batch, row: int, body: Mapping[str, Any], digest: bytes, at: float) -> None:
        minimum = MODELS[body["model"]].cache_minimum
        fate = draw_fate(self._profile, 0, chances(self._seed, digest, row))
        lucky = fate.cache_roll < self._profile.batch_cache_hits
        split = self._cache.split(body, minimum, at, may_read=lucky)
        self._cache.begun(self._cache.commit(split, at, at))
        batch.splits[row] = split

    def _fault(self, batch: Batch, row: int, digest: bytes) -> str | None:
        if not self._profile.batch_faults:
            return None
        # Not the same draw as the answer's, and another one when the same row comes again in a later batch.
        return pick(self._profile.batch_faults, next(chances(self._seed + batch.number, digest, -1 - row)))

    def _message(self, batch: Batch, row: int, body: Mapping[str, Any], digest: bytes) -> dict[str, Any]:
        if (told := batch.own_answers.get(row)) is not None:
            return told
        model = MODELS[body["model"]]
        split = batch.splits.get(row) or Split(count_tokens(body))
        fate = draw_fate(self._profile, 0, chances(self._seed, digest, row))
        draft = draft_answer(body, model, self._profile, fate, digest, self._seed, model.context)
        message = message_json(draft, body, split, batch.number * 1_000_000 + row, "batch")
        if self._profile.answer is not None:
            batch.own_answers[row] = message
        return message

    def lines(self, batch: Batch) -> Iterator[str]:
        """Yield the results as JSON lines, in the order in which rows were worked off."""
        for row in batch.order:
            result = self._result(batch, row)
            yield json.dumps({"custom_id": batch.custom_ids[row], "result": result}) + "\n"

    def _result(self, batch: Batch, row: int) -> dict[str, Any]:
        outcome = OUTCOMES[batch.verdicts[row]]
        if outcome not in ("succeeded", "errored"):
            return {"type": outcome}
        body = marshal.loads(batch.packed[row])
        if outcome == "succeeded":
            return {"type": outcome, "message": self._message(batch, row, body, body_digest(body))}
        problem = batch_row_problem(body) or _SERVER_ERROR
        return {"type": outcome, "error": error_body(problem, f"req_sim_{batch.number}_{row}")}
