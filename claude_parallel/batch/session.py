"""One map through Message Batches: the same rows, the same columns, half price.

Differs from a live session only in how requests travel; ``session`` knows everything else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, cast

from ..config import sign_in
from ..engine.budget import Budget
from ..engine.context import Pending, Rules
from ..engine.dispatcher import Engine
from ..engine.environment import Environment, live_environment
from ..engine.intake import Intake, Rows
from ..engine.session import Session
from ..limits.window import CEILING
from ..options import Settings
from ..prompt.cache_marks import TimeToLive
from ..prompt.request import build
from ..prompt.template import RowProblem, Skipped
from ..records import Request, Usage
from ..text import local_time
from .api import BatchDoor, SdkBatchDoor
from .collector import BatchRun
from .envelope import MAX_BYTES, MAX_REQUESTS
from .records import EnvelopeBook
from .responses import BatchState
from .runner import Batches

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BatchEnvironment(Environment):
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


def batch_environment(settings: Settings) -> BatchEnvironment:
    """Return the environment to the real API, or to whatever the configured base URL serves.

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    account = sign_in(settings)
    live = live_environment(settings)
    return BatchEnvironment(
        **{field.name: getattr(live, field.name) for field in fields(live)},
        open_batch_door=lambda timeout_seconds: SdkBatchDoor(account, timeout_seconds),
    )


class BatchSession(Session):
    """One map, ready to run once through Message Batches.

    Parameters
    ----------
    rows, settings, **options
        As for :class:`~claude_parallel.engine.session.Session`; `environment` must be :class:`BatchEnvironment`.

    Attributes
    ----------
    submitted : threading.Event
        Set once everything that can be submitted now is (or the run has ended).
    """

    def __init__(
        self, rows: Rows, settings: Settings, *, environment: Environment | None = None, **options: Any
    ) -> None:
        if environment is not None and not isinstance(environment, BatchEnvironment):
            raise TypeError("a run of batches needs BatchEnvironment")
        self._batch_environment = environment or batch_environment(settings)
        self.submitted = threading.Event()
        self._batches: Batches | None = None
        self._is_cancelled = False
        super().__init__(rows, settings, environment=self._batch_environment, **options)

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
        settings, environment = self.settings, self._batch_environment
        summary = {**settings.summary(), "rows": len(self.rows), "out": self.out}
        self.journal.begin_run(self.run_id, environment.wall_clock(), environment.host, summary)
        door = environment.open_batch_door(settings.timeout)
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
        transport = self.environment.open_transport(cap, self.settings.timeout)
        try:
            run = replace(self._assemble(transport, cap), budget=budget)
            self._engine = Engine(run, iter([leftovers]), self._deliver)
            await self._engine.run()
        finally:
            await transport.aclose()

    def _batch_run(self, door: BatchDoor, intake: Intake) -> BatchRun:
        settings, environment = self.settings, self._batch_environment
        return BatchRun(
            run_id=self.run_id,
            host=environment.host,
            door=door,
            journal=self.journal,
            book=EnvelopeBook(self.journal),
            rules=Rules(self.read, self._batch_price, self._worst_batch_cost, self._mark, self._repair),
            policy=settings.retries,
            budget=Budget(cap=settings.budget),
            unanswered=intake.unanswered,
            request_of=self._request_of,
            control=self.control,
            stats=self.stats,
            clock=environment.clock,
            wall_clock=environment.wall_clock,
            local_time=local_time,
            rng=environment.rng,
            settled=self.submitted.set,
            goes_live=settings.batch == "then-live",
            stops_at_error=settings.on_error == "raise",
            max_requests=environment.max_requests,
            max_bytes=environment.max_bytes,
        )

    def _request_of(self, position: int) -> Request | None:
        """Return the request of one row once more; requests in batches are not kept in memory."""
        row, sample = divmod(position, self.settings.sample)
        content = self.rows.contents(row, row + 1)[0]
        if isinstance(content, Skipped | RowProblem):
            return None
        return build(self.shared, content, sample=sample, has_breakpoint=self.ttl is not None)

    def _ttl(self) -> TimeToLive | None:
        """Return the lifetime of cache marks; an hour unless the user says otherwise, since batches take their time."""
        ttl = super()._ttl()
        return "1h" if ttl is not None and self.settings.prompt_cache == "auto" else ttl

    def _batch_price(self, model: str, usage: Usage) -> Decimal | None:
        if self.ttl is not None:
            self.stats.note_cache(usage, self.prices.cache_savings(model, usage))
        return self.prices.cost(model, usage, is_batch=True)

    def _worst_batch_cost(self, request: Request) -> Decimal:
        if self.settings.budget is None:
            return ZERO
        return self.prices.worst_cost(request.body, request.max_input_tokens, self.ttl, is_batch=True) or ZERO
