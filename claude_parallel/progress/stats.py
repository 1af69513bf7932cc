"""Counts of a running map, and the words that a progress bar shows beside them.

The engine bumps plain counters from its thread, the painter reads them from another; nothing here samples.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import Kind
from ..records import Outcome, Usage
from ..text import format_usd

ZERO = Decimal(0)

_NOT_SENT: frozenset[Kind] = frozenset({"skipped", "cancelled", "budget"})


@dataclass(slots=True)
class RunStats:
    """What has happened so far.

    Attributes
    ----------
    total : int
        Rows of the frame.
    done : int
        Rows with an outcome, good or bad.
    kinds : Counter
        Rows by kind of error.
    cost : Decimal
        US dollars of this run's answers, as far as prices are known.
    saved : Decimal
        US dollars that journal answers would have cost.
    from_journal, duplicates, unpriced : int
        Rows answered by the journal, by an identical row, and answers without a known price.
    cache_hits, cache_misses : int
        Answers of marked requests that read the prompt cache, and that did not (the writer is one of these).
    cache_saved : Decimal
        US dollars that prompt caching saved against plain input; negative while the write is not yet paid back.
    in_flight : int
        Calls under way.
    waiting_for : str
        What holds the next call back; empty when nothing does.
    paused_until : float or None
        End of the pause, seconds since the epoch.
    is_stopping : bool
        True after the first interrupt: nothing new is sent.
    """

    total: int = 0
    done: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    cost: Decimal = ZERO
    saved: Decimal = ZERO
    from_journal: int = 0
    duplicates: int = 0
    unpriced: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_saved: Decimal = ZERO
    in_flight: int = 0
    waiting_for: str = ""
    paused_until: float | None = None
    is_stopping: bool = False

    def add(self, outcome: Outcome, rows: int = 1) -> None:
        """Count the outcome of a row (and of `rows` - 1 identical ones)."""
        self.done += rows
        if outcome.kind is not None:
            self.kinds[outcome.kind] += rows
        if outcome.source == "journal":
            self.from_journal += rows

    def note_cache(self, usage: Usage, saved: Decimal) -> None:
        """Count what the prompt cache did for one answer."""
        if usage.cache_read_tokens:
            self.cache_hits += 1
        else:
            self.cache_misses += 1
        self.cache_saved += saved

    @property
    def errors(self) -> int:
        """Rows that failed; a row that was skipped or never sent did not."""
        kinds = tuple(self.kinds.items())  # at one stroke: the engine counts on while another thread paints
        return sum(count for kind, count in kinds if kind not in _NOT_SENT)

    @property
    def not_sent(self) -> int:
        """Rows that the run did not come to: it was stopped, or the budget was used up."""
        return self.kinds["cancelled"] + self.kinds["budget"]


def describe(stats: RunStats, clock_text: str | None = None) -> str:
    """Return the words beside the bar: dollars, errors, and what we are waiting for.

    Parameters
    ----------
    stats : RunStats
        The counts.
    clock_text : str, optional
        The end of a pause as local wall-clock time, such as ``14:03:20``.
    """
    words = [format_usd(stats.cost)]
    if stats.from_journal:
        words.append(f"{stats.from_journal:,} from journal, {format_usd(stats.saved)} saved")
    if stats.errors:
        words.append(f"{stats.errors:,} error" + ("s" if stats.errors > 1 else ""))
    if stats.not_sent:
        words.append(f"{stats.not_sent:,} not sent")
    if stats.kinds["skipped"]:
        words.append(f"{stats.kinds['skipped']:,} skipped")
    words.append(_activity(stats, clock_text))
    return ", ".join(word for word in words if word)


def _activity(stats: RunStats, clock_text: str | None) -> str:
    if stats.is_stopping and stats.in_flight:
        return f"finishing {stats.in_flight} in flight, interrupt again to cancel them"
    if clock_text is not None:
        return f"paused until {clock_text}: {stats.waiting_for}"
    return "" if stats.in_flight else stats.waiting_for
