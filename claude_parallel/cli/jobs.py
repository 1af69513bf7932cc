"""``claude-parallel jobs``: batches on the command line, from this journal or another machine's.

Reads arguments and prints; the work is done in ``background.batch_by_id``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..frames.columns import plan_columns

jobs_app = typer.Typer(help="Message Batches: list, show, fetch, cancel.", invoke_without_command=True)

BatchId = Annotated[str, typer.Argument(metavar="ID", help="A batch's id (msgbatch_...), from `claude-parallel jobs`.")]
JournalFile = Annotated[Path | None, typer.Option("--journal", help="Another journal file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write; .parquet, .csv or .jsonl.")]

_WRITERS: dict[str, Callable[[Any, Path], None]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path),
    ".csv": lambda frame, path: frame.to_csv(path),
    ".jsonl": lambda frame, path: frame.reset_index().to_json(path, orient="records", lines=True, force_ascii=False),
}


@jobs_app.callback()
def list_jobs(
    context: typer.Context,
    journal: JournalFile = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many of the API's batches to ask for.")] = 100,
) -> None:
    """List the batches that the journal knows and those of the API, newest first."""
    if context.invoked_subcommand is not None:
        return
    from ..background.batch_by_id import list_batches

    table = list_batches(limit, _options(journal))
    if table.empty:
        typer.echo("no batches")
        return
    shown = table[["state", "rows", "succeeded", "errored", "canceled", "expired", "created", "readable_until", "run"]]
    typer.echo(shown.to_string(na_rep="", formatters={"created": _minute, "readable_until": _day}))


@jobs_app.command()
def show(batch_id: BatchId, journal: JournalFile = None) -> None:
    """Show one batch as the API sees it; nothing is counted before all of it has ended."""
    state = _adopt(batch_id, journal).status()
    typer.echo(f"{state.id}: {state.status}, {state.requests:,} requests")
    for name, count in state.counts.items():
        if count:
            typer.echo(f"  {name}: {count:,}")
    if state.is_archived:
        typer.echo("  its results are archived: they can be read for 29 days")


@jobs_app.command()
def fetch(batch_id: BatchId, output: Output, journal: JournalFile = None) -> None:
    """Wait for a batch, keep its answers in the journal, and write them: custom_id, response, error, cost."""
    write = _checked_writer(output)
    frame = _adopt(batch_id, journal).result()
    unfinished = output.with_name(f".{output.name}.unfinished")
    write(frame, unfinished)
    unfinished.replace(output)
    failed = int(frame[plan_columns("response").answers[0].error].notna().sum())
    typer.echo(f"{len(frame):,} results, {failed:,} with an error, written to {output}; answers are in the journal")


@jobs_app.command()
def cancel(batch_id: BatchId, journal: JournalFile = None) -> None:
    """Cancel a batch; what it has finished is kept and paid. An envelope without a batch is given up."""
    _adopt(batch_id, journal).cancel()
    typer.echo(f"{batch_id}: cancelled; `claude-parallel jobs fetch {batch_id}` reads what it has finished")


def _checked_writer(output: Path) -> Callable[[Any, Path], None]:
    """Return what writes such a file; what is known to fail fails here, since the batch may take a day."""
    write = _WRITERS.get(output.suffix.lower())
    if write is None:
        raise typer.BadParameter(f"{output} must end in {', '.join(_WRITERS)}")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent} to write to; make it first")
    if output.suffix.lower() == ".parquet":
        from ..tables.extras import need

        need("pyarrow", "Parquet files", "files")
    return write


def _adopt(batch_id: str, journal: Path | None) -> Any:
    from ..background.batch_by_id import adopt

    return adopt(batch_id, _options(journal))


def _options(journal: Path | None) -> dict[str, Any]:
    return {"journal": str(journal) if journal is not None else None}


def _minute(moment: Any) -> str:
    return "" if moment != moment else f"{moment:%Y-%m-%d %H:%M} UTC"


def _day(moment: Any) -> str:
    return "" if moment != moment else f"{moment:%Y-%m-%d}"
