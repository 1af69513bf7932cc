"""What the rows of a chunk ask: cells into a prompt, and files beside its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..attachments.blocks import document_blocks, image_blocks
from ..frames.rows import ROWS_WITH_FILES, Asked, ask_function, attach_files, rows_of_text
from ..options import Settings
from ..prompt.template import Prompt
from .chunk import Chunk


class Reader(Protocol):
    """Reads what rows of a chunk ask."""

    rows_at_once: int
    """How many rows to prepare at a time."""

    def texts(self, chunk: Any, start: int, stop: int) -> list[Asked]:
        """Return what the rows from `start` to `stop` of a chunk ask, without their files."""
        ...

    def contents(self, chunk: Any, start: int, stop: int) -> list[Asked]:
        """Return what the rows from `start` to `stop` of a chunk ask."""
        ...


class TableReader:
    """Reads tables of Arrow and lines of JSON.

    Parameters
    ----------
    prompt : Prompt
        A prompt checked against the columns.
    settings : Settings
        Name the columns with files.
    names : sequence of str
        All columns, for a prompt function.
    """

    def __init__(self, prompt: Prompt, settings: Settings, names: Sequence[str]) -> None:
        self._prompt = prompt
        self._names = names if prompt.function is not None else prompt.columns
        self._files = _file_readers(settings)
        self.rows_at_once = ROWS_WITH_FILES if self._files else rows_of_text(prompt)

    def texts(self, chunk: Chunk, start: int, stop: int) -> list[Asked]:
        """Return what rows ask, without their files."""
        rows, function = chunk.rows(self._names, start, stop), self._prompt.function
        if function is None:
            return [self._prompt.fill(cells) for cells in rows]
        return [ask_function(function, dict(zip(self._names, cells, strict=True))) for cells in rows]

    def contents(self, chunk: Chunk, start: int, stop: int) -> list[Asked]:
        """Return what rows ask; attached files are read here, and nowhere kept."""
        texts = self.texts(chunk, start, stop)
        if not self._files:
            return texts
        rows = chunk.rows([name for name, _make in self._files], start, stop)
        return [
            attach_files(
                text,
                [(name, make, file) for (name, make), file in zip(self._files, files, strict=True)],
                self._prompt,
            )
            for text, files in zip(texts, rows, strict=True)
        ]


def _file_readers(settings: Settings) -> list[tuple[str, Callable[[Any], list[dict[str, Any]]]]]:
    pixels = settings.max_pixels
    images = [(name, lambda cell: image_blocks(cell, pixels)) for name in settings.images]
    return [*images, *((name, document_blocks) for name in settings.documents)]
