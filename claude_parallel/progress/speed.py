"""How fast a run goes now, and how long the rest will take at that speed.

Knows counts and times that it is told; it looks at no clock. Rows that were there at once (from the journal) do not
count as speed: only differences within the last seconds do.
"""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 20.0
"""How far back to look: long enough to be steady under limits per minute that refill in bursts of some seconds."""

_SAMPLE_SECONDS = 0.5
"""How close two samples may be: 40 in the window are as good as 400."""


class Speed:
    """Rows per second over the last :data:`WINDOW_SECONDS`."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, now: float, rows: int) -> None:
        """Take note that `rows` were reached at `now`, in seconds of any steady clock."""
        samples = self._samples
        if samples and now - samples[-1][0] < _SAMPLE_SECONDS:
            return
        samples.append((now, rows))
        while len(samples) > 2 and now - samples[1][0] >= WINDOW_SECONDS:
            samples.popleft()

    def rows_per_second(self, now: float, rows: int) -> float:
        """Return the speed; 0 before anything can be said."""
        if not self._samples or now <= self._samples[0][0]:
            return 0.0
        since, before = self._samples[0]
        return max(0.0, (rows - before) / (now - since))

    def seconds_left(self, now: float, rows: int, total: int) -> float | None:
        """Return the seconds that the rest takes at this speed; None where that cannot be said."""
        speed = self.rows_per_second(now, rows)
        return (total - rows) / speed if speed > 0 and rows < total else None
