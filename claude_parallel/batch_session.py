"""One map through Message Batches: the same rows, the same columns, half price.

Differs from a live session only in how requests travel; ``session`` knows everything else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, cast

from .assembly import Pending, Rules
from .batch_responses import BatchState
from .batch_transport import BatchDoor, SdkBatchDoor
from .batches import Batches
from .budget import Budget
from .caching import TimeToLive
from .client import Doors, live_doors, local_time, sign_in
from .collecting import BatchRun
from .engine import Engine
from .envelopes import EnvelopeBook
from .intake import Intake, Rows
from .options import Settings
from .packing import MAX_BYTES, MAX_REQUESTS
from .prompt import RowProblem, Skipped
from .records import Request, Usage
from .request import build
from .session import Session
from .window import CEILING

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BatchDoors(Doors):
    """What a run of batches meets of the outside world.

    Attributes
    ----------
    open_batch_door : callable
        Timeout in seconds -> BatchDoor; called on the run's own event loop.
    max_requests, max_bytes : int
        Limits of one batch.
    """

    open_batch_door: Callable[[float], BatchDoor] = None  # type: ignore[assignment]  # fields with defaults come before
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES


def batch_doors(settings: Settings) -> BatchDoors:
    """Return the doors to the real API, or to whatever the configured base URL serves.

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    account = sign_in(settings)
    live = live_doors(settings)
    return BatchDoors(
        **{field.name: getattr(live, field.name) for field in fields(live)},
        open_batch_door=lambda timeout_seconds: SdkBatchDoor(account, timeout_seconds),
    )


class BatchSession(Session):
    """One map, ready to run once through Message Batches.

    Parameters
    ----------
    rows, settings, **options
        As for :class:`~claude_parallel.session.Session`; `doors` must be :class:`BatchDoors`.

    Attributes
    ----------
    submitted : threading.Event
        Set once everything that can be submitted now is (or the run has ended).
    """

    def __init__(self, rows: Rows, settings: Settings, *, doors: Doors | None = None, **options: Any) -> None:
        if doors is not None and not isinstance(doors, BatchDoors):
            raise TypeError("a run of batches needs BatchDoors")
        self._batch_doors = doors or batch_doors(settings)
        self.submitted = threading.Event()
        self._batches: Batches | None = None
        self._is_cancelled = False
        super().__init__(rows, settings, doors=self._batch_doors, **options)

    @property
    def batches(self) -> tuple[BatchState, ...]:
        """The batches under way, as the API showed them last."""
        return self._batches.batches if self._batches is not None else ()

    def cancel(self) -> None:
        """Cancel the batches at the API; what they have answered by then is still collected."""
        self._is_cancelled = True
        if self._batches is not None:
            self._batches.cancel()

    async def _work(self) -> None:
        settings, doors = self.settings, self._batch_doors
        summary = {**settings.summary(), "rows": len(self.rows), "out": self.out}
        self.journal.begin_run(self.run_id, doors.wall_clock(), doors.host, summary)
        door = doors.open_batch_door(settings.timeout)
        try:
            intake = self.intake()
            run = self._batch_run(door, intake)
            self._batches = Batches(run, intake.chunks(), self.results.deliver)
            self._engine = cast("Any", self._batches)
            if self._is_cancelled:
                self._batches.cancel()
            await self._batches.run()
        finally:
            await door.aclose()
            self.submitted.set()
        if self._batches.leftovers and not self.control.is_stopping and self._batches.stop is None:
            await self._go_live(self._batches.leftovers, run.budget)

    async def _go_live(self, leftovers: list[Pending], budget: Budget) -> None:
        """Ask live, at the full price, what the batches could not answer."""
        cap = CEILING if self.settings.max_concurrency == "auto" else self.settings.max_concurrency
        transport = self.doors.open_transport(cap, self.settings.timeout)
        try:
            run = replace(self._assemble(transport, cap), budget=budget)
            self._engine = Engine(run, iter([leftovers]), self._deliver)
            await self._engine.run()
        finally:
            await transport.aclose()

    def _batch_run(self, door: BatchDoor, intake: Intake) -> BatchRun:
        settings, doors = self.settings, self._batch_doors
        return BatchRun(
            run_id=self.run_id,
            host=doors.host,
            door=door,
            journal=self.journal,
            book=EnvelopeBook(self.journal),
            rules=Rules(self.read, self._batch_price, self._worst_batch_cost, self._mark, self._repair),
            policy=settings.retries,
            budget=Budget(cap=settings.budget),
            unanswered=intake.unanswered,
            request_of=self._request_of,
            control=self.control,
            tally=self.tally,
            clock=doors.clock,
            wall_clock=doors.wall_clock,
            local_time=local_time,
            rng=doors.rng,
            settled=self.submitted.set,
            goes_live=settings.batch == "then-live",
            stops_at_error=settings.on_error == "raise",
            max_requests=doors.max_requests,
            max_bytes=doors.max_bytes,
        )

    def _request_of(self, position: int) -> Request | None:
        """Return the request of one row once more; requests in batches are not kept in memory."""
        row, draw = divmod(position, self.settings.sample)
        content = self.rows.contents(row, row + 1)[0]
        if isinstance(content, Skipped | RowProblem):
            return None
        return build(self.shared, content, draw=draw, is_marked=self.ttl is not None)

    def _ttl(self) -> TimeToLive | None:
        """Return the lifetime of cache marks; an hour unless the user says otherwise, since batches take their time."""
        ttl = super()._ttl()
        return "1h" if ttl is not None and self.settings.prompt_cache == "auto" else ttl

    def _batch_price(self, model: str, usage: Usage) -> Decimal | None:
        if self.ttl is not None:
            self.tally.note_cache(usage, self.prices.cache_savings(model, usage))
        return self.prices.cost(model, usage, is_batch=True)

    def _worst_batch_cost(self, request: Request) -> Decimal:
        if self.settings.budget is None:
            return ZERO
        return self.prices.worst_cost(request.body, request.max_input_tokens, self.ttl, is_batch=True) or ZERO
