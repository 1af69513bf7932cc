"""The bar of notebooks: plain HTML that is drawn anew in place, so that a saved notebook always shows the last state.

No part of it lives in the browser or in the kernel alone: exported, reopened or rendered elsewhere it is what it was,
with the final figures once the run is over. Only the Stop button of a job is a widget, and it goes when the job ends.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..bridge import Control
from ..text import escaped
from .bar import Clocks, never_raise
from .speed import Speed
from .stats import RunStats
from .words import conclude, counted, describe, pace

PAINT_EVERY_SECONDS = 0.25
"""Each state is a message of about a kilobyte to the browser; four a second look alive."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
"""What a frontend shows as a live widget."""

_COLOURS = {"running": "#0072b2", "good": "#00795a", "bad": "#d55e00"}
"""For colour-blind readers on light and dark pages; source: Okabe and Ito, Color Universal Design, 2008."""


class Output(Protocol):
    """Something that is shown in a cell."""

    def update(self, data: Mapping[str, Any], *, raw: bool) -> None:
        """Show something else in its place."""
        ...


Show = Callable[[Mapping[str, Any]], Output]
"""Shows a bundle of MIME types in the running cell."""


class NotebookBar:
    """A bar in the output of a cell.

    Parameters
    ----------
    stats : RunStats
        What to show.
    clocks : Clocks
        The present.
    control : Control, optional
        What a Stop button below the bar sets; None = no button.
    show : callable
        Shows it in the running cell.
    """

    def __init__(
        self, stats: RunStats, clocks: Clocks, control: Control | None = None, show: Show | None = None
    ) -> None:
        show = show or show_in_cell
        self._stats = stats
        self._clocks = clocks
        self._started = clocks.steady()
        self._due = self._started + PAINT_EVERY_SECONDS
        self._speed = Speed()
        self._shown = ""
        self._again = "interrupt again" if control is None else "press Cancel"
        self._output: Output | None = show(_bundle(self._markup(self._started), counted(stats)))
        self._stop = StopButton(control, show) if control is not None else None

    def paint(self) -> None:
        """Draw the present state, at most four times a second and only when something changed."""
        now = self._clocks.steady()
        if now >= self._due:
            self._due = now + PAINT_EVERY_SECONDS
            self._speed.note(now, self._stats.reached)
            self._draw(self._markup(now), counted(self._stats))

    def close(self) -> None:
        """Draw the final figures; the button has nothing left to stop."""
        stats = self._stats
        words = conclude(stats, self._clocks.steady() - self._started)
        is_whole = stats.reached == stats.total and not stats.fates.failed
        self._draw(bar_markup(stats.reached / max(1, stats.total), words, "good" if is_whole else "bad"), words)
        self._output = None
        if self._stop is not None:
            never_raise(self._stop.close)

    def _markup(self, now: float) -> str:
        stats = self._stats
        words = describe(stats, self._clocks.wall(), again=self._again)
        whole = ", ".join([counted(stats), *pace(stats, self._speed, now), words])
        share = 0.0 if stats.is_open else stats.reached / max(1, stats.total)  # rows read so far are not all rows
        return bar_markup(share, whole, "running")

    def _draw(self, markup: str, text: str) -> None:
        output = self._output
        if output is not None and markup != self._shown:
            self._shown = markup
            if not never_raise(lambda: output.update(_bundle(markup, text), raw=True)):
                self._output = None


class StopButton:
    """Stops a job: the first click sends nothing more, the second cancels what is in flight."""

    def __init__(self, control: Control, show: Show) -> None:
        import ipywidgets as widgets

        self._control = control
        self.button = widgets.Button(description="Stop", icon="stop", layout={"width": "90px"})
        self.button.on_click(self._clicked)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.button.model_id}
        self._output = show({"text/plain": "", WIDGET_VIEW: view})
        # ipykernel 7.4 routes a click to the shell that last published the comm, which a running cell blocks; without
        # this private note the frontend's own subshell gets it (see docs/decisions/0004). Absent elsewhere.
        getattr(self.button.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def close(self) -> None:
        """Take the button away, also from the saved notebook."""
        self._output.update({"text/plain": ""}, raw=True)
        self.button.close()

    def _clicked(self, _button: Any) -> None:
        self._control.request_stop()
        self.button.description = "Cancel"


def notebook_bar(stats: RunStats, clocks: Clocks, control: Control | None) -> NotebookBar | None:
    """Return the bar of a notebook; None where the kernel has no ipywidgets, as in consoles that show text only."""
    if importlib.util.find_spec("ipywidgets") is None:
        return None
    try:
        return NotebookBar(stats, clocks, control)
    except Exception:  # a frontend that shows nothing of the kind
        return None


def bar_markup(share: float, words: str, colour: str) -> str:
    """Return a bar with words beside it; the words wrap below it where the page is narrow.

    Dollar signs would be typeset as mathematics without the two classes.
    """
    width = f"{100 * min(1.0, max(0.0, share)):.1f}%"
    return (
        '<div class="claude-parallel tex2jax_ignore mathjax_ignore" '
        'style="display:flex;flex-wrap:wrap;align-items:center;column-gap:12px;max-width:100%">'
        '<div style="flex:none;width:120px;height:14px;border:1px solid #8a8f98;border-radius:3px;overflow:hidden">'
        f'<div class="claude-parallel-share {colour}" '
        f'style="width:{width};height:100%;background-color:{_COLOURS[colour]}"></div></div>'
        f'<div style="flex:1 1 320px;font-variant-numeric:tabular-nums">{escaped(words, 1_000)}</div></div>'
    )


def _bundle(markup: str, text: str) -> dict[str, str]:
    return {"text/html": markup, "text/plain": text}


def show_in_cell(data: Mapping[str, Any]) -> Output:
    """Show something in the running cell, and return what can show something else in its place."""
    from IPython.display import display

    output: Output = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython's own
    return output
