"""Where a mapped table goes: one file, complete or not there at all, or a folder with a part for each chunk.

A manifest beside it says which job made it. A part of that job that is complete is never written again; a target of
another job is left alone unless it may be overwritten. How a file is written is in ``writers``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ..errors import InputError, fate_of
from .chunk import Chunk
from .formats import ENDINGS_FOR_PEOPLE, Format, format_of
from .places import Place, place_of
from .writers import Layout, Writer, check_layout, open_writer

_MANIFEST = "_claude_parallel.json"
"""Readers of folders leave names alone that begin with an underscore."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What some finished rows came to.

    Attributes
    ----------
    rows : int
        How many.
    kinds : mapping of str to int
        Answers by kind of error.
    """

    rows: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """False where rows were left to a later run (stopped, out of budget), which goes on with them."""
        return not any(fate_of(kind) == "cancelled" for kind in self.kinds)

    def __add__(self, other: Tally) -> Tally:
        kinds = Counter(self.kinds) + Counter(other.kinds)
        return Tally(self.rows + other.rows, dict(kinds))


class Target(Protocol):
    """Takes finished chunks in their order."""

    tally_before: Tally | None
    """What the whole came to, where an earlier run of this job has completed it; else None."""

    def finished(self, number: int) -> Tally | None:
        """Return what chunk `number` came to in an earlier run of this job; None where it has to be mapped."""
        ...

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Take a chunk with its new columns."""
        ...

    def complete(self) -> None:
        """Say that this was the last chunk."""
        ...

    def abandon(self) -> None:
        """Leave what is not complete for a later run."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """What is written, whatever the target.

    Attributes
    ----------
    layout : Layout
        The columns.
    job : str
        Identifies the very same job: input, prompt, options, columns.
    """

    layout: Layout
    job: str


def open_target(
    path: str | Path, output: Output, source_format: Format | None, *, sources: Sequence[Place], overwrite: bool
) -> Target:
    """Return the target that a path names, checked so that writing to it cannot fail for a reason known now.

    Parameters
    ----------
    path : path
        A name with the ending of a format is a file; any other is a folder, whose parts have the input's format.
    output : Output
        What is written.
    source_format : Format or None
        The input's; None = Parquet.
    sources : sequence of Place
        The input's files, which are not to be overwritten.
    overwrite : bool
        True to replace what another job has left there.

    Raises
    ------
    InputError
        For an unknown ending, a folder that is missing or cannot be written to, a target that is the source, or one
        that is there already and not of this job.
    """
    place = place_of(path)
    form = format_of(place.path)
    is_folder = str(path).endswith(("/", os.sep)) or place.kind == "folder" or form is None
    if is_folder and form is None and "." in place.name and place.kind == "missing":
        raise InputError(f"{place.shown} has no known ending; a file ends in {ENDINGS_FOR_PEOPLE}, a folder in /")
    _check_not_source(place, sources, is_folder)
    form = form if form is not None and not is_folder else (source_format or Format("parquet", None, ".parquet"))
    check_layout(form, output.layout)
    if is_folder:
        return FolderTarget(place, form, output.job, _part_writer(form, output.layout), overwrite=overwrite)
    return FileTarget(place, form, output, overwrite=overwrite)


def _check_not_source(place: Place, sources: Sequence[Place], is_folder: bool) -> None:
    for source in sources:
        inside = is_folder and _real(source).startswith(_real(place) + "/")
        if _real(source) == _real(place) or inside:
            raise InputError(f"{place.shown} is the source itself; write the result to another place")


def _real(place: Place) -> str:
    return Path(place.path).resolve().as_posix() if place.is_local else place.path


class FileTarget:
    """One file: written beside itself, and moved into its place when it is complete."""

    def __init__(self, place: Place, form: Format, output: Output, *, overwrite: bool) -> None:
        self._place = place
        self._form = form
        self._output = output
        self._manifest = place.parent / f".{place.name}.job.json"
        self._unfinished = place.parent / f".{place.name}.unfinished"
        self._tally = Tally()
        known = _read_manifest(self._manifest)
        is_same = known.get("job") == output.job
        if place.kind == "file" and not overwrite and not is_same:
            raise InputError(f"{place.shown} is there already; overwrite=True (--overwrite) replaces it")
        before = Tally(**known["tally"]) if is_same and place.kind == "file" and not overwrite else None
        is_done = before is not None and before.is_whole
        self.tally_before = before if is_done else None
        self._stream: Any = None
        self._writer: Writer | None = None
        if not is_done:
            self._stream = _open_output(self._unfinished, self._form)
            self._writer = open_writer(form, self._stream, output.layout)

    def finished(self, number: int) -> Tally | None:
        """None: a file is complete as a whole or not at all."""
        return None

    def write(self, number: int, chunk: Chunk, new: Any, tally: Tally) -> None:
        """Append a chunk."""
        assert self._writer is not None
        self._writer.write(chunk, new)
        self._tally += tally

    def complete(self) -> None:
        """Move the file into its place."""
        assert self._writer is not None and self._stream is not None
        self._writer.close()
        self._stream.close()
        _write_manifest(self._manifest, {"job": self._output.job, "tally": asdict(self._tally)})
        self._place.filesystem.move(self._unfinished.path, self._place.path)

    def abandon(self) -> None:
        """Delete what is not complete: its answers are in the journal, and the next run begins it anew."""
        if self._stream is not None:
            assert self._writer is not None
            with suppress(OSError, pa.ArrowException):  # a writer that is left open complains when it is collected
                self._writer.close()
            self._stream.close()
            self._unfinished.remove()


WritePart = Callable[[Place, Any, Any], None]
"""(where, rows, their new columns): writes one part."""


def _part_writer(form: Format, layout: Layout) -> WritePart:
    def write(place: Place, chunk: Chunk, new: Any) -> None:
        with _open_output(place, form) as stream:
            writer = open_writer(form, stream, layout)
            writer.write(chunk, new)
            writer.close()

    return write


class FolderTarget:
    """A folder: a part for each chunk, each complete or not there at all.

    Parameters
    ----------
    place : Place
        The folder; made where only its parent is there.
    form : Format
        Of the parts.
    job : str
        Identifies the very same job.
    write_part : callable
        Writes one of them.
    overwrite : bool
        True to replace what another job has left there.

    Raises
    ------
    InputError
        When the folder cannot be made, or holds what is not to be replaced.
    """

    tally_before: Tally | None = None

    def __init__(self, place: Place, form: Format, job: str, write_part: WritePart, *, overwrite: bool) -> None:
        self._place = place
        self._form = form
        self._job = job
        self._write_part = write_part
        self._manifest = place / _MANIFEST
        _make_folder(place)
        known = _read_manifest(self._manifest)
        is_same = known.get("job") == job and not overwrite
        self._parts: dict[str, Any] = known["parts"] if is_same else {}
        if not is_same:
            self._empty(known.get("parts"), overwrite=overwrite)
        self._note()

    def finished(self, number: int) -> Tally | None:
        """Return what a part came to that is there and lacks nothing."""
        name = self._name(number)
        known = Tally(**self._parts[name]) if name in self._parts else None
        if known is None or not known.is_whole or (self._place / name).kind != "file":
            return None
        return known

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Write a part beside itself, and move it into its place."""
        name = self._name(number)
        unfinished = self._place / f".{name}.unfinished"
        self._write_part(unfinished, chunk, new)
        self._place.filesystem.move(unfinished.path, (self._place / name).path)
        self._parts[name] = asdict(tally)
        self._note()

    def complete(self) -> None:
        """Nothing is left: every part is complete."""

    def abandon(self) -> None:
        """Nothing is left: every part is complete or not there."""

    def part(self, number: int) -> Place:
        """Return where the part of a chunk lies."""
        return self._place / self._name(number)

    def _name(self, number: int) -> str:
        return f"part-{number:06d}{self._form.ending}"

    def _note(self) -> None:
        _write_manifest(self._manifest, {"job": self._job, "parts": self._parts})

    def _empty(self, parts: Mapping[str, Any] | None, *, overwrite: bool) -> None:
        """Make room for this job; files that no job of ours has written are left alone."""
        import pyarrow.fs

        infos = self._place.filesystem.get_file_info(pyarrow.fs.FileSelector(self._place.path))
        names = {info.base_name for info in infos if not info.base_name.startswith((".", "_"))}
        if names and not overwrite:
            raise InputError(f"{self._place.shown} holds another result; overwrite=True (--overwrite) replaces it")
        if strangers := names - set(parts or ()):
            raise InputError(
                f"{self._place.shown} holds {min(strangers)}, which no map has written; choose an empty folder"
            )
        for name in names:
            (self._place / name).remove()


