"""What a map will cost and how long it will take, before anything is paid: four patterns side by side.

Puts the survey of the frame, the token counts, the prices and the rehearsals together. No call that costs money is
made; the free counting endpoint is asked about a few rows at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .caching import minimum_tokens
from .client import Doors, journal_path, quiet_doors, resolve_settings
from .errors import CredentialsError, InputError
from .journal import Journal
from .latencies import ASSUMED, Latency, given_latency, measured_latency
from .limits import TIERS, Gate, Limits
from .mapping import FrameMap
from .options import Settings
from .patterns import (
    BATCH_HITS,
    NAMES,
    Name,
    Pattern,
    Tokens,
    advise,
    batch_seconds,
    can_cache,
    price_pattern,
    read_price,
)
from .pricing import PriceList
from .records import DIMENSIONS, Transport
from .rehearsal import Conditions, Rehearsal, Script, rehearse
from .token_counts import InputCount, Spread, count_input, exact_input, expect_output
from .window import CEILING
from .workload import Workload, plain_workload, survey

PUBLIC_HOST = "https://api.anthropic.com"
"""Whose answers the journal is asked for where there are no credentials. Source: the SDK's default base URL."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What a map will cost and how long it will take, for four patterns.

    Attributes
    ----------
    model : str
        The model.
    workload : Workload
        Rows, distinct requests, and what the journal answers already.
    tokens : Tokens
        Input and output tokens.
    patterns : tuple of Pattern
        Dollars, seconds and advice: live, live + caching, batch, batch + caching.
    rehearsals : mapping of str to Rehearsal
        Of the live patterns.
    limits : Limits
        What was rehearsed under.
    notes : tuple of str
        Assumptions and their sources, one sentence each.
    """

    model: str
    workload: Workload
    tokens: Tokens
    patterns: tuple[Pattern, ...]
    rehearsals: Mapping[str, Rehearsal]
    limits: Limits
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        from .estimate_words import estimate_text

        return estimate_text(self)

    def _repr_html_(self) -> str:
        from .estimate_words import estimate_html

        return estimate_html(self)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pattern.

        Returns
        -------
        DataFrame
            Indexed by pattern: rows, unique (distinct requests), in_journal (of these), skipped, input_tokens,
            output_tokens_low, output_tokens_likely, output_tokens_high (of all requests to be sent), usd_low,
            usd_likely, usd_high (NaN without a known price), seconds, when, recommended.
        """
        work, outputs = self.workload, self.tokens.total_output()
        records = []
        for pattern in self.patterns:
            dollars = [float(usd) for usd in pattern.usd] if pattern.usd else [float("nan")] * 3
            records.append(
                {
                    "pattern": pattern.name,
                    "rows": work.rows,
                    "unique": work.unique,
                    "in_journal": work.in_journal,
                    "skipped": work.skipped,
                    "input_tokens": round(float(self.tokens.inputs.sum())),
                    **_named("output_tokens", [round(tokens) for tokens in outputs]),
                    **_named("usd", dollars),
                    "seconds": pattern.seconds,
                    "when": pattern.when,
                    "recommended": pattern.recommended,
                }
            )
        return pd.DataFrame(records).set_index("pattern")

    def plot(self) -> Any:
        """Return the expected throughput over time and the limits it meets as a figure (extra ``[plot]``)."""
        from .estimate_plot import plot_estimate

        return plot_estimate(self)


def estimate_frame(frame_map: FrameMap, likely_output_tokens: float | None = None) -> Estimate:
    """Return the estimate of a prepared map; see ``ClaudeFrame.estimate``.

    Parameters
    ----------
    frame_map : FrameMap
        The map, as its run would get it.
    likely_output_tokens : float, optional
        Expected output tokens of one answer, thinking included.

    Raises
    ------
    InputError
        For everything that would make the map fail before its first call.
    """
    _check_positive("likely_output_tokens", likely_output_tokens)
    settings = frame_map.settings
    doors = frame_map.doors or _look(settings)
    session = frame_map.prepare(doors or _closed_doors())
    with closing(session.journal):
        workload = survey(session)
        latency = measured_latency(session.journal, session.doors.host, settings.model) or ASSUMED
    counted = count_input(workload, doors)
    schema_format = frame_map.schema.format if frame_map.schema else None
    output = expect_output(workload.known, likely_output_tokens, schema_format, settings.max_tokens)
    return _conclude(workload, counted, output, settings, _learnt(doors), latency)


