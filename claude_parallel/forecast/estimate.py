"""What a map will cost and how long it will take, before anything is paid: four strategies side by side.

Puts the survey of the frame, the token counts, the prices and the rehearsals together. No call that costs money is
made; the free counting endpoint is asked about a few rows at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Protocol

import pandas as pd

from ..config import is_simulating, resolve_settings
from ..engine.environment import Environment
from ..engine.plan import Plan
from ..engine.seeding import LEAST_CACHED, least_seeded
from ..errors import InputError
from ..given_numbers import positive, whole_number
from ..limits.gate import Limits
from ..options import Settings
from ..pricing import PriceList
from ..prompt.cache_breakpoints import TimeToLive
from ..schema.schema import Schema
from ..text import format_usd
from .assumptions import conditions_of, experience_of, host_of, look, why_no_batches
from .latency import given_latency
from .notes import automatic_note, caching_note, estimate_notes, quotes_note, why_not_cached
from .scenario import Conditions, Script
from .simulate import Rehearsal, rehearse
from .strategies import (
    NAMES,
    Name,
    Strategy,
    Tokens,
    advise,
    automatic_lifetime,
    batch_seconds,
    can_cache,
    price_strategy,
    read_price,
)
from .token_counts import InputCount, Interval, count_input, exact_input, expect_output
from .walk import journal_of
from .workload import Workload, plain_workload, survey


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What a map will cost and how long it will take, for four strategies.

    Attributes
    ----------
    model : str
        The model.
    workload : Workload
        Rows, distinct requests, and what the journal answers already.
    tokens : Tokens
        Input and output tokens.
    strategies : tuple of Strategy
        Dollars, seconds and advice: live, live + caching, batch, batch + caching.
    rehearsals : mapping of str to Rehearsal
        Of the live strategies.
    limits : Limits
        What was rehearsed under.
    notes : tuple of str
        Assumptions and their sources, one sentence each.
    """

    model: str
    workload: Workload
    tokens: Tokens
    strategies: tuple[Strategy, ...]
    rehearsals: Mapping[Name, Rehearsal]
    limits: Limits
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        from .text import estimate_text

        return estimate_text(self)

    def _repr_html_(self) -> str:
        from .text import estimate_html

        return estimate_html(self)

    def strategy_of(self, settings: Settings) -> Strategy:
        """Return the strategy that a map with these settings would take."""
        way = "batch" if settings.batch else "live"
        name = way if settings.prompt_cache is None else f"{way} + caching"
        return next(one for one in self.strategies if one.name == name)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per strategy.

        Returns
        -------
        DataFrame
            Indexed by strategy: rows, unique (distinct requests), in_journal (of these), skipped, input_tokens,
            output_tokens_low, output_tokens_likely, output_tokens_high (of all requests to be sent), usd_low,
            usd_likely, usd_high (NaN without a known price), seconds, when, recommended. Dollars and seconds are NaN
            for batches where there are none.
        """
        work, outputs = self.workload, self.tokens.total_output()
        records = []
        for strategy in self.strategies:
            dollars = [float(usd) for usd in strategy.usd] if strategy.usd else [float("nan")] * 3
            records.append(
                {
                    "strategy": strategy.name,
                    "rows": work.rows,
                    "unique": work.unique,
                    "in_journal": work.in_journal,
                    "skipped": work.skipped,
                    "input_tokens": round(float(self.tokens.inputs.sum())),
                    **_named("output_tokens", [round(tokens) for tokens in outputs]),
                    **_named("usd", dollars),
                    "seconds": strategy.seconds,
                    "when": strategy.when,
                    "recommended": strategy.recommended,
                }
            )
        return pd.DataFrame(records).set_index("strategy")

    def plot(self) -> Any:
        """Return the expected throughput over time and the limits it meets as a figure (extra ``[plot]``).

        Raises
        ------
        InputError
            When nothing would be sent, or matplotlib is not installed.
        """
        from ..report.figures import plot_throughput

        name: Name = "live + caching" if self.strategies[1].usd != self.strategies[0].usd else "live"
        found = self.rehearsals[name]
        if found.data is None:
            raise InputError("nothing would be sent, so there is nothing to draw")
        shown = "" if found.played == found.calls else f", the first {found.played:,}"
        return plot_throughput(found.data, f"Expected: {found.calls:,} requests {name}{shown}")


class PreparedMap(Protocol):
    """A map that is checked and ready, over a frame or a table."""

    settings: Settings
    schema: Schema | None

    @property
    def live_environment(self) -> Environment | None:
        """The outside world that was given; None = the real one."""
        ...

    def plan(self, host: str) -> Plan:
        """Return what would be asked of the API at `host`."""
        ...


def estimate_frame(
    frame_map: PreparedMap, likely_output_tokens: float | None = None, latency_seconds: float | None = None
) -> Estimate:
    """Return the estimate of a prepared map; see ``ClaudeFrame.estimate``.

    Parameters
    ----------
    frame_map : FrameMap or TableMap
        The map, as its run would get it.
    likely_output_tokens : float, optional
        Expected output tokens of one answer, thinking included.
    latency_seconds : float, optional
        Seconds that one call takes; default: as earlier calls of the model took, else an assumption that is stated.

    Raises
    ------
    InputError
        For everything that would make the map fail before its first call.
    """
    given = None if likely_output_tokens is None else positive("likely_output_tokens", likely_output_tokens)
    seconds = None if latency_seconds is None else positive("latency_seconds", latency_seconds)
    settings = frame_map.settings
    environment = frame_map.live_environment or look(settings)
    with journal_of(settings) as journal:
        workload = survey(frame_map.plan(host_of(environment)), journal)
        measured, hits = experience_of(journal, settings, environment)
    latency = measured if seconds is None else given_latency(seconds)
    counted = count_input(workload, environment)
    schema_format = frame_map.schema.format if frame_map.schema else None
    output = expect_output(workload.known, given, schema_format, settings.max_tokens)
    conditions = conditions_of(settings, environment, latency)
    found = _conclude(workload, counted, output, settings, conditions, environment, hits)
    if frame_map.schema is None or not frame_map.schema.quoted:
        return found
    return replace(found, notes=(*found.notes, quotes_note(found.tokens, workload.fields, frame_map.schema)))


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
        Dollars and wall time of four strategies.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> figures = cp.estimate(rows=1_000, input_tokens=2_000, output_tokens=500, model="claude-sonnet-4-6")
    >>> figures.to_frame().loc[["live", "batch"], "usd_likely"].tolist()
    [13.5, 6.75]
    """
    rows = whole_number("rows", rows, 0)
    input_tokens, output_tokens = positive("input_tokens", input_tokens), positive("output_tokens", output_tokens)
    seconds = None if latency_seconds is None else positive("latency_seconds", latency_seconds)
    if not isinstance(cached_tokens, Real) or not 0 <= cached_tokens <= input_tokens:
        raise InputError(f"cached_tokens must lie between 0 and input_tokens ({input_tokens:g}), not {cached_tokens!r}")
    options = {"model": model, "limits": limits, "max_concurrency": max_concurrency, "prompt_cache": prompt_cache}
    settings = resolve_settings(options)
    environment = look(settings)
    workload = plain_workload(rows, input_tokens, float(cached_tokens), {"model": settings.model})
    with journal_of(settings) as journal:
        measured, hits = experience_of(journal, settings, environment)
    latency = measured if seconds is None else given_latency(seconds)
    output = Interval(output_tokens, output_tokens, output_tokens, "as given")
    counted = exact_input(workload)
    conditions = conditions_of(settings, environment, latency)
    return _conclude(workload, counted, output, settings, conditions, environment, hits)


