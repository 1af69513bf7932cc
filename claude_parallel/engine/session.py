"""One map from beginning to end: run on a loop, whatever way its requests travel, and put on record.

Nobody inherits from the session. How a map is prepared stands in ``plan``, how requests travel is the carrier's
business, and what becomes of the outcomes is decided in ``frames``.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol

from .. import bridge
from ..bridge import Control
from ..config import is_simulating
from ..errors import RowFailed, RunStopped
from ..pricing import PriceList
from ..progress.bar import Clocks, ProgressBar, choose_bar
from ..progress.stats import RunStats
from ..prompt.cache_breakpoints import minimum_tokens
from ..records import Outcome
from ..store.claims import ClaimBook
from ..store.journal import Journal
from ..text import format_usd
from ..warning import warn
from ..worker_threads import finish_off_loop
from .accounting import Accounting
from .budget import Budget
from .claims import Claims
from .context import RunContext, RunState, StopReason
from .environment import Environment
from .intake import Intake, Outlet
from .plan import Plan
from .results import Results
from .tariff import ListedTariff
from .to_end import Course, arun_to_end, run_to_end

_LOG = logging.getLogger("claude_parallel")


class Carrier(Protocol):
    """A way for the requests of a run to travel."""

    environment: Environment
    """The account and the clocks."""

    is_batch: bool
    """True for Message Batches and their prices."""

    async def carry(self, context: RunContext, intake: Intake) -> None:
        """Send everything that the journal could not answer, and deliver what comes of it."""
        ...


class Session:
    """One map, ready to run once.

    Parameters
    ----------
    plan : Plan
        What to ask, and how.
    carrier : Carrier
        How requests travel.
    journal : Journal
        Where answers and the run's record go; closed at the end.
    out : str
        Name of the text column, for the run's record.
    control : Control, optional
        Stop flags that several sessions share.
    budget : Budget, optional
        Money that several sessions share; None = the plan's own.

    Attributes
    ----------
    run_id : str
        Name of the run in the journal, such as ``r-20261126-141503-a1b2c3``.
    stats : RunStats
        What has happened so far, for whoever shows it.
    results : Results
        The outcomes of the rows.
    state : RunState
        Why the run sends nothing more, and what it waited for.
    has_own_display : bool
        False where somebody else shows how the run comes on.
    outlet : Outlet or None
        Set before the run where rows are a stream: takes outcomes out as they are complete.
    is_whole : bool
        True once the run came to every row, though perhaps not with the budget for it.
    """

    def __init__(
        self,
        plan: Plan,
        carrier: Carrier,
        journal: Journal,
        *,
        out: str = "response",
        control: Control | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.plan = plan
        self.carrier = carrier
        self.journal = journal
        self.out = out
        self.environment = carrier.environment
        self.run_id = _new_run_id(self.environment.wall_clock())
        self.control = control or Control()
        self._budget = budget or Budget(cap=plan.settings.budget)
        self.has_own_display = True
        self.stats = RunStats(
            total=plan.rows.total or 0,
            samples=plan.settings.sample,
            has_vote=plan.settings.vote,
            is_open=plan.rows.total is None,
            is_simulated=is_simulating(plan.settings.client),
        )
        self.results = Results.empty(plan.size or 0, self.stats)
        self.state = RunState()
        self.outlet: Outlet | None = None
        self.is_whole = False
        self._ended = 0.0

    def __repr__(self) -> str:
        return f"<Session {self.run_id}: {self.stats.done} of {self.stats.total} rows>"

    def run(self) -> Results:
        """Run to the end, blocking; paints on the calling thread.

        Raises
        ------
        RunStopped
            When the API refused the run and nothing was answered.
        RowFailed
            With ``on_error="raise"``.
        KeyboardInterrupt
            After an interrupt in a script, or at the third in a notebook.
        """
        if self.plan.settings.bridge == "nested":
            return bridge.run_nested(self.arun)
        bridge.advise_amap()
        run_to_end(self._course, self.control, self._bar())
        return self._conclude()

    async def arun(self) -> Results:
        """Run to the end on the caller's own event loop; raises as :meth:`run` does."""
        await arun_to_end(self._course, self.control, self._bar())
        return self._conclude()

    # -- running -------------------------------------------------------------------------------------------------

    @property
    def _course(self) -> Course:
        return Course(self.work, self.finish, self.keep)

    def _bar(self) -> ProgressBar:
        shown = self.plan.settings.progress and self.has_own_display
        return choose_bar(self.stats, progress=shown, clocks=Clocks(time.monotonic, self.environment.wall_clock))

    async def work(self) -> None:
        """Send what there is to send; :meth:`finish` completes the rows, :meth:`keep` puts the run on record."""
        plan = self.plan
        summary = {**plan.settings.summary(), "rows": plan.rows.total, "out": self.out}
        summary |= {"simulated": True} if self.stats.is_simulated else {}
        await finish_off_loop(self.journal.begin_run, self.run_id, self.environment.wall_clock(), plan.host, summary)
        way = "batch" if self.carrier.is_batch else "live"
        _LOG.info("run %s begins: %s rows, %s, %s", self.run_id, plan.rows.total, plan.settings.model, way)
        book = ClaimBook(self.journal, self.run_id) if self.journal.path is not None else None
        claims = Claims(book, self.environment.wall_clock)
        context = self._context(claims)
        if self.outlet is not None:
            self.results.on_ready = self.outlet.drain
        intake = Intake(plan, self.results, self.journal, context.accounting, claims, window=self.outlet)
        async with claims.kept_alive():
            try:
                await self.carrier.carry(context, intake)
            finally:
                if self.outlet is not None:
                    await self.outlet.written()
        stop = self.state.stop
        is_refused = stop is not None and stop.kind != "budget"
        has_failed = plan.settings.on_error == "raise" and self.results.first_error is not None
        self.is_whole = not (self.control.is_stopping or is_refused or has_failed)

    def _context(self, claims: Claims) -> RunContext:
        environment = self.environment
        return RunContext(
            run_id=self.run_id,
            host=self.plan.host,
            journal=self.journal,
            accounting=self._accounting(claims),
            with_breakpoint=self.plan.with_breakpoint,
            policy=self.plan.settings.retries,
            control=self.control,
            stats=self.stats,
            state=self.state,
            clock=environment.clock,
            wall_clock=environment.wall_clock,
            rng=environment.rng,
        )

    @property
    def tariff(self) -> ListedTariff:
        """What calls cost, the way this run travels."""
        settings, environment = self.plan.settings, self.environment
        asked = settings.model if environment.prices_model_asked else None
        prices = PriceList(factor=environment.price_factor, model_asked=asked)
        has_budget = settings.budget is not None
        return ListedTariff(prices, self.plan.ttl, is_batch=self.carrier.is_batch, has_budget=has_budget)

    def _accounting(self, claims: Claims) -> Accounting:
        settings = self.plan.settings
        return Accounting(
            run_id=self.run_id,
            model=settings.model,
            source="batch" if self.carrier.is_batch else "api",
            tariff=self.tariff,
            budget=self._budget,
            journal=self.journal,
            stats=self.stats,
            read=self.plan.read,
            repair=self.plan.repair,
            go_on=self.plan.go_on,
            deliver=self.results.deliver,
            control=self.control,
            stops_at_error=settings.on_error == "raise",
            prefix_bytes=self.plan.shared.prefix_bytes,
            settled=claims.release,
        )

    # -- afterwards ----------------------------------------------------------------------------------------------

    def finish(self, bar: ProgressBar) -> None:
        """Give every row an outcome, and show them."""
        self._ended = self.environment.wall_clock()
        try:
            self._complete()
        except BaseException:
            self.journal.close()
            raise
        finally:
            bar.close()

    def keep(self) -> None:
        """Keep the run's record, and close the journal; the answers are on disk already."""
        with closing(self.journal):
            try:
                if self.outlet is not None:
                    self.outlet.settle()
            finally:
                self._keep_record()

    def _keep_record(self) -> None:
        results, stats = self.results, self.stats
        self.record(results.base, results.fingerprints, results.outcomes)
        done = f"{stats.done} of {stats.total} rows done, {stats.kinds.total()} without a good answer"
        _LOG.info("run %s ended: %s, $%.6f", self.run_id, done, stats.cost)
        self.journal.end_run(self.run_id, self._ended, self._totals())

    def _complete(self) -> None:
        """Give every row that has none the outcome of a row that was not sent."""
        results, reason = self.results, self.state.reason_for_the_rest
        unread = 0
        if not self.is_whole:
            results.on_ready = None  # a stream leaves the rest to a later run
            if self.outlet is not None:
                results.reach(self.outlet.loaded * self.plan.settings.sample)
                unread = self.outlet.unread()
        results.complete(*reason)
        self.stats.leave(unread, reason[0])

    def record(self, first: int, fingerprints: Sequence[bytes | None], outcomes: Sequence[Outcome | None]) -> None:
        """Keep in the run's record what became of the positions from `first` on."""
        rows = zip(itertools.count(first), fingerprints, outcomes, strict=False)
        self.journal.keep_rows(
            self.run_id,
            ((position, key, outcome) for position, key, outcome in rows if outcome is not None),
        )

    def _totals(self) -> dict[str, Any]:
        stats = self.stats
        return {
            "rows": stats.total,
            "errors": dict(stats.kinds),
            "cost_usd": str(stats.cost),
            "saved_usd": str(stats.saved),
            "from_journal": stats.from_journal,
            "duplicates": stats.duplicates,
            "cache": {"hits": stats.cache_hits, "misses": stats.cache_misses, "saved_usd": str(stats.cache_saved)},
            "waited_seconds": {reason: round(seconds, 3) for reason, seconds in self.state.waited.items()},
            "limits": self._limits(),
        }

    def _limits(self) -> dict[str, float]:
        """Return the limits per minute that held: the account's, and the user's where tighter."""
        known = self.environment.gate.status(self.environment.clock()).limits
        limits = {str(dimension): limit for dimension, limit in known.items()}
        given = self.plan.settings.limits
        own = given.by_dimension() if given else {}
        return limits | {str(at): min(limit, limits.get(at, limit)) for at, limit in own.items()}

    def _conclude(self) -> Results:
        """Return the results, or raise what the caller asked to be told by an exception."""
        stop = self.state.stop
        if stop is not None and stop.kind != "budget" and not self.results.has_answers:
            raise RunStopped(stop.kind, stop.message, stop.hint)
        for message in self.warnings():
            warn(message)
        if self.control.interrupts and not bridge.is_interactive():
            raise KeyboardInterrupt
        if self.plan.settings.on_error == "raise":
            self._raise_first_error()
        return self.results

    def warnings(self) -> Iterator[str]:
        """Yield what the user should know beside the frame, one sentence each."""
        stats, model, stop = self.stats, self.plan.settings.model, self.state.stop
        if stop is not None:
            yield _stopped_early(stop, stats)
        if self.plan.ttl is not None and stats.cache_misses > 3 and not stats.cache_hits:
            yield (
                "prompt caching is on, but no answer was read from the cache: the shared prefix may be below "
                f"the {minimum_tokens(model):,} tokens that {model} caches, or differ from row to row, or a call takes "
                "longer than an entry lives"
            )
        if stats.unpriced:
            yield (
                f"no price is known for {stats.unpriced} answers ({model!r} was asked): of the model that they name, "
                "or since they do not say what they used; their cost is NaN"
            )

    def _raise_first_error(self) -> None:
        if self.results.first_error is not None:
            position, outcome = self.results.first_error
            raise RowFailed(position // self.plan.settings.sample, str(outcome.error), outcome.request_id)


def _stopped_early(stop: StopReason, stats: RunStats) -> str:
    spent = f", {format_usd(stats.cost)} spent" if stop.kind == "budget" else ""
    return (
        f"the run stopped early ({stop.kind}: {stop.message}{spent}): {stats.kinds[stop.kind]:,} rows are marked "
        f"{stop.kind!r}; what was answered is kept; {stop.hint or 'run it again to go on'}"
    )


def _new_run_id(now: float) -> str:
    return time.strftime("r-%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)
