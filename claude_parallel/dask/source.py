"""The partitions of a Dask collection as a stream: computed by the cluster, a few ahead of the run.

A chunk is what the prompt reads of one partition; the partition itself stays on its worker. What runs there is in
``on_workers``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cloudpickle
from dask.base import flatten, tokenize
from dask.core import get_dependencies, istask

from ..errors import InputError
from ..frames.rows import FrameRows, SeriesRows, column_names, prompt_names, value_names
from ..options import Settings
from ..prompt.template import Prompt
from . import on_workers

cloudpickle.register_pickle_by_value(on_workers)

_LEAST_AHEAD = 8
"""Partitions that are computed ahead of the run, at least: a round trip to the scheduler takes longer than reading a
small one. On large clusters it is two for each thread, so that no thread waits for the next."""

_COUNTING_SECONDS = 10.0
"""How long a stopped run waits for the number of rows that it has not read; Parquet files tell it at once."""


@dataclass(frozen=True)
class FrameChunk:
    """What is asked of one partition.

    Attributes
    ----------
    frame : DataFrame or Series
        What the prompt reads.
    number : int
        Of the partition, from 0.
    digest : str
        Tells whether the partition is still the same when it has to be computed again.
    part : Future or None
        The partition on its worker; it is let go of with the chunk.
    """

    frame: Any
    number: int
    digest: str = ""
    part: Any = None

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(_total(self.frame.memory_usage(deep=True)))


class FrameReader:
    """Reads chunks as a map over a pandas frame or series reads it.

    Parameters
    ----------
    prompt : Prompt
        A prompt checked against the columns and index levels.
    settings : Settings
        Name the columns with files.
    empty : DataFrame or Series
        What the prompt reads, without rows.
    """

    def __init__(self, prompt: Prompt, settings: Settings, empty: Any) -> None:
        self._prompt = prompt
        self._settings = settings
        self.rows_at_once = self._rows(empty).rows_at_once

    def texts(self, chunk: FrameChunk, start: int, stop: int) -> list[Any]:
        """Return what rows ask, without their files."""
        return self._rows(chunk.frame).texts(start, stop)

    def contents(self, chunk: FrameChunk, start: int, stop: int) -> list[Any]:
        """Return what rows ask; files are read here, in the client's process."""
        return self._rows(chunk.frame).contents(start, stop)

    def _rows(self, frame: Any) -> FrameRows | SeriesRows:
        settings = self._settings
        if frame.ndim == 1:
            return SeriesRows(frame, self._prompt)
        return FrameRows(
            frame, self._prompt, images=settings.images, documents=settings.documents, max_pixels=settings.max_pixels
        )


