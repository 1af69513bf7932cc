"""The sections of a report: each turns counts into one card with a title, a sentence and a chart or a table.

Knows which figure belongs where and says it in words; the counting is the business of ``timeline``, ``totals`` and
``token_costs``, the page that of ``page``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..progress.waits import OUTAGES, meaning_of
from ..text import compact, elapsed, escaped, figure, format_usd, local_time, percent
from .limit_use import LimitUse
from .svg import Line, Mark, Shade, histogram, time_chart
from .timeline import Pause, Timeline
from .token_costs import CacheUse, Costs
from .totals import FailureGroup, Latency, SlowRow, WaitPart

_FAR_BELOW = 0.2
"""Where less than this share was used at any time, what was allowed would press the curve to the ground."""
_EXAMPLE_LETTERS = 160
"""The beginning of an error says which one it is; the row has the rest."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A table cell that is a bar; `share` from 0 to 1."""

    share: float


def section(title: str, body: str, note: str = "", *, is_wide: bool = False) -> str:
    """Return a card; `body` is markup, title and note are text."""
    style = ' class="wide"' if is_wide else ""
    words = f'<p class="note">{escaped(note)}</p>' if note else ""
    return f"<section{style}><h2>{escaped(title)}</h2>{words}{body}</section>"


def table(headers: Sequence[str], rows: Sequence[Sequence[str | Gauge]], styles: Sequence[str]) -> str:
    """Return a table; all text is escaped, and `styles` names the class of each column; blank headers are left out."""
    cells = "".join(f'<th class="{style}">{escaped(text)}</th>' for text, style in zip(headers, styles, strict=True))
    head = f"<thead><tr>{cells}</tr></thead>" if any(headers) else ""
    lines = "".join("<tr>" + "".join(map(_cell, row, styles)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>{head}<tbody>{lines}</tbody></table></div>'


def tile(value: str, label: str, *, is_bad: bool = False) -> str:
    """Return one number with its name."""
    style = "tile bad" if is_bad else "tile"
    return f'<div class="{style}"><b>{escaped(value)}</b><span>{escaped(label)}</span></div>'


def throughput(line: Timeline) -> str:
    """Answers per second over time, and failed calls where there were any."""
    answered, failed = line.per_second(line.answered), line.per_second(line.failed)
    lines = [Line("answers", answered.tolist())]
    if failed.any():
        lines.append(Line("failed calls", failed.tolist(), "second"))
    chart = time_chart(
        line.edges.tolist(), lines, title="Answers per second over time", unit="per second", shades=_shades(line.pauses)
    )
    mean = float(line.answered.sum()) / line.span_seconds
    return section("Answers per second", chart, f"{figure(mean)} on average, {figure(float(answered.max()))} at most")


def in_flight(line: Timeline) -> str:
    """Calls under way over time."""
    chart = time_chart(
        line.edges.tolist(),
        [Line("calls in flight", line.in_flight.tolist())],
        title="Calls in flight over time",
        unit="",
        shades=_shades(line.pauses),
    )
    mean = float(line.busy_seconds.sum()) / line.span_seconds
    return section("Calls in flight", chart, f"{figure(mean)} on average, {line.peak_in_flight:,} at most")


def usage(line: Timeline, uses: Sequence[LimitUse]) -> list[str]:
    """Requests, input and output tokens of the last minute against what their limits allowed, one card each."""
    return [_against_limit(line, use) for use in uses]


def latencies(found: Latency) -> str:
    """How long answered calls took."""
    marks = [
        Mark(f"{name} {elapsed(getattr(found, name))}", getattr(found, name), name) for name in ("p50", "p90", "p99")
    ]
    chart = histogram(
        found.edges.tolist(), found.counts.tolist(), marks, title="Seconds per answered call", unit="calls"
    )
    is_cut = found.longest > float(found.edges[-1]) * 1.001
    rest = f"; the last bar holds all above {elapsed(float(found.edges[-1]))}" if is_cut else ""
    return section("Seconds per answered call", chart, f"the longest took {elapsed(found.longest)}{rest}")


def costs(found: Costs, paid: Decimal, saved: Decimal, *, is_simulated: bool) -> str:
    """Dollars by kind of token."""
    rows: list[list[str | Gauge]] = [
        [
            part.kind,
            f"{part.tokens:,}",
            format_usd(part.cost),
            _share_text(part.cost, paid),
            Gauge(_share(part.cost, paid)),
        ]
        for part in found.parts
    ]
    if found.other:
        rows.append(["beyond tokens", "", format_usd(found.other), _share_text(found.other, paid), Gauge(0)])
    notes = [f"{format_usd(paid)} {'simulated' if is_simulated else 'paid'}"]
    notes += [f"{format_usd(saved)} saved by the journal"] if saved else []
    notes += [f"{found.unpriced:,} answers of a model without a known price are not counted"] if found.unpriced else []
    body = table(("Tokens", "Number", "Cost", "Share", ""), rows, ("name", "number", "number", "number", "gauge"))
    return section("Cost by kind of token", body if rows else _empty("Nothing was paid."), "; ".join(notes))


def waits(found: Sequence[WaitPart], pauses: Sequence[Pause], seconds: float) -> str:
    """What held sending back, and for how long."""
    if not found:
        return section("What it waited for", _empty("Nothing held sending back."))
    rows: list[list[str | Gauge]] = [
        [
            _named(part),
            elapsed(part.seconds),
            Gauge(part.seconds / max(seconds, part.seconds)),
            meaning_of(part.reason),
        ]
        for part in found
    ]
    longest = max(pauses, key=lambda pause: pause.ended - pause.started, default=None)
    note = "time in which the next call was ready but had to wait; bars show the share of the run"
    if longest is not None:
        when = f"{elapsed(longest.started)} after the start"
        note += f"; the longest pause ({elapsed(longest.ended - longest.started)}, {longest.reason}) began {when}"
    headers = ("Reason", "Waited", "", "What it means")
    return section("What it waited for", table(headers, rows, ("", "number", "gauge", "")), note, is_wide=True)


def _named(part: WaitPart) -> str:
    """Return what was waited for; of an outage also since when."""
    if part.since is None or part.reason not in OUTAGES.values():
        return part.reason
    return f"{part.reason} since {local_time(part.since)}"


def failures(found: Sequence[FailureGroup], calls: int, retries: int) -> str:
    """Failed calls and lost rows by kind, with an example and advice."""
    title = "Retries and errors"
    if not found:
        return section(title, _empty("No call failed, and no row was lost."), is_wide=True)
    rows = [[one.kind, f"{one.calls:,}", f"{one.rows:,}", _shorten(one.example), one.advice] for one in found]
    headers = ("Kind", "Failed calls", "Rows lost", "Example", "What to do")
    body = table(headers, rows, ("code name", "number", "number", "", ""))
    return section(title, body, f"{retries:,} of {calls:,} calls were repeated", is_wide=True)


def slow_rows(found: Sequence[SlowRow]) -> str:
    """The rows that took longest."""
    rows = [[f"{row.position:,}", elapsed(row.seconds), f"{row.calls:,}", row.request_id] for row in found]
    body = table(("Row", "Took", "Calls", "Request id"), rows, ("number", "number", "number", "code"))
    return section(
        "Slowest rows", body, "position counted from 0; from the first call to the last answer, waits included"
    )


def cache(found: CacheUse) -> str:
    """What prompt caching did."""
    verb = "saved" if found.saved >= 0 else "cost more than it saved"
    rows: list[list[str | Gauge]] = [
        ["answers that read from the cache", f"{found.hits:,} of {found.hits + found.misses:,}", Gauge(found.hit_rate)],
        ["input tokens read from the cache", percent(found.read_share), Gauge(found.read_share)],
        [verb, format_usd(abs(found.saved)), ""],
    ]
    return section("Prompt cache", table(("", "", ""), rows, ("", "number", "gauge")), "against plain input tokens")


def settings(found: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """What was set, and the limits that the API told."""
    rows = [[name, _value(value)] for name, value in found.items()]
    rows += [[f"limit: {name}", f"{limit:,.0f} per minute"] for name, limit in limits.items()]
    body = table(("Name", "Value"), rows, ("name", "code"))
    return section("Settings", body, "prompts and keys are not kept", is_wide=True)


def _against_limit(line: Timeline, use: LimitUse) -> str:
    title = f"{use.words.capitalize()} in the last minute"
    lines = [Line("used", use.used.tolist())]
    note = "summed over 60 s, or since the start"
    if use.limit is not None and use.allowed is not None:
        peak = float(use.share.max())
        note = f"limit {compact(use.limit)} a minute; at most {percent(peak)} of what it allowed was used"
        if peak >= _FAR_BELOW:
            lines.append(Line("allowed", use.allowed.tolist(), "second"))
    chart = time_chart(line.edges.tolist(), lines, title=f"{title} over time", unit="")
    return section(title, chart, note)


def _shades(pauses: Sequence[Pause]) -> list[Shade]:
    return [Shade(one.started, one.ended, f"paused {elapsed(one.ended - one.started)}: {one.reason}") for one in pauses]


def _cell(value: str | Gauge, style: str) -> str:
    if isinstance(value, Gauge):
        share = min(1.0, max(0.0, value.share))
        return f'<td class="{style}"><i style="width:{share:.1%}"></i></td>'
    return f'<td class="{style}">{escaped(value)}</td>'


def _empty(text: str) -> str:
    return f'<p class="empty">{escaped(text)}</p>'


def _share(part: Decimal, whole: Decimal) -> float:
    return float(part / whole) if whole else 0.0


def _share_text(part: Decimal, whole: Decimal) -> str:
    return percent(_share(part, whole)) if whole else ""


def _shorten(text: str) -> str:
    return text if len(text) <= _EXAMPLE_LETTERS else text[: _EXAMPLE_LETTERS - 1] + "…"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