def estimate(
    rows: int = 100_000,
    input_tokens: float = 2_000,
    output_tokens: float = 500,
    *,
    model: str | None = None,
    cached_tokens: float = 0,
    limits: Limits | str | Mapping[str, float] | None = None,
    latency_seconds: float | None = None,
    max_concurrency: int | None = None,
    prompt_cache: str | None = None,
) -> Estimate:
    """Estimate a workload without a frame: so many requests of so many tokens.

    Parameters
    ----------
    rows : int
        Requests, all different.
    input_tokens, output_tokens : float
        Tokens of each request and of its answer.
    model : str, optional
        Default: as for ``map``.
    cached_tokens : float
        How many of the input tokens are a prefix that all requests share.
    limits : Limits, str or mapping, optional
        The account's limits or its tier's name; without them, what the process has learnt, else tier "start".
    latency_seconds : float, optional
        Seconds of one call; default: measured on earlier runs in the journal, else assumed.
    max_concurrency : int, optional
        The most calls in flight.
    prompt_cache : {"5m", "1h"}, optional
        Lifetime of the cache's entries; default five minutes.

    Returns
    -------
    Estimate
        Dollars and wall time of four patterns.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> figures = cp.estimate(rows=1_000, input_tokens=2_000, output_tokens=500, model="claude-sonnet-4-6")
    >>> figures.to_frame().loc[["live", "batch"], "usd_likely"].tolist()
    [13.5, 6.75]
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        raise InputError(f"rows must be a whole number of at least 0, not {rows!r}")
    for name, value in {"input_tokens": input_tokens, "output_tokens": output_tokens}.items():
        _check_positive(name, value)
    _check_positive("latency_seconds", latency_seconds)
    if not 0 <= cached_tokens <= input_tokens:
        raise InputError(f"cached_tokens must lie between 0 and input_tokens ({input_tokens:g}), not {cached_tokens!r}")
    options = {"model": model, "limits": limits, "max_concurrency": max_concurrency, "prompt_cache": prompt_cache}
    settings = resolve_settings(options)
    doors = _look(settings)
    workload = plain_workload(rows, input_tokens, cached_tokens, {"model": settings.model})
    latency = _latency(settings, doors) if latency_seconds is None else given_latency(latency_seconds)
    output = Spread(output_tokens, output_tokens, output_tokens, "as given")
    return _conclude(workload, exact_input(workload), output, settings, _learnt(doors), latency)


def _conclude(
    workload: Workload, counted: InputCount, output: Spread, settings: Settings, learnt: Limits | None, latency: Latency
) -> Estimate:
    """Return the estimate from what is known of the workload, the account and its speed."""
    model = str(workload.fields["model"])
    tokens = Tokens(workload.loads * counted.ratio, counted.error, counted.prefix_tokens, output)
    is_cacheable = can_cache(tokens, workload.prefix_load, model)
    ttl = "1h" if settings.prompt_cache == "1h" else "5m"
    prices = PriceList()
    usd = {name: price_pattern(name, tokens, workload.fields, prices, ttl if is_cacheable else None) for name in NAMES}
    conditions = _conditions(settings, learnt, latency)
    script = Script(tokens.inputs, workload.loads, output.likely)
    rehearsals: dict[str, Rehearsal] = {"live": rehearse(script, conditions)}
    rehearsals["live + caching"] = rehearsals["live"]
    if is_cacheable:
        cached = Script(tokens.inputs, workload.loads, output.likely, tokens.prefix)
        rehearsals["live + caching"] = rehearse(cached, conditions)
    in_batches = batch_seconds(workload.calls)
    seconds: dict[Name, float] = {
        name: in_batches if name.startswith("batch") else rehearsals[name].seconds for name in NAMES
    }
    patterns = advise(
        usd,
        seconds,
        calls=workload.calls,
        caching=None if is_cacheable else _why_not_cached(tokens, model),
        read_price=read_price(prices.card(model)),
    )
    notes = _notes(workload, counted, output, settings, conditions, rehearsals["live"], usd["live"], is_cacheable)
    return Estimate(model, workload, tokens, tuple(patterns), rehearsals, conditions.limits, tuple(notes))


def _conditions(settings: Settings, learnt: Limits | None, latency: Latency) -> Conditions:
    known = _tighter(settings.limits, learnt)
    return Conditions(
        limits=known or TIERS["start"],
        are_known=known is not None,
        latency=latency,
        max_in_flight=CEILING if settings.max_concurrency == "auto" else settings.max_concurrency,
        policy=settings.retries,
        ttl="1h" if settings.prompt_cache == "1h" else "5m",
    )


def _notes(
    workload: Workload,
    counted: InputCount,
    output: Spread,
    settings: Settings,
    conditions: Conditions,
    live: Rehearsal,
    usd: tuple[Decimal, Decimal, Decimal] | None,
    is_cacheable: bool,
) -> list[str]:
    """Return what the figures rest on, one sentence each."""
    mean = float(workload.loads.mean()) * counted.ratio if workload.calls else 0.0
    source = "given or learnt" if conditions.are_known else 'assumed: tier "start"; limits= sets them'
    played = "" if live.played == live.calls else f", the first {live.played:,} calls played, the rest at their pace"
    notes = [
        f"Input: {mean:,.0f} tokens a request ({counted.source}).",
        f"Output: {output.low:,.0f} to {output.high:,.0f} tokens an answer, likely {output.likely:,.0f} ({output.source}).",
        f"Time: rehearsed with the real engine under {_limits_text(conditions.limits)} ({source}){played}; "
        f"{conditions.latency.text}; held back by {live.bound_by}.",
        "Batches: an hour is assumed, since most end within it; the API gives itself 24 hours.",
    ]
    if is_cacheable:
        notes.append(
            f"Caching: {counted.prefix_tokens:,.0f} shared tokens, written once, then read. {BATCH_HITS.source}."
        )
    if usd is None:
        notes.append(f"No price is known for {settings.model!r}.")
    if settings.thinking not in (False, "disabled") and output.source.startswith("assumed"):
        notes.append(
            "Thinking counts as output; a model that thinks before it answers needs more than is assumed here."
        )
    if settings.budget is not None and usd is not None and usd[1] > settings.budget:
        notes.append(f"The budget of ${settings.budget:,.2f} would stop this run before its end.")
    return notes


def _limits_text(limits: Limits) -> str:
    names = ("requests", "input tokens", "output tokens")
    known = limits.by_dimension()
    parts = [f"{known[d]:,.0f} {name}" for d, name in zip(DIMENSIONS, names, strict=True) if d in known]
    return " / ".join(parts) + " a minute"


def _why_not_cached(tokens: Tokens, model: str) -> str:
    minimum = minimum_tokens(model)
    if tokens.prefix < minimum:
        return f"does not apply: {tokens.prefix:,.0f} shared tokens, {model} caches {minimum:,} and more"
    return "does not apply: there is nothing to read what the first request would write"


# -- the account, without a trace ------------------------------------------------------------------------------------


def _look(settings: Settings) -> Doors | None:
    """Return the doors of the account as they are; None where there is nothing to sign in with."""
    try:
        return quiet_doors(settings)
    except CredentialsError:
        return None


def _closed_doors() -> Doors:
    """Return doors that lead nowhere: enough to know what would be sent."""

    def open_transport(_max_connections: int, _timeout_seconds: float) -> Transport:
        raise CredentialsError("an estimate without credentials sends nothing")

    return Doors(host=PUBLIC_HOST, open_transport=open_transport, gate=Gate())


def _learnt(doors: Doors | None) -> Limits | None:
    """Return the limits that the process has learnt of the account; None where there are none yet."""
    found = doors.gate.status(doors.clock()).limits if doors is not None else {}
    return Limits(found.get("requests"), found.get("input"), found.get("output")) if found else None


def _tighter(one: Limits | None, other: Limits | None) -> Limits | None:
    if one is None or other is None:
        return one or other
    first, second = one.by_dimension(), other.by_dimension()
    both = {d: min(first.get(d, np.inf), second.get(d, np.inf)) for d in {*first, *second}}
    return Limits(both.get("requests"), both.get("input"), both.get("output"))


def _latency(settings: Settings, doors: Doors | None) -> Latency:
    path = journal_path(settings.journal)
    if path is None or not path.exists():
        return ASSUMED
    with closing(Journal.open(path)) as journal:
        return measured_latency(journal, doors.host if doors else PUBLIC_HOST, settings.model) or ASSUMED


def _named(name: str, values: list[Any]) -> dict[str, Any]:
    return dict(zip((f"{name}_low", f"{name}_likely", f"{name}_high"), values, strict=True))


def _check_positive(name: str, value: float | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"{name} must be a number above 0, not {value!r}")