def _open_output(place: Place, form: Format) -> Any:
    """Open a file for writing, compressed as its format says.

    Raises
    ------
    InputError
        When its folder is missing or cannot be written to.
    """
    if place.parent.kind != "folder" and place.is_local:
        raise InputError(f"there is no folder {place.parent.shown or '/'} to write to; make it first")
    try:
        return place.filesystem.open_output_stream(place.path, compression=form.compression)
    except OSError as error:
        raise InputError(f"{place.parent.shown} cannot be written to: {error}") from None


def _make_folder(place: Place) -> None:
    if place.kind == "file":
        raise InputError(f"{place.shown} is a file; a folder is needed to write parts to")
    if place.kind == "missing" and place.is_local and place.parent.kind != "folder":
        raise InputError(f"there is no folder {place.parent.shown} to write to; make it first")
    try:
        place.filesystem.create_dir(place.path, recursive=False)
    except OSError as error:
        raise InputError(f"{place.shown} cannot be made: {error}") from None


def _read_manifest(place: Place) -> dict[str, Any]:
    """Return what a manifest says; nothing where it is missing or broken."""
    if place.kind != "file":
        return {}
    with place.filesystem.open_input_stream(place.path) as stream:
        try:
            found = json.loads(stream.read())
        except ValueError:
            return {}
    return found if isinstance(found, dict) else {}


def _write_manifest(place: Place, content: Mapping[str, Any]) -> None:
    """Write a manifest, whole or not at all."""
    unfinished = place.parent / f"{place.name}.unfinished"
    with _open_output(unfinished, Format("jsonl", None, ".json")) as stream:
        stream.write(json.dumps(content).encode())
    place.filesystem.move(unfinished.path, place.path)
