"""Frames on their way into a map and out of it: to Arrow, back with typed columns, and to pandas for what stands on it.

What a result knows of its map is in ``results``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from ..errors import InputError
from ..frames.calls import sign as sign_pandas
from ..frames.columns import Columns
from ..frames.made import columns_made_as, known_maps
from ..prompt.template import PromptFunction
from ..schema.schema import Schema

_PROTOCOLS = frozenset({"s3", "gs", "gcs", "az", "adl", "abfs", "abfss", "azure", "http", "https", "hf", "file"})
"""What Polars reads by itself (its guide to cloud storage); fsspec opens the others."""

_NO_ARROW = (pl.exceptions.PolarsError, ValueError, TypeError, NotImplementedError)
"""What Polars raises for a column that Arrow cannot hold; Arrow's own exceptions are ValueErrors."""

if TYPE_CHECKING:
    from ..tables.memory import MemoryMap
    from ..tables.source import Source
    from ..tables.table_map import TableMap


def prepare(
    frame: pl.DataFrame,
    prompt: str | PromptFunction,
    out: str,
    options: Mapping[str, Any],
    *,
    is_series: bool = False,
) -> MemoryMap:
    """Return a map over a frame, checked and ready; what an earlier map made under the same name is replaced."""
    from ..tables.arrow_source import table_source
    from ..tables.memory import MemoryMap
    from ..tables.table_map import TableMap

    table_map = TableMap(
        table_source(to_arrow(frame)),
        prompt,
        out,
        options,
        is_series=is_series,
        replaced=columns_made_as(frame, out),
    )
    return MemoryMap(table_map)


def prepare_series(series: pl.Series, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> MemoryMap:
    """Return a map over a series, checked and ready."""
    values = named(series)
    asked = of_value(prompt, values.name) if callable(prompt) else prompt
    return prepare(values.to_frame(), asked, out, options, is_series=True)


def named(series: pl.Series) -> pl.Series:
    """Return a series that has a name."""
    return series if series.name else series.alias("value")


def of_value(function: PromptFunction, name: str) -> PromptFunction:
    """Return a function of rows that asks a function about the one value of each."""
    return lambda row: function(row[name])


def prepare_query(frame: pl.LazyFrame, prompt: str | PromptFunction, out: str, options: Mapping[str, Any]) -> TableMap:
    """Return a map over a query, checked and ready."""
    from ..tables.table_map import TableMap

    return TableMap(_query(frame), prompt, out, options, replaced=columns_made_as(frame, out))


def _query(frame: pl.LazyFrame) -> Source:
    """Return a query as a source of Arrow tables; the query itself tells one job from another."""
    from ..tables.arrow_source import ArrowSource
    from ..tables.chunk import PIECE_ROWS

    schema = to_arrow(empty(frame)).schema

    def batches() -> Iterable[Any]:
        return (batch.to_arrow().cast(schema) for batch in frame.collect_batches(chunk_size=PIECE_ROWS))

    return ArrowSource(schema, batches, None, (hashlib.sha256(_text_of(frame)).hexdigest(),), is_named=False)


def _text_of(frame: pl.LazyFrame) -> bytes:
    """Return what tells a query from another; a part of a folder compares its rows besides."""
    try:
        return frame.serialize()
    except pl.exceptions.ComputeError:  # it reads Python objects, or has a function that works with a connection
        return frame.explain(optimized=False).encode()


def to_arrow(frame: pl.DataFrame) -> Any:
    """Return a frame as an Arrow table.

    Raises
    ------
    InputError
        Naming a column that Arrow cannot hold.
    """
    for column in frame.iter_columns():
        try:
            if column.dtype == pl.Object:  # Polars itself would give addresses in memory
                raise TypeError("it holds Python objects")
            column.to_arrow()
        except _NO_ARROW as error:
            raise InputError(
                f"column {column.name!r} ({column.dtype}) cannot travel as Arrow ({error}); cast it, such as to "
                "pl.String, or select the other columns"
            ) from error
    return frame.to_arrow()


def empty(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return a query's result without rows."""
    return pl.DataFrame(schema=frame.collect_schema())


def from_arrow(table: Any) -> pl.DataFrame:
    """Return an Arrow table as a frame."""
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def typed(columns: Columns, schema: Schema | None, new: Any) -> list[pl.Series]:
    """Return the new columns of an Arrow table as Polars has them: labels as an Enum of all labels there are."""
    frame, enums = from_arrow(new), _enums_of(columns, schema)
    return [frame[name].cast(enums[name]) if name in enums else frame[name] for name in frame.columns]


def scan_of(folder: str | Path, columns: Columns, schema: Schema | None) -> pl.LazyFrame:
    """Return the scan of a folder that a map has filled, with the types that a frame would have."""
    enums = _enums_of(columns, schema)
    return scan_as_written(folder).with_columns(pl.col(name).cast(enum) for name, enum in enums.items())


def scan_as_written(folder: str | Path) -> pl.LazyFrame:
    """Return the scan of a folder that a map has filled, with the types of its files."""
    from ..tables.memory import pattern_of

    protocol, mark, _rest = str(folder).partition("://")
    if mark and protocol not in _PROTOCOLS:
        return pl.scan_pyarrow_dataset(_dataset_of(folder))
    return pl.scan_parquet(pattern_of(folder))


def _dataset_of(folder: str | Path) -> Any:
    """Return a folder behind a protocol that Polars does not read by itself."""
    import pyarrow.dataset

    from ..tables.places import place_of

    place = place_of(folder)
    return pyarrow.dataset.dataset(place.path, format="parquet", filesystem=place.filesystem)


def _enums_of(columns: Columns, schema: Schema | None) -> dict[str, pl.Enum]:
    fields = schema.fields if schema is not None else ()
    return {
        name: pl.Enum(list(field.categories))
        for answer in columns.answers
        for name, field in zip(answer.fields, fields, strict=True)
        if field.dtype == "category" and all(isinstance(label, str) for label in field.categories)
    }


def to_pandas(given: pl.DataFrame | pl.Series, of: Any = None) -> Any:
    """Return a frame (or series) for the verbs that stand on pandas; `of` is what it is a part of.

    Each cell is the Python value that a prompt reads, and the frame knows the runs that made it.
    """
    from ..tables.chunk import cells

    frame = given.to_frame() if isinstance(given, pl.Series) else given
    table = to_arrow(frame)
    columns = {
        name: pd.Series(cells(table.column(name)), dtype=_pandas_type(frame.schema[name])) for name in frame.columns
    }
    found = pd.DataFrame(columns, index=range(frame.height))
    for run_id in (run_id for made in known_maps(given if of is None else of) for run_id in made.run_ids):
        sign_pandas(found, found, run_id)
    return found if isinstance(given, pl.DataFrame) else found.iloc[:, 0]


def _pandas_type(dtype: pl.DataType) -> Any:
    """Return a type that changes no value, and from which labels to choose from can be told."""
    if isinstance(dtype, pl.Enum):
        return pd.CategoricalDtype(dtype.categories.to_list())
    return "boolean" if dtype == pl.Boolean else object
