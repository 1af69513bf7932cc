"""How near to the limits a run comes, and how many 429s that takes: over real HTTP, limits unknown to the caller."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from .rivals import call, plain_sdk
from .servers import served

ROWS = 1_500
LATENCY_SECONDS = 0.5
INPUT_TOKENS = 2_000
OUTPUT_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Bound:
    """A server whose one limit holds 1,500 rows for some 30 seconds.

    Attributes
    ----------
    name : str
        Which limit.
    limits : tuple of float or None
        Requests, input and output tokens a minute.
    weight : float
        What a row takes of it.
    burst_seconds : float or None
        How much may go at once; None = a minute's worth.
    """

    name: str
    limits: tuple[float | None, float | None, float | None]
    weight: float
    burst_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """The least time that the server's bucket allows, plus one latency."""
        rate = max(limit for limit in self.limits if limit is not None) / 60
        capacity = rate * (60.0 if self.burst_seconds is None else self.burst_seconds)
        return (ROWS * self.weight - capacity) / rate + LATENCY_SECONDS


BOUNDS = (
    Bound("requests", (1_000, None, None), 1),
    Bound("input tokens", (None, 2_000_000, None), INPUT_TOKENS),
    Bound("output tokens", (None, None, 200_000), OUTPUT_TOKENS),
    Bound("requests, bursts of 0.2 s policed", (3_000, None, None), 1, 0.2),
    Bound("input tokens, bursts of 0.2 s policed", (None, 6_000_000, None), INPUT_TOKENS, 0.2),
    Bound("output tokens, bursts of 0.2 s policed", (None, None, 600_000), OUTPUT_TOKENS, 0.2),
)


def ours(url: str, prompts: Sequence[str]) -> list[str | None]:
    """``df.claude.map`` with everything at its default, the journal apart."""
    client = cp_client(url)
    frame = pd.DataFrame({"prompt": prompts})
    out = frame.claude.map("prompt", journal=False, progress=False, client=client)
    return [
        None if error is not None and error == error else text
        for text, error in zip(out["response"], out["response_error"], strict=True)
    ]


def cp_client(url: str) -> object:
    """Return an SDK client for the server."""
    import anthropic

    return anthropic.AsyncAnthropic(base_url=url, api_key="simulator")


CONTENDERS: tuple[tuple[str, Callable[[str, Sequence[str]], list[str | None]]], ...] = (
    ("claude_parallel", ours),
    ("call", call),
    ("SDK's retries", plain_sdk),
)


def run(bounds: Sequence[Bound] = BOUNDS) -> None:
    """Print the table."""
    print(
        "| limit that binds | bound s | contender | wall s | wall / bound | 429s of calls | calls per row | rows lost |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for bound in bounds:
        for name, contender in CONTENDERS:
            _row(bound, name, contender)


def _row(bound: Bound, name: str, contender: Callable[[str, Sequence[str]], list[str | None]]) -> None:
    tokens = INPUT_TOKENS - 12 if "input" in bound.name else 20
    prompts = [f"row {row} of {name} ".ljust(4 * tokens, "x") for row in range(ROWS)]
    with served(
        limits=bound.limits,
        burst_seconds=bound.burst_seconds,
        latency_seconds=LATENCY_SECONDS,
        jitter_sigma=0.2,
        output_tokens=OUTPUT_TOKENS,
    ) as server:
        started = time.perf_counter()
        answers = contender(server.url, prompts)
        wall = time.perf_counter() - started
        books = server.books()
    lost = sum(answer is None for answer in answers)
    print(
        f"| {bound.name} | {bound.seconds:.1f} | {name} | {wall:.1f} | {wall / bound.seconds:.3f} | "
        f"{100 * books['refused'] / books['calls']:.2f} % | {books['calls'] / ROWS:.2f} | {lost} |",
        flush=True,
    )


if __name__ == "__main__":
    run()
