"""The command line: map and estimate files, look at runs, keep the journal, try the simulator.

Reads arguments and prints; the work is done by the modules that the library uses as well.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ClaudeParallelError, CredentialsError, InputError
from .files import Tier, estimate_files, map_files
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

Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write.")]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.", is_eager=True)] = False,
) -> None:
    """Enrich tables with Claude: one call per row, as many at once as the account allows."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"claude-parallel {version_of('claude-parallel')}")
        raise typer.Exit


app.command(name="map")(map_files)
app.command(name="estimate")(estimate_files)


@app.command()
def demo(rows: Annotated[int, typer.Option(min=1, max=200, help="How many of the 200 tickets.")] = 200) -> None:
    """Read support tickets on the embedded simulator: no key, no cost."""
    from .demo import run_demo

    run_demo(rows)


@app.command()
def simulate(
    tier: Annotated[Tier, typer.Option(help="The account's limits.")] = Tier.start,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="TCP port on 127.0.0.1; 0 = any free one.")] = 8765,
    latency: Annotated[float, typer.Option(min=0, help="Seconds until an answer begins.")] = 0.3,
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

    try:
        serve_forever(profile, seed=seed, port=port, announce=announce)
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); --port 0 takes a free one") from None


@app.command()
def runs(
    journal: Annotated[Path | None, typer.Option(help="Another journal file.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
) -> None:
    """List the runs that the journal knows, newest first."""
    from ..report.run_list import runs as list_runs
    from ..report.shown_frame import as_text

    found = list_runs(journal if journal is not None else True).head(limit)
    typer.echo(as_text(found, shutil.get_terminal_size().columns) if len(found) else "no runs yet")


@app.command()
def spent(
    since: Annotated[str, typer.Option(help="An age or a date: 7d, 12h, 2026-11-20.")] = "30d",
    journal: Annotated[Path | None, typer.Option(help="Another journal file.")] = None,
) -> None:
    """Say what was really spent, by day and model; simulated dollars do not count."""
    from ..report.run_list import spent as list_spent
    from ..report.shown_frame import as_text

    found = list_spent(since, journal if journal is not None else True)
    # In full, however many days: the text of a long frame would leave out its middle.
    typer.echo(as_text(found, shutil.get_terminal_size().columns) if len(found) else repr(found))


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run id, as `claude-parallel runs` lists them.")] = "last",
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
    """Delete answers and records of runs: what is deleted will be paid for when it is asked again."""
    from ..store.maintenance import journal

    if not yes:
        typer.confirm(f"Delete {'the answers of ' + run if run else 'ALL answers'} in {journal.path}?", abort=True)
    typer.echo(f"{journal.clear(run=run, all=run is None):,} answers deleted")


@journal_app.command(name="prune")
def journal_prune(older_than: Annotated[str, typer.Option(help="Such as 90d, 12h, 30m.")]) -> None:
    """Delete answers and records of runs older than an age."""
    from ..store.maintenance import journal

    typer.echo(f"{journal.prune(older_than=older_than):,} answers deleted")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error of this package is one line, not a traceback, and a warning is one as well."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]  # it looks at the message alone
        try:
            app(args=arguments)
        except CredentialsError as error:
            command = next(iter(arguments if arguments is not None else sys.argv[1:]), "")
            hint = "; --simulate asks the simulator instead, without a key" if command == "map" else ""
            typer.echo(f"claude-parallel: {error}{hint}", err=True)
            sys.exit(2)
        except ClaudeParallelError as error:
            typer.echo(f"claude-parallel: {error}", err=True)
            sys.exit(2)


def _show_warning(message: Warning | str, *_where: Any) -> None:
    typer.echo(f"claude-parallel: {message}", err=True)
