"""The command line: map and estimate files, look at runs, keep the journal, try the simulator.

Reads arguments and prints; the work is done by the modules that the library uses as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ClaudeParallelError
from .jobs import jobs_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Enrich tables with Claude: one call per row, as many at once as the account allows.",
)
journal_app = typer.Typer(no_args_is_help=True, help="The journal of paid answers.")
app.add_typer(journal_app, name="journal")
app.add_typer(jobs_app, name="jobs")

Input = Annotated[Path, typer.Argument(help="A .parquet, .csv, .jsonl or .json (lines) file.")]
PromptText = Annotated[
    str, typer.Option("--prompt", "-p", help="A template over columns, such as 'Translate: {text}'.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write; the ending chooses the format.")]
Model = Annotated[str | None, typer.Option(help="Default: claude-haiku-5-5.")]
MaxTokens = Annotated[int | None, typer.Option(help="Output tokens per answer, thinking included.")]
System = Annotated[str | None, typer.Option(help="System prompt.")]
Out = Annotated[str, typer.Option(help="Name of the answer column.")]
Budget = Annotated[float | None, typer.Option(help="US dollars that may be spent at most.")]
MaxConcurrency = Annotated[int | None, typer.Option(help="The most calls in flight; default: as the limits allow.")]
Simulate = Annotated[bool, typer.Option("--simulate", help="Ask the simulator instead of Claude; no key needed.")]


class Tier(StrEnum):
    """Tiers of the simulator."""

    start = "start"
    build = "build"
    scale = "scale"
    tier_1 = "tier-1"
    tier_2 = "tier-2"
    tier_3 = "tier-3"
    tier_4 = "tier-4"


@app.command(name="map")
def map_file(
    file: Input,
    prompt: PromptText,
    output: Output,
    out: Out = "response",
    model: Model = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    max_concurrency: MaxConcurrency = None,
    budget: Budget = None,
    schema: Annotated[Path | None, typer.Option(help="A JSON schema file for typed columns.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Through Message Batches at half price.")] = False,
    journal: Annotated[Path | None, typer.Option(help="Another journal file.")] = None,
    chunk_rows: Annotated[int, typer.Option(help="Rows in memory at a time.")] = 20_000,
    simulate: Simulate = False,
) -> None:
    """Ask Claude once per row of a file, and write the file with the answers; larger than memory is fine."""
    from .files import map_file as run

    options: dict[str, Any] = {
        "model": model,
        "system": system,
        "max_tokens": max_tokens,
        "max_concurrency": max_concurrency,
        "budget": budget,
        "schema": json.loads(schema.read_text(encoding="utf-8")) if schema else None,
        "batch": batch or None,
        "journal": journal,
    }
    with _world(simulate):
        totals = run(file, output, prompt, out=out, options=options, chunk_rows=chunk_rows)
    typer.echo(f"{totals.rows:,} rows, {totals.errors:,} errors, ${totals.cost_usd:,.4f} -> {output}")
    if totals.errors:
        typer.echo(f"errors by kind: {', '.join(f'{kind} {count:,}' for kind, count in totals.kinds.items())}")


@app.command()
def estimate(
    file: Input,
    prompt: PromptText,
    model: Model = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    max_concurrency: MaxConcurrency = None,
    schema: Annotated[Path | None, typer.Option(help="A JSON schema file for typed columns.")] = None,
    output_tokens: Annotated[float | None, typer.Option(help="Expected output tokens of one answer.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="The account's limits; default: tier start.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Another journal file.")] = None,
    simulate: Simulate = False,
) -> None:
    """Say what mapping a file would cost and how long it would take; nothing is paid for that."""
    from ..forecast.estimate import estimate_frame
    from ..frames.frame_map import FrameMap
    from .files import read_file

    options: dict[str, Any] = {
        "model": model,
        "system": system,
        "max_tokens": max_tokens,
        "max_concurrency": max_concurrency,
        "schema": json.loads(schema.read_text(encoding="utf-8")) if schema else None,
        "limits": tier.value if tier else None,
        "journal": journal,
    }
    with _world(simulate):
        typer.echo(repr(estimate_frame(FrameMap(read_file(file), prompt, "response", options), output_tokens)))


@app.command()
def demo(rows: Annotated[int, typer.Option(help="How many of the 200 tickets.")] = 200) -> None:
    """Read support tickets on the embedded simulator: no key, no cost."""
    from .demo import run_demo

    run_demo(rows)


@app.command()
def simulate(
    tier: Annotated[Tier, typer.Option(help="The account's limits.")] = Tier.start,
    port: Annotated[int, typer.Option(help="TCP port on 127.0.0.1; 0 = any free one.")] = 8765,
    latency: Annotated[float, typer.Option(help="Seconds until an answer begins.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Fixes answers and latencies.")] = 0,
) -> None:
    """Serve the simulated API on loopback until interrupted."""
    from ..simulation.profile import Profile, tier_limits
    from ..simulation.server import serve_forever

    profile = Profile(limits=tier_limits(tier.value), latency_seconds=latency, jitter_sigma=0.2)

    def announce(url: str) -> None:
        typer.echo(
            f"the simulated API is at {url}\nuse it with: export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=simulator"
        )

    serve_forever(profile, seed=seed, port=port, announce=announce)


@app.command()
def runs(
    journal: Annotated[Path | None, typer.Option(help="Another journal file.")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many.")] = 20,
) -> None:
    """List the runs that the journal knows, newest first."""
    from ..report.run_list import runs as list_runs

    found = list_runs(journal if journal is not None else True).head(limit)
    typer.echo(found.to_string() if len(found) else "no runs yet")


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run id; see `claude-parallel runs`.")],
    output: Output = Path("run.html"),
    journal: Annotated[Path | None, typer.Option(help="Another journal file.")] = None,
) -> None:
    """Write a run as one HTML file that opens offline."""
    from ..report.run import find_run

    typer.echo(find_run(run, journal if journal is not None else True).report(output))


@journal_app.command(name="show")
def journal_show() -> None:
    """Say where the journal lies and how large it is."""
    from ..store.maintenance import journal

    typer.echo(repr(journal))


@journal_app.command(name="clear")
def journal_clear(
    run: Annotated[str | None, typer.Option(help="Only the answers of this run.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete answers: what is deleted will be paid for when it is asked again."""
    from ..store.maintenance import journal

    if not yes:
        typer.confirm(f"Delete {'the answers of ' + run if run else 'ALL answers'} in {journal.path}?", abort=True)
    typer.echo(f"{journal.clear(run=run, all=run is None):,} answers deleted")


@journal_app.command(name="prune")
def journal_prune(older_than: Annotated[str, typer.Option(help="Such as 90d, 12h, 30m.")]) -> None:
    """Delete answers older than an age."""
    from ..store.maintenance import journal

    typer.echo(f"{journal.prune(older_than=older_than):,} answers deleted")


def _world(is_simulated: bool) -> Any:
    if not is_simulated:
        return nullcontext()
    from ..simulation import simulator

    return simulator()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of this package is one line, not a traceback."""
    try:
        app(args=arguments)
    except ClaudeParallelError as error:
        typer.echo(f"claude-parallel: {error}", err=True)
        sys.exit(2)
