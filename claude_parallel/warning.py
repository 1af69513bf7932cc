"""Warnings that point at the user's own line: there they are looked for, and a notebook shows them each time it runs.

Python shows the same words of the same line once. A line of this package would be the same for every run.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from types import FrameType

_LOG = logging.getLogger("claude_parallel")

_PACKAGE = f"{Path(__file__).parent}/".replace("\\", "/")
_BETWEEN = {"contextlib", "dask", "pandas", "polars"}
"""Who may stand between the user's line and ours: a lazy frame is mapped when Polars collects it."""
_NOBODY = {"asyncio", "concurrent", "threading"}
"""What begins there, nobody has called: no line of the user's leads to it."""


def warn(message: str) -> None:
    """Warn; a filter of the user's may make an error of it."""
    level, frame = _entrance()
    user = frame.f_back
    while user is not None and _root(user) in _BETWEEN:
        level, user = level + 1, user.f_back
    if user is not None and _root(user) not in _NOBODY:
        warnings.warn(message, UserWarning, stacklevel=level + 1)
    else:
        warnings.warn_explicit(message, UserWarning, frame.f_code.co_filename, frame.f_lineno, __name__)


def warn_and_go_on(message: str) -> None:
    """Warn in the middle of a run; where a filter makes an error of it, log it: nothing that is paid is lost for it."""
    try:
        warn(message)
    except UserWarning:
        _LOG.warning("%s", message)


def _entrance() -> tuple[int, FrameType]:
    """Return the outermost frame of this package, and how far it is from :func:`warn`, which is 1."""
    frame = sys._getframe(1)
    level, entrance = 1, (1, frame)
    while (outer := frame.f_back) is not None:
        level, frame = level + 1, outer
        if frame.f_code.co_filename.replace("\\", "/").startswith(_PACKAGE):
            entrance = level, frame
    return entrance


def _root(frame: FrameType) -> str:
    """Return the package that a frame's code belongs to."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
