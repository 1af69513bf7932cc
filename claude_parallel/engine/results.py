"""The outcomes of a run by row, filled while it goes on and readable at any moment.

Answers live here and not in a return value, so that an interrupt, an error or another thread always finds them. A frame
keeps all of them; a stream takes those at the head out as soon as they are complete, so that only a window of rows
lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import Kind
from ..progress.stats import RunStats
from ..records import ZERO, Outcome, Source


@dataclass(slots=True)
class Results:
    """What became of each row (and, with several samples per row, of each draw).

    Attributes
    ----------
    stats : RunStats
        Counts to keep in step.
    outcomes : list of Outcome or None
        From position `base` on; None where nothing has come yet.
    fingerprints : list of bytes or None
        Key of what each of these positions asked.
    base : int
        How many positions were taken out.
    ready : int
        Every position before this one has its outcome.
    on_ready : callable or None
        Called when `ready` has moved on.
    has_answers : bool
        True when at least one row was answered.
    first_error : (int, Outcome) or None
        The first position that has failed for good.
    """

    stats: RunStats
    outcomes: list[Outcome | None] = field(default_factory=list)
    fingerprints: list[bytes | None] = field(default_factory=list)
    base: int = 0
    ready: int = 0
    on_ready: Callable[[], None] | None = None
    has_answers: bool = False
    first_error: tuple[int, Outcome] | None = None
    _first_of: dict[bytes, int] = field(default_factory=dict)
    _copies: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def empty(cls, size: int, stats: RunStats) -> Results:
        """Return results for `size` positions, none of them known yet."""
        return cls(stats, [None] * size, [None] * size)

    def reach(self, stop: int) -> None:
        """Make room for the positions before `stop`."""
        missing = stop - self.base - len(self.outcomes)
        if missing > 0:
            self.outcomes += [None] * missing
            self.fingerprints += [None] * missing
            if self.stats.is_open:
                self.stats.total += missing // self.stats.samples

    def is_first_to_ask(self, position: int, fingerprint: bytes) -> bool:
        """Take note of what a position asks; False when an earlier one asks the very same and answers for both."""
        self.fingerprints[position - self.base] = fingerprint
        first = self._first_of.setdefault(fingerprint, position)
        if first == position:
            return True
        self.stats.duplicates += 1
        self._copies.setdefault(first, []).append(position)
        known = self.outcomes[first - self.base]
        if known is not None:
            self._put(position, known, is_copy=True)
            self._tell()
        return False

    def deliver(self, position: int, outcome: Outcome) -> None:
        """Keep the outcome of a position and count it, with all positions that ask the same."""
        self._put(position, outcome)
        for copy in self._copies.get(position, ()):
            self._put(copy, outcome, is_copy=True)
        self._tell()

    def complete(self, kind: Kind, what: str, hint: str | None = None) -> None:
        """Give every position that was never reached an outcome of this kind."""
        unreached = Outcome.not_asked(kind, what, hint)
        for place in range(self.ready - self.base, len(self.outcomes)):
            if self.outcomes[place] is None:
                self._put(self.base + place, unreached)
        self._tell()

    def take(self, stop: int) -> tuple[list[bytes | None], list[Outcome]]:
        """Take out the fingerprints and outcomes of the positions before `stop`, which are all there.

        They are forgotten: the journal answers a later row that asks the same.
        """
        size = stop - self.base
        fingerprints = self.fingerprints[:size]
        taken = [outcome for outcome in self.outcomes[:size] if outcome is not None]
        for place, fingerprint in enumerate(fingerprints, self.base):
            self._copies.pop(place, None)
            if fingerprint is not None and self._first_of.get(fingerprint) == place:
                del self._first_of[fingerprint]
        del self.outcomes[:size], self.fingerprints[:size]
        self.base = stop
        return fingerprints, taken

    def _put(self, position: int, outcome: Outcome, *, is_copy: bool = False) -> None:
        place = position - self.base
        if self.outcomes[place] is None:
            self.stats.add_draw(position, outcome)
        self.outcomes[place] = _copy(outcome) if is_copy else outcome
        self.has_answers = self.has_answers or outcome.source != "none"
        has_failed = outcome.error is not None and outcome.kind not in ("skipped", "cancelled")
        if has_failed and (self.first_error is None or position < self.first_error[0]):
            self.first_error = position, outcome

    def _tell(self) -> None:
        """Move `ready` over the outcomes that are there, and say so."""
        before, end = self.ready, self.base + len(self.outcomes)
        while self.ready < end and self.outcomes[self.ready - self.base] is not None:
            self.ready += 1
        if self.ready > before and self.on_ready is not None:
            self.on_ready()


def _copy(outcome: Outcome) -> Outcome:
    """Return the outcome of a row whose question another one has asked: it cost nothing."""
    source: Source = "duplicate" if outcome.source != "none" else "none"
    return outcome._replace(cost=ZERO, source=source, attempts=0)
