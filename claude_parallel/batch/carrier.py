"""Requests that travel in Message Batches, and what their batches could not answer as live calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..config import sign_in
from ..engine.context import RunContext
from ..engine.environment import Environment, live_environment
from ..engine.intake import Intake
from ..engine.live import LiveCarrier
from ..engine.queue import Handful
from ..engine.session import Carrier
from ..engine.tariff import ListedTariff
from ..options import Settings
from .api import BatchApi, SdkBatchApi
from .calls import BatchCalls
from .envelope import MAX_BYTES, MAX_REQUESTS
from .open_rows import NotInBatches
from .records import EnvelopeBook
from .responses import BatchState
from .runner import BatchRunner
from .seeder import Seeder


@dataclass(frozen=True, slots=True)
class BatchEnvironment:
    """What a run of batches meets of the outside world.

    Attributes
    ----------
    live : Environment
        The account and the clocks; also for what is asked live in the end.
    open_api : callable
        Timeout in seconds -> BatchApi; called on the run's own event loop.
    max_requests, max_bytes : int
        Limits of one batch.
    """

    live: Environment
    open_api: Callable[[float], BatchApi]
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES


def batch_environment(settings: Settings) -> BatchEnvironment:
    """Return the environment of the real API, or of whatever the configured base URL serves.

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    account = sign_in(settings)
    return BatchEnvironment(live_environment(settings), lambda timeout_seconds: SdkBatchApi(account, timeout_seconds))


class BatchCarrier:
    """Carries the requests of a run in batches.

    Parameters
    ----------
    environment : BatchEnvironment
        The account, its batches and the clocks.

    Attributes
    ----------
    batch_environment : BatchEnvironment
        As given.
    submitted : threading.Event
        Set once everything that can be submitted now is (or the run has ended).
    """

    is_batch = True

    def __init__(self, environment: BatchEnvironment) -> None:
        self.environment = environment.live
        self.submitted = threading.Event()
        self.batch_environment = environment
        self._runner: BatchRunner | None = None
        self._is_cancelled = False

    def __repr__(self) -> str:
        return f"<BatchCarrier to {self.environment.host}>"

    @property
    def batches(self) -> tuple[BatchState, ...]:
        """The batches under way, as the API showed them last."""
        return self._runner.batches if self._runner is not None else ()

    def cancel(self) -> None:
        """Cancel the batches at the API; what they have answered by then is still collected."""
        self._is_cancelled = True
        if self._runner is not None:
            self._runner.cancel()

    async def carry(self, context: RunContext, intake: Intake) -> None:
        """Send everything that the journal could not answer, and wait for it."""
        settings = intake.plan.settings
        api = self.batch_environment.open_api(settings.timeout)
        calls = BatchCalls(
            api=api,
            book=EnvelopeBook(context.journal),
            seeder=Seeder(_at_live_prices(context), intake.plan, self.environment),
            settled=self.submitted.set,
            goes_live=settings.batch == "then-live",
            max_requests=self.batch_environment.max_requests,
            max_bytes=self.batch_environment.max_bytes,
        )
        self._runner = runner = BatchRunner(context, calls, intake)
        try:
            if self._is_cancelled:
                runner.cancel()
            await runner.run()
        finally:
            await api.aclose()
            self.submitted.set()
        if runner.leftovers and not context.control.is_stopping and context.state.stop is None:
            live = LiveCarrier(self.environment)
            at_live_prices = _at_live_prices(context)
            source = Handful(runner.leftovers, NotInBatches(at_live_prices, intake))
            await live.send(at_live_prices, intake.plan, source)


def _at_live_prices(context: RunContext) -> RunContext:
    """Return the same run with the accounts of live calls: another tariff, the same budget."""
    tariff = context.accounting.tariff
    assert isinstance(tariff, ListedTariff)
    return replace(
        context, accounting=replace(context.accounting, tariff=replace(tariff, is_batch=False), source="api")
    )


def choose_carrier(settings: Settings, environment: Environment | BatchEnvironment | None = None) -> Carrier:
    """Return the way that a run's requests travel.

    Parameters
    ----------
    settings : Settings
        Say whether in batches.
    environment : Environment or BatchEnvironment, optional
        Another outside world, for tests; a live one makes live calls whatever the settings say (rehearsals).

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    if isinstance(environment, Environment):
        return LiveCarrier(environment, NotInBatches)
    if settings.batch:
        return BatchCarrier(environment or batch_environment(settings))
    return LiveCarrier(environment.live if environment else live_environment(settings), NotInBatches)
