"""Counts of a running map.

The engine bumps plain counters from its thread, whoever shows them reads from another. What is said about them stands
in ``words``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import FateCounts, Kind, count_fates
from ..records import ZERO, Outcome, Usage


def outcome_of_row(draws: Sequence[Outcome], *, has_vote: bool) -> Outcome:
    """Return what a row came to, from its draws in their order.

    A vote needs one answer. Without a vote each draw has a column of its own, and the first failed one counts. The
    journal gave a row if it gave all of its draws.
    """
    good = [draw for draw in draws if draw.kind is None]
    bad = [draw for draw in draws if draw.kind is not None]
    chosen = (good or bad)[0] if has_vote else (bad or good)[0]
    is_known = all(draw.source == "journal" for draw in draws)
    return chosen._replace(source="api") if chosen.source == "journal" and not is_known else chosen


@dataclass(slots=True)
class RunStats:
    """What has happened so far: the one source of every number that bar, panel, job and run show."""

    total: int = 0
    """Rows of the frame; of a stream whose length nobody knows, those that were read so far."""
    samples: int = 1
    """Answers that are wanted for each row."""
    has_vote: bool = False
    """True where a row has an answer as soon as one of its draws has."""
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
    draws: int = 0
    """Answers with an outcome: as many per row as `samples` says."""
    unpriced: int = 0
    """Answers without a known price."""
    cache_hits: int = 0
    """Answers that read the prompt cache, in a run that caches the prefix of its requests."""
    cache_misses: int = 0
    """Answers of such a run that did not: the writer is one of these, rows of a batch too small to cache are not."""
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
    _incomplete: dict[int, dict[int, Outcome]] = field(default_factory=dict, repr=False)
    """Draws, by position, of the rows that wait for others."""

    def add(self, outcome: Outcome, rows: int = 1) -> None:
        """Count the outcome of a row (and of `rows` - 1 identical ones)."""
        self.done += rows
        if outcome.kind is not None:
            self.kinds[outcome.kind] += rows
        if outcome.source == "journal":
            self.from_journal += rows

    def leave(self, rows: int, kind: Kind) -> None:
        """Count rows that nobody has read, and that come back with this kind of error."""
        if rows:
            self.total += rows
            self.add(Outcome(kind=kind), rows)

    def add_draw(self, position: int, outcome: Outcome) -> None:
        """Count one answer of a row; the row itself counts once all its answers are there.

        Parameters
        ----------
        position : int
            Row times samples, plus the number of the sample.
        outcome : Outcome
            What became of it.
        """
        self.draws += 1
        if self.samples > 1:
            row = position // self.samples
            draws = self._incomplete.setdefault(row, {})
            draws[position] = outcome
            if len(draws) < self.samples:
                return
            del self._incomplete[row]
            outcome = outcome_of_row([draws[place] for place in sorted(draws)], has_vote=self.has_vote)
        self.add(outcome)

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
        # The tuple is made at one stroke: the engine counts on while another thread paints.
        kinds: dict[str, int] = dict(tuple(self.kinds.items()))
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
