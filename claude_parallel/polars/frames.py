"""Frames on their way through a map of Polars: to Arrow, back with typed columns, and what a frame knows of its map."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..errors import FateCounts, InputError, count_fates, fate_of
from ..frames.outputs import warn_of_missing
from ..prompt.template import PromptFunction

if TYPE_CHECKING:
    from ..tables.memory import MemoryMap
    from ..tables.source import Source

ATTRIBUTE = "_claude_parallel_made"
"""Attribute of a frame that a map returned: Polars has no ``attrs``, and no operation copies it."""


Call = tuple[Any, str, Mapping[str, Any]]
"""Prompt, name and options, as the user gave them."""


class Made:
    """What a map has made of a frame or a series; `details` are the new columns of a series."""

    def __init__(self, prepared: MemoryMap, call: Call, details: pl.DataFrame | None = None) -> None:
        answers = prepared.table_map.columns.answers
        self.call = call
        self.details = details
        self.names = [name for answer in answers for name in answer.names]
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


def with_columns(frame: pl.DataFrame | None, prepared: MemoryMap, new: Any, call: Call) -> pl.DataFrame:
    """Return a frame with the new columns of a map; of a series there are no others."""
    columns = typed(prepared, new)
    result = pl.DataFrame(columns) if frame is None else frame.with_columns(columns)
    return sign(result, prepared, call)


def answers_of(prepared: MemoryMap, new: Any, call: Call) -> pl.Series | pl.DataFrame:
    """Return what a map made of a series: a series where one column holds all that was answered, else a frame.

    Where something went wrong the value of a series is missing, and one warning counts them.
    """
    frame = with_columns(None, prepared, new, call)
    columns = prepared.table_map.columns
    if not columns.is_one_answer:
        return frame
    answer = columns.answers[0]
    warn_of_missing(fates(frame, answer.error))
    series = frame.select(pl.when(pl.col(answer.error).is_null()).then(pl.col(columns.out))).to_series()
    setattr(series, ATTRIBUTE, Made(prepared, call, frame))
    return series.alias(columns.out) if series.name != columns.out else series


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


def sign(frame: pl.DataFrame, prepared: MemoryMap, call: Call) -> pl.DataFrame:
    """Let a frame know its map."""
    setattr(frame, ATTRIBUTE, Made(prepared, call))
    return frame


def sign_again(frame: pl.DataFrame, made: Made) -> pl.DataFrame:
    """Return a copy of a frame that knows the same map."""
    copied = frame.clone()
    setattr(copied, ATTRIBUTE, made)
    return copied


def made_of(made: pl.DataFrame | pl.Series) -> Made:
    """Return the map that made a frame or a series.

    Raises
    ------
    InputError
        When it does not know its map.
    """
    found = getattr(made, ATTRIBUTE, None)
    if not isinstance(found, Made):
        raise InputError(
            "this frame or series does not know its map: it is not what map returned, or an operation made a new one "
            "of it. Use what map returned; cp.runs() lists all runs"
        )
    return found


def has_failed(name: str) -> pl.Expr:
    """Say of each row whether asking again may mend it."""
    return pl.col(name).is_not_null() & ~pl.col(name).str.starts_with("skipped:")


def error_table(frame: pl.DataFrame, errors: Sequence[str]) -> pl.DataFrame:
    """Return the kinds of error in some columns, with how many rows and an example each."""
    found = pl.concat([frame[name].alias("example") for name in errors])
    kinds = found.drop_nulls().to_frame().with_columns(kind=pl.col("example").str.split(":").list.first())
    return kinds.group_by("kind").agg(rows=pl.len(), example=pl.col("example").first()).sort("rows", descending=True)


def cost_table(frame: pl.DataFrame, made: Made) -> pl.DataFrame:
    """Return rows by what they came to, and dollars, for each answer."""
    pairs = zip(made.errors, made.costs, strict=True)
    return pl.DataFrame([_counts(frame, error, cost) for error, cost in pairs])


def fates(frame: pl.DataFrame, error: str) -> FateCounts:
    """Return what the rows of one answer came to."""
    kinds = frame[error].drop_nulls().str.split(":").list.first().value_counts()
    counts = {str(kind): int(count) for kind, count in kinds.iter_rows() if fate_of(kind)}
    return count_fates(counts, frame.height)


def _counts(frame: pl.DataFrame, error: str, cost: str) -> dict[str, Any]:
    column = {"column": error.removesuffix("_error"), "rows": frame.height}
    return {**column, **asdict(fates(frame, error)), "total_usd": frame[cost].sum()}


def drawn(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    """Return some random rows in their order; the same seed draws the same, and more rows contain the fewer ones."""
    order = np.random.default_rng(seed).permutation(frame.height)
    return frame[sorted(order[:rows].tolist())]
