"""The garbage collector while runs are under way: it looks less often, since nearly all that is new lives on.

It only counts runs: the first one changes the thresholds of the process, the last one puts them back.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Iterator

_CALM_THRESHOLD = 50_000
"""New objects between two looks of the garbage collector while runs are under way (700 or 2,000 by default). A run
makes thousands of objects a second that live on in its results; looking at them again and again took 15 % of its time.
"""

_calm_lock = threading.Lock()
_calm_runs = 0
_usual_thresholds: tuple[int, int, int] = (0, 0, 0)


@contextlib.contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the garbage collector look less often for the length of a block, and as before after the last such block.

    A collector that the user has switched off, or set to look more seldom, is left alone; so is what somebody sets
    meanwhile.
    """
    global _calm_runs, _usual_thresholds
    with _calm_lock:
        _calm_runs += 1
        if _calm_runs == 1:
            _usual_thresholds = gc.get_threshold()
            first, *others = _usual_thresholds
            if 0 < first < _CALM_THRESHOLD:
                gc.set_threshold(_CALM_THRESHOLD, *others)
    try:
        yield
    finally:
        with _calm_lock:
            _calm_runs -= 1
            if _calm_runs == 0 and gc.get_threshold()[0] == _CALM_THRESHOLD:
                gc.set_threshold(*_usual_thresholds)


def _forget_runs() -> None:
    """A forked child has no runs; those of its parent never end here."""
    global _calm_lock, _calm_runs
    _calm_lock = threading.Lock()
    if _calm_runs:
        _calm_runs = 0
        gc.set_threshold(*_usual_thresholds)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_runs)
