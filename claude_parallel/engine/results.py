"""The outcomes of a run by row, filled while it goes on and readable at any moment.

Answers live here and not in a return value, so that an interrupt, an error or another thread always finds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import Kind
from ..progress.stats import RunStats
from ..records import ZERO, Outcome, Source


@dataclass(slots=True)
class Results:
    """What became of each row (and, with several samples per row, of each draw).

    Attributes
    ----------
    outcomes : list of Outcome or None
        By position; None where nothing has come yet.
    fingerprints : list of bytes or None
        Key of what each position asked.
    copies : dict of int to int
        Position -> the earlier position that asks the very same and answers for both.
    stats : RunStats
        Counts to keep in step.
    """

    outcomes: list[Outcome | None]
    fingerprints: list[bytes | None]
    stats: RunStats
    copies: dict[int, int] = field(default_factory=dict)
    _echoes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, size: int, stats: RunStats) -> Results:
        """Return results for `size` positions, none of them known yet."""
        return cls(outcomes=[None] * size, fingerprints=[None] * size, stats=stats)

    def deliver(self, position: int, outcome: Outcome) -> None:
        """Keep the outcome of a position and count it, with all positions that wait for the same."""
        if self.outcomes[position] is None:
            self.stats.add(outcome, rows=1 + self._echoes.pop(position, 0))
        self.outcomes[position] = outcome

    def copy_from(self, position: int, first: int) -> None:
        """Let `position` have the outcome of `first`, now or as soon as it is there."""
        self.copies[position] = first
        self.stats.duplicates += 1
        known = self.outcomes[first]
        if known is None:
            self._echoes[first] = self._echoes.get(first, 0) + 1
        else:
            self.stats.add(known)

    def complete(self, kind: Kind, what: str) -> None:
        """Give every position that was never reached an outcome of this kind, and every duplicate its own."""
        unreached = Outcome.not_asked(kind, what)
        for position, outcome in enumerate(self.outcomes):
            if outcome is None and position not in self.copies:
                self.deliver(position, unreached)
        for position, first in self.copies.items():
            outcome = self.outcomes[first]
            assert outcome is not None
            source: Source = "duplicate" if outcome.source != "none" else "none"
            self.outcomes[position] = replace(outcome, cost=ZERO, source=source, attempts=0)

    @property
    def has_answers(self) -> bool:
        """True when at least one row was answered."""
        return any(outcome is not None and outcome.source != "none" for outcome in self.outcomes)
