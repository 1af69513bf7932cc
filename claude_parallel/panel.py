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

from .bridge import Control, is_interactive
from .display import LinePainter
from .progress import Tally, describe, format_usd

DRAW_SECONDS = 0.25


class _Face(Protocol):
    """What shows a tally."""

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
    tally : Tally
        What to show.
    control : Control
        What the Stop button sets.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, tally: Tally, control: Control, clock: Callable[[], float]) -> None:
        import ipywidgets as widgets

        self._tally = tally
        self._control = control
        self._clock = clock
        self._started = clock()
        self._bar = widgets.IntProgress(min=0, max=max(1, tally.total), layout={"width": "320px"})
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
        tally = self._tally
        rate = tally.done / max(self._clock() - self._started, 1e-9)
        self._bar.value = min(tally.done, self._bar.max)
        self._count.value = f"{tally.done:,} of {tally.total:,} rows, {rate:,.1f} rows/s, {format_usd(tally.cost)}"
        self._words.value = describe(tally)
        self._kinds.value = ", ".join(f"{kind}: {count:,}" for kind, count in tally.kinds.most_common())

    def close(self) -> None:
        """Show the final state; the button has nothing left to stop."""
        self.paint()
        self._stop.disabled = True
        self._bar.bar_style = "danger" if self._control.is_stopping else "warning" if self._tally.errors else "success"

    def _clicked(self, _button: Any) -> None:
        """Stop sending; a second click cancels what is in flight."""
        self._control.request_stop()
        self._stop.description = "Cancel"


def show_panel(tally: Tally, control: Control, ended: threading.Event) -> threading.Thread:
    """Show a job until it has ended, from a thread of its own.

    Parameters
    ----------
    tally, control : Tally, Control
        The job's counters and flags.
    ended : threading.Event
        Set at the job's end.
    """
    face = _face(tally, control)

    def draw() -> None:
        while not ended.wait(DRAW_SECONDS):
            if not _shows(face.paint):
                return
        _shows(face.close)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(draw,), name="panel", daemon=True)
    thread.start()
    return thread


def _face(tally: Tally, control: Control) -> _Face:
    """Return widgets in a notebook that has them, else lines of text."""
    if is_interactive():
        try:
            panel = WidgetPanel(tally, control, time.monotonic)
            panel.show()
        except Exception:  # no ipywidgets, or a frontend without them
            pass
        else:
            return panel
    return LinePainter(tally, time.monotonic, _local_time, sys.stderr)


def _local_time(epoch_seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(epoch_seconds))


def _shows(act: Callable[[], None]) -> bool:
    """Draw; a display that breaks is dropped, it must not end a paid run."""
    try:
        act()
    except Exception:
        return False
    return True
