"""Runs work to its end beside a bar, on another thread's loop or on the caller's own.

Whatever happens to the work, it is finished: its rows get their outcomes, and what it did is put on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from .. import bridge
from ..bridge import Control
from ..garbage_collector import fewer_collections
from ..progress.bar import ProgressBar, paint_on

Work = Callable[[], Coroutine[Any, Any, None]]
Finish = Callable[[ProgressBar], None]


def run_to_end(work: Work, finish: Finish, control: Control, bar: ProgressBar) -> None:
    """Run to the end, blocking; paints on the calling thread.

    Parameters
    ----------
    work : callable
        Makes the coroutine; it must watch `control`.
    finish : callable
        Called with the bar once the work has ended, however it did; an interrupt must not cost the frame even then.
    control : Control
        The stop flags.
    bar : ProgressBar
        Shows how the work comes on.
    """
    with fewer_collections(), bridge.interrupts(control):
        try:
            bridge.run_blocking(work, control, bar.paint)
        finally:
            finish(bar)


async def arun_to_end(work: Work, finish: Finish, control: Control, bar: ProgressBar) -> None:
    """Run to the end on the caller's own event loop; parameters as in :func:`run_to_end`."""
    painting = asyncio.create_task(paint_on(bar))
    with fewer_collections(), bridge.interrupts(control):
        try:
            await bridge.run_here(work, control)
        finally:
            painting.cancel()
            finish(bar)
