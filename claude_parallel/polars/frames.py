"""Frames on their way through a map of Polars: to Arrow, back with typed columns, and what a frame knows of its map."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from ..errors import InputError, count_fates, fate_of
from ..prompt.template import PromptFunction

if TYPE_CHECKING:
    from ..tables.memory import MemoryMap
    from ..tables.source import Source

ATTRIBUTE = "_claude_parallel_made"
"""Attribute of a frame that a map returned: Polars has no ``attrs``, and no operation copies it."""


class Made:
    """What a map has made of a frame."""

    def __init__(self, prepared: MemoryMap, call: tuple[Any, str, Mapping[str, Any]]) -> None:
        answers = prepared.table_map.columns.answers
        self.call = call
        self.errors = [answer.error for answer in answers]
        self.costs = [answer.cost for answer in answers]
        self.run_id = (prepared.result and prepared.result.run_id) or ""

    def rejected(self) -> frozenset[bytes]:
        """Return the requests whose answers are the reason for asking again."""
        from ..report.run import find_run

        return find_run(self.run_id).fingerprints_answered(badly=True)


def prepare(
    frame: pl.DataFrame,
    prompt: str | PromptFunction,
    out: str,
    options: Mapping[str, Any],
    bypass_cache: frozenset[bytes] = frozenset(),
    *,
    is_series: bool = False,
) -> MemoryMap:
    """Return a map over a frame, checked and ready."""
    from ..tables.arrow_source import table_source
    from ..tables.memory import MemoryMap

    return MemoryMap(
        table_source(frame.to_arrow()), prompt, out, options, is_series=is_series, bypass_cache=bypass_cache
    )


def query(frame: pl.LazyFrame) -> Source:
    """Return a query as a source of Arrow tables; the query itself tells one job from another."""
    from ..tables.arrow_source import ArrowSource
    from ..tables.chunk import PIECE_ROWS

    schema = empty(frame).to_arrow().schema

    def batches() -> Iterable[Any]:
        return (batch.to_arrow().cast(schema) for batch in frame.collect_batches(chunk_size=PIECE_ROWS))

    return ArrowSource(schema, batches, None, (hashlib.sha256(frame.serialize()).hexdigest(),))


def empty(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return a query's result without rows."""
    return pl.DataFrame(schema=frame.collect_schema())


def with_columns(
    frame: pl.DataFrame | None, prepared: MemoryMap, new: Any, call: tuple[Any, str, Mapping[str, Any]]
) -> pl.DataFrame:
    """Return a frame with the new columns of a map; of a series there are no others."""
    columns = typed(prepared, new)
    result = pl.DataFrame(columns) if frame is None else frame.with_columns(columns)
    return sign(result, prepared, call)


def typed(prepared: MemoryMap, new: Any) -> list[pl.Series]:
    """Return the new columns as Polars has them: labels as an Enum of all labels there are."""
    schema, columns = prepared.table_map.schema, prepared.table_map.columns
    fields = schema.fields if schema is not None else ()
    enums = {
        name: pl.Enum(list(field.categories))
        for answer in columns.answers
        for name, field in zip(answer.fields, fields, strict=True)
        if field.dtype == "category" and all(isinstance(label, str) for label in field.categories)
    }
    frame = from_arrow(new)
    return [frame[name].cast(enums[name]) if name in enums else frame[name] for name in frame.columns]


def from_arrow(table: Any) -> pl.DataFrame:
    """Return an Arrow table as a frame."""
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def sign(frame: pl.DataFrame, prepared: MemoryMap, call: tuple[Any, str, Mapping[str, Any]]) -> pl.DataFrame:
    """Let a frame know its map."""
    setattr(frame, ATTRIBUTE, Made(prepared, call))
    return frame


def made_of(frame: pl.DataFrame) -> Made:
    """Return the map that made a frame.

    Raises
    ------
    InputError
        When the frame does not know it.
    """
    found = getattr(frame, ATTRIBUTE, None)
    if not isinstance(found, Made):
        raise InputError(
            "this frame does not know its map: it is not what df.claude.map returned, or an operation made a new frame "
            "of it. Use the frame that map returned; cp.runs() lists all runs"
        )
    return found


def has_failed(name: str) -> pl.Expr:
    """Say of each row whether asking again may mend it."""
    return pl.col(name).is_not_null() & ~pl.col(name).str.starts_with("skipped:")


def counts(frame: pl.DataFrame, error: str, cost: str) -> dict[str, Any]:
    """Return rows by what they came to, and dollars, of one answer."""
    kinds = frame[error].drop_nulls().str.split(":").list.first().value_counts()
    counts = {str(kind): int(count) for kind, count in kinds.iter_rows() if fate_of(kind)}
    fates = count_fates(counts, frame.height)
    return {
        "column": error.removesuffix("_error"),
        "rows": frame.height,
        "answered": fates.answered,
        "failed": fates.failed,
        "skipped": fates.skipped,
        "cancelled": fates.cancelled,
        "total_usd": frame[cost].sum(),
    }
