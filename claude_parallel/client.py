"""The desk: assembles the doors and rules of one account into a run, and runs it.

The only place with defaults of the process, the environment and the wall clock. What a frame is, ``frames`` knows; how
requests are sent, the engine.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import bridge
from .answers import read_answer
from .bridge import Control
from .budget import Budget
from .caching import SECONDS, Prefixes, TimeToLive, mark, minimum_tokens
from .display import Painter, choose_painter
from .engine import Engine, Pending, Rules, Run
from .errors import InputError, RowFailed, RunStopped
from .intake import Intake, Rows
from .journal import Journal, RunRow
from .journal_file import FILE_NAME
from .limits import Gate, model_group
from .load import LoadEstimator
from .options import Settings, check_names, read_environment, resolve
from .pricing import PriceList
from .progress import Tally, format_usd
from .records import Answer, Body, Outcome, Request, Transport
from .request import Shared, body_fields, example_messages, share
from .results import Results
from .transport import Account, SdkTransport, open_account
from .window import CEILING

ZERO = Decimal(0)

_lock = threading.Lock()
_configured: dict[str, Any] = {}
_overrides: list[Mapping[str, Any]] = []
_gates: dict[tuple[str, str], Gate] = {}


def _forget_gates() -> None:
    """A forked child has limits of its own to learn, and must not wait for a lock that no thread holds any more."""
    global _lock
    _lock = threading.Lock()
    _gates.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_gates)


# -- defaults --------------------------------------------------------------------------------------------------------


def configure(*, api_key: str | None = None, base_url: str | None = None, **options: Any) -> None:
    """Set defaults for this process; they win over ``CLAUDE_PARALLEL_*`` variables and lose to a call's own options.

    Parameters
    ----------
    api_key, base_url : str, optional
        Where to send and how to sign in; None = as the SDK finds them (``ANTHROPIC_API_KEY``, a profile, ...).
    **options
        Any option of ``df.claude.map``. Each call replaces what was configured before; call it without arguments to go
        back to the built-in defaults.

    Raises
    ------
    InputError
        For an option that does not exist or cannot work.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> cp.configure(model="claude-sonnet-4-6", max_concurrency=20)
    >>> cp.configure()
    """
    resolve(options)
    with _lock:
        _configured.clear()
        _configured.update({**options, "api_key": api_key, "base_url": base_url})


@contextmanager
def override(**options: Any) -> Iterator[None]:
    """Set defaults for the length of a block, above what was configured (``simulator()`` uses it)."""
    with _lock:
        _overrides.append(options)
    try:
        yield
    finally:
        with _lock:
            _overrides.remove(options)


def resolve_settings(options: Mapping[str, Any]) -> Settings:
    """Return the settings of one call, from its own options and the defaults of this process."""
    check_names(options)
    with _lock:
        layers = [options, *reversed(_overrides), dict(_configured), read_environment(os.environ)]
    return resolve(*({k: v for k, v in layer.items() if k not in ("api_key", "base_url")} for layer in layers))


def _sign_in(settings: Settings) -> Account:
    with _lock:
        layers = [*reversed(_overrides), _configured]
        api_key = next((layer["api_key"] for layer in layers if layer.get("api_key")), None)
        base_url = next((layer["base_url"] for layer in layers if layer.get("base_url")), None)
    return open_account(settings.client, api_key=api_key, base_url=base_url)


def home() -> Path:
    """Return the folder of the journal: ``CLAUDE_PARALLEL_HOME``, else the user's data folder."""
    configured = os.environ.get("CLAUDE_PARALLEL_HOME")
    if configured:
        return Path(configured).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("claude_parallel", appauthor=False))


def journal_path(setting: bool | str | Path) -> Path | None:
    """Return the file that a ``journal=`` setting means; None = no journal."""
    if isinstance(setting, bool):
        return home() / FILE_NAME if setting else None
    return Path(setting).expanduser()


# -- doors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doors:
    """What a run meets of the outside world.

    Attributes
    ----------
    host : str
        Base URL, part of every journal key.
    open_transport : callable
        (calls in flight, timeout in seconds) -> Transport; called on the run's own event loop.
    gate : Gate
        Of this account and model group.
    clock, wall_clock : callable
        Seconds, monotonic; seconds since the epoch.
    rng : random.Random
        Source of jitter.
    """

    host: str
    open_transport: Callable[[int, float], Transport]
    gate: Gate
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)


