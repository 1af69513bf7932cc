"""What stands beside a target: which job made it, and what its rows came to; and files that are written whole."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, fate_of
from ..frames.columns import Columns
from ..progress.stats import outcome_of_row
from ..records import Outcome
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
        Rows by kind of error.
    digest : str
        Tells these rows from others, where the name of the input does not.
    runs : str
        The ids of the runs that gave these answers, with a blank between two.
    is_cut : bool
        True where draws of some row were left to a later run, whatever its other draws came to.
    """

    rows: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    runs: str = ""
    is_cut: bool = False

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], columns: Columns, run_id: str) -> Tally:
        """Return what the outcomes of some rows, each with all of its draws, come to."""
        draws, vote = columns.samples, columns.has_vote
        parts = [outcomes[start : start + draws] for start in range(0, len(outcomes), draws)]
        rows = [outcome_of_row(part, has_vote=vote) for part in parts] if draws > 1 else outcomes
        kinds = Counter(str(row.kind) for row in rows if row.kind is not None)
        is_cut = any(fate_of(outcome.kind) == "cancelled" for outcome in outcomes)
        return cls(len(rows), dict(kinds), runs=run_id, is_cut=is_cut)

    @property
    def is_whole(self) -> bool:
        """False where rows were left to a later run (stopped, out of budget), which goes on with them."""
        return not (self.is_cut or any(fate_of(kind) == "cancelled" for kind in self.kinds))

    @property
    def has_failed(self) -> bool:
        """True where rows failed, for a reason that asking again may mend."""
        return any(fate_of(kind) == "failed" for kind in self.kinds)

    def __add__(self, other: Tally) -> Tally:
        kinds = Counter(self.kinds) + Counter(other.kinds)
        runs = dict.fromkeys([*self.runs.split(), *other.runs.split()])
        return Tally(self.rows + other.rows, dict(kinds), runs=" ".join(runs), is_cut=self.is_cut or other.is_cut)


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
