"""A map's rows, gone through as its run would, without sending or keeping anything.

Knows how a run's intake is used without a run. ``workload`` counts what is met on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from ..bridge import Control, run_blocking
from ..config import journal_path
from ..engine.accounting import Accounting
from ..engine.budget import Budget
from ..engine.claims import Claims
from ..engine.intake import Intake, Outcomes, Window
from ..engine.pending import Pending
from ..engine.plan import Plan
from ..engine.results import Results
from ..engine.tariff import FreeTariff
from ..options import Settings
from ..progress.stats import RunStats
from ..records import Outcome
from ..store.journal import Journal


def walk(
    plan: Plan,
    journal: Journal,
    outcomes: Outcomes,
    *,
    tariff: FreeTariff,
    unsent: Callable[[Pending], None],
    window: Window | None = None,
) -> None:
    """Go through all rows of a plan; what the journal answers is delivered, what it does not is told.

    Parameters
    ----------
    plan : Plan
        The map.
    journal : Journal
        Asked for answers; nothing is written to it, and nothing is sent.
    outcomes : Outcomes
        Gets the outcomes that need no call.
    tariff : FreeTariff
        Gets the usage of the answers.
    unsent : callable
        Told each request that a run would send.
    window : Window, optional
        As in :class:`Intake`.

    Raises
    ------
    KeyboardInterrupt
        At the first interrupt: half a walk says nothing.
    """
    control = Control()
    accounting = Accounting(
        run_id="estimate",
        model=plan.settings.model,
        source="api",
        tariff=tariff,
        budget=Budget(),
        journal=Journal.open(None),  # what accounting writes is of no use to anybody
        stats=outcomes.stats,
        read=plan.read,
        repair=plan.repair,
        go_on=plan.go_on,
        deliver=outcomes.deliver,
        control=control,
    )

    async def go() -> None:
        claims = Claims(None, time.time)
        async for chunk in Intake(plan, outcomes, journal, accounting, claims, window=window).chunks():
            for pending in chunk:
                unsent(pending)
            if control.interrupts:
                return

    run_blocking(go, control, lambda: None)
    if control.interrupts:
        raise KeyboardInterrupt


def journal_of(settings: Settings) -> closing[Journal]:
    """Open the journal that the map would use, to look into it; what the user has named and is none, stays as it is.

    Raises
    ------
    InputError
        For a file that the map would refuse.
    """
    is_named = not isinstance(settings.journal, bool)
    return closing(Journal.open_existing(journal_path(settings.journal, settings.client), is_explicit=is_named))


def recall(plan: Plan, settings: Settings) -> list[Outcome | None]:
    """Return the outcome of each position of a plan that needs no call; None where one would be sent.

    Parameters
    ----------
    plan : Plan
        The map; its rows are no stream.
    settings : Settings
        They say where the journal is.
    """
    results = Results.empty(plan.size or 0, RunStats(samples=plan.settings.sample))
    with journal_of(settings) as journal:
        walk(plan, journal, results, tariff=FreeTariff(), unsent=lambda _pending: None)
    return results.outcomes
