"""What mapping a table came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import FateCounts, count_fates
from ..records import ZERO
from ..text import format_usd


@dataclass(frozen=True, slots=True)
class TableResult:
    """What mapping a table came to.

    Attributes
    ----------
    rows : int
        Rows in the target, those of an earlier run of the same job included.
    kinds : mapping of str to int
        Rows by kind of error.
    cost_usd : Decimal
        US dollars that this run has paid.
    run_id : str or None
        The run's record, as in ``cp.runs()``; None where nothing was left to do.
    is_complete : bool
        False when the run was stopped before the target was written. Running it again goes on, also where a budget kept
        rows back.
    target : str
        Where the result is.
    is_simulated : bool
        True where a simulator answered, so that the dollars are not real.
    written_by : tuple of str
        The runs that gave the answers in the target, those of an earlier run of the same job first.
    """

    rows: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    cost_usd: Decimal = ZERO
    run_id: str | None = None
    is_complete: bool = True
    target: str = ""
    is_simulated: bool = False
    written_by: tuple[str, ...] = ()

    @property
    def run_ids(self) -> tuple[str, ...]:
        """All runs that there were, this one last; none where there was nothing to ask."""
        last = (self.run_id,) if self.run_id is not None else ()
        return (*(run_id for run_id in self.written_by if run_id not in last), *last)

    @property
    def fates(self) -> FateCounts:
        """Rows by what they came to: answered, failed, skipped, cancelled."""
        return count_fates(self.kinds, self.rows)

    @property
    def errors(self) -> int:
        """Rows that failed."""
        return self.fates.failed

    @property
    def words(self) -> str:
        """Rows by what they came to, and dollars, in a line."""
        fates = self.fates
        others = (("failed", fates.failed), ("cancelled", fates.cancelled), ("skipped", fates.skipped))
        counts = "".join(f", {count:,} {word}" for word, count in others if count)
        paid = f"{format_usd(self.cost_usd)}{' simulated' if self.is_simulated else ''}"
        return f"{fates.answered:,} of {self.rows:,} rows answered, {paid}{counts}"

    def __repr__(self) -> str:
        words = [self.words, self.target]
        if not self.is_complete:
            words.append("stopped: run it again to go on")
        return f"<{'; '.join(word for word in words if word)}>"
