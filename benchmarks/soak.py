"""Everything goes wrong at once, for minutes: two processes share one frame and one journal, and are killed at random.

The API fails, breaks connections and is away for seconds; another process locks the journal. In the end every row has
its answer, the journal holds what the API has billed, and nothing was paid twice but calls in flight at a kill.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from claude_parallel.api.json_text import parse_json
from claude_parallel.api.reading import usage_of
from claude_parallel.options import DEFAULT_MODEL
from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage
from claude_parallel.simulation.ledger import Ledger, Paid
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer

ROWS = 100_000
SECONDS = 1_800.0
"""How long things go wrong at most; then what is left may end in peace."""

PATIENCE_SECONDS = 3_600.0
"""How long a process may take for what is left: 100,000 rows on a machine that is busy otherwise."""

IN_FLIGHT = 100
"""Calls of one process: as many answers may be paid and lost at a kill."""

FAULTS = {"overloaded": 0.01, "html_502": 0.003, "reset": 0.002, "truncated": 0.002, "not_json": 0.001}

CELL = """
import sys
import pandas as pd
import claude_parallel as cp

url, journal, rows, in_flight, result = sys.argv[1:]
cp.configure(api_key="any", base_url=url)
size = abs(int(rows))
numbers = range(size) if int(rows) > 0 else range(size - 1, -1, -1)
frame = pd.DataFrame({"t": [f"number {number}" for number in numbers]})
retries = cp.RetryPolicy(max_retries=20, max_rate_limit_retries=100)
out = frame.claude.map("Say {t}", journal=journal, progress=False, max_concurrency=int(in_flight), retries=retries)
out.to_pickle(result)
"""
"""One process: the frame forwards or, for a negative number of rows, backwards, so that the two meet in the middle."""


def answer(body: Mapping[str, Any]) -> str:
    """Return the one right answer to a row."""
    return f"right for {body['messages'][-1]['content']}"


@dataclass
class Soak:
    """What was done to a run, and what came of it.

    Attributes
    ----------
    rows : int
        Rows of the frame.
    seconds : float
        How long it took.
    kills, outages, locks : int
        What was done.
    billed, lost, twice : int
        Answers that the API has billed; of these, broken on the way; and bodies that were paid more than once whole.
    dollars, kept_dollars : Decimal
        Price of one answer per row by the API's ledger, and of the answers in the journal.
    problems : list of str
        What should not be; empty where all is well.
    """

    rows: int
    seconds: float = 0.0
    kills: int = 0
    outages: int = 0
    locks: int = 0
    billed: int = 0
    lost: int = 0
    twice: int = 0
    dollars: Decimal = Decimal(0)
    kept_dollars: Decimal = Decimal(0)
    problems: list[str] = field(default_factory=list)


class Attack:
    """One soak: the API, the two processes, and what is done to them.

    Parameters
    ----------
    rows, in_flight : int
        Size of the frame, and calls in flight of one process.
    seconds : float
        How long things go wrong.
    seed : int
        Fixes faults and times of attacks; the processes' own timing is free.
    attacks : int
        How often something goes wrong, at most.
    """

    def __init__(self, rows: int, in_flight: int, seconds: float, seed: int, attacks: int = 10_000) -> None:
        self.told = Soak(rows)
        self._in_flight = in_flight
        self._seconds = seconds
        self._attacks = attacks
        self._rng = random.Random(seed)
        self._temporary = tempfile.TemporaryDirectory(prefix="soak-")
        self._folder = Path(self._temporary.name)
        self._journal = self._folder / "journal.sqlite3"
        self._calm = Profile(latency_seconds=0.05, jitter_sigma=0.7, faults=FAULTS, answer=answer, hang_seconds=20.0)
        self._api = SimulatorServer(self._calm, seed=seed)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._reached = 0

    def run(self) -> Soak:
        """Do it all, and return what came of it."""
        started = time.monotonic()
        with self._temporary, self._api:
            self._processes = [self._start(0), self._start(1)]
            try:
                for number in range(self._attacks):
                    self._let_run(started + self._seconds)
                    if not self._is_running() or time.monotonic() - started > self._seconds:
                        break
                    (self._kill, self._lock, self._kill, self._go_away)[number % 4]()
                for number, process in enumerate(self._processes):
                    self._end(number, process)
            finally:
                for process in self._processes:
                    process.kill()
            self.told.seconds = time.monotonic() - started
            self._judge(self._api.ledger)
        return self.told

    def _let_run(self, until: float) -> None:
        """Wait until some hundred more rows are answered: what has just begun is not worth a kill."""
        self._reached = self._api.ledger.answered + self._rng.randrange(self.told.rows // 40, self.told.rows // 15)
        while self._api.ledger.answered < self._reached and time.monotonic() < until and self._is_running():
            time.sleep(0.005)

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        """Kill one process, as a laptop that is switched off does, and run its cell again."""
        number = self._rng.randrange(2)
        if self._processes[number].poll() is None:
            self._processes[number].send_signal(signal.SIGKILL)
            self._processes[number].communicate()
            self._processes[number] = self._start(number)
            self.told.kills += 1

    def _go_away(self) -> None:
        """Let the API refuse everything for some seconds."""
        self._api.brain.profile = replace(self._calm, faults={"overloaded": 1.0})
        time.sleep(self._rng.uniform(0.5, 3.0))
        self._api.brain.profile = self._calm
        self.told.outages += 1

    def _lock(self) -> None:
        """Hold the journal, as another program that looks into it does."""
        connection = sqlite3.connect(self._journal, timeout=10.0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(self._rng.uniform(0.5, 4.0))
            connection.execute("ROLLBACK")
            self.told.locks += 1
        except sqlite3.OperationalError:
            pass  # the two held it all the time
        finally:
            connection.close()

    # -- the processes -----------------------------------------------------------------------------------------------

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        rows = self.told.rows if number == 0 else -self.told.rows
        arguments = [self._api.url, str(self._journal), str(rows), str(self._in_flight), str(self._result(number))]
        return subprocess.Popen([sys.executable, "-c", CELL, *arguments], stderr=subprocess.PIPE)

    def _result(self, number: int) -> Path:
        return self._folder / f"out-{number}.pickle"

    def _is_running(self) -> bool:
        return any(process.poll() is None for process in self._processes)

    def _end(self, number: int, process: subprocess.Popen[bytes]) -> None:
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode != 0:
            self.told.problems.append(f"process {number} ended with {errors.decode(errors='replace')[-300:]}")

    # -- what came of it ---------------------------------------------------------------------------------------------

    def _judge(self, ledger: Ledger) -> None:
        told, before = self.told, ledger.requests
        again = self._start(2)  # a third process, forwards
        self._end(2, again)
        for number in range(3):
            if self._result(number).exists():
                self._judge_frame(number, pd.read_pickle(self._result(number)))
        whole = [paid for paid in ledger.paid if not paid.lost]
        first = {paid.digest: paid for paid in whole}
        told.billed, told.lost = len(ledger.paid), ledger.billed_but_lost
        told.twice = len(whole) - len(first)
        told.dollars = sum((_price(paid) for paid in first.values()), Decimal(0))
        told.kept_dollars = self._kept()
        said = {
            "the API was asked again by a run whose rows are all in the journal": ledger.requests > before,
            f"{len(first):,} rows were answered": len(first) != told.rows,
            f"{told.twice:,} answers were paid twice": told.twice > told.kills * self._in_flight,
            "the journal's answers are not worth what the API has billed": told.dollars != told.kept_dollars,
        }
        told.problems += [what for what, is_so in said.items() if is_so]

    def _judge_frame(self, number: int, frame: pd.DataFrame) -> None:
        right = "right for Say " + frame["t"]
        if not (frame["response"] == right).all() or frame["response_error"].notna().any():
            wrong = frame["response_error"].str.split(";").str[0].value_counts(dropna=False).head(3).to_dict()
            self.told.problems.append(f"process {number} has wrong rows: {wrong}")
        if number == 2 and frame["response_cost"].sum() != 0:
            self.told.problems.append("a run from the journal costs something")

    def _kept(self) -> Decimal:
        prices = PriceList()
        with closing(sqlite3.connect(self._journal)) as connection:
            rows = connection.execute("SELECT message FROM answers").fetchall()
        costs = (prices.cost(DEFAULT_MODEL, usage_of(parse_json(text))) for (text,) in rows)
        return sum((cost for cost in costs if cost is not None), Decimal(0))


_PRICES = PriceList()


def _price(paid: Paid) -> Decimal:
    usage = Usage(paid.input_tokens, paid.output_tokens, paid.cache_write_5m_tokens, paid.cache_write_1h_tokens)
    return _PRICES.cost(paid.model, usage) or Decimal(0)


def run(rows: int = ROWS) -> None:
    """Run the soak and print what came of it."""
    told = Attack(rows, IN_FLIGHT, SECONDS, seed=random.randrange(10**6)).run()
    print("| rows | s | kills | outages | locks | billed | lost on the way | paid twice | ledger | journal |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {told.rows:,} | {told.seconds:.0f} | {told.kills} | {told.outages} | {told.locks} | {told.billed:,} | "
        f"{told.lost:,} | {told.twice} | ${told.dollars:.6f} | ${told.kept_dollars:.6f} |"
    )
    for problem in told.problems:
        print(f"\nWRONG: {problem}")
    if told.problems:
        raise SystemExit(1)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
