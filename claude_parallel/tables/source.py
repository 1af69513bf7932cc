"""A table in files, as one schema and a stream of chunks.

Reads Parquet, CSV and Arrow files, plain or compressed, one after the other and a piece at a time (JSON lines:
``json_source``); where the files lie is in ``places``. Each format's own reader is used and not a scan of a dataset,
which reads ahead: six times the memory in 3 million rows of one Parquet file. Nothing is guessed from a part of the
data: CSV cells are the text they are.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..errors import InputError, nearest
from .arrow_source import ArrowSource
from .chunk import PIECE_ROWS, Chunk
from .formats import not_utf8
from .json_source import JsonSource
from .places import Paths, Place, common_format, find_files

_BLOCK_BYTES = 4 << 20
"""Bytes of a CSV file that are read at a time. No cell can be longer, and 4 MiB are more than a request may hold in
text that a model can take (1,000,000 tokens of about 4 bytes)."""

_BUFFER_BYTES = 1 << 20
"""Read from a Parquet file at a time, so that a row group need not lie in memory as bytes, too."""

_DELIMITERS = (",", "\t", ";", "|")


class Source(Protocol):
    """A table that can be read from its first row to its last, as often as is needed."""

    @property
    def schema(self) -> Any:
        """The Arrow schema of the whole input."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that a prompt may read."""
        ...

    @property
    def total(self) -> int | None:
        """Rows in all; None where nobody knows before the last one."""
        ...

    def type_of(self, name: str) -> Any:
        """Return a column's Arrow type; None where every row may have its own (JSON lines)."""
        ...

    def chunks(self, rows: int, most_bytes: int) -> Iterator[Chunk]:
        """Yield the rows in order, `rows` at a time, or fewer where they would hold more than `most_bytes`."""
        ...

    def identity(self) -> list[Any]:
        """Return what tells this very input from another, as JSON values."""
        ...

    def digest(self, chunk: Any) -> str:
        """Return what tells the rows of a chunk from others; nothing where the identity does."""
        ...


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a table: its schema, its rows where they are known, and how to read it."""

    place: Place
    schema: Any
    total: int | None
    batches: Callable[[], Iterator[Any]]


def open_source(paths: Paths, *, dtype: Mapping[str, Any] | None = None) -> Source:
    """Return the table that files hold together.

    Parameters
    ----------
    paths : path or list of paths
        A file, a list, a glob pattern or a folder; ``key=value`` folders below it become columns.
    dtype : mapping of str to type, optional
        CSV only: Arrow types (or their names, such as ``"int64"``) of columns that are not to stay text.

    Raises
    ------
    InputError
        For files that are missing, of unknown or mixed format, damaged, or that disagree about a column.
    """
    places = find_files(paths)
    form = common_format(places)
    if dtype and form.name != "csv":
        raise InputError(f"dtype= is for CSV files; the columns of {form.name} files have their types already")
    if form.name == "jsonl":
        return JsonSource(places)
    types = {name: _arrow_type(name, kind) for name, kind in (dtype or {}).items()}
    openers: dict[str, Callable[[Place], _Part]] = {
        "parquet": _open_parquet,
        "arrow": _open_arrow,
        "csv": lambda place: _open_csv(place, types),
    }
    parts = [_guarded(openers[form.name], place) for place in places]
    keys = _key_types(places, is_text=form.name == "csv")
    schema = _common_schema(parts, keys)
    totals = [part.total for part in parts]
    return ArrowSource(
        schema,
        lambda: (batch for part in parts for batch in _read(part, schema)),
        sum(total for total in totals if total is not None) if None not in totals else None,
        tuple(place.identity() for place in places),
    )


# -- one file --------------------------------------------------------------------------------------------------------


def _guarded(opener: Callable[[Place], _Part], place: Place) -> _Part:
    try:
        return opener(place)
    except UnicodeDecodeError as error:
        raise InputError(f"{place.shown} is {not_utf8(error.object)}") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place.shown} cannot be read: {error}") from None


def _read(part: _Part, schema: Any) -> Iterator[Any]:
    """Yield the batches of a file as the common schema has them."""
    try:
        for batch in part.batches():
            yield _aligned(batch, part.place, schema)
    except (pa.ArrowException, OSError) as error:
        what = f"is {not_utf8()}" if "UTF8" in str(error) else f"cannot be read to its end: {error}"
        raise InputError(f"{part.place.shown} {what}") from None


def _open_parquet(place: Place) -> _Part:
    def batches() -> Iterator[Any]:
        with place.filesystem.open_input_file(place.path) as stream:
            file = pyarrow.parquet.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER_BYTES)
            yield from file.iter_batches(batch_size=PIECE_ROWS)

    with place.filesystem.open_input_file(place.path) as stream:
        file = pyarrow.parquet.ParquetFile(stream)
        return _Part(place, file.schema_arrow, file.metadata.num_rows, batches)


def _open_arrow(place: Place) -> _Part:
    def batches() -> Iterator[Any]:
        with place.filesystem.open_input_file(place.path) as stream:
            reader = pa.ipc.open_file(stream)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                for start in range(0, batch.num_rows, PIECE_ROWS):
                    yield batch.slice(start, PIECE_ROWS)

    with place.filesystem.open_input_file(place.path) as stream:
        return _Part(place, pa.ipc.open_file(stream).schema, None, batches)


def _open_csv(place: Place, types: Mapping[str, Any]) -> _Part:
    delimiter, names, has_rows = _header(place)
    unknown = next((name for name in types if name not in names), None)
    if unknown is not None:
        raise InputError(f"dtype: there is no column {unknown!r}; {nearest(unknown, names)}")
    schema = pa.schema([(name, types.get(name, pa.string())) for name in names])

    read = pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict(zip(names, schema.types, strict=True)), strings_can_be_null=False
    )

    def batches() -> Iterator[Any]:
        if not has_rows:  # pyarrow takes a header without a line end for an empty file
            return
        last = None
        with place.filesystem.open_input_stream(place.path) as stream:
            for last in pyarrow.csv.open_csv(stream, read, parse, convert):
                yield last
        if last is not None and len(last):
            _check_end(place, last.column(len(names) - 1)[len(last) - 1].as_py())

    return _Part(place, schema, None, batches)


def _check_end(place: Place, cell: Any) -> None:
    """Refuse a file that ends within quotes: for pyarrow, all lines behind the opening one are text of the last cell.

    Raises
    ------
    InputError
        Saying so.
    """
    if not (isinstance(cell, str) and "\n" in cell):  # nearly always, without a look at the file
        return
    end = b""
    with place.filesystem.open_input_stream(place.path) as stream:
        while block := stream.read(_BLOCK_BYTES):
            end = (end + block).rstrip(b"\r\n")[-1:] or end
    if end != b'"':
        raise InputError(
            f"{place.shown} ends within quotes: the quotation mark before {cell[:40]!r} is never closed, so that the "
            "lines behind it are no rows; mend it"
        )


def _header(place: Place) -> tuple[str, list[str], bool]:
    """Return the delimiter and the names of the columns, as the first line tells them, and whether more follows."""
    stream = place.filesystem.open_input_stream(place.path)
    with io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        line = next((line for line in iter(lambda: text.readline(_BLOCK_BYTES), "") if line.strip()), "")
        if not line:
            raise InputError(f"{place.shown} is empty: a CSV file begins with the names of its columns")
        delimiter = max(_DELIMITERS, key=lambda mark: len(next(csv.reader([line], delimiter=mark))))
        stream_again = place.filesystem.open_input_stream(place.path)
    with io.TextIOWrapper(stream_again, "utf-8-sig", newline="") as text:
        names = next(row for row in csv.reader(text, delimiter=delimiter) if row)  # blank lines are no rows
        return delimiter, names, bool(text.read(1))


def _arrow_type(name: str, kind: Any) -> Any:
    if isinstance(kind, pa.DataType):
        return kind
    text = {"str": "string", "float": "float64", "int": "int64"}.get(getattr(kind, "__name__", str(kind)), str(kind))
    try:
        return pa.type_for_alias(text.lower())
    except ValueError:
        raise InputError(
            f"dtype: {kind!r} for column {name!r} is no type of Arrow, such as 'int64' or 'date32'"
        ) from None


# -- many files as one table -----------------------------------------------------------------------------------------


def _common_schema(parts: Sequence[_Part], keys: Mapping[str, Any]) -> Any:
    whole = parts[0].schema
    if not all(part.schema.equals(whole, check_metadata=True) for part in parts):
        for part in parts:
            _check_distinct(part)
        try:
            whole = pa.unify_schemas([part.schema for part in parts])
        except pa.ArrowException as error:
            raise InputError(f"the files disagree about the type of a column: {error}") from None
    for name, kind in keys.items():
        if name not in whole.names:
            whole = whole.append(pa.field(name, kind))
    return whole


def _check_distinct(part: _Part) -> None:
    for name, count in Counter(part.schema.names).items():
        if count > 1:
            raise InputError(
                f"{part.place.shown} has {count} columns {name!r}, and another file has others; rename all but one"
            )


def _aligned(batch: Any, place: Place, schema: Any) -> Any:
    """Return a batch with exactly the columns of `schema`: those that the file lacks are missing or in its path."""
    if batch.schema.equals(schema):
        return batch
    keys = dict(place.keys)
    columns = [_column(batch, field, keys.get(field.name)) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _column(batch: Any, field: Any, key: str | None) -> Any:
    if field.name in batch.schema.names:
        column = batch.column(field.name)
        return column if column.type == field.type else column.cast(field.type)
    value = key if key is None or not pa.types.is_integer(field.type) else int(key)
    return pa.array([value] * len(batch), field.type)


def _key_types(places: Sequence[Place], *, is_text: bool) -> dict[str, Any]:
    """Return the type of each ``key=value`` of the paths: whole numbers where they are written as such throughout."""
    found: dict[str, list[str | None]] = {}
    for place in places:
        for name, value in place.keys:
            found.setdefault(name, []).append(value)
    return {
        name: pa.int32() if not is_text and all(map(_is_number, values)) else pa.string()
        for name, values in found.items()
    }


def _is_number(text: str | None) -> bool:
    return text is None or (text.isascii() and text.isdigit() and str(int(text)) == text and int(text) < 2**31)
