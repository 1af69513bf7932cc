"""Input columns come out exactly as they went in, whatever the format, the values and the size of a chunk."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from claude_parallel.tables.formats import format_of
from claude_parallel.tables.manifest import Tally
from claude_parallel.tables.rendering import texts
from claude_parallel.tables.source import open_source
from claude_parallel.tables.target import Output, open_target
from claude_parallel.tables.writers import Layout
from tests.tables.tables_world import map_file
from tests.worlds import world

NEW = pa.schema([("said", pa.string()), ("said_error", pa.string()), ("said_cost", pa.float64())])
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def copy(source: Path, target: Path, *, rows: int = 3, columns: list[str] | None = None) -> int:
    """Send a file through a source and a target, with new columns of which the first rows are missing."""
    opened = open_source(source)
    output = Output(Layout(opened, NEW, columns), "job")
    goal = open_target(target, output, format_of(str(source)), source=source, overwrite=False)
    count = 0
    for number, chunk in enumerate(opened.chunks(rows, 1 << 20)):
        said = [None if number == 0 else f"said {count + row}" for row in range(len(chunk))]
        new = pa.table([said, [None] * len(chunk), [0.5] * len(chunk)], schema=NEW)
        goal.write(number, chunk, new, Tally(len(chunk)))
        count += len(chunk)
    goal.complete()
    return count


ATOMS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]))),
    (pa.large_string(), st.text(st.characters(exclude_categories=["Cs"]))),
    (pa.binary(), st.binary()),
    (pa.large_binary(), st.binary()),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.decimal128(10, 2), st.decimals(-99999999, 99999999, places=2)),
    (pa.decimal256(50, 5), st.decimals(-(10**40), 10**40, places=5)),
    (pa.timestamp("us", "Europe/Berlin"), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))),
    (pa.timestamp("ms", "+05:30"), st.integers(-(2**40), 2**40)),
    (pa.timestamp("ns"), st.integers(-(2**60), 2**60)),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.time32("ms"), st.integers(0, 86_399_999)),
    (pa.duration("us"), st.integers(-(2**50), 2**50)),
    (pa.null(), st.none()),
]
WRAPPED = ["list", "large list", "struct", "map", "list of structs", "struct of lists", "dictionary"]


@st.composite
def typed(draw: Any) -> tuple[Any, st.SearchStrategy[Any]]:
    """Return an Arrow type and a strategy for its values, perhaps nested or in a dictionary."""
    kind, values = draw(st.sampled_from(ATOMS))
    wrap = draw(st.sampled_from(["plain"] * 4 + WRAPPED))
    optional = st.none() | values
    lists, structs = st.lists(optional, max_size=3), st.fixed_dictionaries({"inner": optional})
    if pa.types.is_null(kind) and wrap != "struct":  # Parquet itself has no lists of nothing
        return kind, values
    wrapped: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
        "list": (pa.list_(pa.field("element", kind)), lists),
        "large list": (pa.large_list(pa.field("element", kind)), lists),
        "struct": (pa.struct([("inner", kind)]), structs),
        "map": (pa.map_(pa.string(), kind), st.lists(st.tuples(st.text("ab", max_size=2), optional), max_size=3)),
        "list of structs": (
            pa.list_(pa.field("element", pa.struct([("inner", kind)]))),
            st.lists(st.none() | structs, max_size=2),
        ),
        "struct of lists": (
            pa.struct([("inner", pa.list_(pa.field("element", kind)))]),
            st.fixed_dictionaries({"inner": st.none() | lists}),
        ),
    }
    if wrap == "dictionary" and pa.types.is_string(kind):
        return pa.dictionary(pa.int32(), kind), values
    return wrapped.get(wrap, (kind, values))


@st.composite
def tables(draw: Any) -> Any:
    """Return an Arrow table of up to four columns and twelve rows, with missing values and metadata."""
    size = draw(st.integers(0, 12))
    odd = st.sampled_from(["a.b", "a b", 'a"b', "a,b", "{a}", "a\\b", "größe", "値", "a/b", "a=b", "a:b", "[0]", "'"])
    some = odd | st.text(min_size=1, max_size=5).filter(_is_name)
    names = draw(st.lists(some, min_size=1, max_size=4, unique=True))
    columns, fields = [], []
    for name in names:
        kind, values = draw(typed())
        cells = draw(st.lists(st.none() | values, min_size=size, max_size=size))
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        column = pa.array(cells, plain)
        columns.append(column.dictionary_encode() if plain is not kind else column)
        fields.append(pa.field(name, kind, metadata=draw(st.sampled_from([None, {b"unit": b"USD"}]))))
    return pa.table(columns, schema=pa.schema(fields, metadata={b"made": b"by a test"}))


def _is_name(name: str) -> bool:
    return name.isprintable() and not name.startswith("said") and "\x00" not in name


def _read_arrow(path: Path) -> Any:
    with pa.ipc.open_file(path) as reader:
        return reader.read_all()


@quick
@given(table=tables(), rows=st.integers(1, 13))
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_typed_table_comes_out_as_it_went_in(ending: str, table: Any, rows: int) -> None:
    """Types, nulls, nested values, decimals, zones, dictionaries and metadata, to the last bit."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"in.{ending}"), Path(folder, f"out.{ending}")
        if ending == "parquet":
            pq.write_table(table, source, row_group_size=5)
        else:
            with pa.ipc.new_file(source, table.schema) as writer:
                writer.write_table(table, max_chunksize=5)
        read = pq.read_table if ending == "parquet" else _read_arrow
        before = read(source)
        copy(source, target, rows=rows)
        after = read(target)

    assert after.schema.names == [*before.schema.names, *NEW.names]
    assert after.select(before.schema.names).schema.equals(before.schema, check_metadata=True)
    assert after.select(before.schema.names).to_pylist() == before.to_pylist()
    assert [after.schema.field(name).type for name in NEW.names] == NEW.types


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
awkward = st.sampled_from(
    ["00000", "NA", "", "null", "1e5", "9007199254740993", "2020-01-01", '"', ",", "\r", "\n", " "]
)


