"""Paints a stats: a tqdm widget in notebooks, a tqdm bar in terminals, a line now and then elsewhere.

Always called by the thread that waits for the run, never by the engine. A display that breaks is dropped: it must not
end a paid run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from ..bridge import PAINT_SECONDS, is_interactive
from .stats import RunStats, describe

PAINT_EVERY_SECONDS = 0.1
FIRST_LINE_SECONDS = 1.0
LINE_EVERY_SECONDS = 30.0


class ProgressBar(Protocol):
    """Shows a running map."""

    def paint(self) -> None:
        """Show the present state; cheap to call often, and never raises."""
        ...

    def close(self) -> None:
        """Show the final state and let go of the screen."""
        ...


class NoBar:
    """Shows nothing (``progress=False``)."""

    def paint(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class BarBar:
    """A tqdm bar: rows, rows per second, time left, and the words of ``progress.describe``.

    Parameters
    ----------
    stats : RunStats
        What to show.
    clock : callable
        Seconds, monotonic.
    clock_text : callable
        Seconds since the epoch -> local time as text.
    bar : tqdm.tqdm
        The bar to move.
    """

    def __init__(
        self, stats: RunStats, clock: Callable[[], float], clock_text: Callable[[float], str], bar: Any
    ) -> None:
        self._stats = stats
        self._clock = clock
        self._clock_text = clock_text
        self._bar = bar
        self._due = 0.0
        self._shown: tuple[int, str] = (-1, "")

    def paint(self) -> None:
        """Move the bar, at most ten times a second and only when something changed."""
        now = self._clock()
        if self._bar is None or now < self._due:
            return
        self._due = now + PAINT_EVERY_SECONDS
        self._draw()

    def close(self) -> None:
        """Draw the final state."""
        self._draw()
        if self._bar is not None:
            _never_raise(self._bar.close)
            self._bar = None

    def _draw(self) -> None:
        if self._bar is not None and not _never_raise(self._show):
            self._bar = None

    def _show(self) -> None:
        stats = self._stats
        until = stats.paused_until
        shown = (_reached(stats), describe(stats, self._clock_text(until) if until is not None else None))
        if shown != self._shown:
            self._shown = shown
            _move(self._bar, *shown)


class LineBar:
    """One line of text now and then, for log files and CI: after a second, then twice as late each time."""

    def __init__(
        self,
        stats: RunStats,
        clock: Callable[[], float],
        clock_text: Callable[[float], str],
        stream: TextIO,
        every_seconds: float = LINE_EVERY_SECONDS,
    ) -> None:
        self._stats = stats
        self._clock = clock
        self._clock_text = clock_text
        self._stream = stream
        self._every_seconds = every_seconds
        self._interval = min(FIRST_LINE_SECONDS, every_seconds)
        self._due = clock() + self._interval

    def paint(self) -> None:
        """Write a line when one is due."""
        if self._clock() >= self._due:
            self._interval = min(2 * self._interval, self._every_seconds)
            self._due = self._clock() + self._interval
            self._write()

    def close(self) -> None:
        """Write the last line."""
        self._write()

    def _write(self) -> None:
        _never_raise(lambda: self._stream.write(self._line()))

    def _line(self) -> str:
        stats = self._stats
        until = stats.paused_until
        words = describe(stats, self._clock_text(until) if until is not None else None)
        return f"claude_parallel: {_reached(stats):,} of {stats.total:,} rows, {words}\n"


def choose_bar(
    stats: RunStats, *, progress: bool, clock: Callable[[], float], clock_text: Callable[[float], str]
) -> ProgressBar:
    """Return the painter that fits where the code runs."""
    if not progress or stats.total == 0:
        return NoBar()
    is_terminal = bool(getattr(sys.stderr, "isatty", lambda: False)())
    bar = _make_bar(stats.total) if is_interactive() or is_terminal else None
    if bar is None:
        return LineBar(stats, clock, clock_text, sys.stderr)
    return BarBar(stats, clock, clock_text, bar)


def _make_bar(total: int) -> Any | None:
    """Return a tqdm bar; None where none can be made, such as with a broken ipywidgets."""
    try:
        from tqdm.auto import tqdm

        return tqdm(total=total, unit="row", desc="Claude", dynamic_ncols=True)
    except Exception:
        return None


def _reached(stats: RunStats) -> int:
    """Return the rows that the run got to: one that was stopped must not look complete (tqdm turns such a bar red)."""
    return stats.done - stats.kinds["cancelled"] - stats.kinds["budget"]


def _move(bar: Any, done: int, words: str) -> None:
    bar.n = done
    bar.set_postfix_str(words, refresh=False)
    bar.refresh()


def _never_raise(act: Callable[[], object]) -> bool:
    try:
        act()
    except Exception:  # a broken widget or a closed stream
        return False
    return True


async def paint_on(painter: ProgressBar) -> None:
    """Paint until cancelled, on the event loop that the run is on as well (``amap``)."""
    while True:
        painter.paint()
        await asyncio.sleep(PAINT_SECONDS)
