"""What every map has in common, whatever holds its rows: its plan, and the journal that it writes to."""

from __future__ import annotations

import pandas as pd

from ..api.answers import read_answer
from ..attachments.cells import is_remote, items
from ..config import journal_path
from ..engine.plan import Plan, Rows, make_plan, without_bound
from ..errors import InputError, nearest
from ..options import Settings
from ..prompt.examples import example_pairs
from ..prompt.template import Prompt
from ..schema.reader import typed_reader
from ..schema.schema import Problem, Schema
from ..store.journal import Journal
from .columns import Columns, plan_columns
from .rows import column_names


def plan_map(
    rows: Rows,
    settings: Settings,
    prompt: Prompt,
    schema: Schema | None,
    host: str,
    *,
    bypass_cache: frozenset[bytes] = frozenset(),
) -> Plan:
    """Return what a map would ask of the API at `host`; leaves no trace.

    Raises
    ------
    InputError
        For what can be known to fail before the first call.
    """
    has_files = bool(settings.images or settings.documents)
    return make_plan(
        rows,
        settings,
        host,
        static_text="" if has_files else prompt.static_text,  # files come before the text
        read=typed_reader(schema) if schema else read_answer,
        output_format=schema.format if schema else None,
        examples=examples_of(settings, prompt, schema),
        bypass_cache=bypass_cache,
    )


def examples_of(settings: Settings, prompt: Prompt, schema: Schema | None) -> tuple[tuple[str, str], ...]:
    """Return the few-shot pairs of a map as texts.

    Raises
    ------
    InputError
        For examples that do not fit the prompt or the schema.
    """
    fields = [field.name for field in schema.fields] if schema else []
    wrapper = fields[0] if schema and schema.wrapped else None
    pairs = example_pairs(settings.examples, prompt, fields=fields, wrapper=wrapper)
    for _asked, answered in pairs:
        found = None if schema is None else schema.read(answered)
        if isinstance(found, Problem):
            raise InputError(f"an example's output {answered!r:.80} does not fit the schema: {found.message}")
    return pairs


def open_journal(settings: Settings) -> Journal:
    """Return the journal of a run.

    Raises
    ------
    JournalError
        When it cannot be opened.
    """
    is_path = not isinstance(settings.journal, bool)
    return Journal.open_for_run(journal_path(settings.journal, settings.client), is_explicit=is_path)


def planned_columns(out: str, settings: Settings, schema: Schema | None) -> Columns:
    """Return the columns that a map makes."""
    fields = [field.column for field in schema.fields] if schema else []
    return plan_columns(
        out, settings.sample, fields, keep_text=settings.keep_text, vote=settings.vote, quotes=settings.quotes
    )


def refuse_quotes(settings: Settings) -> None:
    """Refuse quotes, which are looked for in the cells of a pandas frame alone.

    Raises
    ------
    InputError
        Saying what to do.
    """
    if settings.quotes:
        raise InputError("quotes= is for pandas frames: map a frame, or leave it out")


def check_bounded(frame: pd.DataFrame, settings: Settings) -> None:
    """Refuse a budget with documents that the API fetches, whose pages nobody knows before they are paid.

    Raises
    ------
    InputError
        Naming the column.
    """
    if settings.budget is None:
        return
    names = column_names(frame)
    for name in settings.documents:
        for cell in frame.iloc[:, names.index(name)]:
            if any(is_remote(item) for item in items(cell)):
                what = f"the column {name!r}, which holds a document behind a URL or a file_id"
                raise InputError(without_bound(what))


def check_file_columns(names: list[str], settings: Settings) -> None:
    """Refuse columns of files that do not exist.

    Raises
    ------
    InputError
        Naming the nearest.
    """
    for name in (*settings.images, *settings.documents):
        if name not in names:
            raise InputError(f"there is no column {name!r} to attach; {nearest(name, names)}")
