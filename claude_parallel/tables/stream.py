"""The rows of a source as a run asks them: a window of chunks, loaded as they are needed and let go once written.

The window bounds memory: the run waits for a chunk to be written before it loads another. What becomes of the outcomes
is in ``outlet``.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..frames.rows import Asked
from .chunk import Chunk
from .reader import Reader
from .source import Source

CHUNK_ROWS = 10_000
"""Rows of a chunk: a part of a folder, and what is written at a time."""

CHUNK_BYTES = 16 << 20
"""Bytes of a chunk at most, for rows that hold documents."""

WINDOW_ROWS = 100_000
"""Rows that may be loaded and not written yet. The highest tier that is published allows 10,000 requests a minute, so
nobody waits even while the row at the head takes ten minutes, the longest that a call may last by default."""

WINDOW_BYTES = 128 << 20
"""Bytes of the same."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A chunk in the window.

    Attributes
    ----------
    number : int
        Of the chunk in its source, from 0.
    start : int
        The first of its rows among those that are asked.
    chunk : Chunk
        The rows.
    """

    number: int
    start: int
    chunk: Chunk

    @property
    def stop(self) -> int:
        """The row behind its last one."""
        return self.start + len(self.chunk)


class StreamRows:
    """Rows that are read as the run comes to them.

    Parameters
    ----------
    source : Source
        Where they come from.
    reader : Reader
        Knows what a chunk's rows ask.
    chunk_rows : int
        Rows of a chunk.
    limit : int, optional
        The first so many rows only.
    is_finished : callable
        (number of a chunk, the chunk) -> whether an earlier run has written it; such chunks are passed over.
    """

    def __init__(
        self,
        source: Source,
        reader: Reader,
        *,
        chunk_rows: int = CHUNK_ROWS,
        limit: int | None = None,
        is_finished: Callable[[int, Chunk], bool] = lambda _number, _chunk: False,
    ) -> None:
        self._source = source
        self._reader = reader
        self._chunk_rows = chunk_rows
        self._limit = limit
        self._is_finished = is_finished
        self._forgets = False
        self._loaded = 0
        self._lock = threading.Lock()
        self._window: deque[Loaded] = deque()
        self._handed_over = 0
        self._chunks = self._read()
        self._older: tuple[Loaded, Iterator[Loaded]] | None = None
        self.rows_at_once = reader.rows_at_once

    @property
    def total(self) -> int | None:
        """Rows in all; None where nobody knows before the last one."""
        total = self._source.total
        return total if total is None or self._limit is None else min(total, self._limit)

    def reach(self, start: int) -> int:
        """Return how far the rows reach that are at hand from row `start` on: `start` itself behind the last one."""
        with self._lock:
            if self._window and start < self._window[-1].stop:
                return next(loaded.stop for loaded in self._window if start < loaded.stop)
            loaded = next(self._chunks, None)
            if loaded is None:
                return start
            if self._forgets:
                self._window.clear()
            self._window.append(loaded)
            self._loaded = loaded.stop
            return loaded.stop

    def contents(self, start: int, stop: int) -> list[Asked]:
        """Return what the rows from `start` to `stop` ask; they lie in one chunk."""
        loaded = self._find(start)
        return self._reader.contents(loaded.chunk, start - loaded.start, stop - loaded.start)

    def texts(self, start: int, stop: int) -> list[Asked]:
        """Return what the rows from `start` to `stop` ask, without their files; they lie in one chunk."""
        if stop <= start:
            return []
        loaded = self._find(start)
        return self._reader.texts(loaded.chunk, start - loaded.start, stop - loaded.start)

    def oldest(self) -> Loaded | None:
        """Return the first chunk in the window that is not handed over to be written."""
        with self._lock:
            return self._window[self._handed_over] if len(self._window) > self._handed_over else None

    def hand_over(self) -> None:
        """Take note that this chunk is about to be written; it stays in the window until it is."""
        with self._lock:
            self._handed_over += 1

    def waiting(self) -> list[Loaded]:
        """Return the chunks in the window."""
        with self._lock:
            return list(self._window)

    def let_go(self) -> None:
        """Forget the chunk at the head of the window, which is written."""
        with self._lock:
            self._window.popleft()
            self._handed_over -= 1

    @property
    def is_full(self) -> bool:
        """True when the window has no room for another chunk."""
        with self._lock:
            rows = sum(len(loaded.chunk) for loaded in self._window)
            size = sum(loaded.chunk.nbytes for loaded in self._window)
            return bool(self._window) and (rows + self._chunk_rows > WINDOW_ROWS or size > WINDOW_BYTES)

    @property
    def loaded(self) -> int:
        """How many rows were read, in all."""
        with self._lock:
            return self._loaded

    def holds(self, row: int) -> bool:
        """Say whether a row is at hand."""
        with self._lock:
            return bool(self._window) and row < self._window[-1].stop

    def again(self) -> StreamRows:
        """Return the same rows, to be read once more from the first by somebody who writes none."""
        other = copy.copy(self)
        other._lock, other._window, other._chunks, other._older = threading.Lock(), deque(), other._read(), None
        other._handed_over, other._forgets = 0, True
        return other

    def _find(self, row: int) -> Loaded:
        with self._lock:
            found = next((loaded for loaded in self._window if loaded.start <= row < loaded.stop), None)
        return found or self._find_older(row)

    def _find_older(self, row: int) -> Loaded:
        """Read a row once more that the window has let go: forward from the last such row, else from the first."""
        with self._lock:
            if self._older is None or row < self._older[0].start:
                again = self._read()
                self._older = next(again), again
            loaded, chunks = self._older
            while row >= loaded.stop:
                loaded = next(chunks)
            self._older = loaded, chunks
            return loaded

    def _read(self) -> Iterator[Loaded]:
        start = 0
        for number, chunk in enumerate(limited(self._source, self._chunk_rows, self._limit)):
            if not self._is_finished(number, chunk) and len(chunk):
                yield Loaded(number, start, chunk)
                start += len(chunk)


def limited(source: Source, chunk_rows: int, limit: int | None) -> Iterator[Chunk]:
    """Yield the chunks of a source, up to a number of rows."""
    left = limit
    for chunk in source.chunks(chunk_rows, CHUNK_BYTES):
        if left is not None and len(chunk) >= left:
            if left:
                yield chunk.head(left)
            return
        left = None if left is None else left - len(chunk)
        yield chunk
