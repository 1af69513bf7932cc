"""The main figures of a run with matplotlib: throughput, limits, calls in flight, latency.

Knows axes and marks, and takes text and background from the user's style, light or dark; the numbers are the business
of ``timeline`` and ``totals``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..text import elapsed, time_unit
from .limit_use import LimitUse, limit_uses
from .record import RunData
from .timeline import Timeline, timeline
from .totals import latency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES: Mapping[str, str] = {"requests": "-", "input": "--", "output": ":"}


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
    _limits(axes[0, 1], line, limit_uses(data, line), palette)
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
    _limits(axes[1], line, limit_uses(data, line), palette)
    return finish_figure(pyplot, figure, title)


def shown_once(figure: Figure) -> Figure:
    """Show a figure in the running cell of a notebook, and not a second time where it is the cell's last value.

    So it appears also when it is assigned, or followed by a semicolon; in a later cell it shows as any figure does.
    """
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not _is_inline():
        return figure
    from IPython.display import display

    display(figure)  # type: ignore[no-untyped-call]  # IPython's own
    cell = shell.execution_count

    def show_again() -> None:
        if shell.execution_count != cell:
            del figure._ipython_display_  # type: ignore[attr-defined]
            display(figure)  # type: ignore[no-untyped-call]

    figure._ipython_display_ = show_again  # type: ignore[attr-defined]  # IPython asks the object itself first
    return figure


def _is_inline() -> bool:
    """Say whether figures are drawn into the notebook, and not into windows of their own."""
    return "inline" in load_pyplot().get_backend()


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


def _limits(axis: Axes, line: Timeline, uses: Sequence[LimitUse], palette: Palette) -> None:
    """Draw what was used of what each limit allowed, in per cent, or requests alone where no limit is known."""
    known = [use for use in uses if use.limit is not None]
    colors = dict(zip(_DASHES, (palette.main, palette.second, palette.third), strict=True))
    if known:
        axis.set_title("Last minute, in per cent of what the limits allowed", loc="left")
        for use in known:
            label = f"{use.words} ({use.limit:,.0f} a minute)"
            _steps(axis, line, 100.0 * use.share, color=colors[use.name], label=label, linestyle=_DASHES[use.name])
        axis.set_ylim(0, 160)  # room for the legend above the curves
        axis.set_yticks(range(0, 101, 25))
        axis.legend(frameon=False, fontsize=9, loc="upper left")
    else:
        axis.set_title("Requests in the last minute (no limits known)", loc="left")
        _steps(axis, line, uses[0].used, color=palette.main, label="requests", is_filled=True)
    _finish_time(axis, line)


def _in_flight(axis: Axes, line: Timeline, palette: Palette) -> None:
    axis.set_title(f"Calls in flight, {line.peak_in_flight:,} at most", loc="left")
    _steps(axis, line, line.in_flight, color=palette.main, label="calls", is_filled=True)
    _shade_pauses(axis, line, palette)
    _finish_time(axis, line)


def _latency(axis: Axes, data: RunData, palette: Palette) -> None:
    axis.set_title("Seconds per call", loc="left")
    axis.set_xlabel("seconds")
    found = latency(data)
    if found is None:
        axis.annotate("no call was answered", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    axis.stairs(found.counts, found.edges, fill=True, color=palette.main, alpha=0.7)
    axis.set_xlim(0, float(found.edges[-1]))
    styles = ((found.p50, "-", palette.third), (found.p90, "--", palette.second), (found.p99, ":", palette.limit))
    for name, (value, dashes, color) in zip(("p50", "p90", "p99"), styles, strict=True):
        axis.axvline(value, color=color, linestyle=dashes, linewidth=1.6, label=f"{name} {elapsed(value)}")
    _legend_above(axis)


def _legend_above(axis: Axes) -> None:
    """Name the lines beside the title, where the names cross no line."""
    names = axis.get_legend_handles_labels()[1]
    if len(names) > 1:
        axis.legend(
            frameon=False,
            fontsize=9,
            loc="lower right",
            bbox_to_anchor=(1.0, 0.98),
            borderaxespad=0.0,
            ncols=len(names),
            columnspacing=1.0,
            handlelength=1.6,
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
    if axis.get_legend() is None:
        _legend_above(axis)
