"""The simulator in a process of its own: what it serves costs the measured side nothing but its answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from claude_parallel.records import Usage
from claude_parallel.simulation.profile import Limits, Profile
from claude_parallel.simulation.server import SimulatorServer


@dataclass(frozen=True, slots=True)
class Served:
    """A server under way.

    Attributes
    ----------
    url : str
        Base URL.
    process : Popen
        The other process; each line that it reads is a question for its books.
    """

    url: str
    process: subprocess.Popen[str]

    def books(self) -> dict[str, Any]:
        """Return what the server has seen since the last time, and begin anew."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("books\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def served(**profile: Any) -> Iterator[Served]:
    """Serve a profile in another process for the length of a block; `limits` is a list of three numbers or None."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers", json.dumps(profile)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        yield Served(process.stdout.readline().strip(), process)
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def _books(server: SimulatorServer, seen: list[int]) -> dict[str, Any]:
    """Return the counts since the last call; `seen` holds the counts of before."""
    ledger = server.ledger
    paid = ledger.paid[seen[2] :]
    found = {
        "calls": ledger.requests - seen[0],
        "refused": ledger.statuses[429] - seen[1],
        "paid": len(paid),
        "writes": sum(bool(entry.cache_write_5m_tokens or entry.cache_write_1h_tokens) for entry in paid),
        "reads": sum(bool(entry.cache_read_tokens) for entry in paid),
        "most_in_flight": ledger.max_in_flight,
        "usd": str(_price(paid)),
    }
    seen[:] = [ledger.requests, ledger.statuses[429], len(ledger.paid)]
    return found


def _price(paid: list[Any]) -> Decimal:
    from claude_parallel.pricing import PriceList

    prices = PriceList()
    total = Decimal(0)
    for entry in paid:
        usage = Usage(
            input_tokens=entry.input_tokens,
            output_tokens=entry.output_tokens,
            cache_write_5m_tokens=entry.cache_write_5m_tokens,
            cache_write_1h_tokens=entry.cache_write_1h_tokens,
            cache_read_tokens=entry.cache_read_tokens,
        )
        total += prices.cost(entry.model, usage) or Decimal(0)
    return total


def main() -> None:
    """Serve until the caller hangs up."""
    profile = json.loads(sys.argv[1])
    limits = profile.pop("limits", None)
    if isinstance(profile.get("output_tokens"), list):
        profile["output_tokens"] = tuple(profile["output_tokens"])
    settings = Profile(**profile, limits=Limits(*limits) if limits else Limits())
    seen = [0, 0, 0]
    with SimulatorServer(settings) as server:
        print(server.url, flush=True)
        for _question in sys.stdin:
            print(json.dumps(_books(server, seen)), flush=True)


if __name__ == "__main__":
    main()
