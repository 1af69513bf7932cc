"""The runs of this process: where their record lies and how they were asked, so that ``retry()`` needs no arguments.

Prompts are never written to disk, so this is gone with the process; the records themselves stay in the journal.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..store.journal import Journal

RUN_ATTRIBUTE = "claude_parallel_run"
"""Key in ``DataFrame.attrs`` that holds the run's id, a string."""

_MOST = 200

_recent: OrderedDict[str, tuple[Journal, MapCall]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class MapCall:
    """How a run was asked.

    Attributes
    ----------
    prompt : str or callable
        As the user gave it.
    out : str
        Name of the text column.
    options : mapping
        As the user gave them.
    made : tuple of str
        The columns that it made.
    """

    prompt: str | Callable[..., Any]
    out: str
    options: Mapping[str, Any]
    made: tuple[str, ...] = ()


def remember(run_id: str, journal: Journal, call: MapCall) -> None:
    """Keep a run in mind; the oldest of 200 is forgotten."""
    _recent[run_id] = (journal, call)
    while len(_recent) > _MOST:
        _recent.popitem(last=False)


def call_of(run_id: str) -> MapCall | None:
    """Return how a run of this process was asked; None for a run of another one."""
    found = _recent.get(run_id)
    return found[1] if found else None


def journal_of(run_id: str) -> Journal | None:
    """Return the journal that a run of this process was written to."""
    found = _recent.get(run_id)
    return found[0] if found else None


def journals_in_memory() -> list[Journal]:
    """Return the journals of runs without a file."""
    return [journal for journal, _call in _recent.values() if journal.path is None]
