"""One map from beginning to end: prepared, run on a loop, and put on record.

Puts the environment and the rules of one run together. Defaults and accounts are in ``config``; what becomes of the
outcomes is in ``frames``.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from .. import bridge
from ..api.answers import read_answer
from ..bridge import Control
from ..config import journal_path
from ..errors import InputError, Kind, RowFailed, RunStopped
from ..limits.load import LoadEstimator
from ..options import Settings
from ..pricing import PriceList
from ..progress.bar import Clocks, ProgressBar, choose_bar, paint_on
from ..progress.stats import RunStats
from ..prompt.cache_marks import SECONDS, TimeToLive, mark, minimum_tokens
from ..prompt.request import Shared, body_fields, example_messages, share
from ..records import Answer, Body, Outcome, Request, Transport, Usage
from ..schema.reader import repair_request
from ..store.journal import Journal, RunRow
from ..text import format_usd
from .budget import Budget
from .cache_warmup import Prefixes
from .context import Pending, Rules, Run
from .dispatcher import Engine
from .environment import Environment, live_environment
from .intake import Intake, Rows
from .results import Results

ZERO = Decimal(0)


class Session:
    """One map, ready to run once.

    Parameters
    ----------
    rows : Rows
        What to ask.
    settings : Settings
        How.
    out : str
        Name of the text column, for the run's record.
    static_text : str
        Text that every row's message begins with.
    environment : Environment, optional
        Another outside world, for rehearsals and tests.
    read : callable
        Message -> Answer.
    output_format : mapping, optional
        ``output_config.format`` of a schema.
    examples : tuple of pairs
        Few-shot pairs of texts.
    bypass_cache : frozenset of bytes
        Fingerprints whose answers in the journal are left aside, since the user rejected them.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """

    def __init__(
        self,
        rows: Rows,
        settings: Settings,
        *,
        out: str = "response",
        static_text: str = "",
        environment: Environment | None = None,
        read: Callable[[Mapping[str, Any]], Answer] = read_answer,
        output_format: Mapping[str, Any] | None = None,
        examples: tuple[tuple[str, str], ...] = (),
        bypass_cache: frozenset[bytes] = frozenset(),
    ) -> None:
        self.rows = rows
        self.settings = settings
        self.out = out
        self.environment = environment or live_environment(settings)
        self.prices = PriceList()
        self.read = read
        self.run_id = _new_run_id(self.environment.wall_clock())
        self.control = Control()
        self.has_own_display = True
        size = len(rows) * settings.sample
        self.stats = RunStats(total=size)
        self.results = Results.empty(size, self.stats)
        self.shared = self._share(output_format, examples, static_text)
        self.ttl = self._ttl()
        self._bypass_cache = bypass_cache
        self._engine: Engine | None = None
        self._check_budget()
        is_path = not isinstance(settings.journal, bool)
        self.journal = Journal.open(journal_path(settings.journal), is_explicit=is_path)

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
        if self.settings.bridge == "nested":
            return bridge.run_nested(self.arun)
        bridge.advise_amap()
        painter = self._painter()
        with bridge.interrupts(self.control):  # also while the record is written: an interrupt must not cost the frame
            try:
                bridge.run_blocking(self._work, self.control, painter.paint)
            finally:
                self._finish(painter)
        return self._conclude()

    async def arun(self) -> Results:
        """Run to the end on the caller's own event loop; raises as :meth:`run` does."""
        painter = self._painter()
        painting = asyncio.create_task(paint_on(painter))
        with bridge.interrupts(self.control):
            try:
                await self._work()
            finally:
                painting.cancel()
                self._finish(painter)
        return self._conclude()

    # -- preparing -----------------------------------------------------------------------------------------------

    def _share(
        self, output_format: Mapping[str, Any] | None, examples: tuple[tuple[str, str], ...], static_text: str
    ) -> Shared:
        settings = self.settings
        fields = body_fields(
            model=settings.model,
            max_tokens=settings.max_tokens,
            system=settings.system,
            thinking=settings.thinking,
            effort=settings.effort,
            output_format=output_format,
            tools=settings.tools,
            stop_sequences=settings.stop_sequences,
            request=settings.request,
        )
        return share(self.environment.host, fields, example_messages(examples), static_text)

    def _ttl(self) -> TimeToLive | None:
        """Return the lifetime to mark the shared prefix with; None where caching cannot pay.

        A prefix below the model's minimum is not cached, and one that a single request uses costs a quarter more.
        """
        wanted = self.settings.prompt_cache
        if wanted is None or self.stats.total < 2:
            return None
        if self.shared.prefix_tokens < minimum_tokens(self.settings.model):
            return None
        return "5m" if wanted == "auto" else wanted

    def _check_budget(self) -> None:
        if self.settings.budget is not None and self.prices.card(self.settings.model) is None:
            raise InputError(
                f"no price is known for {self.settings.model!r}, so budget= cannot be kept; leave it out, or choose a "
                "model with a known price"
            )

    def _painter(self) -> ProgressBar:
        shown = self.settings.progress and self.has_own_display
        return choose_bar(self.stats, progress=shown, clocks=Clocks(time.monotonic, self.environment.wall_clock))

    # -- running -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        settings, environment = self.settings, self.environment
        summary = {**settings.summary(), "rows": len(self.rows), "out": self.out}
        self.journal.begin_run(self.run_id, environment.wall_clock(), environment.host, summary)
        most = environment.most_in_flight
        cap = most if settings.max_concurrency == "auto" else min(most, settings.max_concurrency)
        transport = environment.open_transport(cap, settings.timeout)
        try:
            run = self._assemble(transport, cap)
            self._engine = Engine(run, self.intake().chunks(), self._deliver)
            await self._engine.run()
        finally:
            await transport.aclose()

    def _assemble(self, transport: Transport, cap: int) -> Run:
        settings, environment = self.settings, self.environment
        return Run(
            run_id=self.run_id,
            host=environment.host,
            transport=transport,
            gate=environment.gate,
            journal=self.journal,
            rules=Rules(self.read, self._price, self._worst_cost, self._mark, self._repair),
            policy=settings.retries,
            budget=Budget(cap=settings.budget),
            estimator=LoadEstimator(),
            prefixes=Prefixes(SECONDS[self.ttl]) if self.ttl else None,
            control=self.control,
            stats=self.stats,
            clock=environment.clock,
            wall_clock=environment.wall_clock,
            rng=environment.rng,
            max_in_flight=cap,
            stops_at_error=settings.on_error == "raise",
        )

    def intake(self) -> Intake:
        """Return what turns this run's rows into requests that still have to be sent."""
        return Intake(
            rows=self.rows,
            shared=self.shared,
            results=self.results,
            journal=self.journal,
            read=self.read,
            price=self.prices.cost,
            repair=self._repair,
            samples=self.settings.sample,
            has_breakpoint=self.ttl is not None,
            bypass_cache=self._bypass_cache,
        )

    def _deliver(self, pending: Pending, outcome: Outcome) -> None:
        self.results.deliver(pending.position, outcome)

    def _worst_cost(self, request: Request) -> Decimal:
        if self.settings.budget is None:
            return ZERO
        return self.prices.worst_cost(request.body, request.max_input_tokens, self.ttl) or ZERO

    def _mark(self, request: Request) -> Body:
        if self.ttl is None or request.prefix is None:
            return request.body
        return mark(request.body, self.shared.static_text, len(self.shared.examples), self.ttl)

    def _price(self, model: str, usage: Usage) -> Decimal | None:
        """Return the cost of an answer, and count what the prompt cache did for it."""
        if self.ttl is not None:
            self.stats.note_cache(usage, self.prices.cache_savings(model, usage))
        return self.prices.cost(model, usage)

    def _repair(self, pending: Pending, answer: Answer) -> Request | None:
        if pending.repairs >= self.settings.repair:
            return None
        return repair_request(self.shared, pending.request, answer)

    # -- afterwards ----------------------------------------------------------------------------------------------

    def _finish(self, painter: ProgressBar) -> None:
        """Give every row an outcome, show them, and keep the run's record; the answers are on disk already."""
        try:
            kind, what = self._reason_for_the_rest()
            self.results.complete(kind, what)
        finally:
            painter.close()
        self.journal.keep_rows(
            self.run_id,
            (
                RunRow(position, fingerprint, outcome)
                for position, (fingerprint, outcome) in enumerate(
                    zip(self.results.fingerprints, self.results.outcomes, strict=True)
                )
                if outcome is not None
            ),
        )
        self.journal.end_run(self.run_id, self.environment.wall_clock(), self._totals())
        self.journal.close()

    def _reason_for_the_rest(self) -> tuple[Any, str]:
        if self._engine is not None and self._engine.stop is not None:
            kind, what = self._engine.stop
            return kind, f"not sent: {what}"
        return "cancelled", "not sent, the run was stopped"

    def _totals(self) -> dict[str, Any]:
        stats, engine = self.stats, self._engine
        return {
            "rows": stats.total,
            "errors": dict(stats.kinds),
            "cost_usd": str(stats.cost),
            "saved_usd": str(stats.saved),
            "from_journal": stats.from_journal,
            "duplicates": stats.duplicates,
            "cache": {"hits": stats.cache_hits, "misses": stats.cache_misses, "saved_usd": str(stats.cache_saved)},
            "waited_seconds": {
                reason: round(seconds, 3) for reason, seconds in (engine.waited if engine else {}).items()
            },
            "limits": dict(self.environment.gate.status(self.environment.clock()).limits),
        }

    def _conclude(self) -> Results:
        """Return the results, or raise what the caller asked to be told by an exception."""
        stop = self._engine.stop if self._engine is not None else None
        if stop is not None and stop[0] != "budget" and not self.results.has_answers:
            raise RunStopped(*stop)
        for message in self._warnings(stop):
            warnings.warn(message, UserWarning, stacklevel=5)
        if self.control.interrupts and not bridge.is_interactive():
            raise KeyboardInterrupt
        if self.settings.on_error == "raise":
            self._raise_first_error()
        return self.results

    def _warnings(self, stop: tuple[Kind, str] | None) -> Iterator[str]:
        """Yield what the user should know beside the frame, one sentence each."""
        stats, model = self.stats, self.settings.model
        if stop is not None:
            kind, what = stop
            spent = f", {format_usd(stats.cost)} spent" if kind == "budget" else ""
            yield (
                f"the run stopped early ({kind}: {what}{spent}): {stats.kinds[kind]:,} rows are marked {kind!r}; what "
                "was answered is in the frame and in the journal"
            )
        if self.ttl is not None and stats.cache_misses > 3 and not stats.cache_hits:
            yield (
                "prompt caching was asked for, but no answer was read from the cache: the shared prefix may be below "
                f"the {minimum_tokens(model):,} tokens that {model} caches, or differ from row to row"
            )
        if stats.unpriced:
            yield f"no price is known for {stats.unpriced} answers ({model!r}); their cost is NaN"

    def _raise_first_error(self) -> None:
        for position, outcome in enumerate(self.results.outcomes):
            if outcome and outcome.error and outcome.kind not in ("skipped", "cancelled"):
                raise RowFailed(position // self.settings.sample, outcome.error, outcome.request_id)


def _new_run_id(now: float) -> str:
    return time.strftime("r-%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)
