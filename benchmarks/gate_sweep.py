"""The gate swept through hundreds of servers, on virtual time: ``python -m benchmarks.gate_sweep [worlds] [seed]``.

How one of them is played is in ``gate_player``; what is counted, and the table, are here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from statistics import median
from typing import Any

from claude_parallel.limits.gate import Gate

from .gate_player import Played, Player
from .gate_seeing import seen_seconds
from .gate_worlds import World, is_named, sample


def play(world: World) -> Played:
    """Play one world with a fresh gate.

    A bucket of output may be full, and lose refill, while the calls that are allowed are on their way: so a run of
    output that is not quick by arithmetic is held against a sender that sees the server's books.
    """
    played = Player(world, Gate()).play()
    if world.bound == "output" and world.event != "fall" and not played.is_quick:
        return replace(played, bound=max(played.bound, seen_seconds(world)))
    return played


def report(found: list[Played]) -> None:
    """Print the share of worlds that meet the targets, by each of their properties, and the worst."""
    print(f"{len(found)} worlds: {_share(found)}; over bound, median {median(p.seconds / p.bound for p in found):.3f}")
    print(f"  quick {_percent(p.is_quick for p in found)}, quiet {_percent(p.is_quiet for p in found)}, "
          f"rows lost {sum(p.lost for p in found)}")  # fmt: skip
    keys: dict[str, Callable[[Played], Any]] = {
        "bound": lambda p: p.world.bound,
        "per minute": lambda p: p.world.per_minute,
        "capacity": lambda p: p.world.capacity,
        "remaining of": lambda p: p.world.policy.remaining_of,
        "headers": lambda p: p.world.policy.headers_written if p.world.policy.has_headers else "none",
        "latency": lambda p: p.world.latency,
        "sigma": lambda p: p.world.sigma,
        "rounded": lambda p: p.world.policy.rounded_to,
        "output": lambda p: p.world.policy.output_counted,
        "retry-after": lambda p: p.world.policy.retry_after,
        "event": lambda p: p.world.event,
        "one burst": lambda p: p.world.fits_one_burst,
        "named": lambda p: is_named(p.world),
    }
    for name, key in keys.items():
        values = sorted({key(p) for p in found}, key=str)
        print(f"  {name}: " + ", ".join(f"{v} {_share([p for p in found if key(p) == v])}" for v in values))


def _share(found: list[Played]) -> str:
    return f"{_percent(p.is_met for p in found)} ({len(found)})"


def _percent(values: Any) -> str:
    values = list(values)
    return f"{100 * sum(values) / max(1, len(values)):.0f} %"


def line(played: Played) -> str:
    """Return one world in one line."""
    marks = ("" if played.is_quick else " SLOW") + ("" if played.is_quiet else " LOUD") + (" LOST" * bool(played.lost))
    return (
        f"{played.seconds:8.1f} of {played.target:8.1f} s (bound {played.bound:.1f}), "
        f"{played.refused:4d} of {played.calls} refused, {played.lost} lost, {played.in_flight} in flight: "
        f"{played.world.name}{marks}"
    )


def run(count: int = 815, seed: int = 0) -> None:
    """Print the sweep."""
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(play, sample(count, seed), chunksize=4))
    report(found)
    print(f"  beyond 1.25 times the bound: {sum(played.is_beyond for played in found)}")
    for played in sorted((p for p in found if not p.is_met), key=lambda p: -p.seconds / p.target):
        print("  " + line(played))


if __name__ == "__main__":
    run(*(int(argument) for argument in sys.argv[1:]))