class PartitionSource:
    """The partitions of a Dask frame or series.

    Parameters
    ----------
    collection : dask.dataframe.DataFrame or Series
        The input.
    client : distributed.Client
        The cluster.
    """

    total: int | None = None

    def __init__(self, collection: Any, client: Any) -> None:
        self.meta = collection._meta
        self._collection = collection
        self._read = 0
        self.client = client
        self.places: list[int] | None = None
        self.is_written: Callable[[int], bool] = lambda _number: False
        self.npartitions: int = collection.npartitions
        self.divisions: tuple[Any, ...] = collection.divisions
        self._token = tokenize(collection)
        self._graph = _Graph(collection.optimize(), client)

    @property
    def is_series(self) -> bool:
        """True for a series."""
        return bool(self.meta.ndim == 1)

    @property
    def schema(self) -> Any:
        """The types of the columns."""
        return self.meta.dtypes

    @property
    def names(self) -> tuple[str, ...]:
        """The columns and index levels that a prompt may read."""
        return tuple(value_names(self.meta) if self.is_series else prompt_names(self.meta))

    def type_of(self, name: str) -> Any:
        """None: a cell of objects may hold anything."""
        return None

    def digest(self, chunk: FrameChunk) -> str:
        """Return nothing: a partition that has changed has another token."""
        return ""

    def identity(self) -> list[Any]:
        """Return what tells this very input from another."""
        return [self._token, self.npartitions]

    def reader(self, prompt: Prompt, settings: Settings, names: Sequence[str]) -> FrameReader:
        """Return what reads chunks for a prompt; from now on only the columns that it reads travel."""
        if prompt.function is None and not self.is_series:
            needed = {*prompt.columns, *settings.images, *settings.documents}
            own = column_names(self.meta)
            self.places = [place for place, name in enumerate(own) if name in needed]
        empty, _digest = on_workers.rows_asked(self.meta, self.places)
        return FrameReader(prompt, settings, empty)

    def chunks(self, rows: int, most_bytes: int) -> Iterator[Any]:
        """Yield what is asked, partition by partition; an empty chunk for one that is written already."""
        numbers = iter(range(self.npartitions))
        ahead: deque[tuple[int, Any, Any]] = deque()
        most = max(_LEAST_AHEAD, 2 * sum(self.client.nthreads().values()))
        while True:
            while len(ahead) < most and (number := next(numbers, None)) is not None:
                ahead.append((number, *self._begin(number)))
            if not ahead:
                return
            number, part, asked = ahead.popleft()
            self._read = max(self._read, number + 1)
            frame, digest = (self.meta, "") if part is None else waited(asked, number)
            yield FrameChunk(frame, number, digest, part)

    def part(self, number: int) -> Any:
        """Return a partition, as a future on the cluster."""
        return self._graph.compute(number)

    def unread(self) -> int:
        """Return the rows of the partitions that no run has come to; 0 where counting them takes long, or fails."""
        numbers = [number for number in range(self._read, self.npartitions) if not self.is_written(number)]
        if not numbers:
            return 0
        counted = self.client.compute(self._collection.partitions[numbers].index.size)
        try:
            return int(counted.result(timeout=_COUNTING_SECONDS))
        except Exception:
            return 0

    def _begin(self, number: int) -> tuple[Any, Any]:
        if self.is_written(number):
            return None, None
        part = self.part(number)
        return part, self.client.submit(on_workers.rows_asked, part, self.places, pure=False)


class _Graph:
    """Computes single partitions, each with the tasks that it needs and no others."""

    def __init__(self, collection: Any, client: Any) -> None:
        self._client = client
        self._keys, self._tasks = _tasks_of(collection)
        shared = Counter(name for key in self._keys for name in self._needs(key) if self._is_work(name))
        if shared and max(shared.values()) > 1:
            # One by one, what partitions have in common (a shuffle) would be computed anew for each of them.
            self._keys, self._tasks = _tasks_of(client.persist(collection))

    def compute(self, number: int) -> Any:
        """Begin to compute a partition."""
        key = self._keys[number]
        (future,) = self._client.get({name: self._tasks[name] for name in self._needs(key)}, [key], sync=False)
        return future

    def _needs(self, key: Any) -> set[Any]:
        found: set[Any] = set()
        waiting = [key]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(get_dependencies(self._tasks, name))  # of a tuple as well: dd.concat still makes such
        return found

    def _is_work(self, name: Any) -> bool:
        return bool(istask(self._tasks[name]))


def _tasks_of(collection: Any) -> tuple[list[Any], Mapping[Any, Any]]:
    return list(flatten(collection.__dask_keys__())), dict(collection.__dask_graph__())


def client_of_this_process() -> Any:
    """Return the client of the cluster.

    Raises
    ------
    InputError
        When there is none.
    """
    from distributed import default_client

    try:
        return default_client()
    except ValueError:
        raise InputError(
            "a map over a Dask frame runs on a cluster, and none is connected: client = distributed.Client() starts "
            "one on this machine, Client(address) connects to one"
        ) from None


def waited(future: Any, number: int) -> Any:
    """Return what a task on the cluster came to.

    Raises
    ------
    InputError
        Naming the partition, and what happened to it.
    """
    try:
        return future.result()
    except Exception as error:
        again = "map what persist() returns, or sort it first" if on_workers.CHANGED in str(error) else "mend that"
        raise InputError(
            f"partition {number} could not be computed: {type(error).__name__}: {error}; what was answered is in the "
            f"journal, so {again} and run it again"
        ) from error


def _total(sizes: Any) -> int:
    return sum(sizes) if isinstance(sizes, Iterable) else sizes