def live_doors(settings: Settings) -> Doors:
    """Return the doors to the real API (or to whatever the configured base URL serves).

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    account = _sign_in(settings)

    def open_transport(max_connections: int, timeout_seconds: float) -> Transport:
        return SdkTransport(account, max_connections=max_connections, timeout_seconds=timeout_seconds)

    key = (f"{account.host} {account.owner}", model_group(settings.model))
    with _lock:
        gate = _gates.setdefault(key, Gate())
    gate.restrict(settings.limits)
    return Doors(host=account.host, open_transport=open_transport, gate=gate)


def local_time(epoch_seconds: float) -> str:
    """Return the time of day for people, such as ``14:03:20``."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_seconds))


# -- one run ---------------------------------------------------------------------------------------------------------


class Session:
    """One map, ready to run once.

    Parameters
    ----------
    rows : Rows
        What to ask.
    settings : Settings
        How.
    static_text : str
        Text that every row's message begins with.
    doors : Doors, optional
        Another outside world, for rehearsals and tests.
    read : callable
        Message -> Answer.
    asks_anew : bool
        True to leave the journal's answers aside.

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
        static_text: str = "",
        doors: Doors | None = None,
        read: Callable[[Mapping[str, Any]], Answer] = read_answer,
        output_format: Mapping[str, Any] | None = None,
        examples: tuple[tuple[str, str], ...] = (),
        asks_anew: bool = False,
    ) -> None:
        self.rows = rows
        self.settings = settings
        self.doors = doors or live_doors(settings)
        self.prices = PriceList()
        self.read = read
        self.run_id = _new_run_id(self.doors.wall_clock())
        self.control = Control()
        size = len(rows) * settings.sample
        self.tally = Tally(total=size)
        self.results = Results.empty(size, self.tally)
        self.shared = self._share(output_format, examples, static_text)
        self.ttl = self._ttl()
        self._asks_anew = asks_anew
        self._engine: Engine | None = None
        self._check_budget()
        is_path = not isinstance(settings.journal, bool)
        self.journal = Journal.open(journal_path(settings.journal), is_explicit=is_path)

    def __repr__(self) -> str:
        return f"<Session {self.run_id}: {self.tally.done} of {self.tally.total} rows>"

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
        _advise_amap()
        painter = self._painter()
        try:
            bridge.run_blocking(self._work, self.control, painter.paint)
        finally:
            painter.close()
            self._finish()
        return self._conclude()

    async def arun(self) -> Results:
        """Run to the end on the caller's own event loop; raises as :meth:`run` does."""
        painter = self._painter()
        painting = asyncio.create_task(_paint_on(painter))
        try:
            with bridge.interrupts(self.control):
                await self._work()
        finally:
            painting.cancel()
            painter.close()
            self._finish()
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
        return share(self.doors.host, fields, example_messages(examples), static_text)

    def _ttl(self) -> TimeToLive | None:
        """Return the lifetime to mark the shared prefix with; None where caching cannot pay.

        A prefix below the model's minimum is not cached, and one that a single request uses costs a quarter more.
        """
        wanted = self.settings.prompt_cache
        if wanted is None or self.tally.total < 2:
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

    def _painter(self) -> Painter:
        return choose_painter(self.tally, progress=self.settings.progress, clock=time.monotonic, clock_text=local_time)

    # -- running -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        settings, doors = self.settings, self.doors
        summary = {**settings.summary(), "rows": len(self.rows), "model": settings.model}
        self.journal.begin_run(self.run_id, doors.wall_clock(), doors.host, summary)
        cap = CEILING if settings.max_concurrency == "auto" else settings.max_concurrency
        transport = doors.open_transport(cap, settings.timeout)
        try:
            run = self._assemble(transport, cap)
            self._engine = Engine(run, self._intake().chunks(), self._deliver)
            await self._engine.run()
        finally:
            await transport.aclose()

    def _assemble(self, transport: Transport, cap: int) -> Run:
        settings, doors = self.settings, self.doors
        return Run(
            run_id=self.run_id,
            host=doors.host,
            transport=transport,
            gate=doors.gate,
            journal=self.journal,
            rules=Rules(self.read, self.prices.cost, self._worst_cost, self._mark, self._repair),
            policy=settings.retries,
            budget=Budget(cap=settings.budget),
            estimator=LoadEstimator(),
            prefixes=Prefixes(SECONDS[self.ttl]) if self.ttl else None,
            control=self.control,
            tally=self.tally,
            clock=doors.clock,
            wall_clock=doors.wall_clock,
            rng=doors.rng,
            max_in_flight=cap,
            stops_at_error=settings.on_error == "raise",
        )

    def _intake(self) -> Intake:
        return Intake(
            rows=self.rows,
            shared=self.shared,
            results=self.results,
            journal=self.journal,
            read=self.read,
            price=self.prices.cost,
            repair=self._repair,
            draws=self.settings.sample,
            is_marked=self.ttl is not None,
            asks_anew=self._asks_anew,
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

    def _repair(self, pending: Pending, answer: Answer) -> Request | None:
        return None

    # -- afterwards ----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Give every row an outcome, and keep the run's record; the answers themselves are on disk already."""
        kind, what = self._reason_for_the_rest()
        self.results.complete(kind, what)
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
        self.journal.end_run(self.run_id, self.doors.wall_clock(), self._totals())
        self.journal.close()

    def _reason_for_the_rest(self) -> tuple[Any, str]:
        if self._engine is not None and self._engine.stop is not None:
            kind, what = self._engine.stop
            return kind, f"not sent: {what}"
        return "cancelled", "not sent, the run was stopped"

    def _totals(self) -> dict[str, Any]:
        tally, engine = self.tally, self._engine
        return {
            "rows": tally.total,
            "errors": dict(tally.kinds),
            "cost_usd": str(tally.cost),
            "saved_usd": str(tally.saved),
            "from_journal": tally.from_journal,
            "duplicates": tally.duplicates,
            "waited_seconds": {
                reason: round(seconds, 3) for reason, seconds in (engine.waited if engine else {}).items()
            },
            "limits": dict(self.doors.gate.status(self.doors.clock()).limits),
        }

    def _conclude(self) -> Results:
        """Return the results, or raise what the caller asked to be told by an exception."""
        if self._engine is not None and self._engine.stop is not None:
            self._tell_stop(*self._engine.stop)
        if self.control.interrupts and not bridge.is_interactive():
            raise KeyboardInterrupt
        if self.settings.on_error == "raise":
            self._raise_first_error()
        if self.tally.unpriced:
            warnings.warn(
                f"no price is known for {self.tally.unpriced} answers ({self.settings.model!r}); their cost is NaN",
                UserWarning,
                stacklevel=4,
            )
        return self.results

    def _tell_stop(self, kind: Any, what: str) -> None:
        if kind != "budget" and not self.results.has_answers:
            raise RunStopped(kind, what)
        left = self.tally.kinds[kind]
        spent = f", {format_usd(self.tally.cost)} spent" if kind == "budget" else ""
        warnings.warn(
            f"the run stopped early ({kind}: {what}{spent}): {left:,} rows are marked {kind!r}; what was answered is "
            "in the frame and in the journal",
            UserWarning,
            stacklevel=5,
        )

    def _raise_first_error(self) -> None:
        for position, outcome in enumerate(self.results.outcomes):
            if outcome and outcome.error and outcome.kind not in ("skipped", "cancelled"):
                raise RowFailed(position // self.settings.sample, outcome.error, outcome.request_id)


async def _paint_on(painter: Painter) -> None:
    while True:
        painter.paint()
        await asyncio.sleep(bridge.PAINT_SECONDS)


def _new_run_id(now: float) -> str:
    return time.strftime("r-%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)


_has_advised = False


def _advise_amap() -> None:
    """Say once that a blocking map inside a running loop (not a notebook's) stops that loop meanwhile."""
    global _has_advised
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not _has_advised and not bridge.is_interactive():
        _has_advised = True
        warnings.warn(
            "map() blocks the event loop it is called in; inside async code, use `await df.claude.amap(...)`",
            UserWarning,
            stacklevel=5,
        )
