"""The file formats that can be read and written, by the ending of a name.

Names only; how a format is read is in ``source``, how it is written in ``writers``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from ..errors import InputError

FormatName = Literal["parquet", "csv", "jsonl", "arrow"]

_ENDINGS: dict[str, FormatName] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
ENDINGS_FOR_PEOPLE = ".parquet, .csv, .tsv, .jsonl or .arrow; .csv and .jsonl also with .gz, .zst or .bz2"


@dataclass(frozen=True, slots=True)
class Format:
    """How one file is written.

    Attributes
    ----------
    name : str
        ``"parquet"``, ``"csv"``, ``"jsonl"`` (one JSON object a line) or ``"arrow"`` (the IPC file format).
    compression : str or None
        ``"gzip"``, ``"bz2"`` or ``"zstd"`` around the whole file; None = none, or the format's own.
    ending : str
        As in the file's name, such as ``.csv.gz``.
    """

    name: FormatName
    compression: str | None
    ending: str


PARQUET = Format("parquet", None, ".parquet")
"""What the parts of a folder are where nothing else is said."""


def format_of(path: str) -> Format | None:
    """Return the format that a file's name tells; None for a name that tells none.

    Raises
    ------
    InputError
        For a compressed file of a format that compresses itself.
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(path.replace("\\", "/")).suffixes]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    kept = suffixes[-2:] if compression else suffixes[-1:]
    name = _ENDINGS.get(kept[0]) if kept else None
    if name is None:
        return None
    if compression and name in ("parquet", "arrow"):
        raise InputError(f"{path}: {name} files compress themselves; unpack it first, or write it without {kept[-1]}")
    return Format(name, compression, "".join(kept))


def not_utf8(content: bytes = b"") -> str:
    """Return what is wrong with a text file, as far as its first bytes tell, and what to do."""
    encoding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
    seems = "" if encoding != "UTF-16" else " but UTF-16"
    return f"not UTF-8{seems}: `iconv -f {encoding} -t UTF-8 in > out` converts it (with the encoding that it has)"
