"""Where tables lie: local paths, and object stores through fsspec.

Knows file systems and paths; which formats there are is in ``formats``. Paths are text with ``/``, as
``pyarrow.fs`` takes them.
"""

from __future__ import annotations

import fnmatch
import glob as local_glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from ..errors import InputError
from .extras import need
from .formats import ENDINGS_FOR_PEOPLE, Format, format_of

_HIVE_MISSING = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, Spark and Arrow name the folder of a missing value."""

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Place:
    """One path in one file system.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
        What reads and writes it.
    path : str
        As the file system names it.
    shown : str
        As the user wrote it.
    keys : tuple of (str, str or None)
        The ``key=value`` folders (Hive partitions) between the folder that was named and the file.
    """

    filesystem: Any
    path: str
    shown: str
    keys: tuple[tuple[str, str | None], ...] = ()

    def __truediv__(self, name: str) -> Place:
        return Place(self.filesystem, f"{self.path}/{name}", f"{self.shown.rstrip('/')}/{name}")

    def with_keys_below(self, folder: str) -> Place:
        """Return the place with the keys that its path has below a folder."""
        inner = self.path[len(folder) :].split("/")[:-1]
        return replace(self, keys=tuple(_key(part) for part in inner if "=" in part))

    @property
    def parent(self) -> Place:
        """The folder around it."""
        folder = str(PurePosixPath(self.path).parent)
        # A path would make one slash of the two in a URL.
        shown = str(PurePosixPath(self.shown).parent) if self.is_local else self.shown.rpartition("/")[0]
        return Place(self.filesystem, folder, shown)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def kind(self) -> str:
        """``"file"``, ``"folder"`` or ``"missing"``."""
        import pyarrow.fs

        kind = self.filesystem.get_file_info(self.path).type
        return {pyarrow.fs.FileType.File: "file", pyarrow.fs.FileType.Directory: "folder"}.get(kind, "missing")

    @property
    def is_local(self) -> bool:
        """True on this machine's disk."""
        import pyarrow.fs

        return isinstance(self.filesystem, pyarrow.fs.LocalFileSystem)

    @property
    def url(self) -> str:
        """What another process opens it by: an absolute path, or the URL as it was written."""
        return self.path if self.is_local else self.shown

    def identity(self) -> list[Any]:
        """Return what tells a file from another, and from itself when it has changed."""
        info = self.filesystem.get_file_info(self.path)
        return [self.path, info.size, str(info.mtime)]

    def remove(self) -> None:
        """Delete the file if it is there."""
        if self.kind == "file":
            self.filesystem.delete_file(self.path)


def place_of(path: str | Path) -> Place:
    """Return where a path leads.

    Raises
    ------
    InputError
        For a URL whose file system is not installed.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"a path is needed to read from or write to, not {type(path).__name__}")
    text = os.fspath(path)
    if "://" not in text:
        import pyarrow.fs

        absolute = Path(text).expanduser().absolute().as_posix()
        return Place(pyarrow.fs.LocalFileSystem(), absolute, text)
    fsspec = need("fsspec", "paths with a protocol", "files")
    import pyarrow.fs

    try:
        filesystem, inner = fsspec.core.url_to_fs(text)
    except (ImportError, ValueError) as error:
        raise InputError(f"{text} cannot be opened: {error}") from None
    return Place(pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem)), inner.rstrip("/"), text)


def find_files(source: Paths) -> list[Place]:
    """Return the files that a source names: a file, a list, a glob pattern or a folder with all below it.

    Files of a pattern or a folder come in the order of their paths; names that begin with ``_`` or ``.`` are left
    aside, as Arrow, Spark and Hive do.

    Raises
    ------
    InputError
        When there is nothing.
    """
    found = [place for part in _parts(source) for place in _files_of(part)]
    if not found:
        raise InputError("there is no file to read: the list of sources is empty")
    return found


def would_read(source: Paths, place: Place) -> bool:
    """Say whether a folder or a pattern of a source would find a file at a place, were it there."""
    return any(_would_find(part, place) for part in _parts(source))


def _would_find(part: str | Path, place: Place) -> bool:
    text = os.fspath(part)
    named = place_of(text)
    if named.is_local != place.is_local:
        return False
    if _is_pattern(text):
        return _matches(place.path.split("/"), named.path.split("/")) and not _is_hidden(place.name)
    inner = place.path.removeprefix(f"{named.path}/")
    return inner != place.path and named.kind == "folder" and not any(map(_is_hidden, inner.split("/")))


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Say whether the parts of a path fit those of a pattern; ``**`` is any number of folders."""
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_matches(names[start:], patterns[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], patterns[0]) and _matches(names[1:], patterns[1:])


