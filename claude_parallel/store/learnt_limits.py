"""What a gate has learnt of an account, kept in the journal's file for the next run.

A table of its own, made when it is first written: a journal without it is as good as one in which nothing was learnt,
and older versions of this package leave it alone. What is learnt, and how it is checked, is decided in ``limits``.
"""

from __future__ import annotations

import json
import math
import sqlite3
from typing import Any

from ..limits.tickets import Remembered
from ..records import DIMENSIONS, Dimension
from .journal import Journal

KEPT_SECONDS = 30 * 86_400.0
"""After 30 days a memory is forgotten: tiers, prices and programs have changed by then, and one run learns it anew."""

NEWS_SECONDS, NEWS_SHARE = 86_400.0, 0.1
"""What differs by less than a tenth is no news within a day: a call of one row need not write."""

_TABLE = """CREATE TABLE IF NOT EXISTS limits (
    account TEXT NOT NULL PRIMARY KEY, learnt REAL NOT NULL, belief TEXT NOT NULL
) WITHOUT ROWID"""


def recall(journal: Journal, account: str, now: float) -> Remembered | None:
    """Return what was learnt of an account within the last 30 days; None where that is nothing.

    Parameters
    ----------
    journal : Journal
        An open journal.
    account : str
        Name of account and model group; a digest, never a key.
    now : float
        Seconds since the epoch.
    """
    return _recall(journal, account, now, KEPT_SECONDS)


def _recall(journal: Journal, account: str, now: float, oldest_seconds: float) -> Remembered | None:
    try:
        rows = journal.query("SELECT learnt, belief FROM limits WHERE account = ?", (account,))
        learnt, belief = rows[0] if rows else (-math.inf, "")
        return _read(json.loads(belief)) if abs(now - learnt) <= oldest_seconds else None
    except (sqlite3.Error, ValueError, TypeError, AttributeError, KeyError):
        return None  # no such table, or written by hand: the first answers tell as well


def keep(journal: Journal, account: str, remembered: Remembered, now: float) -> None:
    """Keep what was learnt of an account, if it is news; a journal that cannot be written costs a head start only."""
    known = _recall(journal, account, now, NEWS_SECONDS)
    if known is not None and _is_alike(known, remembered):
        return
    belief = {
        "limits": dict(remembered.limits),
        "bursts": dict(remembered.bursts),
        "ends": list(remembered.ends),
    }
    try:
        journal.execute(_TABLE)
        journal.execute_many(
            [
                ("DELETE FROM limits WHERE NOT learnt BETWEEN ? AND ?", (now - KEPT_SECONDS, now + KEPT_SECONDS)),
                ("INSERT OR REPLACE INTO limits VALUES (?, ?, ?)", (account, now, json.dumps(belief))),
            ]
        )
    except sqlite3.Error:
        return


def _read(belief: Any) -> Remembered | None:
    """Return a belief whose numbers make sense."""
    limits, bursts = _numbers(belief["limits"]), _numbers(belief["bursts"])
    ends = tuple(name for name in DIMENSIONS if name in belief["ends"])
    return Remembered(limits=limits, bursts=bursts, ends=ends) if limits else None


def _is_alike(known: Remembered, learnt: Remembered) -> bool:
    if known.ends != learnt.ends:
        return False
    pairs: list[tuple[float, float]] = []
    for then, now in ((known.limits, learnt.limits), (known.bursts, learnt.bursts)):
        if then.keys() != now.keys():
            return False
        pairs += [(then[name], now[name]) for name in then]
    return all(math.isclose(then, now, rel_tol=NEWS_SHARE) for then, now in pairs)


def _numbers(found: Any) -> dict[Dimension, float]:
    values = {name: float(found[name]) for name in DIMENSIONS if name in found}
    return {name: value for name, value in values.items() if 0.0 <= value < math.inf}
