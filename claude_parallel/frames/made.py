"""Which maps made the columns of a frame or series that has no ``attrs``: those of Polars and of Dask.

pandas carries ``attrs`` from one operation to the next; ``calls`` reads those.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from ..report.run import find_run
from .calls import MapCall
from .columns import AnswerColumns

T = TypeVar("T")

ATTRIBUTE = "_claude_parallel_made"
"""Attribute of what a map returned; no operation copies it."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a map has made.

    Attributes
    ----------
    call : MapCall
        How it was asked, and the columns that it made.
    run_ids : tuple of str
        The map's run, then that of each ``retry()``; empty where there was nothing to ask.
    details : DataFrame or None
        Of a series: its answers with their errors and costs.
    folder : path or None
        Of a result in files: the folder that they lie in.
    """

    call: MapCall
    run_ids: tuple[str, ...]
    details: Any = None
    folder: str | Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The new columns."""
        return self.call.columns.names

    @property
    def answers(self) -> tuple[AnswerColumns, ...]:
        """The columns of each answer per row."""
        return self.call.columns.answers

    @property
    def run_id(self) -> str:
        """The last run; empty where there was nothing to ask."""
        return self.run_ids[-1] if self.run_ids else ""

    def rejected(self, journal: Any = True, *, badly: bool = True) -> frozenset[bytes]:
        """Return the requests whose answers are the reason for asking again: all of them, or those answered badly."""
        return answers_to_ask_again(self.run_ids, journal, badly=badly)


def answers_to_ask_again(run_ids: Iterable[str], journal: Any = True, *, badly: bool = True) -> frozenset[bytes]:
    """Return the requests of some runs whose answers are not to be used again: all of them, or those answered badly."""
    found: frozenset[bytes] = frozenset()
    for run_id in run_ids:
        with suppress(InputError):  # a folder may be older than what the journal still knows
            found |= find_run(run_id, journal).fingerprints_answered(badly=badly)
    return found


def sign(result: T, made: Made, given: Any = None) -> T:
    """Let a result know the map that made it, beside those that made what was given, and return it."""
    earlier = (one for one in known_maps(given) if one.call.columns.out != made.call.columns.out)
    object.__setattr__(result, ATTRIBUTE, (*earlier, made))
    return result


def snapshot(given: T, copy: T) -> T:
    """Return a copy of what a map is given, which knows the same maps: its owner may change it while it is mapped."""
    object.__setattr__(copy, ATTRIBUTE, known_maps(given))
    return copy


def maps_of(result: Any) -> tuple[Made, ...]:
    """Return the maps that made a frame or a series, the last one last.

    Raises
    ------
    InputError
        When it does not know them.
    """
    found = known_maps(result)
    if not found:
        raise InputError(
            "this frame or series does not know its map: it is not what map returned, or an operation made a new one "
            "of it. Use what map returned; cp.runs() lists all runs"
        )
    return found


def made_of(result: Any) -> Made:
    """Return the last map that made a frame or a series; raises as :func:`maps_of`."""
    return maps_of(result)[-1]


def columns_made_as(given: Any, out: str) -> tuple[str, ...]:
    """Return the columns that an earlier map made under the same name, to be replaced by the next."""
    return tuple(name for made in known_maps(given) if made.call.columns.out == out for name in made.names)


def known_maps(result: Any) -> tuple[Made, ...]:
    """Return the maps that a frame or a series knows, the last one last; none where it is no result of a map."""
    found: tuple[Made, ...] = getattr(result, ATTRIBUTE, ())
    return found
