"""Where a mapped table goes: one file, complete or not there at all, or a folder with a part for each chunk.

A manifest beside it says which job made it. A part of that job that is complete is never written again; a target of
another job is left alone unless it may be overwritten. How a file is written is in ``writers``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ..errors import InputError
from .chunk import Chunk
from .folder_target import MANIFEST, FolderTarget, WritePart, check_folder
from .formats import ENDINGS_FOR_PEOPLE, PARQUET, Format, format_of
from .manifest import Tally, check_writable, open_output, read_manifest, write_manifest
from .places import Paths, Place, find_files, place_of, would_read
from .target_lock import TargetLock
from .writers import Layout, Writer, check_layout, open_writer


class Target(Protocol):
    """Takes finished chunks in their order."""

    tally_before: Tally | None
    """What the whole came to, where an earlier run of this job has completed it; else None."""

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """Return what chunk `number` came to in an earlier run of this job; None where it has to be mapped."""
        ...

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Take a chunk with its new columns."""
        ...

    def complete(self) -> None:
        """Say that this was the last chunk; where that fails, :meth:`abandon` comes next."""
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
    path: str | Path,
    output: Output,
    source_format: Format | None,
    *,
    source: Paths = (),
    overwrite: bool,
    retry_failed: bool = False,
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
    source : path or list of paths
        The input's files, which are not to be overwritten, nor to get company.
    overwrite : bool
        True to replace what another job has left there.
    retry_failed : bool
        True to make anew what this job has finished with failed answers.

    Raises
    ------
    InputError
        For an unknown ending, a folder that is missing or cannot be written to, a target that is the source, or one
        that is there already and not of this job.
    """
    found = _checked(path, output, source_format, source, overwrite=overwrite)
    if not found.is_folder:
        return FileTarget(found.place, found.form, output, overwrite=overwrite, retry_failed=retry_failed)
    return FolderTarget(
        found.place,
        found.form,
        output.job,
        _part_writer(found.form, output.layout),
        overwrite=overwrite,
        retry_failed=retry_failed,
        digest=output.layout.source.digest,
    )


def check_target(
    path: str | Path, output: Output, source_format: Format | None, *, source: Paths = (), overwrite: bool
) -> None:
    """Raise what :func:`open_target` would raise; nothing is made, and nobody is kept from writing there."""
    _checked(path, output, source_format, source, overwrite=overwrite)


def unwritable(error: Exception) -> InputError:
    """Return the exception of a target that broke off in the middle: nothing that was paid is lost with it."""
    return InputError(
        f"the target cannot be written to ({error}); what was answered is in the journal, so run it again once that is "
        "mended"
    )


def complete_target(target: Target) -> None:
    """Say that the last chunk was written.

    Raises
    ------
    InputError
        When the rest of it cannot be written; it has to be abandoned then.
    """
    try:
        target.complete()
    except (OSError, pa.ArrowException) as error:
        raise unwritable(error) from error


def runs_before(path: str | Path) -> tuple[str, ...]:
    """Return the runs that gave the answers in a target; none where nothing is there, or nobody noted them."""
    place = place_of(path)
    if place.kind == "folder":
        known = [Tally(**part) for part in read_manifest(place / MANIFEST).get("parts", {}).values()]
    else:
        noted = read_manifest(_manifest_of(place)).get("tally")
        known = [] if noted is None else [Tally(**noted)]
    return tuple(sum(known, Tally()).runs.split())


@dataclass(frozen=True, slots=True)
class _Named:
    """What a path names: where it is, how it is written, and whether it is a folder of parts."""

    place: Place
    form: Format
    is_folder: bool


def _checked(
    path: str | Path, output: Output, source_format: Format | None, source: Paths, *, overwrite: bool
) -> _Named:
    """Return what a path names, once nothing speaks against writing these columns there."""
    place = place_of(path)
    form = format_of(place.path)
    is_folder = str(path).endswith(("/", os.sep)) or place.kind == "folder" or form is None
    if is_folder and form is None and "." in place.name and place.kind == "missing":
        raise InputError(f"{place.shown} has no known ending; a file ends in {ENDINGS_FOR_PEOPLE}, a folder in /")
    form = form if form is not None and not is_folder else (source_format or PARQUET)
    _check_not_source(place, source, f"part-000000{form.ending}" if is_folder else "")
    check = check_folder if is_folder else _check_file
    check(place, output.job, overwrite=overwrite)
    check_layout(form, output.layout)  # last: of JSON lines it may have to read all
    return _Named(place, form, is_folder)


def check_into(into: str | Path) -> None:
    """Refuse an ``into=`` that is a file's name.

    Raises
    ------
    InputError
        Saying what to write.
    """
    is_folder = str(into).endswith(("/", os.sep)) or place_of(into).kind == "folder"
    if format_of(str(into)) is not None and not is_folder:
        raise InputError(f"into={str(into)!r} names a file; name a folder, which gets a file for each part")


def _check_not_source(place: Place, source: Paths, part: str) -> None:
    """Refuse a target that is the source, or that the next run would read as a part of it; `part` is a folder's."""
    for file in find_files(source) if source else ():
        if _real(file) == _real(place) or (part and _real(file).startswith(_real(place) + "/")):
            raise InputError(f"{place.shown} is the source itself; write the result to another place")
    if would_read(source, place / part if part else place):
        raise InputError(
            f"{place.shown} lies within the source, and the next run would read it as input; write the result to "
            "another place"
        )


