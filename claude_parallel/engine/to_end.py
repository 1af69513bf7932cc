"""Runs work to its end beside a bar, on another thread's loop or on the caller's own.

Whatever happens to the work, it is finished: its rows get their outcomes, and what it did is put on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .. import bridge
from ..bridge import Control
from ..garbage_collector import fewer_collections
from ..progress.bar import ProgressBar, paint_on
from ..worker_threads import finish_off_loop


@dataclass(frozen=True, slots=True)
class Course:
    """What is done, one after the other.

    Attributes
    ----------
    work : callable
        Makes the coroutine; it must watch the stop flags.
    finish : callable
        Called with the bar once the work has ended, however it did; an interrupt must not cost the frame even then.
    keep : callable
        Puts on record what was done. It may wait for a locked file, so on the caller's own loop it runs beside that.
    """

    work: Callable[[], Coroutine[Any, Any, None]]
    finish: Callable[[ProgressBar], None]
    keep: Callable[[], None]


def run_to_end(course: Course, control: Control, bar: ProgressBar) -> None:
    """Run to the end, blocking; paints on the calling thread.

    Parameters
    ----------
    course : Course
        What is to be done.
    control : Control
        The stop flags.
    bar : ProgressBar
        Shows how the work comes on.
    """
    with fewer_collections(), bridge.interrupts(control):
        try:
            bridge.run_blocking(course.work, control, bar.paint)
        finally:
            course.finish(bar)
            course.keep()


async def arun_to_end(course: Course, control: Control, bar: ProgressBar) -> None:
    """Run to the end on the caller's own event loop; parameters as in :func:`run_to_end`."""
    painting = asyncio.create_task(paint_on(bar))
    with fewer_collections(), bridge.interrupts(control):
        try:
            await bridge.run_here(course.work, control)
        finally:
            painting.cancel()
            course.finish(bar)
            await finish_off_loop(course.keep)
    if control.interrupts and not bridge.is_interactive():  # KeyboardInterrupt comes next
        await bridge.others_have_stopped(control)