@quick
@given(data=st.data(), rows=st.integers(1, 9), width=st.integers(1, 4))
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst", "csv.bz2", "tsv"])
def test_csv_cells_are_the_text_that_they_are(ending: str, data: Any, rows: int, width: int) -> None:
    """No number, date or missing value is seen in what is text."""
    row = st.lists(awkward | cells, min_size=width, max_size=width)
    table = [[f"c{number}" for number in range(width)], *data.draw(st.lists(row, max_size=9))]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"in.{ending}"), Path(folder, f"out.{ending}")
        _write_csv(source, table, "\t" if ending == "tsv" else ",")
        count = copy(source, target, rows=rows)
        after = _read_csv(target, "\t" if ending == "tsv" else ",")

    assert count == len(table) - 1
    assert [row[:width] for row in after] == table
    assert after[0][width:] == NEW.names


def _write_csv(path: Path, table: list[list[str]], delimiter: str) -> None:
    with pa.output_stream(path, compression="detect") as stream:
        for row in table:
            quoted = (f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row)
            stream.write((delimiter.join(quoted) + "\r\n").encode())


def _read_csv(path: Path, delimiter: str) -> list[list[str]]:
    with pa.input_stream(path, compression="detect") as stream:
        text = stream.read().decode()
    lines = csv.reader(_Lines(text), delimiter=delimiter, strict=True)
    return list(lines)


class _Lines:
    """Text as lines that end in a line feed and nowhere else."""

    def __init__(self, text: str) -> None:
        self._lines = iter(text.split("\n")[:-1])

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        return next(self._lines) + "\n"


numbers = st.sampled_from(["1.10", "0", "-0", "1e400", "12345678901234567890123", "0.1", "1E-7"])
literals = (
    numbers
    | st.text(st.characters(exclude_categories=["Cs"])).map(json.dumps)
    | st.sampled_from(
        ["null", "true", '"2020-01-01"', '"\\ud83d\\ude00"', '"\\ud83d"', "[1.0, {}]", '{"b": 1.50, "a": []}']
    )
)
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), literals, max_size=4)


