"""The main figures of a run with matplotlib: throughput, limits, calls in flight, latency.

Knows axes and marks, and takes text and background from the user's style, light or dark; the numbers are the business
of ``timeline`` and ``breakdown``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..text import elapsed, time_unit
from .timeline import RunData, Timeline, timeline
from .totals import latency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES: Mapping[str, str] = {"requests": "-", "input": "--", "output": ":"}
_NAMES: Mapping[str, str] = {"requests": "requests", "input": "input tokens", "output": "output tokens"}


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role, for colour-blind readers; source: Okabe and Ito, Color Universal Design, 2008."""

    main: str
    second: str
    third: str
    limit: str
    pause: str


LIGHT = Palette(main="#0072B2", second="#D55E00", third="#009E73", limit="#404040", pause="#E69F00")
DARK = Palette(main="#56B4E9", second="#E69F00", third="#CC79A7", limit="#D0D0D0", pause="#F0E442")


def plot_run(data: RunData) -> Figure:
    """Return the main figures of a run.

    Parameters
    ----------
    data : RunData
        The run.

    Returns
    -------
    matplotlib.figure.Figure
        Answers per second, use of the limits, calls in flight with pauses shaded, seconds per answered call. Colours
        of text and background come from ``matplotlib.rcParams``.

    Raises
    ------
    InputError
        When matplotlib is not installed.
    """
    pyplot = load_pyplot()
    palette, line = choose_palette(), timeline(data)
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 6.5), layout="constrained")
    _throughput(axes[0, 0], line, palette)
    _limits(axes[0, 1], line, data.totals.get("limits") or {}, palette)
    _in_flight(axes[1, 0], line, palette)
    _latency(axes[1, 1], data, palette)
    return finish_figure(pyplot, figure, f"Run {data.run_id}")


def plot_throughput(data: RunData, title: str) -> Figure:
    """Return answers per second and the use of the limits over time, for a run that was rehearsed.

    Parameters
    ----------
    data : RunData
        The rehearsal's record.
    title : str
        The figure's title.

    Raises
    ------
    InputError
        When matplotlib is not installed.
    """
    pyplot = load_pyplot()
    palette, line = choose_palette(), timeline(data)
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    _throughput(axes[0], line, palette)
    _limits(axes[1], line, data.totals.get("limits") or {}, palette)
    return finish_figure(pyplot, figure, title)


def finish_figure(pyplot: Any, figure: Figure, title: str, *, is_from_zero: bool = True) -> Figure:
    """Return a figure with its title, plain axes, and the values from zero on unless told otherwise."""
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", parse_math=False)
    for axis in figure.axes:
        if is_from_zero:
            axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.25)
        axis.set_axisbelow(True)
    if "inline" in pyplot.get_backend():
        pyplot.close(figure)  # the notebook shows the returned figure; an open one it would show twice
    return figure


def load_pyplot() -> Any:
    """Return matplotlib's pyplot.

    Raises
    ------
    InputError
        When matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise InputError('plots need matplotlib; run: pip install "claude-parallel[plot]"') from None
    return pyplot


def choose_palette() -> Palette:
    """Return the colours that stand out from the background of the user's style."""
    import matplotlib
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(matplotlib.rcParams["axes.facecolor"])
    return DARK if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else LIGHT


def _throughput(axis: Axes, line: Timeline, palette: Palette) -> None:
    axis.set_title("Answers per second", loc="left")
    _steps(axis, line, line.per_second(line.answered), color=palette.main, label="answers", is_filled=True)
    if line.failed.any():
        failed = line.per_second(line.failed)
        _steps(axis, line, failed, color=palette.second, label="failed calls", linestyle="--")
    _shade_pauses(axis, line, palette)
    _finish_time(axis, line)


def _limits(axis: Axes, line: Timeline, limits: Mapping[str, float], palette: Palette) -> None:
    """Draw the use of each limit in per cent, or requests alone where no limit is known."""
    series = {"requests": line.requests, "input": line.input_tokens, "output": line.output_tokens}
    known = [name for name in series if limits.get(name)]
    colors = dict(zip(series, (palette.main, palette.second, palette.third), strict=True))
    if known:
        axis.set_title(f"Use of the limits over the last {elapsed(line.window_seconds)}, per cent", loc="left")
        for name in known:
            used = line.per_minute(series[name]) * (100.0 / float(limits[name]))
            label = f"{_NAMES[name]} (limit {float(limits[name]):,.0f} a minute)"
            _steps(axis, line, used, color=colors[name], label=label, linestyle=_DASHES[name])
        axis.axhline(100.0, color=palette.limit, linewidth=1, linestyle=(0, (8, 4)))
        axis.annotate("limit", (1.0, 100.0), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9)
    else:
        axis.set_title("Requests per minute (no limits known)", loc="left")
        _steps(axis, line, line.per_minute(line.requests), color=palette.main, label="requests", is_filled=True)
    _finish_time(axis, line)


def _in_flight(axis: Axes, line: Timeline, palette: Palette) -> None:
    axis.set_title(f"Calls in flight, {line.peak_in_flight:,} at most", loc="left")
    _steps(axis, line, line.in_flight, color=palette.main, label="calls", is_filled=True)
    _shade_pauses(axis, line, palette)
    _finish_time(axis, line)


def _latency(axis: Axes, data: RunData, palette: Palette) -> None:
    axis.set_title("Seconds per answered call", loc="left")
    axis.set_xlabel("seconds")
    found = latency(data)
    if found is None:
        axis.annotate("no call was answered", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    axis.stairs(found.counts, found.edges, fill=True, color=palette.main, alpha=0.7)
    axis.set_xlim(0, float(found.edges[-1]))
    styles = ((found.p50, "-", palette.third), (found.p90, "--", palette.second), (found.p99, ":", palette.limit))
    for row, (name, (value, dashes, color)) in enumerate(zip(("p50", "p90", "p99"), styles, strict=True)):
        axis.axvline(value, color=color, linestyle=dashes, linewidth=1.6)
        is_right = value > 0.7 * float(found.edges[-1])
        axis.annotate(
            f"{name} {elapsed(value)}",
            (value, 0.96 - 0.09 * row),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if is_right else 4, 0),
            textcoords="offset points",
            ha="right" if is_right else "left",
            va="center",
            fontsize=9,
        )


def _steps(axis: Axes, line: Timeline, values: Any, *, is_filled: bool = False, **style: Any) -> None:
    """Draw one value per bin as a staircase, over time in the unit that suits the run."""
    edges = line.edges / time_unit(line.span_seconds)[0]
    axis.stairs(values, edges, baseline=None, linewidth=1.6, **style)
    if is_filled:
        axis.stairs(values, edges, fill=True, color=style["color"], alpha=0.16)


def _shade_pauses(axis: Axes, line: Timeline, palette: Palette) -> None:
    length = time_unit(line.span_seconds)[0]
    for number, pause in enumerate(line.pauses):
        axis.axvspan(
            pause.started / length,
            pause.ended / length,
            facecolor=palette.pause,
            alpha=0.3,
            linewidth=0,
            label="paused" if number == 0 else None,
        )


def _finish_time(axis: Axes, line: Timeline) -> None:
    length, name = time_unit(line.span_seconds)
    axis.set_xlim(0, line.span_seconds / length)
    axis.set_xlabel(f"time since the start ({name})")
    if len(axis.get_legend_handles_labels()[0]) > 1:
        axis.legend(frameon=False, fontsize=9)
