"""What an estimate rests on, one sentence for each assumption and its source.

Knows sentences; the figures in them come from ``token_counts``, ``assumptions`` and ``simulate``.
"""

from __future__ import annotations

from dataclasses import replace

from ..limits.gate import Limits
from ..options import Settings
from ..pricing import PriceList
from ..prompt.cache_breakpoints import TimeToLive, minimum_tokens
from ..prompt.request import BYTES_PER_TOKEN, canonical
from ..records import DIMENSIONS, Body
from ..schema.schema import Schema
from ..text import format_usd
from .assumptions import ASSUMED_TIER
from .scenario import Conditions, Knowledge
from .simulate import Rehearsal
from .strategies import Tokens, price_strategy
from .token_counts import InputCount, Interval, schema_tokens
from .workload import Workload

_LIMIT_NAMES = ("requests", "input tokens", "output tokens")
_KNOWLEDGE: dict[Knowledge, str] = {
    "none": f'assumed: tier "{ASSUMED_TIER}"; limits= sets them',
    "given": "as given",
    "learnt": "learnt from earlier answers",
}


def estimate_notes(
    workload: Workload,
    counted: InputCount,
    output: Interval,
    settings: Settings,
    conditions: Conditions,
    live: Rehearsal,
    no_batches: str | None,
) -> list[str]:
    """Return what input, output and time rest on; `no_batches` says why batches do not apply, None where they do."""
    mean = float(workload.loads.mean()) * counted.ratio if workload.calls else 0.0
    notes = [
        f"Input: {mean:,.0f} tokens a request, {counted.source}.",
        f"Output: {_range(output)} tokens an answer, {output.source}.",
        f"Time: {conditions.latency.text}; rehearsed with the real engine under {_limits_text(conditions.limits)} "
        f"({_KNOWLEDGE[conditions.knowledge]}){_played(live)}; limited by {live.bound_by}. Nothing else is "
        "assumed to use the limits.",
    ]
    if no_batches is None:
        notes.append("Batches: assumed to take an hour, as most do; the API allows itself 24.")
    if settings.thinking not in (False, "disabled") and output.source.startswith("assumed"):
        notes.append("Thinking counts as output; a model that thinks before it answers needs more than this.")
    return notes


def caching_note(prefix_tokens: float, hits: Interval, *, is_seeded: bool) -> str:
    """Return what the caching strategies rest on."""
    seeded = "one row goes live first and fills the cache, then " if is_seeded else ""
    return f"Caching: {prefix_tokens:,.0f} shared tokens, written once, then read; in batches {seeded}{hits.source}."


def automatic_note(lifetime: TimeToLive) -> str:
    """Return what automatic caching, which the user has asked for, does to rows that differ."""
    times = {"5m": "1.25", "1h": "2"}[lifetime]
    return (
        f"Automatic caching, as request= says: each row writes its own text for {times}x the price of input, and no "
        "other row reads it; prompt_cache= marks what all rows share."
    )


def why_not_cached(prefix_tokens: float, model: str) -> str:
    """Return why prompt caching changes nothing."""
    minimum = minimum_tokens(model)
    if prefix_tokens < minimum:
        return f"does not apply: {prefix_tokens:,.0f} shared tokens, {model} caches {minimum:,} and more"
    return "does not apply: there is nothing to read what the first request would write"


def quotes_note(tokens: Tokens, fields: Body, schema: Schema) -> str:
    """Return what quotes add: output tokens by the schema's size, and the descriptions that ask for them as input."""
    wire = schema.format["schema"]
    quotes = {name: node for name, node in wire["properties"].items() if name in schema.quoted}
    more_output = schema_tokens({"type": "object", "properties": quotes})[1]
    more_input = len(canonical(quotes)) / BYTES_PER_TOKEN
    extra = replace(
        tokens,
        inputs=0 * tokens.inputs + more_input,
        output=Interval(more_output, more_output, more_output, "quotes"),
        prefix=0.0,
    )
    usd = price_strategy("live", extra, fields, PriceList(), None)
    dollars = "" if usd is None else f", about {format_usd(usd[1])} of a live run"
    return f"Quotes: about {more_output:,.0f} output and {more_input:,.0f} input tokens more a request{dollars}."


def _range(output: Interval) -> str:
    if output.low == output.high:
        return f"{output.likely:,.0f}"
    return f"{output.low:,.0f} to {output.high:,.0f}, likely {output.likely:,.0f}"


def _played(live: Rehearsal) -> str:
    return "" if live.played == live.calls else f", the first {live.played:,} calls played, the rest at their pace"


def _limits_text(limits: Limits) -> str:
    known = limits.by_dimension()
    parts = [f"{known[d]:,.0f} {name}" for d, name in zip(DIMENSIONS, _LIMIT_NAMES, strict=True) if d in known]
    return " / ".join(parts) + " a minute"
