"""The gate remembers: a run begins with what the last one learnt of the account, and its first answers check it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from claude_parallel.simulation.profile import Limits, Profile
from tests.worlds import World, frame_of, world

ROWS = 700


def account(per_minute: float, *, burst_seconds: float | None = None, latency_seconds: float = 0.5) -> Profile:
    """Return an account with one limit, on requests."""
    return Profile(
        limits=Limits(per_minute, None, None),
        burst_seconds=burst_seconds,
        latency_seconds=latency_seconds,
        jitter_sigma=0.1,
    )


def run(profile: Profile, journal: Path | bool, *, rows: int = ROWS, seed: int = 1) -> World:
    """Map a frame on a rested account from a process that knows nothing, and return the world; no row may be lost."""
    made = world(profile, seed=seed)
    out = made.map(frame_of(rows, f"run {seed} row {{}}"), "{t}", journal=journal)  # no row is in the journal yet
    assert len(made.brain.ledger.paid) == rows
    assert out["response_error"].isna().all()
    return made


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the journal of an account on which 700 rows have been mapped under 1,000 requests a minute."""
    path = tmp_path_factory.mktemp("first") / "journal.sqlite3"
    run(account(1_000), path)
    return path


@pytest.fixture
def journal(first_run: Path, tmp_path: Path) -> Path:
    """Return a copy of that journal."""
    return Path(shutil.copy(first_run, tmp_path / "journal.sqlite3"))


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_run_that_the_account_lends_at_once_is_not_spread_out(journal: Path, seed: int) -> None:
    """700 rows of half a second: two seconds instead of five, and not one refusal."""
    made = run(account(1_000), journal, seed=seed)
    assert made.clock() <= 2.0
    assert made.brain.ledger.statuses[429] == 0


@pytest.mark.parametrize("latency_seconds", [0.1, 0.5, 5.0])
def test_a_limit_that_has_fallen_tenfold_is_no_storm(journal: Path, latency_seconds: float) -> None:
    """The first answer tells; from then on it is as if nothing had been remembered."""
    lower = account(100, latency_seconds=latency_seconds)
    forgetful = run(lower, False, rows=300, seed=2)
    made = run(lower, journal, rows=300, seed=2)
    assert made.brain.ledger.statuses[429] <= forgetful.brain.ledger.statuses[429] <= 3
    assert made.clock() <= 1.02 * forgetful.clock()


def test_a_bucket_that_lends_no_more_refuses_a_few_calls(journal: Path) -> None:
    """The limit is the same, but bursts of more than 0.2 s are policed now: what is refused is heard of, once."""
    made = run(account(1_000, burst_seconds=0.2, latency_seconds=0.1), journal, seed=2)
    assert made.brain.ledger.statuses[429] <= 0.02 * ROWS
    assert made.clock() <= 1.05 * ROWS / (1_000 / 60)


def test_a_policed_burst_is_remembered(tmp_path: Path) -> None:
    """The first run is refused to learn it, the second is not."""
    path = tmp_path / "journal.sqlite3"
    policed = account(3_000, burst_seconds=0.2)
    first, second = run(policed, path), run(policed, path, seed=2)
    assert second.brain.ledger.statuses[429] <= first.brain.ledger.statuses[429]
    assert second.brain.ledger.statuses[429] <= 1


def test_the_end_of_a_bucket_is_found_once(tmp_path: Path) -> None:
    """A bucket of 30 seconds refuses the first run some calls; the second knows where it ends, and is as quick."""
    path, lends_half = tmp_path / "journal.sqlite3", account(1_000, burst_seconds=30)
    first, second = run(lends_half, path), run(lends_half, path, seed=2)
    assert second.brain.ledger.statuses[429] <= 3 < first.brain.ledger.statuses[429]
    assert second.clock() <= 1.05 * first.clock()


def test_without_a_journal_nothing_is_kept(tmp_path: Path) -> None:
    """The second run is as slow as the first."""
    times = [run(account(1_000), False, seed=seed).clock() for seed in (1, 2)]
    assert min(times) > 3.0
    assert list(tmp_path.rglob("*.sqlite3")) == []
