"""Counts of a running map.

The engine bumps plain counters from its thread, whoever shows them reads from another. What is said about them stands
in ``words``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import FateCounts, Kind, count_fates
from ..records import ZERO, Outcome, Usage


@dataclass(slots=True)
class RunStats:
    """What has happened so far: the one source of every number that bar, panel, job and run show."""

    total: int = 0
    """Rows of the frame (times draws); of a stream whose length nobody knows, those that were read so far."""
    is_open: bool = False
    """True where nobody knows how many rows will come."""
    done: int = 0
    """Rows with an outcome, good or bad."""
    kinds: Counter[Kind] = field(default_factory=Counter)
    """Rows by kind of error."""
    cost: Decimal = ZERO
    """US dollars of this run's answers, as far as prices are known."""
    saved: Decimal = ZERO
    """US dollars that answers from the journal would have cost."""
    from_journal: int = 0
    """Rows that the journal answered."""
    duplicates: int = 0
    """Rows that an identical row answered."""
    unpriced: int = 0
    """Answers without a known price."""
    cache_hits: int = 0
    """Answers of marked requests that read the prompt cache."""
    cache_misses: int = 0
    """Answers of marked requests that did not; the writer is one of these."""
    cache_saved: Decimal = ZERO
    """US dollars that prompt caching saved against plain input; negative while the write is not yet paid back."""
    in_flight: int = 0
    """Calls under way."""
    waiting_for: str = ""
    """What holds the next call back; empty when nothing does."""
    paused_until: float | None = None
    """End of the pause, or the next try in an outage; seconds since the epoch."""
    outage_since: float | None = None
    """When the outage began in which every call fails, seconds since the epoch; None without one."""
    is_stopping: bool = False
    """True after the first interrupt: nothing new is sent."""
    is_simulated: bool = False
    """True when a simulator answers: its dollars are not real."""

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
    def fates(self) -> FateCounts:
        """Rows so far by what they came to: answered, failed, skipped, cancelled."""
        kinds: dict[str, int] = dict(
            tuple(self.kinds.items())
        )  # at one stroke: the engine counts on while another thread paints
        return count_fates(kinds, max(self.done, sum(kinds.values())))

    @property
    def reached(self) -> int:
        """Rows that the run came to: where its bar stands, and where it stops when the run is stopped."""
        fates = self.fates
        return fates.answered + fates.failed + fates.skipped

    @property
    def expected(self) -> int:
        """Rows that there will be, as far as anybody knows: what the time left is reckoned with."""
        return self.reached if self.is_open else self.total
