"""What is known of an account before a run: its limits, its speed, the way to it; looked at without leaving a trace.

Knows where to look and what to assume instead. What follows from it for a workload is played in ``simulate``.
"""

from __future__ import annotations

import math

from ..engine.environment import Environment, live_environment, max_in_flight
from ..engine.plan import not_in_batches
from ..errors import CredentialsError
from ..limits.gate import TIERS, Limits
from ..options import Settings
from ..store.journal import Journal
from .hits import batch_hits
from .latency import ASSUMED, Latency, measured_latency
from .scenario import Conditions, Knowledge
from .token_counts import Interval

PUBLIC_HOST = "https://api.anthropic.com"
"""Whose answers the journal is asked for where there are no credentials. Source: the SDK's default base URL."""

ASSUMED_TIER = "start"


def look(settings: Settings) -> Environment | None:
    """Return the environment of the account as they are; None where there is nothing to sign in with."""
    try:
        return live_environment(settings)
    except CredentialsError:
        return None


def host_of(environment: Environment | None) -> str:
    """Return the API whose answers the journal is asked for."""
    return environment.host if environment is not None else PUBLIC_HOST


def conditions_of(settings: Settings, environment: Environment | None, latency: Latency) -> Conditions:
    """Return what a run with these settings would take place under.

    Parameters
    ----------
    settings : Settings
        The call's own.
    environment : Environment or None
        Whose gate may have learnt limits from earlier answers.
    latency : Latency
        How long calls take.
    """
    learnt = _learnt(environment)
    limits = _tighter(settings.limits, learnt)
    knowledge: Knowledge = "learnt" if learnt else "given" if limits else "none"
    return Conditions(
        limits=limits or TIERS[ASSUMED_TIER],
        knowledge=knowledge,
        latency=latency,
        max_in_flight=max_in_flight(settings, environment),
        policy=settings.retries,
        ttl="1h" if settings.prompt_cache == "1h" else "5m",
    )


def experience_of(journal: Journal, settings: Settings, environment: Environment | None) -> tuple[Latency, Interval]:
    """Return the latency of earlier runs in the journal and the cache hits of earlier batches, else what is assumed."""
    host = host_of(environment)
    return measured_latency(journal, host, settings.model) or ASSUMED, batch_hits(journal, host, settings.model)


def why_no_batches(settings: Settings, environment: Environment | None) -> str | None:
    """Return why a map with these settings cannot go as batches; None where it can."""
    if environment is not None and not environment.has_batches:
        return "does not apply: there are no message batches on this platform"
    refused = not_in_batches(settings)
    return None if refused is None else f"does not apply: batches take no {refused!r}"


def _learnt(environment: Environment | None) -> Limits | None:
    """Return the limits that the process has learnt of the account; None where there are none yet."""
    found = environment.gate.status(environment.clock()).limits if environment is not None else {}
    return Limits(found.get("requests"), found.get("input"), found.get("output")) if found else None


def _tighter(one: Limits | None, other: Limits | None) -> Limits | None:
    if one is None or other is None:
        return one or other
    first, second = one.by_dimension(), other.by_dimension()
    both = {d: min(first.get(d, math.inf), second.get(d, math.inf)) for d in {*first, *second}}
    return Limits(both.get("requests"), both.get("input"), both.get("output"))
