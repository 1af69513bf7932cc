"""Small charts as inline SVG: lines over time, a histogram, a sparkline.

Knows coordinates, ticks and marks. Colours are classes of the page that shows them (``page.html``), so that light,
dark and print each have their own; numbers come from others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..text import compact, elapsed, escaped, figure, time_unit

WIDTH, HEIGHT = 520.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 26.0, 24.0


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its values by bin, and ``style`` ``"main"`` (solid) or ``"second"`` (dashed)."""

    label: str
    values: Sequence[float]
    style: str = "main"


@dataclass(frozen=True, slots=True)
class Shade:
    """A shaded time, in seconds, with a tooltip."""

    started: float
    ended: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled upright line in a histogram; `style` is one of ``p50``, ``p90``, ``p99``."""

    label: str
    value: float
    style: str


@dataclass(frozen=True, slots=True)
class _Plane:
    """The area of a chart: data from 0 to `right` and from 0 to `top`."""

    right: float
    top: float

    def x(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.right))
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.top))
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def time_chart(
    edges: Sequence[float],
    lines: Sequence[Line],
    *,
    title: str,
    unit: str,
    shades: Sequence[Shade] = (),
) -> str:
    """Return a chart of rates over time.

    Parameters
    ----------
    edges : sequence of float
        Edges of the bins, seconds; the first is 0.
    lines : sequence of Line
        One or two series; the first is filled.
    title : str
        What it shows, for screen readers.
    unit : str
        Stands behind each number in the tooltips.
    shades : sequence of Shade
        Times that stand out, such as pauses.
    """
    highest = max((value for line in lines for value in line.values), default=0.0)
    ticks = nice_ticks(highest)
    plane = _Plane(edges[-1], max(ticks[-1], highest * 1.02))
    parts = [_y_axis(plane, ticks), _time_axis(plane), *(_shade(plane, shade) for shade in shades)]
    parts += [_line(plane, edges, line, is_filled=line is lines[0]) for line in lines]
    parts += [_legend(lines, has_shades=bool(shades)), _tooltips(plane, edges, lines, unit)]
    return _svg(title, parts)


def histogram(edges: Sequence[float], counts: Sequence[float], marks: Sequence[Mark], *, title: str, unit: str) -> str:
    """Return a histogram over seconds, with labelled marks.

    Parameters
    ----------
    edges, counts : sequence of float
        Bins and how many lie in each; the first edge is 0.
    marks : sequence of Mark
        At most three; their labels stand above the picture, where they cross no line.
    title, unit : str
        As in :func:`time_chart`.
    """
    ticks = nice_ticks(max(counts))
    plane = _Plane(edges[-1], max(ticks[-1], max(counts) * 1.02))
    parts = [_y_axis(plane, ticks), _time_axis(plane)]
    for left, right, number in zip(edges, edges[1:], counts, strict=False):
        x, y = plane.x(left), plane.y(number)
        width = max(0.5, plane.x(right) - x - 1)
        label = f"{elapsed(left)} to {elapsed(right)}: {number:,.0f} {unit}"
        parts.append(
            f'<rect class="bin" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(plane.y(0) - y)}">'
            f"<title>{escaped(label)}</title></rect>"
        )
    parts += [_mark(plane, mark) for mark in marks]
    parts.append(_entries([(mark.label, f"mark {mark.style}") for mark in marks])[0])
    return _svg(title, parts)


def sparkline(values: Sequence[float], width: float = 160.0, height: float = 28.0) -> str:
    """Return a line without axes in the colour of the text around it."""
    top = max([*values, 0.0]) or 1.0
    step = width / max(1, len(values) - 1)
    points = [(index * step, height - 2 - value / top * (height - 4)) for index, value in enumerate(values)]
    if len(points) == 1:
        points.append((width, points[0][1]))
    path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    return (
        f'<svg width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" role="img" '
        f'aria-label="answers per second over time"><polyline points="{path}" fill="none" stroke="currentColor" '
        'stroke-width="1.5" stroke-linejoin="round"/></svg>'
    )


def nice_ticks(top: float, most: int = 4) -> list[float]:
    """Return round numbers from 0 to at least `top`, in equal steps of 1, 2 or 5 times a power of ten."""
    if not 0 < top < math.inf:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(top / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor * most >= top * (1 - 1e-9))
    return [round(step * number, 12) for number in range(math.ceil(top / step - 1e-9) + 1)]


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_n(WIDTH)} {_n(HEIGHT)}" role="img" aria-label="{escaped(title)}">'
        + "".join(parts)
        + "</svg>"
    )


def _y_axis(plane: _Plane, ticks: Sequence[float]) -> str:
    return "".join(
        f'<path class="grid" d="M{_n(_LEFT)} {_n(plane.y(tick))}H{_n(WIDTH - _RIGHT)}"/>'
        f'<text class="tick" x="{_n(_LEFT - 6)}" y="{_n(plane.y(tick) + 4)}" text-anchor="end">{compact(tick)}</text>'
        for tick in ticks
    )


def _time_axis(plane: _Plane) -> str:
    length, name = time_unit(plane.right)
    y = HEIGHT - _BOTTOM
    parts = [f'<path class="axis" d="M{_n(_LEFT)} {_n(y)}H{_n(WIDTH - _RIGHT)}"/>']
    for tick in nice_ticks(plane.right / length, 6):
        if tick * length > plane.right:
            continue
        x = plane.x(tick * length)
        text = f"{compact(tick)} {name}" if tick else "0"
        anchor = "end" if x > WIDTH - _RIGHT - 16 else "middle"
        parts.append(
            f'<path class="axis" d="M{_n(x)} {_n(y)}v4"/>'
            f'<text class="tick" x="{_n(x)}" y="{_n(y + 17)}" text-anchor="{anchor}">{text}</text>'
        )
    return "".join(parts)


def _line(plane: _Plane, edges: Sequence[float], line: Line, *, is_filled: bool) -> str:
    """Return a staircase: a bin's value holds over the whole bin."""
    steps = [f"M{_n(plane.x(edges[0]))} {_n(plane.y(line.values[0]))}H{_n(plane.x(edges[1]))}"]
    for value, right in zip(line.values[1:], edges[2:], strict=True):
        steps.append(f"V{_n(plane.y(value))}H{_n(plane.x(right))}")
    path = "".join(steps)
    floor = f"V{_n(plane.y(0))}H{_n(plane.x(0))}Z"
    area = f'<path class="area" d="{path}{floor}"/>' if is_filled else ""
    return f'{area}<path class="line {line.style}" d="{path}"/>'