@quick
@given(
    rows_of=st.lists(objects, min_size=1, max_size=9), rows=st.integers(1, 9), space=st.sampled_from(["", " ", "\t"])
)
@pytest.mark.parametrize("ending", ["jsonl", "ndjson.gz", "json"])
def test_json_values_stand_as_they_stand(ending: str, rows_of: list[dict[str, str]], rows: int, space: str) -> None:
    """Digits, escapes, order of keys: a line's own text is in the output, with the new keys behind it."""
    lines = [_json_object(row, space) for row in rows_of]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"in.{ending}"), Path(folder, f"out.{ending}")
        with pa.output_stream(source, compression="detect") as stream:
            stream.write("\n".join(lines).encode())
        copy(source, target, rows=rows)
        with pa.input_stream(target, compression="detect") as stream:
            after = stream.read().decode().split("\n")[:-1]

    for row, line in zip(rows_of, after, strict=True):
        found = json.loads(line, parse_float=str, parse_int=str)
        assert list(found) == [key for key in row if key not in NEW.names] + NEW.names
        for key, text in row.items():
            if key not in NEW.names:
                assert text in line
                assert found[key] == json.loads(text, parse_float=str, parse_int=str)


def _json_object(row: dict[str, str], space: str) -> str:
    return "{" + ",".join(f"{space}{json.dumps(key)}{space}:{space}{text}{space}" for key, text in row.items()) + "}"


def test_json_keys_that_are_made_anew_are_replaced(tmp_path: Path) -> None:
    """Also a key that is written with an escape; what is not kept goes."""
    source = tmp_path / "in.jsonl"
    source.write_text('{"a": 1.10, "sa\\u0069d": "old", "b": [1, 2]}\n')
    copy(source, tmp_path / "out.jsonl", columns=["a"])

    assert (tmp_path / "out.jsonl").read_text() == '{"a": 1.10, "said": null, "said_error": null, "said_cost": 0.5}\n'


def test_formats_cross_over(tmp_path: Path) -> None:
    """Typed values as text keep their digits; JSON lines get one schema for all of their rows."""
    source = tmp_path / "in.parquet"
    table = pa.table(
        {
            "price": pa.array([decimal.Decimal("1.10"), None], pa.decimal128(10, 2)),
            "at": pa.array([1, None], pa.timestamp("ns", "UTC")),
            "list": pa.array([[1, None], None], pa.list_(pa.int64())),
            "raw": pa.array([b"\xff", None], pa.binary()),
        }
    )
    pq.write_table(table, source)
    copy(source, tmp_path / "out.jsonl")
    copy(source, tmp_path / "out.csv")
    first, second = (tmp_path / "out.jsonl").read_text().splitlines()
    copy(tmp_path / "out.jsonl", tmp_path / "back.parquet")

    assert first.startswith('{"price": 1.10, "at": "1970-01-01 00:00:00.000000001Z", "list": [1, null], "raw": "/w=="')
    assert second.startswith('{"price": null, "at": null, "list": null, "raw": null')
    assert (
        (tmp_path / "out.csv")
        .read_text()
        .splitlines()[1]
        .startswith('1.10,1970-01-01 00:00:00.000000001Z,"[1, null]",/w==')
    )
    assert pq.read_table(tmp_path / "back.parquet").column("price").to_pylist() == [1.1, None]


