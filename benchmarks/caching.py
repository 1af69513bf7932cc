"""What prompt caching costs under concurrency: one write and the rest reads, or as many writes as calls in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

import anthropic
import pandas as pd

import claude_parallel as cp  # noqa: F401  (registers df.claude)

from .gate import cp_client
from .rivals import MAX_TOKENS, MODEL
from .servers import Served, served

ROWS, IN_FLIGHT, PREFIX_TOKENS, OUTPUT_TOKENS = 300, 40, 5_000, 50
LATENCY_SECONDS = 0.5
SYSTEM = "You classify reviews. " + "A rule that all rows share. " * (PREFIX_TOKENS * 4 // 28)


def ours(url: str, rows: Sequence[str]) -> None:
    """``df.claude.map`` with ``system=``, caching at its default."""
    _map(url, rows, prompt_cache="auto")


def uncached(url: str, rows: Sequence[str]) -> None:
    """The same with ``prompt_cache=False``."""
    _map(url, rows, prompt_cache=False)


def naive(url: str, rows: Sequence[str]) -> None:
    """A semaphore, and a cache breakpoint on the system prompt of every call."""

    async def main() -> None:
        semaphore = asyncio.Semaphore(IN_FLIGHT)
        system = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
        async with anthropic.AsyncAnthropic(base_url=url, api_key="simulator") as client:

            async def ask(row: str) -> None:
                async with semaphore:
                    await client.messages.create(
                        model=MODEL, max_tokens=MAX_TOKENS, system=system, messages=[{"role": "user", "content": row}]
                    )

            await asyncio.gather(*(ask(row) for row in rows))

    asyncio.run(main())


def _map(url: str, rows: Sequence[str], prompt_cache: str | bool) -> None:
    out = pd.Series(rows).claude.map(
        "{}",
        system=SYSTEM,
        prompt_cache=prompt_cache,
        max_concurrency=IN_FLIGHT,
        journal=False,
        progress=False,
        client=cp_client(url),
    )
    assert out.notna().all()


CONTENDERS: tuple[tuple[str, Callable[[str, Sequence[str]], None]], ...] = (
    ("claude_parallel", ours),
    ("the same without caching", uncached),
    ("naive call with cache breakpoints", naive),
)


def _books(contender: Callable[[str, Sequence[str]], None]) -> tuple[dict[str, object], float]:
    profile = {"latency_seconds": LATENCY_SECONDS, "jitter_sigma": 0.2, "output_tokens": OUTPUT_TOKENS}
    with served(**profile) as server:
        rows = [f"review number {row:03d}" for row in range(ROWS)]
        started = time.perf_counter()
        contender(server.url, rows)
        seconds = time.perf_counter() - started
        return server.books(), seconds


def run() -> None:
    """Print the table."""
    best = _best(ROWS)
    print("| contender | cache writes | cache reads | US dollars | to the best possible | wall s |")
    print("|---|---|---|---|---|---|")
    for name, contender in CONTENDERS:
        books, seconds = _books(contender)
        usd = Decimal(str(books["usd"]))
        print(
            f"| {name} | {books['writes']} | {books['reads']} | {usd:.4f} | {usd / best:.3f} | {seconds:.1f} |",
            flush=True,
        )


def _best(rows: int) -> Decimal:
    """Return the price of one write and the rest reads, asked one after the other."""
    with served(output_tokens=OUTPUT_TOKENS) as server:
        _serial(server, rows)
        return Decimal(str(server.books()["usd"]))


def _serial(server: Served, rows: int) -> None:
    system = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    with anthropic.Anthropic(base_url=server.url, api_key="simulator") as client:
        for row in range(rows):
            client.messages.create(
                model=MODEL,
                max_tokens=MAX_TOKENS,
                system=system,  # type: ignore[arg-type]
                messages=[{"role": "user", "content": f"review number {row:03d}"}],
            )


if __name__ == "__main__":
    run()
