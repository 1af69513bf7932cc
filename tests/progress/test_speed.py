"""How fast a run goes, and how long the rest takes."""

from __future__ import annotations

import pytest

from claude_parallel.progress.speed import WINDOW_SECONDS, Speed


def test_nothing_is_said_before_anything_is_known() -> None:
    """No speed, no time left."""
    speed = Speed()
    assert speed.rows_per_second(0.0, 0) == 0.0
    assert speed.seconds_left(0.0, 0, 10) is None


def test_rows_of_the_journal_are_no_speed() -> None:
    """What was there at the first look does not count."""
    speed = Speed()
    speed.note(1.0, 1_000)
    assert speed.rows_per_second(2.0, 1_010) == pytest.approx(10.0)
    assert speed.seconds_left(2.0, 1_010, 1_110) == pytest.approx(10.0)


def test_only_the_last_seconds_count() -> None:
    """A run that was fast at first and is slow now is slow."""
    speed = Speed()
    for second in range(100):
        speed.note(float(second), 50 * second)
    for second in range(100, 140):
        speed.note(float(second), 5_000 + (second - 100))
    assert speed.rows_per_second(140.0, 5_040) == pytest.approx(1.0, rel=0.1)
    assert len(speed._samples) <= 2 * WINDOW_SECONDS + 2