def _conclude(
    workload: Workload,
    counted: InputCount,
    output: Interval,
    settings: Settings,
    conditions: Conditions,
    environment: Environment | None,
    hits: Interval,
) -> Estimate:
    """Return the estimate from what is known of the workload, the account and its speed."""
    model = str(workload.fields["model"])
    prices = PriceList(factor=environment.price_factor) if environment is not None else PriceList()
    tokens = Tokens(workload.loads * counted.ratio, counted.error, counted.prefix_tokens, output)
    is_cacheable = can_cache(tokens, workload.prefix_load, model)
    ttl = conditions.ttl if is_cacheable else None
    is_seeded = ttl is not None and _is_seeded(workload, settings, prices, ttl)
    no_batches = why_no_batches(settings, environment)
    batch_ttl = None if workload.calls < LEAST_CACHED else ttl
    usd = {
        name: price_strategy(name, tokens, workload.fields, prices, lifetime, hits=hits, is_seeded=is_seeded)
        if no_batches is None or name.startswith("live")
        else None
        for name, lifetime in zip(NAMES, (ttl, ttl, batch_ttl, batch_ttl), strict=True)
    }
    rehearsals = _rehearse(workload, tokens, conditions, is_cacheable=is_cacheable)
    in_batches = batch_seconds(workload.calls) if no_batches is None else math.nan
    seconds: dict[Name, float] = {
        name: rehearsals[name].seconds if name in rehearsals else in_batches for name in NAMES
    }
    strategies = advise(
        usd,
        seconds,
        calls=workload.calls,
        caching=None if is_cacheable else why_not_cached(tokens.prefix, model),
        no_batches=no_batches,
        read_price=read_price(prices.card(model)),
        is_seeded=is_seeded,
    )
    notes = estimate_notes(workload, counted, output, settings, conditions, rehearsals["live"], no_batches)
    if is_simulating(settings.client):
        notes.append("Simulated: counts, limits and times are those of the simulator, not of an account.")
    if is_cacheable:
        notes.append(caching_note(tokens.prefix, hits, is_seeded=is_seeded))
    if (automatic := automatic_lifetime(workload.fields)) is not None:
        notes.append(automatic_note(automatic))
    if usd["live"] is None:
        notes.append(f"No price is known for {model!r}.")
    elif settings.budget is not None and usd["live"][1] > settings.budget:
        notes.append(f"The budget of {format_usd(settings.budget)} would stop a live run before its end.")
    return Estimate(model, workload, tokens, tuple(strategies), rehearsals, conditions.limits, tuple(notes))


def _is_seeded(workload: Workload, settings: Settings, prices: PriceList, ttl: TimeToLive) -> bool:
    """Say whether a batch would send one row live, to fill the cache; by the run's own rule and its own guesses."""
    least = least_seeded(
        prices,
        str(workload.fields["model"]),
        prefix_tokens=workload.prefix_load,
        input_tokens=float(workload.loads.mean()),
        max_tokens=settings.max_tokens,
        ttl=ttl,
        is_fast=workload.fields.get("speed") == "fast",
    )
    return least is not None and workload.calls >= least


def _rehearse(
    workload: Workload, tokens: Tokens, conditions: Conditions, *, is_cacheable: bool
) -> dict[Name, Rehearsal]:
    live = rehearse(Script(tokens.inputs, workload.loads, tokens.output.likely), conditions)
    if not is_cacheable:
        return {"live": live, "live + caching": live}
    cached = Script(tokens.inputs, workload.loads, tokens.output.likely, tokens.prefix)
    return {"live": live, "live + caching": rehearse(cached, conditions)}


def _named(name: str, values: list[Any]) -> dict[str, Any]:
    return dict(zip((f"{name}_low", f"{name}_likely", f"{name}_high"), values, strict=True))
