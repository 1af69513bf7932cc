"""Where answers go: beside the rows of their partition, on a worker, or into a folder by a worker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dask
from distributed import wait

from ..tables.folder_target import FolderTarget
from ..tables.formats import PARQUET
from ..tables.manifest import Tally
from ..tables.places import Place, place_of
from . import on_workers
from .source import FrameChunk, PartitionSource, waited


class ClusterTarget:
    """Keeps the partitions with their answers on the workers, as ``persist`` does.

    The answers of a partition are a part of the task that puts them there, so a partition that is lost later with its
    worker is made once more without a call.

    Parameters
    ----------
    source : PartitionSource
        The input.
    """

    tally_before: Tally | None = None

    def __init__(self, source: PartitionSource) -> None:
        self.parts: dict[int, Any] = {}
        self._source = source

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """None: nothing is left from an earlier run."""
        return None

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Send the answers of a partition to it."""
        self.parts[number] = submit(self._source, on_workers.with_answers, chunk, new)

    def complete(self) -> None:
        """Wait for the last answers to arrive.

        Raises
        ------
        InputError
            When a partition was lost and cannot be made again.
        """
        wait(list(self.parts.values()))
        for number, part in self.parts.items():
            if part.status == "error":
                waited(part, number)

    def abandon(self) -> None:
        """Keep what there is: a frame is returned also after an interrupt."""


class FolderOfParts:
    """A folder with a Parquet file for each partition, each written by a worker that has it.

    Parameters
    ----------
    source : PartitionSource
        The input.
    into : path
        Where client and workers alike find it: shared disk or object store.
    job : str
        Identifies the very same job.
    new : DataFrame or Series
        The new columns without rows.
    overwrite : bool
        Replace what another job has left there.

    Raises
    ------
    InputError
        As :class:`FolderTarget`.
    """

    tally_before: Tally | None = None

    def __init__(self, source: PartitionSource, into: str | Path, job: str, new: Any, *, overwrite: bool) -> None:
        self._source = source
        self._new = new
        self._folder = FolderTarget(place_of(into), PARQUET, job, self._write_part, overwrite=overwrite)
        source.is_written = lambda number: self.finished(number) is not None

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """Return what a part came to that is there and lacks nothing; its chunk was not computed for that."""
        return self._folder.finished(number)

    def path(self, number: int) -> str:
        """Return where a part lies."""
        return self._folder.part(number).url

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Have a part written, and wait for it."""
        self._folder.write(number, chunk, new, tally)

    def complete(self) -> None:
        """Write the partitions without rows as well: the folder has the divisions of the input."""
        for number in range(self._source.npartitions):
            if self.finished(number) is None:
                empty, known = on_workers.rows_asked(self._source.meta, self._source.places)
                chunk = FrameChunk(empty, number, known, self._source.part(number))
                self._folder.write(number, chunk, self._new, Tally())
        self._folder.abandon()  # not completed: that would take away what other partitions have written

    def abandon(self) -> None:
        """Nothing is left: every part is complete or not there."""
        self._folder.abandon()

    def _write_part(self, place: Place, chunk: FrameChunk, new: Any) -> None:
        waited(submit(self._source, on_workers.write_part, chunk, new, place.url), chunk.number)


def submit(source: PartitionSource, work: Any, chunk: FrameChunk, new: Any, *rest: Any) -> Any:
    """Return a future of work on a chunk's partition and its new columns."""
    with _large_tasks():
        return source.client.submit(work, chunk.part, source.places, chunk.digest, new, *rest, pure=False)


def _large_tasks() -> AbstractContextManager[Any]:
    """Answers travel inside of tasks on purpose, so Dask need not warn of it."""
    limits: Mapping[str, str] = {"distributed.admin.large-graph-warning-threshold": "1GB"}
    context: AbstractContextManager[Any] = dask.config.set(limits)
    return context
