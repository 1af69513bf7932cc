"""What a cell with an image or document may hold, and how it is read: paths, URLs, bytes, base64, lists.

What becomes of the bytes is decided in ``blocks``; nothing is kept after the call.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from .sniffing import sniff

_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What base64 of a JPEG, PNG, GIF, WebP or PDF begins with.
_BASE64_STARTS = ("/9j/", "iVBORw0K", "R0lGOD", "UklGR", "JVBERi0")
_SHOWN_LETTERS = 80
"""Letters of a cell in an error: a long path is known by its end, and the line stays one line."""


class AttachmentError(ValueError):
    """An image or document that cannot be sent; the text is ready for the error column."""


def items(cell: Any) -> list[Any]:
    """Return the single things in a cell, lists opened and missing or blank ones left out."""
    if _is_missing(cell):
        return []
    # An array of paths, as a list column of a parquet file has.
    if getattr(cell, "ndim", None) == 1 and hasattr(cell, "dtype"):
        cell = cell.tolist()
    if isinstance(cell, list | tuple):
        return [item for part in cell for item in items(part)]
    return [cell]


def _is_missing(cell: Any) -> bool:
    # pandas' NA and NaT by name, so that pandas need not be imported.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(cell, float):
        return cell != cell
    return isinstance(cell, str) and not cell.strip()


def url_of(item: Any) -> str | None:
    """Return the web address that `item` is; None where it is something else."""
    text = item.strip() if isinstance(item, str) else ""
    return text if text[:8].lower().startswith(("http://", "https://")) else None


def is_remote(item: Any) -> bool:
    """Say whether the API fetches what `item` is: a web address, or a content block of one or of a file_id."""
    source = item.get("source") if isinstance(item, Mapping) else None
    is_elsewhere = isinstance(source, Mapping) and source.get("type") in ("url", "file")
    return is_elsewhere or url_of(item) is not None


def bytes_of(item: Any, most_bytes: int) -> bytes:
    """Return the bytes behind a path, a base64 text, a data URL, a mapping of a data set, or bytes.

    Parameters
    ----------
    item : Any
        One thing of a cell.
    most_bytes : int
        A larger file is refused before it is read.

    Raises
    ------
    AttachmentError
        Where there is nothing to read, too much of it, or no regular file.
    """
    if isinstance(item, Mapping):
        # What image columns of parquet data sets hold.
        content = item.get("bytes")
        item = item.get("path") if content is None else content
    if isinstance(item, bytes | bytearray | memoryview):
        data = bytes(item)
    elif isinstance(item, str) and (encoded := _encoded(item)) is not None:
        data = encoded
    elif isinstance(item, str | os.PathLike):
        data = _read(os.fspath(item), most_bytes)
    else:
        raise AttachmentError(
            f"the cell holds {type(item).__name__!r}, which is not a path, URL, bytes or Pillow image"
        )
    if not data:
        raise AttachmentError(f"{name_of(item)} is empty")
    return data


def _encoded(text: str) -> bytes | None:
    """Return the bytes of a base64 text or data URL; None for what must be a path."""
    header = _DATA_URL.match(text)
    if header is None and not text.lstrip().startswith(_BASE64_STARTS):
        if text[:5].lower() == "data:":
            raise AttachmentError(f"{name_of(text)} is a data URL without base64")
        return None
    payload = text[header.end() :] if header else text
    try:
        data = base64.b64decode("".join(payload.split()), validate=True)
    except binascii.Error as error:
        if header is None:
            return None
        raise AttachmentError(f"{name_of(text)} is not valid base64 ({error})") from error
    # Without a header, only what turns out to be a known file is taken for one.
    return data if header is not None or sniff(data) is not None else None


def _read(path: str | bytes, most_bytes: int) -> bytes:
    text = os.fsdecode(path).strip()
    name = name_of(text)
    if text[:7].lower() == "file://":
        text = url2pathname(urlsplit(text).path)
    elif _SCHEME.match(text):
        raise AttachmentError(f"{name} is no address that can be fetched here; pass https, a local path or bytes")
    try:
        return _read_file(Path(text).expanduser(), name, most_bytes)
    except FileNotFoundError:
        raise AttachmentError(f"{name} does not exist") from None
    except AttachmentError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise AttachmentError(f"{name} cannot be read ({what})") from error


def _read_file(path: Path, name: str, most_bytes: int) -> bytes:
    """Read a regular file whose size is known to fit; a pipe or a device would never end."""
    # Without O_NONBLOCK, opening a pipe waits for somebody who writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(path, "rb", opener=lambda name, _flags: os.open(name, flags)) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise AttachmentError(f"{name} is not a regular file; pass the path of a file, or bytes")
        if state.st_size > most_bytes:
            raise AttachmentError(
                f"{name} has {state.st_size / 2**20:,.1f} MB, at most {most_bytes / 2**20:,.1f} MB can be sent"
            )
        data = file.read(most_bytes + 1)  # it may be growing at this very moment
    if len(data) > most_bytes:
        raise AttachmentError(f"{name} has more than {most_bytes / 2**20:,.1f} MB, which is the most that can be sent")
    return data


def name_of(item: Any) -> str:
    """Return how an error message calls `item`: by its path where it has one."""
    if isinstance(item, Mapping):
        item = item.get("path") or item.get("bytes")
    if isinstance(item, str | os.PathLike):
        text = os.fsdecode(item)
        return repr(text if len(text) <= _SHOWN_LETTERS else "..." + text[-_SHOWN_LETTERS:])
    return "the image in the cell" if hasattr(item, "mode") else "the file in the cell"
