"""``claude-parallel demo``: the main job on the embedded simulator, with text that every machine has.

The texts are docstrings of the running Python's standard library; nothing is shipped and nothing is paid.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd

from ..frames.frame_map import FrameMap
from ..pricing import PriceList
from ..report.run import run_of
from ..simulation import simulator
from ..text import format_usd

PROMPT = "Say in one short sentence what the Python module {module} is for. Its documentation:\n\n{text}"
_LIVE_MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5")
_MOST_CHARACTERS = 1_500


def docstrings(most: int) -> pd.DataFrame:
    """Return docstrings of the standard library's modules and classes as a frame: module, text."""
    rows: list[dict[str, str]] = []
    for module, text in _standard_docstrings():
        rows.append({"module": module, "text": text[:_MOST_CHARACTERS]})
        if len(rows) == most:
            break
    return pd.DataFrame(rows)


def run_demo(rows: int) -> None:
    """Map the docstrings on the simulator, and print the frame, the totals, live prices, and what to do next."""
    frame = docstrings(rows)
    print(f"{len(frame):,} docstrings of this Python's standard library, one call each, on the simulator\n", flush=True)
    world = simulator(tier="start", latency_seconds=0.6, seconds_per_output_token=0.01)
    with tempfile.TemporaryDirectory() as folder, world:
        options = {"journal": Path(folder) / "demo.sqlite3"}
        out = FrameMap(frame, PROMPT, "summary", options).run()
        attempts = run_of(out).attempts()
        again = FrameMap(frame, PROMPT, "summary", {**options, "progress": False}).run()
    shown = out[["module", "summary", "summary_error", "summary_cost"]].head(8)
    print(f"\n{shown.to_string(max_colwidth=44)}\n")
    _print_totals(out, again, attempts)
    print(
        "\nto run it live, with your key in ANTHROPIC_API_KEY:\n"
        "  import claude_parallel as cp\n"
        "  from claude_parallel.cli.demo import PROMPT, docstrings\n"
        f'  out = docstrings({rows}).claude.map(PROMPT, out="summary", budget=1.00)'
    )


def _print_totals(out: pd.DataFrame, again: pd.DataFrame, attempts: pd.DataFrame) -> None:
    seconds = (attempts["ended"].max() - attempts["started"].min()).total_seconds()
    answered = int(out["summary_error"].isna().sum())
    speed = f"{len(out) / seconds:.0f} rows/s"
    print(f"answered {answered:,} of {len(out):,} rows in {seconds:.1f} s ({speed}), {len(attempts):,} calls")
    recalled = int((again["summary_cost"] == 0).sum())
    print(f"run again: {recalled:,} rows from the journal, nothing paid twice\n")
    print("the same run live, by the tokens counted here:")
    for model in _LIVE_MODELS:
        print(f"  {model:<20} {format_usd(_live_cost(model, attempts))}")


def _live_cost(model: str, attempts: pd.DataFrame) -> Decimal:
    card = PriceList().card(model)
    assert card is not None
    per_input, per_output, *_ = card.prices(0)
    return int(attempts["input_tokens"].sum()) * per_input + int(attempts["output_tokens"].sum()) * per_output


def _standard_docstrings() -> Iterator[tuple[str, str]]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    for name in sorted(sys.stdlib_module_names):
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.exists():
                yield from _docstrings_of(name, path)


def _docstrings_of(module: str, path: Path) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, OSError):
        return
    named = [(module, tree)] + [(f"{module}.{node.name}", node) for node in tree.body if isinstance(node, ast.ClassDef)]
    for name, node in named:
        text = ast.get_docstring(node)
        if text and len(text) > 40:
            yield name, text