def _shade(plane: _Plane, shade: Shade) -> str:
    x = plane.x(shade.started)
    width = max(1.0, plane.x(shade.ended) - x)
    return (
        f'<rect class="pause" x="{_n(x)}" y="{_n(_TOP)}" width="{_n(width)}" height="{_n(HEIGHT - _TOP - _BOTTOM)}">'
        f"<title>{escaped(shade.label)}</title></rect>"
    )


def _legend(lines: Sequence[Line], *, has_shades: bool) -> str:
    """Name the lines above the picture, each with a sample of its dashes; a single line needs no name."""
    entries = [(line.label, f"line {line.style}") for line in lines] if len(lines) > 1 or has_shades else []
    named, x = _entries(entries)
    if not has_shades:
        return named
    sample = f'<rect class="pause" x="{_n(x)}" y="{_n(_TOP - 19)}" width="22" height="10"/>'
    return named + sample + _label(x + 27, _TOP - 10, "paused", "")


def _entries(entries: Sequence[tuple[str, str]]) -> tuple[str, float]:
    """Return names with samples of their dashes in a line above the picture, and where the next one may stand."""
    parts, x = [], _LEFT
    for text, style in entries:
        parts.append(f'<path class="{style}" d="M{_n(x)} {_n(_TOP - 14)}h22"/>')
        parts.append(_label(x + 27, _TOP - 10, text, style.split()[-1]))
        x += 27 + 6.6 * len(text) + 14
    return "".join(parts), x


def _tooltips(plane: _Plane, edges: Sequence[float], lines: Sequence[Line], unit: str) -> str:
    parts = []
    for index, (left, right) in enumerate(pairwise(edges)):
        numbers = "; ".join(f"{line.label} {figure(line.values[index])}" for line in lines)
        text = f"{elapsed(left)} to {elapsed(right)}: {numbers} {unit}"
        x = plane.x(left)
        parts.append(
            f'<rect class="hit" x="{_n(x)}" y="{_n(_TOP)}" width="{_n(plane.x(right) - x)}" '
            f'height="{_n(HEIGHT - _TOP - _BOTTOM)}"><title>{escaped(text)}</title></rect>'
        )
    return "".join(parts)


def _mark(plane: _Plane, mark: Mark) -> str:
    return f'<path class="mark {mark.style}" d="M{_n(plane.x(mark.value))} {_n(_TOP)}V{_n(plane.y(0))}"/>'


def _label(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="label {style}" x="{_n(x)}" y="{_n(y)}" text-anchor="start">{escaped(text)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