def test_json_of_many_shapes_becomes_one_table(tmp_path: Path) -> None:
    """A key that is missing, late, mixed or too large for a number has a column that changes nothing."""
    source = tmp_path / "in.jsonl"
    rows = ['{"a": 1}', '{"a": 2.5, "late": {"x": [1]}}', '{"mixed": "t", "big": 9007199254740993}', '{"mixed": [1]}']
    source.write_text("\n".join([*rows, '{"big": 1.5, "empty": {}, "id": 1}', '{"id": "2"}', '{"id": [3, "x"]}']))
    copy(source, tmp_path / "out.parquet", rows=2)
    found = pq.read_table(tmp_path / "out.parquet")

    assert found.column("a").to_pylist() == [1.0, 2.5, *[None] * 5]
    assert found.column("late").to_pylist()[1] == {"x": [1]}
    assert found.column("mixed").to_pylist() == [None, None, "t", "[1]", *[None] * 3]
    assert found.column("big").to_pylist() == [None, None, "9007199254740993", None, "1.5", None, None]
    assert found.column("empty").to_pylist()[4] == "{}"
    assert found.column("id").to_pylist()[4:] == ["1", "2", '[3, "x"]']


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_numbers_and_missing_cells_among_texts_of_json_stay_what_they_are(tmp_path: Path, ending: str) -> None:
    """Python's own json writes a missing cell as NaN: that is no text; and a number keeps its digits."""
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{ending}"
    source.write_text('{"note": "x"}\n{"note": NaN}\n{"note": null}\n{"note": 1.10}\n{"note": 1e400}\n{"note": true}\n')
    copy(source, target)
    found = pq.read_table(target)["note"].to_pylist() if ending == "parquet" else [r[0] for r in _read_csv(target, ",")]
    assert [note or None for note in found if note != "note"] == ["x", None, None, "1.10", "1e400", "true"]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_columns_that_are_not_kept_go(tmp_path: Path, ending: str) -> None:
    """In the order of the input; one that is made anew stands where the old one stood."""
    source, target = tmp_path / "in.csv", tmp_path / f"out.{ending}"
    source.write_text("said,a,b,c\nold,1,2,3\n")
    copy(source, target, columns=["c", "said", "a"])
    found = pq.read_table(target).to_pylist() if ending == "parquet" else _read_csv(target, ",")

    if ending == "csv":
        assert found == [["said", "a", "c", "said_error", "said_cost"], ["", "1", "3", "", "0.5"]]
    else:
        assert found == [{"said": None, "a": "1", "c": "3", "said_error": None, "said_cost": 0.5}]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), rows=st.integers(1, 13), into_folder=st.booleans())
@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "jsonl"])
def test_a_mapped_file_is_the_same_table_and_the_answers(ending: str, data: Any, rows: int, into_folder: bool) -> None:
    """The law of ``map_file``, whatever the table and the cut: all rows, in order, changed in nothing."""
    table = data.draw(tables())
    assume(len(table) or ending != "jsonl")  # without a line nobody knows its columns, and the template names one
    asked = pa.array([data.draw(st.sampled_from(["one", "two", "", None])) for _ in range(len(table))], pa.string())
    table = table.append_column("said", asked) if data.draw(st.booleans()) else table
    table = table.append_column("text to ask", asked)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"in.{ending}")
        _write(source, table, ending)
        target = f"{folder}/out/" if into_folder else f"{folder}/out.{ending}"
        result = map_file(world(), source, target, "Say {text to ask}", chunk_rows=rows, out="answer")
        made = sorted(Path(target).glob("part*")) if into_folder else [Path(target)]
        before, after = _read(source, ending), [row for path in made for row in _read(path, ending)]

    new = ("answer", "answer_error", "answer_cost")
    assert result.rows == len(table) == len(after)
    assert [{name: cell for name, cell in row.items() if name not in new} for row in after] == before
    for row, text in zip(after, asked.to_pylist(), strict=True):
        assert (row["answer"] or None) == (f"Simulated: Say {text}" if text else None)


def _write(path: Path, table: Any, ending: str) -> None:
    if ending == "parquet":
        pq.write_table(table, path, row_group_size=5)
    elif ending == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
    else:
        names, columns = table.schema.names, [texts(column) for column in table.columns]
        cells = [["" if cell is None else cell for cell in row] for row in zip(*columns, strict=True)]
        if ending == "csv":
            _write_csv(path, [names, *cells], ",")
        else:
            rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _read(path: Path, ending: str) -> list[dict[str, Any]]:
    if ending == "parquet":
        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return found
    if ending == "arrow":
        return list(_read_arrow(path).to_pylist())
    if ending == "csv":
        names, *rows = _read_csv(path, ",")
        return [dict(zip(names, row, strict=True)) for row in rows]
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