def _parts(source: Paths) -> Sequence[str | Path]:
    parts = [source] if isinstance(source, str | Path) else source
    if (
        isinstance(parts, bytes)
        or not isinstance(parts, Sequence)
        or not all(isinstance(part, str | Path) for part in parts)
    ):
        hint = "; a frame or a table in memory is mapped by its own .claude.map, or by cp.map"
        what = type(source).__name__ + (hint if hasattr(source, "columns") else "")
        raise InputError(f"the source must be a path or a list of paths, not {what}")
    return parts


def common_format(files: Sequence[Place]) -> Format:
    """Return the format of all files.

    Raises
    ------
    InputError
        For an unknown ending, or files of different formats.
    """
    formats = {place.shown: format_of(place.path) for place in files}
    for shown, known in formats.items():
        if known is None:
            raise InputError(f"{shown} has no known ending; files end in {ENDINGS_FOR_PEOPLE}")
    names = sorted({known.name for known in formats.values() if known})
    if len(names) > 1:
        raise InputError(f"the source holds files of several formats ({', '.join(names)}); name those of one format")
    first = next(iter(formats.values()))
    assert first is not None
    return first


def _files_of(part: str | Path) -> list[Place]:
    text = os.fspath(part)
    if _is_pattern(text):
        return _matching(text)
    place = place_of(text)
    kind = place.kind
    if kind == "file":
        return [place]
    if kind == "missing":
        raise InputError(f"there is no file {text}")
    return _below(place)


def _is_pattern(text: str) -> bool:
    return any(mark in text for mark in "*?[") and not ("://" not in text and Path(text).exists())


def _matching(pattern: str) -> list[Place]:
    if "://" in pattern:
        fsspec = need("fsspec", "paths with a protocol", "files")
        filesystem, inner = fsspec.core.url_to_fs(pattern)
        names = [filesystem.unstrip_protocol(name) for name in sorted(filesystem.glob(inner))]
    else:
        names = sorted(local_glob.glob(os.path.expanduser(pattern), recursive=True))  # noqa: PTH111, PTH207  # ** and ~
    found = [place for place in map(place_of, names) if place.kind == "file" and not _is_hidden(place.name)]
    if not found:
        raise InputError(f"no file matches {pattern}")
    fixed = place_of(_before_marks(pattern)).path
    return [place.with_keys_below(fixed) for place in found]


def _before_marks(pattern: str) -> str:
    """Return the folder that stands in a pattern before its first mark."""
    head = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return head.rpartition("/")[0] or ("/" if head.startswith("/") else ".")


def _below(folder: Place) -> list[Place]:
    import pyarrow.fs

    selector = pyarrow.fs.FileSelector(folder.path, recursive=True)
    infos = [info for info in folder.filesystem.get_file_info(selector) if info.type == pyarrow.fs.FileType.File]
    inner = {info.path: info.path[len(folder.path) :].lstrip("/") for info in infos}
    found = [path for path, name in inner.items() if not any(map(_is_hidden, name.split("/")))]
    if not found:
        raise InputError(f"the folder {folder.shown} holds no file to read")
    return [(folder / inner[path]).with_keys_below(folder.path) for path in sorted(found)]


def _key(part: str) -> tuple[str, str | None]:
    name, value = part.split("=", 1)
    return name, None if value == _HIVE_MISSING else unquote(value)


def _is_hidden(name: str) -> bool:
    return name.startswith(("_", "."))
