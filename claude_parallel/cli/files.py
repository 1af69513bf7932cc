"""``claude-parallel map`` and ``estimate``: files of any size on the command line.

Reads arguments and prints; the work is done in ``tables``.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError

if TYPE_CHECKING:
    from ..tables.result import TableResult

_BATCH_SECONDS = 5.0
"""How long a simulated batch takes: who tries a command does not wait a minute."""


class Tier(StrEnum):
    """Tiers of the simulator."""

    start = "start"
    build = "build"
    scale = "scale"
    tier_1 = "tier-1"
    tier_2 = "tier-2"
    tier_3 = "tier-3"
    tier_4 = "tier-4"


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Parquet, CSV, JSON lines or Arrow: files, a folder, a quoted pattern, URLs; CSV and JSON lines also as "
        ".gz, .zst or .bz2.",
    ),
]
PromptText = Annotated[
    str, typer.Option("--prompt", "-p", help="A template over columns, such as 'Translate: {text}', or a column.")
]
_TARGET_HELP = "A file, whose ending names the format, or a folder/ for one part per chunk."
Target = Annotated[str, typer.Option("--output", "-o", help=_TARGET_HELP)]
TargetToCheck = Annotated[
    str | None, typer.Option("--output", "-o", help="Where `map` is to write: says whether it could.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what another job has left there.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again the rows that failed in a finished target of this very job.")
]
ChunkRows = Annotated[int | None, typer.Option(help="Rows that are written at a time; default: 10,000.")]
Out = Annotated[str, typer.Option(help="Name of the answer column.")]
Model = Annotated[str | None, typer.Option(help="Default: claude-haiku-5-5.")]
System = Annotated[str | None, typer.Option(help="System prompt.")]
MaxTokens = Annotated[int | None, typer.Option(help="Output tokens per answer, thinking included.")]
MaxConcurrency = Annotated[int | None, typer.Option(help="The most calls in flight; default: as the limits allow.")]
Images = Annotated[list[str] | None, typer.Option("--images", help="Column with images to attach; may be repeated.")]
Documents = Annotated[
    list[str] | None, typer.Option("--documents", help="Column with PDF or text files to attach; may be repeated.")
]
Labels = Annotated[str | None, typer.Option(help="Classify into these, separated by commas.")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="A JSON schema file for typed columns.")]
Columns = Annotated[str | None, typer.Option(help="The input's columns to keep, separated by commas; default: all.")]
Types = Annotated[
    list[str] | None, typer.Option("--dtype", help="CSV: a column that is not to stay text, such as price=float64.")
]
Limit = Annotated[int | None, typer.Option(help="The first so many rows only.")]
Sample = Annotated[int | None, typer.Option(help="Independent answers per row.")]
OutputTokens = Annotated[float | None, typer.Option(help="Expected output tokens of one answer, for the estimate.")]
Limits = Annotated[Tier | None, typer.Option("--tier", help="The account's limits; default: learn them.")]
JournalFile = Annotated[Path | None, typer.Option("--journal", help="Another journal file.")]
Simulate = Annotated[bool, typer.Option("--simulate", help="Ask the simulator instead of Claude; no key needed.")]


def map_files(
    files: Files,
    prompt: PromptText,
    output: Target,
    out: Out = "response",
    model: Model = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    max_concurrency: MaxConcurrency = None,
    images: Images = None,
    documents: Documents = None,
    labels: Labels = None,
    schema: SchemaFile = None,
    columns: Columns = None,
    dtype: Types = None,
    limit: Limit = None,
    sample: Sample = None,
    budget: Annotated[float | None, typer.Option(help="US dollars that may be spent at most.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Through Message Batches at half price.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and leave.")] = False,
    overwrite: Overwrite = False,
    retry_failed: RetryFailed = False,
    chunk_rows: ChunkRows = None,
    tier: Limits = None,
    output_tokens: OutputTokens = None,
    journal: JournalFile = None,
    simulate: Simulate = False,
) -> None:
    """Ask Claude once per row of files of any size, and write them with the answers; run again, it goes on.

    Ends with 1 where it stopped before the end, or where rows failed and none was answered.
    """
    from ..tables.map_file import FileMap

    options = {**_map_options(locals()), "budget": budget, "batch": batch or None}
    with _world(simulate):
        prepared = FileMap(files, output, prompt, out=out, **options)
        if dry_run:
            _print_estimate(prepared, output_tokens)
            return
        try:
            result = prepared.run()
        except KeyboardInterrupt:
            typer.echo("claude-parallel: stopped; the same command goes on where it was", err=True)
            raise typer.Exit(130) from None
    typer.echo(f"{result.words} -> {output}")
    _conclude(result)


def estimate_files(
    files: Files,
    prompt: PromptText,
    output: TargetToCheck = None,
    out: Out = "response",
    model: Model = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    max_concurrency: MaxConcurrency = None,
    images: Images = None,
    documents: Documents = None,
    labels: Labels = None,
    schema: SchemaFile = None,
    columns: Columns = None,
    dtype: Types = None,
    limit: Limit = None,
    sample: Sample = None,
    overwrite: Overwrite = False,
    retry_failed: RetryFailed = False,
    chunk_rows: ChunkRows = None,
    tier: Limits = None,
    output_tokens: OutputTokens = None,
    journal: JournalFile = None,
    simulate: Simulate = False,
) -> None:
    """Say what mapping files would cost and how long it would take; nothing is paid for that."""
    from ..tables.map_file import FileMap

    options = _map_options(locals())
    with _world(simulate):
        _print_estimate(FileMap(files, output, prompt, out=out, **options), output_tokens)


def _conclude(result: TableResult) -> None:
    """Say what is left to do, and end with 1 where nobody should go on with the target."""
    if result.kinds:
        typer.echo(f"without a good answer: {', '.join(f'{kind} {count:,}' for kind, count in result.kinds.items())}")
    if result.errors and result.is_complete:
        typer.echo("the same command with --retry-failed asks the rows that failed again, and no others")
    was_stopped = not result.is_complete or result.fates.cancelled > 0  # a budget writes the rows that it kept back
    if was_stopped:
        typer.echo("stopped before the end; the same command goes on where it was")
    if was_stopped or (result.errors and not result.fates.answered):
        raise typer.Exit(1)


def _print_estimate(prepared: Any, output_tokens: float | None) -> None:
    from ..forecast.assumptions import host_of, look
    from ..forecast.estimate import estimate_frame

    prepared.check_target(host_of(look(prepared.settings)))
    typer.echo(repr(estimate_frame(prepared.table_map, output_tokens)))


def _map_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of ``map_file`` that both commands have; None leaves one at its default."""
    names = ("model", "system", "max_tokens", "max_concurrency", "images", "documents", "sample", "journal", "limit")
    tier: Tier | None = given["tier"]
    cut = {} if given["chunk_rows"] is None else {"chunk_rows": given["chunk_rows"]}
    return {
        **cut,
        "overwrite": given["overwrite"],
        "retry_failed": given["retry_failed"],
        **{name: given[name] for name in names},
        "limits": tier.value if tier else None,
        "schema": _read_schema(given["schema"]),
        "labels": _split(given["labels"]),
        "columns": _split(given["columns"]),
        "dtype": dict(_pair(text) for text in given["dtype"] or ()),
    }


def _read_schema(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"--schema takes the path of a file that holds a JSON schema: {error}") from None


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _pair(text: str) -> tuple[str, str]:
    name, mark, kind = text.rpartition("=")
    if not mark:
        raise InputError(f"--dtype {text}: write column=type, such as price=float64")
    return name, kind


def _world(is_simulated: bool) -> AbstractContextManager[Any]:
    if not is_simulated:
        return nullcontext()
    from ..simulation import simulator

    return simulator(batch_seconds=_BATCH_SECONDS)
