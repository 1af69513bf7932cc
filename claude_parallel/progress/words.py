"""The words about a running map: beside its bar, in its log lines, and at its end.

Knows what is said and what is left out where room is short; who shows it, and where, is for the bars.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import fate_of
from ..text import clock_time, elapsed, figure, format_usd
from .speed import Speed
from .stats import RunStats
from .waits import outage_words


class Piece(NamedTuple):
    """A few words, and how much they matter: where room is short, the lowest rank goes first."""

    text: str
    rank: int


def counted(stats: RunStats) -> str:
    """Return how far the run has come: ``651 of 1,500 rows``; ``651 rows`` where nobody knows of how many."""
    return f"{stats.reached:,} rows" if stats.is_open else f"{stats.reached:,} of {stats.total:,} rows"


def pace(stats: RunStats, speed: Speed, now: float) -> list[str]:
    """Return how fast the run goes and how long the rest takes; nothing while it is paused, since both would mislead.

    Parameters
    ----------
    stats : RunStats
        The counts.
    speed : Speed
        Knows the last seconds.
    now : float
        The present, seconds of the clock that `speed` is told.
    """
    if stats.paused_until is not None or stats.outage_since is not None:
        return []
    rate = speed.rows_per_second(now, stats.reached)
    left = speed.seconds_left(now, stats.reached, stats.expected)
    words = [f"{figure(rate)} rows/s"] if rate else []
    return [*words, f"{elapsed(left)} left"] if left is not None else words


def describe(stats: RunStats, now: float, *, again: str = "interrupt again", width: int | None = None) -> str:
    """Return the words beside the bar: dollars, rows by what they came to, and what we are waiting for.

    Parameters
    ----------
    stats : RunStats
        The counts.
    now : float
        The present, seconds since the epoch.
    again : str
        What the user does to cancel what is in flight.
    width : int, optional
        The most letters; what matters least is left out. None = all of it.
    """
    return _fitted([*_money(stats), *_fates(stats), *_activity(stats, now, again)], width)


def conclude(stats: RunStats, seconds: float, *, width: int | None = None) -> str:
    """Return what a run came to: rows, seconds, dollars, what the journal gave, and what went wrong by kind.

    Parameters
    ----------
    stats : RunStats
        The final counts.
    seconds : float
        How long it took.
    width : int, optional
        As in :func:`describe`.
    """
    head = f"{stats.fates.answered:,} of {stats.total:,} rows answered"
    time = f" in {elapsed(seconds)}"
    rate = f" ({figure(stats.fates.answered / seconds)} rows/s)" if seconds > 0 and stats.fates.answered else ""
    others = [*_money(stats), *_fates(stats, with_kinds=True)]
    # What went wrong matters more than how quick it was.
    for words in (f"{head}{time}{rate}", f"{head}{time}", head):
        whole = _joined([Piece(words, 6), *others])
        if width is None or len(whole) <= width:
            return whole
    return _fitted([Piece(head, 6), *others], width)


def money(stats: RunStats) -> str:
    """Return the dollars of a run; those of a simulator say so."""
    return f"{format_usd(stats.cost)}{' simulated' if stats.is_simulated else ''}"


def _money(stats: RunStats) -> list[Piece]:
    pieces = [Piece(money(stats), 5)]
    if stats.from_journal:
        pieces.append(Piece(f"{stats.from_journal:,} from journal, {format_usd(stats.saved)} saved", 1))
    return pieces


def _fates(stats: RunStats, *, with_kinds: bool = False) -> list[Piece]:
    fates = stats.fates
    kinds = ""
    if with_kinds and fates.failed:
        kinds = f" ({', '.join(f'{kind} {count:,}' for kind, count in failed_kinds(stats))})"
    found = (
        (fates.failed, f"{fates.failed:,} failed{kinds}", 4),
        (fates.cancelled, f"{fates.cancelled:,} cancelled", 3),
        (fates.skipped, f"{fates.skipped:,} skipped", 2),
    )
    return [Piece(text, rank) for count, text, rank in found if count]


def failed_kinds(stats: RunStats) -> list[tuple[str, int]]:
    """Return the kinds of error of failed rows, most rows first."""
    kinds = tuple(stats.kinds.items())
    failed = [(str(kind), count) for kind, count in kinds if count and fate_of(kind) == "failed"]
    return sorted(failed, key=lambda item: -item[1])


def _activity(stats: RunStats, now: float, again: str) -> list[Piece]:
    if stats.is_stopping and stats.in_flight:
        return [Piece(f"finishing {stats.in_flight:,} in flight, {again} to cancel them", 6)]
    words = waiting(stats, now)
    is_shown = stats.paused_until is not None or stats.outage_since is not None or not stats.in_flight
    return [Piece(words, 6)] if words and is_shown else []


def waiting(stats: RunStats, now: float) -> str:
    """Return what holds the next call back at `now`, and until when; empty when nothing does."""
    if stats.outage_since is not None:
        return outage_words(stats.waiting_for, stats.outage_since, stats.paused_until, now)
    if stats.paused_until is not None:
        return f"paused until {clock_time(stats.paused_until, now)}: {stats.waiting_for}"
    return stats.waiting_for


def _fitted(pieces: list[Piece], width: int | None) -> str:
    """Return the pieces in their order; where they are too long, without those that matter least."""
    left = list(pieces)
    while width is not None and len(left) > 1 and len(_joined(left)) > width:
        left.remove(min(left, key=lambda piece: piece.rank))
    text = _joined(left)
    return text if width is None or len(text) <= width else text[: max(0, width - 1)] + "…"


def _joined(pieces: list[Piece]) -> str:
    return ", ".join(piece.text for piece in pieces)
