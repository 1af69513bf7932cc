"""Where the runs of this process are on record: a journal file, or a journal in memory for runs without one."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from weakref import WeakKeyDictionary

from ..store.journal import Journal

RUN_ATTRIBUTE = "claude_parallel_run"
"""Key in ``DataFrame.attrs`` that holds the run's id, a string."""

_MOST_FILES = 1_000
"""Paths kept in mind; they weigh nothing, and the journal file knows its runs without us."""

_MOST_BYTES = 64 * 2**20
"""Memory for journals in memory, the newest one aside: some 200,000 rows with their calls."""

_places: OrderedDict[str, Path | Journal] = OrderedDict()
_final_bytes: WeakKeyDictionary[Journal, int] = WeakKeyDictionary()
"""Of journals in memory whose run has ended: they grow no more, and each map would ask hundreds of them."""


def remember(run_id: str, journal: Journal, most_bytes: int = _MOST_BYTES) -> None:
    """Keep in mind where a run is on record; of journals in memory, the oldest beyond `most_bytes` are forgotten."""
    _places[run_id] = journal if journal.path is None else journal.path
    room = most_bytes
    for earlier, place in reversed([*_places.items()][:-1]):
        room -= bytes_in_memory(place)
        if room < 0 and isinstance(place, Journal):
            _places.pop(earlier, None)  # whoever still holds the run, or runs it, keeps its journal alive
    while len(_places) > _MOST_FILES:
        _places.popitem(last=False)


def place_of(run_id: str) -> Path | Journal | None:
    """Return where a run of this process is on record; None for others, and for those that were forgotten."""
    return _places.get(run_id)


def journals_in_memory() -> list[Journal]:
    """Return the journals of runs without a file."""
    return [place for place in _places.values() if isinstance(place, Journal)]


def bytes_in_memory(place: Path | Journal) -> int:
    """Return the size of a journal in memory; a file takes none."""
    if not isinstance(place, Journal):
        return 0
    known = _final_bytes.get(place)
    if known is None:
        is_final = not place.is_in_use
        ((pages,),), ((size,),) = place.query("PRAGMA page_count"), place.query("PRAGMA page_size")
        known = int(pages) * int(size)
        if is_final:
            _final_bytes[place] = known
    return known
