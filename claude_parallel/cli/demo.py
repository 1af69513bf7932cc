"""``claude-parallel demo``: 200 support tickets on the embedded simulator, to see in half a minute what this is for.

It prints the code it runs, the bar, the result, how good and how dear it is; nothing is paid, no key is needed.
"""

from __future__ import annotations

import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ..frames.frame_map import FrameMap
from ..pricing import PriceList
from ..report.run import run_of
from ..simulation import simulator
from ..simulation.tickets import TOPICS, URGENCIES, demo_tickets
from ..text import format_usd

CODE = """\
import claude_parallel as cp
from typing import Literal

tickets = cp.demo_tickets()
fields = {
    "topic": Literal["billing", "delivery", "damaged", "returns", "account",
                     "question"],
    "urgency": Literal["low", "normal", "high"],
    "reason": str,
}
out = tickets.claude.map("Read this support ticket: {text}", schema=fields)
"""
"""What the demo runs, as a user writes it; a test holds it to what is run."""

PROMPT = "Read this support ticket: {text}"
FIELDS: dict[str, Any] = {"topic": Literal[TOPICS], "urgency": Literal[URGENCIES], "reason": str}
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5")
"""The cheap one, which makes the table, and the strong one that it is compared with."""

WIDTH = 80
"""Columns of a terminal that nobody has widened."""
BAR_WIDTH = 52
"""Of the 80 columns, what the names and the two counts beside a bar leave."""
SHOWN_ROWS = 8
"""Enough to see that the answers differ; the whole demo stays on one screen or two."""
COLUMNS = {"text": 31, "topic": 8, "urgency": 7, "reason": 24}
"""Columns of the printed table and their widths in characters."""


def run_demo(rows: int) -> None:
    """Map the tickets with two models on the simulator; print code, bar, result, accuracy, time and dollars."""
    tickets = demo_tickets(rows)
    print(f"{len(tickets)} support tickets, one call each, on the simulator: no key, no cost\n")
    print("".join(f"  {line}" if line.strip() else line for line in CODE.splitlines(keepends=True)), flush=True)
    world = simulator(tier="start", latency_seconds=0.8, seconds_per_output_token=0.01)
    with tempfile.TemporaryDirectory() as folder, world:
        options = {"journal": Path(folder) / "demo.sqlite3", "schema": FIELDS, "model": MODELS[0]}
        quiet = {**options, "progress": False}
        out = FrameMap(tickets, PROMPT, "response", options).run()
        attempts = run_of(out).attempts()
        began = time.perf_counter()
        again = FrameMap(tickets, PROMPT, "response", quiet).run()
        again_seconds = time.perf_counter() - began
        strong = FrameMap(tickets, PROMPT, "response", {**quiet, "model": MODELS[1]}).run()
        strong_attempts = run_of(strong).attempts()
    print(f"\n{table(out.head(SHOWN_ROWS))}\n")
    print(f"{chart(out)}\n")
    print(times(attempts))
    cents = format_usd(Decimal(str(again["response_cost"].sum())))
    print(f"run again: {cents}, {len(again)} rows from the journal in {again_seconds:.1f} s\n")
    print("live, by the tokens counted here; right = as the gold labels say (simulated)")
    for model, frame, calls in zip(MODELS, (out, strong), (attempts, strong_attempts), strict=True):
        right = f"topic {share_right(frame, 'topic')} right, urgency {share_right(frame, 'urgency')}"
        print(f"  {model:<18} {format_usd(live_cost(model, calls)):>8}   {right}")
    print("\nto run it live: the code above, with your key in ANTHROPIC_API_KEY")


def table(frame: pd.DataFrame) -> str:
    """Return the shown columns as text of at most :data:`WIDTH` columns."""
    index = [frame.index.name or "", *map(str, frame.index)]
    cells = {name: [name, *frame[name].astype(str)] for name in COLUMNS}
    lines = [f"{label:<6}" for label in index]
    for name, width in COLUMNS.items():
        lines = [f"{line} {_cut(cell, width):<{width}}" for line, cell in zip(lines, cells[name], strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def chart(frame: pd.DataFrame) -> str:
    """Return the topics as a bar chart in text, with the share of each that is urgent."""
    counts = frame["topic"].value_counts()
    urgent = frame.loc[frame["urgency"].astype(str) == "high", "topic"].value_counts()
    scale = BAR_WIDTH / max(int(counts.max()), 1)
    lines = [f"{'topic':<10} {'rows, █ of them urgent':<{BAR_WIDTH}} rows  urgent"]
    for topic, count in counts.items():
        full = round(scale * int(urgent.get(topic, 0)))
        bar = "█" * full + "░" * (round(scale * count) - full)
        lines.append(f"{topic!s:<10} {bar:<{BAR_WIDTH}} {count:>4} {int(urgent.get(topic, 0)):>7}")
    return "\n".join(lines)


def times(attempts: pd.DataFrame) -> str:
    """Return how long the calls take one after the other, and how long the run took."""
    seconds = (attempts["ended"].max() - attempts["started"].min()).total_seconds()
    alone = float((attempts["ended"] - attempts["started"]).dt.total_seconds().sum())
    return f"one after the other this takes {alone:.0f} s, here {seconds:.1f} s ({alone / seconds:.0f} times as fast)"


def share_right(frame: pd.DataFrame, field: str) -> str:
    """Return the share of rows whose field is as the gold label says, in percent."""
    share = (frame[field].astype(str) == frame[f"gold_{field}"].astype(str)).mean()
    return f"{share:.0%}"


def live_cost(model: str, attempts: pd.DataFrame) -> Decimal:
    """Return what the calls cost live, in US dollars, at the prices of genai-prices."""
    card = PriceList().card(model)
    assert card is not None
    per_input, per_output, *_ = card.prices(0)
    return int(attempts["input_tokens"].sum()) * per_input + int(attempts["output_tokens"].sum()) * per_output
