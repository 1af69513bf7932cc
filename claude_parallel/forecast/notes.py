"""What an estimate rests on, one sentence for each assumption and its source.

Knows sentences; the figures in them come from ``token_counts``, ``outlook`` and ``rehearsal``.
"""

from __future__ import annotations

from ..limits.gate import Limits
from ..options import Settings
from ..prompt.cache_marks import minimum_tokens
from ..records import DIMENSIONS
from .assumptions import ASSUMED_TIER
from .scenario import Conditions, Knowledge
from .simulate import Rehearsal
from .strategies import BATCH_HITS
from .token_counts import InputCount, Interval
from .workload import Workload

_LIMIT_NAMES = ("requests", "input tokens", "output tokens")
_KNOWLEDGE: dict[Knowledge, str] = {
    "none": f'assumed: tier "{ASSUMED_TIER}"; limits= sets them',
    "given": "as given",
    "learnt": "as earlier answers told",
}


def estimate_notes(
    workload: Workload,
    counted: InputCount,
    output: Interval,
    settings: Settings,
    conditions: Conditions,
    live: Rehearsal,
) -> list[str]:
    """Return what input, output and time rest on."""
    mean = float(workload.loads.mean()) * counted.ratio if workload.calls else 0.0
    notes = [
        f"Input: {mean:,.0f} tokens a request, {counted.source}.",
        f"Output: {_range(output)} tokens an answer, {output.source}.",
        f"Time: {conditions.latency.text}; rehearsed with the real engine under {_limits_text(conditions.limits)} "
        f"({_KNOWLEDGE[conditions.knowledge]}){_played(live)}; held back by {live.bound_by}. Nothing else is "
        "assumed to use the limits.",
        "Batches: an hour is assumed, since most end within it; the API gives itself 24 hours.",
    ]
    if settings.thinking not in (False, "disabled") and output.source.startswith("assumed"):
        notes.append("Thinking counts as output; a model that thinks before it answers needs more than this.")
    return notes


def caching_note(prefix_tokens: float) -> str:
    """Return what the caching strategies rest on."""
    return f"Caching: {prefix_tokens:,.0f} shared tokens, written once, then read; in batches {BATCH_HITS.source}."


def why_not_cached(prefix_tokens: float, model: str) -> str:
    """Return why prompt caching changes nothing."""
    minimum = minimum_tokens(model)
    if prefix_tokens < minimum:
        return f"does not apply: {prefix_tokens:,.0f} shared tokens, {model} caches {minimum:,} and more"
    return "does not apply: there is nothing to read what the first request would write"


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
