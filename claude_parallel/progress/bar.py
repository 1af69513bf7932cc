"""Bars that show a running map: text in terminals, a line now and then elsewhere, and which of them fits where.

Always called by the thread that waits for the run, never by the engine. A display that breaks is dropped: it must not
end a paid run. The bar of notebooks stands in ``notebook``.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from ..bridge import PAINT_SECONDS, Control, is_interactive
from .speed import Speed
from .stats import RunStats
from .words import conclude, counted, describe, pace

PAINT_EVERY_SECONDS = 0.1
"""Ten times a second looks smooth in a terminal; tqdm's own default."""
FIRST_LINE_SECONDS = 1.0
"""Who watches a log sees after a second that the run lives; a run that is over by then needs no line."""
LINE_EVERY_SECONDS = 30.0
"""A run of an hour leaves 120 lines, which a log bears."""

_BAR_LETTERS = 10
"""Width of the bar itself in a terminal: it keeps this, whatever stands beside it."""


class ProgressBar(Protocol):
    """Shows a running map."""

    def paint(self) -> None:
        """Show the present state; cheap to call often, and never raises."""
        ...

    def close(self) -> None:
        """Show the final state and let go of the screen."""
        ...


@dataclass(frozen=True, slots=True)
class Clocks:
    """The times that a bar needs: seconds of a steady clock, and seconds since the epoch."""

    steady: Callable[[], float]
    wall: Callable[[], float]


class NoBar:
    """Shows nothing (``progress=False``)."""

    def paint(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TextBar:
    """A tqdm bar of text: how far, how fast, how long, and the words of ``words.describe``.

    Parameters
    ----------
    stats : RunStats
        What to show.
    clocks : Clocks
        The present.
    bar : tqdm.tqdm
        The bar to move.
    columns : callable
        Letters that a line holds.
    """

    def __init__(self, stats: RunStats, clocks: Clocks, bar: Any, columns: Callable[[], int]) -> None:
        self._stats = stats
        self._clocks = clocks
        self._bar = bar
        self._columns = columns
        self._speed = Speed()
        self._started = clocks.steady()
        self._due = 0.0
        self._shown = ""

    def paint(self) -> None:
        """Move the bar, at most ten times a second and only when something changed."""
        now = self._clocks.steady()
        if self._bar is None or now < self._due:
            return
        self._due = now + PAINT_EVERY_SECONDS
        self._speed.note(now, self._stats.reached)
        self._draw(lambda room: self._words(now, room))

    def close(self) -> None:
        """Draw the final state."""
        seconds = self._clocks.steady() - self._started
        self._draw(lambda room: conclude(self._stats, seconds, width=room))
        if self._bar is not None:
            never_raise(self._bar.close)
            self._bar = None

    def _words(self, now: float, room: int) -> str:
        stats = self._stats
        head = f"{stats.reached:,}" if stats.is_open else f"{stats.reached:,}/{stats.total:,}"
        words = describe(stats, self._clocks.wall(), width=room - len(head) - 2)
        whole = ", ".join([head, *pace(stats, self._speed, now), words])
        return whole if len(whole) <= room else f"{head}, {words}"

    def _draw(self, words: Callable[[int], str]) -> None:
        if self._bar is not None and not never_raise(lambda: self._show(words)):
            self._bar = None

    def _show(self, words: Callable[[int], str]) -> None:
        room = self._columns() - _BAR_LETTERS - len("100%|| ")
        text = words(room).replace("{", "{{").replace("}", "}}")
        if text != self._shown:
            self._shown = text
            self._bar.n = self._stats.reached
            self._bar.bar_format = f"{{percentage:3.0f}}%|{{bar:{_BAR_LETTERS}}}| {text}"
            self._bar.refresh()


class LineBar:
    """One line of text now and then, for log files and CI: after a second, then twice as late each time."""

    def __init__(
        self, stats: RunStats, clocks: Clocks, stream: TextIO, every_seconds: float = LINE_EVERY_SECONDS
    ) -> None:
        self._stats = stats
        self._clocks = clocks
        self._stream = stream
        self._every_seconds = every_seconds
        self._started = clocks.steady()
        self._interval = min(FIRST_LINE_SECONDS, every_seconds)
        self._due = self._started + self._interval

    def paint(self) -> None:
        """Write a line when one is due."""
        now = self._clocks.steady()
        if now >= self._due:
            self._interval = min(2 * self._interval, self._every_seconds)
            self._due = now + self._interval
            self._write(lambda: f"{counted(self._stats)}, {describe(self._stats, self._clocks.wall())}")

    def close(self) -> None:
        """Write the last line."""
        seconds = self._clocks.steady() - self._started
        self._write(lambda: conclude(self._stats, seconds))

    def _write(self, words: Callable[[], str]) -> None:
        never_raise(lambda: self._stream.write(f"claude_parallel: {words()}\n"))


def choose_bar(stats: RunStats, *, progress: bool, clocks: Clocks, control: Control | None = None) -> ProgressBar:
    """Return the bar that fits where the code runs.

    Parameters
    ----------
    stats : RunStats
        What to show.
    progress : bool
        False = nothing.
    clocks : Clocks
        The present.
    control : Control, optional
        The flags that a Stop button sets: for a job that runs beside other cells. None = no button.
    """
    if not progress or (stats.total == 0 and not stats.is_open):
        return NoBar()
    if is_notebook():
        from .notebook import notebook_bar

        bar = notebook_bar(stats, clocks, control)
        if bar is not None:
            return bar
    is_terminal = bool(getattr(sys.stderr, "isatty", lambda: False)())
    if control is None and (is_interactive() or is_terminal):
        text = _text_bar(None if stats.is_open else stats.total)
        if text is not None:
            return TextBar(stats, clocks, text, lambda: shutil.get_terminal_size().columns)
    return LineBar(stats, clocks, sys.stderr)


def is_notebook() -> bool:
    """Say whether the code runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _text_bar(total: int | None) -> Any | None:
    """Return tqdm's bar of text; None where none can be made."""
    try:
        from tqdm.std import tqdm

        # its own words would show for a moment before ours do
        return tqdm(total=total, dynamic_ncols=True, bar_format=f"{{percentage:3.0f}}%|{{bar:{_BAR_LETTERS}}}|")
    except Exception:
        return None


def never_raise(act: Callable[[], object]) -> bool:
    """Do something to the screen; False when that failed (a broken widget, a closed stream)."""
    try:
        act()
    except Exception:
        return False
    return True


async def paint_on(bar: ProgressBar) -> None:
    """Paint until cancelled, on the event loop of the run itself (``amap``); where nothing shows, do nothing."""
    while not isinstance(bar, NoBar):
        bar.paint()
        await asyncio.sleep(PAINT_SECONDS)
