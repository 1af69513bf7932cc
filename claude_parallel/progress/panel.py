"""A small live panel for a job that runs beside other cells: bar, rate, dollars, errors by kind, Stop.

Drawn by a thread of its own from plain counters. Without ipywidgets, or outside a notebook, a line of text now and then
takes its place. What stopping means is the engine's business.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..bridge import Control, is_interactive
from ..text import format_usd
from .bar import LineBar
from .stats import RunStats, describe

DRAW_SECONDS = 0.25


class _Face(Protocol):
    """What shows a stats."""

    def paint(self) -> None:
        """Show the present state."""
        ...

    def close(self) -> None:
        """Show the final state."""
        ...


class WidgetPanel:
    """The panel as widgets.

    Parameters
    ----------
    stats : RunStats
        What to show.
    control : Control
        What the Stop button sets.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, stats: RunStats, control: Control, clock: Callable[[], float]) -> None:
        import ipywidgets as widgets

        self._stats = stats
        self._control = control
        self._clock = clock
        self._started = clock()
        self._bar = widgets.IntProgress(min=0, max=max(1, stats.total), layout={"width": "320px"})
        self._count = widgets.Label()
        self._words = widgets.Label()
        self._kinds = widgets.Label()
        self._stop = widgets.Button(description="Stop", icon="stop", layout={"width": "90px"})
        self._stop.on_click(self._clicked)
        self.widget = widgets.VBox(
            [widgets.HBox([self._bar, self._count, self._stop]), widgets.HBox([self._words]), self._kinds]
        )

    def show(self) -> None:
        """Display the panel in the running cell."""
        from IPython.display import display

        display(self.widget)  # type: ignore[no-untyped-call]  # IPython's own
        # ipykernel 7.4 routes a click to the shell that last published the comm, which a running cell blocks; without
        # this private note the frontend's own subshell gets it (see docs/decisions/0004). Absent elsewhere.
        getattr(self._stop.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def paint(self) -> None:
        """Show the present state."""
        stats = self._stats
        rate = stats.done / max(self._clock() - self._started, 1e-9)
        self._bar.value = min(stats.done, self._bar.max)
        self._count.value = f"{stats.done:,} of {stats.total:,} rows, {rate:,.1f} rows/s, {format_usd(stats.cost)}"
        self._words.value = describe(stats)
        self._kinds.value = ", ".join(f"{kind}: {count:,}" for kind, count in stats.kinds.most_common())

    def close(self) -> None:
        """Show the final state; the button has nothing left to stop."""
        self.paint()
        self._stop.disabled = True
        self._bar.bar_style = "danger" if self._control.is_stopping else "warning" if self._stats.errors else "success"

    def _clicked(self, _button: Any) -> None:
        """Stop sending; a second click cancels what is in flight."""
        self._control.request_stop()
        self._stop.description = "Cancel"


def show_panel(stats: RunStats, control: Control, ended: threading.Event) -> threading.Thread:
    """Show a job until it has ended, from a thread of its own.

    Parameters
    ----------
    stats, control : RunStats, Control
        The job's counters and flags.
    ended : threading.Event
        Set at the job's end.
    """
    face = _face(stats, control)

    def draw() -> None:
        while not ended.wait(DRAW_SECONDS):
            if not _shows(face.paint):
                return
        _shows(face.close)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(draw,), name="panel", daemon=True)
    thread.start()
    return thread


def _face(stats: RunStats, control: Control) -> _Face:
    """Return widgets in a notebook that has them, else lines of text."""
    if is_interactive():
        try:
            panel = WidgetPanel(stats, control, time.monotonic)
            panel.show()
        except Exception:  # no ipywidgets, or a frontend without them
            pass
        else:
            return panel
    return LineBar(stats, time.monotonic, _local_time, sys.stderr)


def _local_time(epoch_seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(epoch_seconds))


def _shows(act: Callable[[], None]) -> bool:
    """Draw; a display that breaks is dropped, it must not end a paid run."""
    try:
        act()
    except Exception:
        return False
    return True