def _real(place: Place) -> str:
    return Path(place.path).resolve().as_posix() if place.is_local else place.path


def _check_file(place: Place, job: str, *, overwrite: bool) -> dict[str, Any]:
    """Refuse a file that cannot be written, or that another job has left; return what stands beside it.

    Raises
    ------
    InputError
        Saying what to do.
    """
    known = read_manifest(_manifest_of(place))
    if place.kind == "file" and not overwrite and known.get("job") != job:
        raise InputError(f"{place.shown} is there already; overwrite=True (--overwrite) replaces it")
    check_writable(place.parent)
    return known


def _manifest_of(place: Place) -> Place:
    return place.parent / f".{place.name}.job.json"


class FileTarget:
    """One file: written under a hidden name beside its place, and moved there when it is complete."""

    def __init__(
        self, place: Place, form: Format, output: Output, *, overwrite: bool, retry_failed: bool = False
    ) -> None:
        self._place = place
        self._form = form
        self._output = output
        self._manifest = _manifest_of(place)
        self._unfinished = place.parent / f".{place.name}.unfinished"
        self._tally = Tally()
        known = _check_file(place, output.job, overwrite=overwrite)
        is_same = known.get("job") == output.job
        before = Tally(**known["tally"]) if is_same and place.kind == "file" and not overwrite else None
        is_done = before is not None and before.is_whole and not (retry_failed and before.has_failed)
        self.tally_before = before if is_done else None
        self._lock: TargetLock | None = None
        self._stream: Any = None
        self._writer: Writer | None = None
        if not is_done:
            self._lock = TargetLock(self._unfinished, place)
            try:
                self._open()
            except BaseException:
                self.abandon()
                raise

    def _open(self) -> None:
        try:
            self._stream = open_output(self._unfinished, self._form)
            self._writer = open_writer(self._form, self._stream, self._output.layout)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self._place.shown} cannot be written to: {error}") from error

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """None: a file is complete as a whole or not at all."""
        return None

    def write(self, number: int, chunk: Chunk, new: Any, tally: Tally) -> None:
        """Append a chunk."""
        assert self._writer is not None
        self._writer.write(chunk, new)
        self._tally += tally

    def complete(self) -> None:
        """Move the file into its place."""
        assert self._writer is not None and self._stream is not None and self._lock is not None
        self._writer.close()
        self._stream.close()
        self._place.remove()  # first of all: a kill between the two must leave no old file beside the new manifest
        write_manifest(self._manifest, {"job": self._output.job, "tally": asdict(self._tally)})
        self._place.filesystem.move(self._unfinished.path, self._place.path)
        self._lock.release()

    def abandon(self) -> None:
        """Delete what is not complete: its answers are in the journal, and the next run begins it anew."""
        if self._lock is None:
            return
        with suppress(OSError, pa.ArrowException):  # a full disk takes no end either; an open writer complains later
            if self._writer is not None:
                self._writer.close()
        with suppress(OSError, pa.ArrowException):
            if self._stream is not None:
                self._stream.close()
        self._unfinished.remove()
        self._lock.release()


def _part_writer(form: Format, layout: Layout) -> WritePart:
    def write(place: Place, chunk: Chunk | None, new: Any) -> None:
        with open_output(place, form) as stream:
            writer = open_writer(form, stream, layout)
            if chunk is not None:
                writer.write(chunk, new)
            writer.close()

    return write
