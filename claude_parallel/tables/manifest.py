"""What stands beside a target: which job made it, and what its rows came to; and files that are written whole."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, fate_of
from .formats import Format
from .places import Place


@dataclass(frozen=True, slots=True)
class Tally:
    """What some finished rows came to.

    Attributes
    ----------
    rows : int
        How many.
    kinds : mapping of str to int
        Answers by kind of error.
    digest : str
        Tells these rows from others, where the name of the input does not.
    runs : str
        The ids of the runs that gave these answers, with a blank between two.
    """

    rows: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    runs: str = ""

    @property
    def is_whole(self) -> bool:
        """False where rows were left to a later run (stopped, out of budget), which goes on with them."""
        return not any(fate_of(kind) == "cancelled" for kind in self.kinds)

    @property
    def has_failed(self) -> bool:
        """True where answers failed, for a reason that asking again may mend."""
        return any(fate_of(kind) == "failed" for kind in self.kinds)

    def __add__(self, other: Tally) -> Tally:
        kinds = Counter(self.kinds) + Counter(other.kinds)
        runs = dict.fromkeys([*self.runs.split(), *other.runs.split()])
        return Tally(self.rows + other.rows, dict(kinds), runs=" ".join(runs))


def check_writable(folder: Place) -> None:
    """Refuse a folder of this machine that is missing or cannot be written to; an object store says so later.

    Raises
    ------
    InputError
        Saying what to do.
    """
    if not folder.is_local:
        return
    if folder.kind != "folder":
        raise InputError(f"there is no folder {folder.shown or '/'} to write to; make it first")
    if not os.access(folder.path, os.W_OK | os.X_OK):
        raise InputError(f"{folder.shown} cannot be written to: name another place, or change its permissions")


def open_output(place: Place, form: Format) -> Any:
    """Open a file for writing, compressed as its format says.

    Raises
    ------
    InputError
        When its folder is missing or cannot be written to.
    """
    check_writable(place.parent)
    try:
        return place.filesystem.open_output_stream(place.path, compression=form.compression)
    except OSError as error:
        raise InputError(f"{place.parent.shown} cannot be written to: {error}") from None


def read_manifest(place: Place) -> dict[str, Any]:
    """Return what a manifest says; nothing where it is missing or broken."""
    if place.kind != "file":
        return {}
    with place.filesystem.open_input_stream(place.path) as stream:
        try:
            found = json.loads(stream.read())
        except ValueError:
            return {}
    return found if isinstance(found, dict) else {}


def write_manifest(place: Place, content: Mapping[str, Any]) -> None:
    """Write a manifest, whole or not at all."""
    unfinished = place.parent / f"{place.name}.unfinished"
    with open_output(unfinished, Format("jsonl", None, ".json")) as stream:
        stream.write(json.dumps(content).encode())
    place.filesystem.move(unfinished.path, place.path)
