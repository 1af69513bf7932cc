"""A run for people: a page that opens offline, a short form for notebooks, a few lines of text.

Knows what is shown and in which order; each section is made in ``sections``, the look is in ``page.html``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from ..errors import InputError
from ..pricing import PriceList
from ..store.file import write_private
from ..text import elapsed, escaped, figure, format_usd, moment, percent
from . import sections
from .limit_use import LimitUse, limit_uses
from .record import RunData
from .svg import sparkline
from .timeline import Timeline, timeline
from .token_costs import CacheUse, Costs, cache_use, cost_by_kind, token_groups
from .totals import Summary, failure_groups, latency, slowest, summarize, waits_by_reason

_SPARK_BINS = 40
"""Points of the small curve: more than its 100 pixels could show."""


def write_report(data: RunData, path: str | Path) -> Path:
    """Write a run as one HTML file that needs nothing else: no network, no scripts, no other file.

    Parameters
    ----------
    data : RunData
        The run.
    path : str or Path
        The file; one that is there is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        When the file's folder does not exist.
    """
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r} to write the report to; make it first")
    write_private(target, _page(data))
    return target


def run_text(data: RunData) -> str:
    """Return a run in a few lines of text, for ``repr``."""
    found = summarize(data)
    lines = [
        f"Run {data.run_id} ({data.settings.get('model', 'no model')}{_simulated(found)})",
        f"  {found.answered:,} of {found.rows:,} rows answered in {elapsed(found.seconds)}"
        f" ({figure(found.rows_per_second)} rows/s){'' if found.is_finished else '; not finished'}",
        f"  {_paid(found)}{_saved(found)}; {found.calls:,} calls, {found.retries:,} of them repeated",
    ]
    if _others(found):
        lines.append("  " + _others(found))
    if whole := whole_text(data.totals.get("whole")):
        lines.append(f"  {whole}")
    return "\n".join(lines)


def whole_text(whole: Mapping[str, Any] | None) -> str:
    """Return what all rows would cost and take, as a preview found; empty for any other run."""
    if not whole:
        return ""
    low, mean, high = (float(usd) for usd in whole["usd"])
    early, likely, late = (float(seconds) for seconds in whole["seconds"])
    if not math.isfinite(mean):
        return f"all {whole['rows']:,} rows: price unknown, about {elapsed(likely)}"
    bounds = f" ({usd_text(low)} to {usd_text(high)})" if math.isfinite(high) else ""
    return (
        f"all {whole['rows']:,} rows: {usd_text(mean)}{bounds}, of which {usd_text(float(whole['left_usd']))} are left "
        f"to pay; about {elapsed(likely)} ({elapsed(early)} to {elapsed(late)})"
    )


def usd_text(amount: float) -> str:
    """Return dollars that are a float."""
    return format_usd(Decimal(repr(amount)))


def run_html(data: RunData) -> str:
    """Return a run as a small table for notebooks; it takes its colours from the notebook.

    Dollar signs would be typeset as mathematics without the two classes.
    """
    found, line = summarize(data), timeline(data, _SPARK_BINS)
    rows = [
        ("rows", f"{found.answered:,} of {found.rows:,} answered"),
        ("others", _others(found) or "none"),
        ("cost", _paid(found) + _saved(found)),
        ("time", f"{elapsed(found.seconds)}, {figure(found.rows_per_second)} rows/s"),
        ("calls", f"{found.calls:,}, {found.retries:,} of them repeated"),
    ]
    if whole := whole_text(data.totals.get("whole")):
        rows.append(("preview", whole))
    cells = "".join(
        f'<tr><th style="text-align:left">{escaped(name)}</th><td style="text-align:left">{escaped(text)}</td></tr>'
        for name, text in rows
    )
    spark = ""
    if found.calls:
        drawn = sparkline(line.per_second(line.answered).tolist())
        spark = (
            f'<tr><th style="text-align:left">answers/s</th><td style="text-align:left;color:#0072b2">{drawn}</td></tr>'
        )
    state = _simulated(found) + ("" if found.is_finished else ", not finished")
    model = data.settings.get("model", "no model")
    return (
        f'<div class="tex2jax_ignore mathjax_ignore"><div><strong>Run {escaped(data.run_id)}</strong> '
        f"({escaped(model)}{state})</div><table><tbody>{cells}{spark}</tbody></table></div>"
    )


def _page(data: RunData) -> str:
    groups = token_groups(data, PriceList())
    found, line, cache = summarize(data), timeline(data), cache_use(data, groups)
    template = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    model = data.settings.get("model", "")
    return template.substitute(
        title=escaped(f"Run {data.run_id}"),
        heading=escaped(f"Run {data.run_id}"),
        subtitle=escaped(f"{model}{_simulated(found)} · {moment(data.started)} · {_state(found)}"),
        verdict=escaped(_verdict(data, found, line)),
        tiles=_tiles(found, cache),
        sections="\n".join(_sections(data, found, line, cache, cost_by_kind(groups))),
        footer="Made by claude_parallel. Times count from the start of the run; point at a chart for its numbers.",
    )


def _sections(data: RunData, found: Summary, line: Timeline, cache: CacheUse | None, costs: Costs) -> list[str]:
    limits = _limits(data)
    pages = _charts(data, line) if found.calls else []
    pages.append(sections.waits(waits_by_reason(data), line.pauses, found.seconds))
    pages.append(sections.failures(failure_groups(data), found.calls, found.retries))
    pages.append(sections.costs(costs, found.cost, found.saved, is_simulated=found.is_simulated))
    if cache is not None:
        pages.append(sections.cache(cache))
    slow = slowest(data)
    if slow:
        pages.append(sections.slow_rows(slow))
    pages.append(sections.settings(data.settings, limits))
    return pages


def _charts(data: RunData, line: Timeline) -> list[str]:
    took = latency(data)
    charts = [sections.throughput(line), sections.in_flight(line)]
    uses = limit_uses(data, line)
    if not data.settings.get("batch") or any(use.limit for use in uses):  # no limit per minute holds for a batch
        charts += sections.usage(line, uses)
    return [*charts, sections.latencies(took)] if took else charts


def _tiles(found: Summary, cache: CacheUse | None) -> str:
    tiles = [
        sections.tile(f"{found.rows:,}", "rows"),
        sections.tile(f"{found.answered:,}", "answered"),
        sections.tile(f"{found.failed:,}", "failed", is_bad=found.failed > 0),
        sections.tile(format_usd(found.cost), "simulated" if found.is_simulated else "paid"),
        sections.tile(elapsed(found.seconds), "duration"),
        sections.tile(figure(found.rows_per_second), "rows per second"),
        sections.tile(f"{found.retries:,}", "calls repeated"),
    ]
    if found.cancelled:
        tiles.append(sections.tile(f"{found.cancelled:,}", "cancelled"))
    if found.skipped:
        tiles.append(sections.tile(f"{found.skipped:,}", "skipped"))
    if found.from_journal or found.saved:
        tiles.append(sections.tile(f"{found.from_journal:,}", "from the journal"))
        tiles.append(sections.tile(format_usd(found.saved), "saved by the journal"))
    if found.duplicates:
        tiles.append(sections.tile(f"{found.duplicates:,}", "duplicates, asked once"))
    if cache is not None:
        tiles.append(sections.tile(percent(cache.hit_rate), "cache hits"))
        tiles.append(sections.tile(format_usd(cache.saved), "saved by caching"))
    return "".join(tiles)


def _verdict(data: RunData, found: Summary, line: Timeline) -> str:
    """Say in one or two sentences what set the pace."""
    if not found.calls:
        return "No call was sent, so there is nothing to show over time."
    waits = waits_by_reason(data)
    share = min(1.0, sum(part.seconds for part in waits) / max(found.seconds, 1e-3))
    if share < 0.1:
        return f"Sending was hardly held back ({percent(share)} of the time): the API's own speed set the pace."
    most = waits[0]
    words = f"Sending was held back {percent(share)} of the time, mostly by: {most.reason} ({elapsed(most.seconds)})."
    return words + _nearest_limit(limit_uses(data, line))


def _nearest_limit(uses: Sequence[LimitUse]) -> str:
    """Name the limit of which most was used at one time."""
    known = [use for use in uses if use.limit is not None]
    if not known:
        return ""
    nearest = max(known, key=lambda use: float(use.share.max()))
    peak = float(nearest.share.max())
    share = "used in full" if peak > 0.95 else f"at most {percent(peak)} used"
    return f" The nearest limit: {nearest.words} per minute, {share}."


def _limits(data: RunData) -> dict[str, float]:
    return {str(name): float(limit) for name, limit in (data.totals.get("limits") or {}).items()}


def _state(found: Summary) -> str:
    return f"took {elapsed(found.seconds)}" if found.is_finished else "not finished: stopped, or still under way"


def _saved(found: Summary) -> str:
    return f", {format_usd(found.saved)} saved by the journal" if found.saved else ""


def _simulated(found: Summary) -> str:
    return ", simulated" if found.is_simulated else ""


def _paid(found: Summary) -> str:
    return f"{format_usd(found.cost)} {'simulated' if found.is_simulated else 'paid'}"


def _others(found: Summary) -> str:
    """Say what the rows came to that have no answer; empty where all have one."""
    ranked = sorted(found.errors.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in ranked)
    words = [f"{found.failed:,} failed ({kinds})"] if found.failed else []
    words += [f"{found.cancelled:,} cancelled"] if found.cancelled else []
    words += [f"{found.skipped:,} skipped"] if found.skipped else []
    return ", ".join(words)
