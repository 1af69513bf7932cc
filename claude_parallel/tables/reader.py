"""What the rows of a chunk ask: cells into a prompt, and files beside its text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from ..attachments.blocks import document_blocks, image_blocks
from ..frames.rows import ROWS_WITH_FILES, Asked, ask_function, attach_files, rows_of_text
from ..options import Settings
from ..prompt.template import Prompt, Skipped, lack_of
from .chunk import Chunk


class TableRow(dict[str, Any]):
    """One row, as a prompt function gets it: it notes which missing cells are used, as ``frames.row`` does."""

    def __init__(self, cells: Iterable[tuple[str, Any]]) -> None:
        super().__init__(cells)
        self.lacks: list[str] = []

    def __getitem__(self, name: str) -> Any:
        return self._used(name, super().__getitem__(name))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a cell, noted like any other."""
        return self._used(name, super().get(name, default))

    def _used(self, name: str, cell: Any) -> Any:
        if lacks := lack_of(cell):
            self.lacks.append(f"column {name!r} {lacks}")
        return cell


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
        return [self._call(function, TableRow(zip(self._names, cells, strict=True))) for cells in rows]

    def _call(self, function: Callable[[Any], Any], row: TableRow) -> Asked:
        asked = ask_function(function, row)
        return Skipped(row.lacks[0]) if row.lacks and self._prompt.skips_missing else asked

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
