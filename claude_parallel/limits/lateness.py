"""How late a call goes that has to find its bucket full: one that comes early, since others took longer, is refused.

It knows calls that are larger than what a bucket is believed to hold; what else a refusal may mean is in ``bucket``.
"""

from __future__ import annotations

from dataclasses import dataclass

FRACTION, MOST_SECONDS = 0.03, 0.05
"""How much later than needed it goes at first, in parts of its own refill, and at most: as much as requests overtake
each other (sweep: 50 requests a minute, reordering)."""

MARGIN = 2.0
"""How many times what was lacking a call goes later from then on: the next one may come earlier still (sweep: 50
requests a minute, reordering, where each such refusal is one of three)."""


@dataclass(slots=True)
class Lateness:
    """What is waited beyond a full bucket.

    Attributes
    ----------
    learnt : float
        How much more than at first, in seconds.
    """

    learnt: float = 0.0

    def seconds(self, call: float) -> float:
        """Return how late a call goes that takes `call` seconds of refill."""
        return min(FRACTION * call, MOST_SECONDS) + self.learnt

    def came_early(self, lacking: float, call: float) -> bool:
        """Say whether a refusal that lacks so little came by the way alone, and learn from it if so."""
        is_early = lacking <= FRACTION * call
        if is_early:
            self.learnt += MARGIN * lacking
        return is_early
