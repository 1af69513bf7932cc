"""Prompt caching: 300 rows that share a prefix of 5,000 tokens, 40 in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import anthropic
import pandas as pd

import claude_parallel as cp

from .rivals import MODEL
from .servers import Served, served

ROWS = 300
IN_FLIGHT = 40
MAX_TOKENS = 1_000
SYSTEM = "A rule of the handbook that every row needs. " * 445
TEXTS = [f"row {number}" for number in range(ROWS)]


def run() -> None:
    """Print the table; dollars are the server's own count, against one write and reads by everybody else."""
    best = _best()
    print("| who | writes | reads | dollars / best possible | seconds |\n|---|---|---|---|---|")
    _row("claude_parallel", best, lambda server: _ours(server, TEXTS, prompt_cache="auto"))
    _row("claude_parallel without caching", best, lambda server: _ours(server, TEXTS, prompt_cache=False))
    _row("the SDK with a cache mark, all at once", best, lambda server: asyncio.run(_naive(server.url)))


def _row(name: str, best: float, work: Callable[[Served], object]) -> None:
    with served(latency_seconds=1.0, output_tokens=50) as server:
        began = time.perf_counter()
        work(server)
        seconds = time.perf_counter() - began
        books = server.books()
    print(
        f"| {name} | {books['writes']} | {books['reads']} | {float(books['usd']) / best:.3f} | {seconds:.1f} |",
        flush=True,
    )


def _ours(server: Served, texts: Sequence[str], **options: Any) -> pd.DataFrame:
    cp.configure(base_url=server.url, api_key="simulator", max_concurrency=IN_FLIGHT, max_tokens=MAX_TOKENS)
    frame = pd.DataFrame({"t": texts})
    return frame.claude.map("{t}", system=SYSTEM, journal=False, progress=False, **options)


async def _naive(url: str) -> None:
    mark = {"type": "ephemeral"}
    async with anthropic.AsyncAnthropic(api_key="simulator", base_url=url) as client:
        semaphore = asyncio.Semaphore(IN_FLIGHT)

        async def ask(text: str) -> None:
            async with semaphore:
                await client.messages.create(
                    model=MODEL,
                    max_tokens=MAX_TOKENS,
                    system=[{"type": "text", "text": SYSTEM, "cache_control": mark}],  # type: ignore[typeddict-item]
                    messages=[{"role": "user", "content": text}],
                )

        await asyncio.gather(*map(ask, TEXTS))


def _best() -> float:
    """Return the price of one write and reads by everybody else, from two rows that are asked one after the other."""
    with served(output_tokens=50) as server:
        first, second = _ours(server, TEXTS[-2:], max_concurrency=1)["response_cost"]
    return float(first + (ROWS - 1) * second)


if __name__ == "__main__":
    run()
