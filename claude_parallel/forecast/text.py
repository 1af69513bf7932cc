"""How an estimate is written: as text for a terminal, as a table for a notebook.

Knows columns and formats; the figures come from ``estimate``.
"""

from __future__ import annotations

import math
import shutil
import textwrap
from typing import TYPE_CHECKING

from ..text import elapsed, escaped, format_usd
from .strategies import BATCH_SECONDS, Strategy

if TYPE_CHECKING:
    from .estimate import Estimate

_MOST_WIDTH = 110
"""Letters: longer lines are hard to read."""
_LEAST_TEXT = 24
"""Letters beside the figures: where there are fewer, the words stand below them."""
_HEADS = ("strategy", "US dollars", "low to high", "time", "when")


def estimate_text(figures: Estimate) -> str:
    """Return an estimate as text."""
    rows = [_cells(strategy) for strategy in figures.strategies]
    marks = [" ", *("*" if strategy.recommended else " " for strategy in figures.strategies)]
    table = [_HEADS, *rows]
    room = min(shutil.get_terminal_size().columns, _MOST_WIDTH)
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADS) - 1)]
    left = " " * (sum(widths) + 2 * len(widths) + 2)
    has_room = len(left) + _LEAST_TEXT <= room
    lines = []
    for mark, row in zip(marks, table, strict=True):
        figures_of_row = f"{mark} " + "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=False))
        if has_room:
            lines.append(_filled(row[-1], room, figures_of_row, left))
        else:
            lines += [figures_of_row.rstrip(), *([_filled(row[-1], room, "    ", "    ")] if row is not _HEADS else [])]
    notes = [_filled(note, room, "", "  ") for note in figures.notes]
    return "\n".join([_filled(_headline(figures), room, "", "  "), "", *lines, "", *notes])


def _filled(text: str, room: int, first: str, others: str) -> str:
    """Return text in lines of so many letters, each behind its beginning; words are never broken."""
    return textwrap.fill(
        text,
        room,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def estimate_html(figures: Estimate) -> str:
    """Return an estimate as HTML for a notebook."""
    left = 'style="text-align:left"'
    heads = "".join(f"<th {left}>{escaped(head)}</th>" for head in _HEADS)
    rows = "".join(_html_row(strategy, left) for strategy in figures.strategies)
    notes = "<br>".join(escaped(note, 1_000) for note in figures.notes)
    return (
        f'<div class="tex2jax_ignore mathjax_ignore">'  # dollar signs are no formulas
        f"<p><b>{escaped(_headline(figures), 1_000)}</b></p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f'<p style="opacity:.75">{notes}</p></div>'
    )


def _headline(figures: Estimate) -> str:
    work = figures.workload
    repeated = work.asking - work.unique
    apart = {
        "answered by the journal": work.in_journal,
        "repeated": repeated,
        "skipped": work.skipped,
        "invalid": work.invalid,
    }
    others = "".join(f", {count:,} {what}" for what, count in apart.items() if count)
    each = f", {work.samples} answers each" if work.samples > 1 else ""
    return f"{work.rows:,} rows with {figures.model}{each}: {work.calls:,} requests to send{others}"


def _cells(strategy: Strategy) -> tuple[str, str, str, str, str]:
    time = elapsed(strategy.seconds) if strategy.seconds > 0 else "-"
    if strategy.name.startswith("batch") and strategy.seconds > 0:
        time = f"about {round(strategy.seconds / BATCH_SECONDS)} h"
    if strategy.usd is None:
        return strategy.name, "-" if math.isnan(strategy.seconds) else "unknown", "", time, strategy.when
    low, likely, high = strategy.usd
    bounds = "" if low == high else f"{format_usd(low)} to {format_usd(high)}"
    return strategy.name, format_usd(likely), bounds, time, strategy.when


def _html_row(strategy: Strategy, style: str) -> str:
    cells = "".join(f"<td {style}>{escaped(cell, 1_000)}</td>" for cell in _cells(strategy)[1:])
    name = f"<b>{strategy.name}</b> ★" if strategy.recommended else strategy.name
    return f"<tr><td {style}>{name}</td>{cells}</tr>"
