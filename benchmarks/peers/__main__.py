"""``python -m benchmarks.peers [a b c d e f] [--rows N]``: makes the environments, plays the cases, prints tables.

Case (a) is played by one peer after the other; the others wait for the simulator most of the time and are played four
at a time, so that the whole takes some ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .cases import ROWS, Case, cases
from .environments import HERE, PEERS, Peer, interpreter
from .server import expected

AT_ONCE = 4


class Server:
    """The simulator for one peer and one case."""

    def __init__(self, case: Case) -> None:
        command = [sys.executable, "-m", "benchmarks.peers.server", json.dumps(dict(case.profile))]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def books(self) -> dict[str, Any]:
        """Return what the account has seen so far."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("books\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def stop(self) -> None:
        """Hang up."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


def play(peer: Peer, case: Case, rows: int) -> dict[str, Any]:
    """Return what came of one peer in one case."""
    server = Server(case)
    prompts = [f"Which floor is the office on? Ticket number {at:06d}" for at in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.json"
        system = ("Answer from the house rules. " * 1_000)[: case.prefix_characters]
        result = str(Path(folder) / "result.json")
        task.write_text(
            json.dumps({"url": server.url, "prompts": prompts, "system": system, "folder": folder, "result": result})
        )
        at_kill = 0
        try:
            if case.is_killed:
                at_kill = _kill_half_way(peer, case, task, server, rows // 2)
            log = _finish(_start(peer, task, folder), case)
            found = {**_judge(Path(result), log, prompts), **server.books(), "answered_at_kill": at_kill}
            print(f"({case.name}) {peer.name}: {found}", file=sys.stderr, flush=True)
            return found
        finally:
            server.stop()


def _start(peer: Peer, task: Path, folder: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "CLAUDE_PARALLEL_HOME": str(folder), "NO_PROXY": "127.0.0.1,localhost"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # lotus would compile torch at each start, for half a minute
    command = [interpreter(peer), str(HERE / "adapters" / f"{peer.adapter}.py"), str(task)]
    stderr = (Path(folder) / "stderr").open("w")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, text=True, env=environment, cwd=folder)


def _kill_half_way(peer: Peer, case: Case, task: Path, server: Server, half: int) -> int:
    process = _start(peer, task, task.parent)
    until = time.monotonic() + case.timeout_seconds
    while server.books()["answered"] < half and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    process.kill()
    process.wait()
    return int(server.books()["answered"])


def _finish(process: subprocess.Popen[str], case: Case) -> str:
    try:
        process.wait(timeout=case.timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"stopped after {case.timeout_seconds:.0f} s"
    return "" if process.returncode == 0 else f"ended with code {process.returncode}"


def _judge(result: Path, log: str, prompts: list[str]) -> dict[str, Any]:
    if not result.exists():
        stderr = (result.parent / "stderr").read_text(errors="replace").strip().splitlines()
        return {
            "note": log or "no result",
            "last_line": stderr[-1][:200] if stderr else "",
            "lost": len(prompts),
            "wrong": 0,
        }
    found = json.loads(result.read_text())
    pairs = list(zip(found["answers"], map(expected, prompts), strict=True))
    return {
        "seconds": found["seconds"],
        "cpu_seconds": found["cpu_seconds"],
        "lost": sum(not answer for answer, _ in pairs),
        "wrong": sum(bool(answer) and answer != expected for answer, expected in pairs),
    }


COLUMNS = {
    "a": ("rows/s", "CPU µs a row", "lost"),
    "b": ("seconds", "to the bound", "429s", "lost"),
    "c": ("lost", "wrong", "calls"),
    "d": ("answered at the kill", "paid twice", "lost"),
    "e": ("US dollars", "to the best"),
    "f": ("lost", "calls wasted", "seconds"),
}


def cells(case: Case, found: dict[str, Any], best_usd: float, rows: int) -> list[str]:
    """Return a table's row."""
    seconds = found.get("seconds")
    took = f"{seconds:.1f}" if seconds else found.get("note", "-")
    values = {
        "rows/s": f"{rows / seconds:,.0f}" if seconds else took,
        "CPU µs a row": f"{found['cpu_seconds'] / rows * 1e6:,.0f}" if seconds else "-",
        "seconds": took,
        "to the bound": f"{seconds / case.bound_seconds:.2f}" if seconds and case.bound_seconds else "-",
        "429s": f"{found['refused_429']:,}",
        "lost": f"{found['lost']:,}",
        "wrong": f"{found['wrong']:,}",
        "calls": f"{found['calls']:,}",
        "answered at the kill": f"{found['answered_at_kill']:,}",
        "paid twice": f"{found['paid_twice']:,}",
        "US dollars": f"{found['usd']:.3f}",
        "to the best": f"{found['usd'] / best_usd:.2f}" if best_usd else "-",
        "calls wasted": f"{found['refused_529']:,}",
    }
    return [values[name] for name in COLUMNS[case.name]]


def main() -> None:
    """Play the chosen cases and print a table for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("case", nargs="*", help="a to f; default: all")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--peer", nargs="*", default=[], help="words in the names of peers; default: all")
    arguments = parser.parse_args()
    chosen = [peer for peer in PEERS if not arguments.peer or any(word in peer.name for word in arguments.peer)]
    for peer in chosen:
        interpreter(peer)
    for case in cases(arguments.rows):
        if not arguments.case or case.name in arguments.case:
            began = time.monotonic()
            _table(case, chosen, arguments.rows)
            print(f"({case.name}) took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _table(case: Case, peers: Sequence[Peer], rows: int) -> None:
    with ThreadPoolExecutor(1 if case.name == "a" else AT_ONCE) as pool:
        results = list(pool.map(lambda peer: play(peer, case, rows), peers))
    best = min((found["usd"] for found in results if found["lost"] == 0), default=0.0)
    print(f"\n### ({case.name}) {case.title}\n\n| who | {' | '.join(COLUMNS[case.name])} |")
    print("|---" * (1 + len(COLUMNS[case.name])) + "|")
    for peer, found in zip(peers, results, strict=True):
        print(f"| {peer.name} | {' | '.join(cells(case, found, best, rows))} |", flush=True)


if __name__ == "__main__":
    main()
