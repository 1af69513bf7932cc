"""Which requests of a run were answered, and not once more since: ``retry()`` asks them again nevertheless."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Query = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]

_BAD = " AND kind IS NOT NULL"
_OF_NO_VOTE = " AND position / ? NOT IN (SELECT position / ? FROM row_outcomes WHERE run = ? AND kind IS NULL)"
"""A vote needs one answer: a row that has one did not fail, whatever its other draws came to."""
_ANSWERED = (
    "SELECT DISTINCT fingerprint FROM row_outcomes WHERE run = ? AND source != 'none' AND fingerprint IS NOT NULL"
)
_FOLLOWED = "SELECT asked, fingerprint FROM follow_ups WHERE run = ?"
_NEWER = "SELECT fingerprint, max(created) FROM answers WHERE created > ? GROUP BY fingerprint"
_FOUND_BAD = (
    "SELECT fingerprint, ended FROM run_rows JOIN runs ON id = run "
    "WHERE ended > ? AND kind IS NOT NULL AND source != 'none' AND fingerprint IS NOT NULL"
)


def keys_answered(query: Query, run: str, ended: float | None, *, badly: bool, voters: int = 1) -> frozenset[bytes]:
    """Return the keys of a run's requests that were answered, less those that were answered once more since.

    With a request come those that followed its answer (repairs, the rest of a turn): where it was answered once more
    and they were not, since the retry was stopped in between, they may be asked in the very same words.

    An answer from after the run counts where no later run has found it bad: a cell with a ``retry()`` that is run
    again, after its end, its interrupt or the death of its kernel, finds what it has paid for.

    Parameters
    ----------
    query : callable
        Asks the journal: SQL and its parameters.
    run : str
        The run's id.
    ended : float or None
        When it ended, seconds since the epoch; None = it was killed, so nothing is known to be newer.
    badly : bool
        True = only those of rows that failed.
    voters : int
        Draws of a row that one answer is voted for by; 1 where each draw has a column of its own.
    """
    only = (_BAD + (_OF_NO_VOTE if voters > 1 else "")) if badly else ""
    rows = query(_ANSWERED + only, (run, voters, voters, run) if only.endswith(_OF_NO_VOTE) else (run,))
    found = frozenset(key for (key,) in rows)
    found |= {key for asked, key in (query(_FOLLOWED, (run,)) if found else ()) if asked in found}
    if ended is None or not found:
        return found
    newer = {key: created for key, created in query(_NEWER, (ended,)) if key in found}
    for key, judged in query(_FOUND_BAD, (ended,)) if newer else ():
        if judged >= newer.get(key, math.inf):
            del newer[key]
    return found - newer.keys()
