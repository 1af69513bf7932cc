"""Results as HTML for notebooks: tables that take their colours from the page, light or dark, with intervals drawn in.

Formats only; the figures come from whoever shows them.
"""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterable, Sequence

from ..statistics.intervals import Interval
from ..text import escaped

Cell = str | Interval
"""Text, or an interval of shares that is drawn."""

_BLUE = "#3b8fc4"
"""Seen on white and on black alike (contrast above 3 on both)."""
_ORANGE = "#d97a1f"


_LONGEST_FIGURE = 20
"""Letters of a cell that stays on one line, such as a figure with its unit; longer ones are words."""


def share_text(value: float) -> str:
    """Return a share as per cent with one digit; a dash where it is unknown."""
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def interval_text(found: Interval) -> str:
    """Return ``62.1 % (57.0 to 66.9)``."""
    if math.isnan(found.estimate):
        return "–"
    return f"{share_text(found.estimate)} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def page(title: str, *parts: str) -> str:
    """Return the parts of a result in one block that MathJax leaves alone (dollars are no formulas)."""
    inner = "".join(parts)
    return (
        '<div class="tex2jax_ignore mathjax_ignore" style="max-width:60rem">'
        f'<div style="font-weight:600;margin:.2em 0 .4em">{escaped(title)}</div>{inner}</div>'
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], marks: Sequence[float | None] = ()) -> str:
    """Return a table; its first column is text, the others are set right.

    Parameters
    ----------
    heads : sequence of str
        Column titles.
    rows : iterable of sequence
        Cells.
    marks : sequence of float or None
        For each row a share to mark in its interval, such as the plain one.
    """
    lines = []
    for number, row in enumerate(rows):
        mark = marks[number] if number < len(marks) else None
        lines.append("<tr>" + "".join(_cell(cell, place, mark) for place, cell in enumerate(row)) + "</tr>")
    head = "".join(_tag("th", escaped(text), place) for place, text in enumerate(heads))
    whole = f'<table style="margin:0 0 .5em"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return f'<div style="overflow-x:auto">{whole}</div>'


def notes(lines: Iterable[str], *, is_warning: bool = False) -> str:
    """Return sentences below a table; warnings have a coloured edge."""
    edge = f"border-left:3px solid {_ORANGE};padding-left:.6em" if is_warning else "opacity:.75"
    return "".join(f'<div style="{edge};margin:.25em 0">{escaped(line, 1_000)}</div>' for line in lines)


def wrapped(lines: Iterable[str], begin: str = "") -> list[str]:
    """Return sentences in lines that fit the terminal, each beginning with `begin`."""
    width, indent = shutil.get_terminal_size().columns, " " * len(begin)
    return [
        part for line in lines for part in textwrap.wrap(line, width, initial_indent=begin, subsequent_indent=indent)
    ]


def _cell(cell: Cell, place: int, mark: float | None) -> str:
    if isinstance(cell, Interval):
        return _tag("td", f"{_drawn(cell, mark)}<span>{escaped(interval_text(cell))}</span>", 0, is_whole=True)
    return _tag("td", escaped(cell), place, is_whole=len(cell) <= _LONGEST_FIGURE)


def _tag(name: str, inner: str, place: int, *, is_whole: bool = False) -> str:
    style = f"padding:.25em .6em;text-align:{'left' if place == 0 else 'right'}" + (
        ";white-space:nowrap" if is_whole else ""
    )
    return f'<{name} style="{style}">{inner}</{name}>'


def _drawn(found: Interval, mark: float | None) -> str:
    """Return an interval on a line from 0 to 1, with a dot at the estimate and a tick at the mark."""
    if math.isnan(found.estimate):
        return ""
    left, right = 100 * found.low, 100 * found.high
    tick = (
        ""
        if mark is None
        else f'<line x1="{100 * mark:.1f}" x2="{100 * mark:.1f}" y1="1" y2="13" stroke="{_ORANGE}" stroke-width="2"/>'
    )
    return (
        '<svg role="img" aria-label="interval" width="104" height="14" viewBox="-2 0 104 14" '
        'style="vertical-align:middle;margin-right:.6em;overflow:visible">'
        '<line x1="0" x2="100" y1="7" y2="7" stroke="currentColor" opacity=".25"/>'
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="7" y2="7" stroke="{_BLUE}" stroke-width="4"/>'
        f'<circle cx="{100 * found.estimate:.1f}" cy="7" r="4" fill="{_BLUE}" stroke="currentColor" stroke-width=".5"/>'
        f"{tick}</svg>"
    )
