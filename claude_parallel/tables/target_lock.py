"""One run at a time writes to a target on this machine's disk, in whatever process.

It is the system's own advisory lock, so it is gone with the process that held it: a killed run leaves nothing to tidy.
Object stores and Windows have none; there, whoever is last wins.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .places import Place


class TargetLock:
    """Held from its making until :meth:`release`.

    Parameters
    ----------
    locked : Place
        A file, which is made where it is missing, or a folder that is there.
    target : Place
        What to call it in front of people.

    Raises
    ------
    InputError
        When another run holds it.
    """

    def __init__(self, locked: Place, target: Place) -> None:
        self.release: Callable[[], object] = lambda: None
        try:
            import fcntl
        except ImportError:
            return
        if not locked.is_local:
            return
        is_folder = locked.kind == "folder"
        try:
            descriptor = os.open(locked.path, os.O_RDONLY if is_folder else os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # whoever writes there says why not
            return
        self.release = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._refuse(target)
        except OSError:  # some network disks know no locks
            return
        is_there = False
        with contextlib.suppress(FileNotFoundError):
            is_there = os.path.samestat(Path(locked.path).stat(), os.fstat(descriptor))
        if not is_there:  # its writer has moved it into its place this moment
            self._refuse(target)

    def _refuse(self, target: Place) -> None:
        self.release()
        raise InputError(
            f"another run is writing to {target.shown}; wait for it, or name another target: answers that both ask for "
            "are paid once"
        )
