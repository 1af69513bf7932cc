"""A map over a stream together with what holds its result: run at once, or in the background as a job.

``table_map`` knows what is asked; each kind of result says where it goes and what is handed back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..engine.session import Session
from ..options import Settings
from .result import TableResult
from .table_map import TableMap


class HeldMap:
    """A map over a stream, checked and ready, that knows where its result goes.

    Parameters
    ----------
    table_map : TableMap
        The map.
    given : object
        What is mapped, as the user has it.
    name : str
        What to call the target in front of people.
    """

    def __init__(self, table_map: TableMap, given: Any, name: str = "") -> None:
        self.table_map = table_map
        self.frame = given
        self.result: TableResult | None = None
        self._name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.table_map!r}>"

    @property
    def settings(self) -> Settings:
        """The options of the map."""
        return self.table_map.settings

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that gave the answers; none where there was nothing to ask."""
        return self.result.run_ids if self.result is not None else ()

    def run(self) -> Any:
        """Run the map, blocking, and return what it made."""
        self.result = self.table_map.run(self.open_target, self._name)
        return self.made()

    async def arun(self) -> Any:
        """Run the map on the caller's event loop, and return what it made."""
        self.result = await self.table_map.arun(self.open_target, self._name)
        return self.made()

    @contextmanager
    def opened(self) -> Iterator[Session | None]:
        """Open a session for somebody who runs it; None where an earlier run has left nothing to do."""
        with self.table_map.opened(self.open_target, self._name) as run:
            yield run.session
        self.result = run.result

    def open_target(self, job: str) -> Any:
        """Return where the result goes; `job` identifies the very same job."""
        raise NotImplementedError

    def made(self) -> Any:
        """Return what a run has made, as the user gets it."""
        raise NotImplementedError

    def made_so_far(self) -> Any:
        """Return the same of the rows whose chunks are complete, while others run."""
        raise NotImplementedError
