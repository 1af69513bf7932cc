"""Shows a job that runs beside other cells: one more progress bar, drawn by a thread of its own.

``bar`` knows which bar fits, the engine what stopping means.
"""

from __future__ import annotations

import contextvars
import threading

from .bar import ProgressBar

DRAW_SECONDS = 0.1
"""How often the bar is asked to paint; it decides itself whether that is due."""


def show_panel(bar: ProgressBar, ended: threading.Event) -> threading.Thread:
    """Paint a bar until its job has ended.

    Parameters
    ----------
    bar : ProgressBar
        As ``choose_bar`` gives it, with the job's control for a Stop button.
    ended : threading.Event
        Set at the job's end.
    """

    def draw() -> None:
        while not ended.wait(DRAW_SECONDS):
            bar.paint()
        bar.close()

    context = contextvars.copy_context()  # so that it is shown in the cell that began the job
    thread = threading.Thread(target=context.run, args=(draw,), name="panel", daemon=True)
    thread.start()
    return thread
