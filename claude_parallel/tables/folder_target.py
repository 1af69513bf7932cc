"""A folder as a target: a part for each chunk, each complete or not there at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from ..errors import InputError
from .formats import Format
from .manifest import Tally, check_writable, read_manifest, write_manifest
from .places import Place
from .target_lock import TargetLock

MANIFEST = "_claude_parallel.json"
"""Readers of folders leave names alone that begin with an underscore."""

WritePart = Callable[[Place, Any, Any], None]
"""(where, rows, their new columns): writes one part; without rows where these are None."""

Digest = Callable[[Any], str]
"""Chunk -> what tells its rows from others; nothing where the job's identity does."""


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
    retry_failed : bool
        True to make the parts anew that hold failed answers.
    digest : callable
        As in :data:`Digest`.

    Raises
    ------
    InputError
        When the folder cannot be made, holds what is not to be replaced, or another run writes to it.
    """

    tally_before: Tally | None = None

    def __init__(
        self,
        place: Place,
        form: Format,
        job: str,
        write_part: WritePart,
        *,
        overwrite: bool,
        retry_failed: bool = False,
        digest: Digest = lambda _chunk: "",
    ) -> None:
        self._place = place
        self._form = form
        self._job = job
        self._write_part = write_part
        self._digest = digest
        self._retry_failed = retry_failed
        self._seen: set[str] = set()
        self._manifest = place / MANIFEST
        check_folder(place, job, overwrite=overwrite)
        _make_folder(place)
        self._lock = TargetLock(place, place)
        try:
            self._parts = self._begin(overwrite=overwrite)
            self._note()
        except BaseException:
            self._lock.release()
            raise

    def finished(self, number: int, chunk: Any = None) -> Tally | None:
        """Return what a part came to that is there, lacks nothing, and holds the rows of `chunk`."""
        name = self._name(number)
        known = Tally(**self._parts[name]) if name in self._parts else None
        if known is None or not known.is_whole or (self._place / name).kind != "file":
            return None
        if self._retry_failed and known.has_failed and name not in self._seen:
            return None
        if chunk is not None and known.digest != self._digest(chunk):
            return None
        self._seen.add(name)
        return known

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Write a part under a hidden name, and move it into its place."""
        name = self._name(number)
        unfinished = self._place / f".{name}.unfinished"
        self._write_part(unfinished, chunk, new)
        self._place.filesystem.move(unfinished.path, (self._place / name).path)
        self._parts[name] = asdict(replace(tally, digest="" if chunk is None else self._digest(chunk)))
        self._seen.add(name)
        self._note()

    def complete(self) -> None:
        """Remove the parts of rows that are gone, and write an empty one where there is none: a reader needs a file."""
        if not self._seen:
            self.write(0, None, None, Tally())
        for name in [name for name in self._parts if name not in self._seen]:
            (self._place / name).remove()
            del self._parts[name]
        self._note()
        self._lock.release()

    def abandon(self) -> None:
        """Nothing is left: every part is complete or not there."""
        self._lock.release()

    def part(self, number: int) -> Place:
        """Return where the part of a chunk lies."""
        return self._place / self._name(number)

    def _name(self, number: int) -> str:
        return f"part-{number:06d}{self._form.ending}"

    def _begin(self, *, overwrite: bool) -> dict[str, Any]:
        """Return the parts that this very job has written before; make room for it where another one has."""
        known = check_folder(self._place, self._job, overwrite=overwrite)
        if known.get("job") == self._job and not overwrite:
            return dict(known["parts"])
        for name in _names_in(self._place):
            (self._place / name).remove()
        return {}

    def _note(self) -> None:
        write_manifest(self._manifest, {"job": self._job, "parts": self._parts})


def check_folder(place: Place, job: str, *, overwrite: bool) -> dict[str, Any]:
    """Refuse a folder that cannot be made or written to, or that holds what is not to be replaced.

    Parts that no job of ours has written are left alone whatever `overwrite` says.

    Returns
    -------
    dict
        What the folder's manifest says.

    Raises
    ------
    InputError
        Saying what to do.
    """
    kind = place.kind
    if kind == "file":
        raise InputError(f"{place.shown} is a file; a folder is needed to write parts to")
    check_writable(place if kind == "folder" else place.parent)
    known = read_manifest(place / MANIFEST)
    if known.get("job") == job and not overwrite:
        return known
    names = _names_in(place)
    if names and not overwrite:
        raise InputError(f"{place.shown} holds another result; overwrite=True (--overwrite) replaces it")
    if strangers := names - set(known.get("parts", ())):
        raise InputError(f"{place.shown} holds {min(strangers)}, which no map has written; choose an empty folder")
    return known


def _names_in(place: Place) -> set[str]:
    """Return what readers of a folder see in it."""
    import pyarrow.fs

    try:
        infos = place.filesystem.get_file_info(pyarrow.fs.FileSelector(place.path, allow_not_found=True))
    except NotADirectoryError:  # a device, such as /dev/null, is neither file nor folder for pyarrow
        raise InputError(f"{place.shown} is no folder to write parts to; name a folder, or a file") from None
    return {info.base_name for info in infos if not info.base_name.startswith((".", "_"))}


def _make_folder(place: Place) -> None:
    try:
        place.filesystem.create_dir(place.path, recursive=False)
    except OSError as error:
        raise InputError(f"{place.shown} cannot be made: {error}") from None
