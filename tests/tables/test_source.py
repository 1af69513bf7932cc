"""Sources: files of all sorts as one table with one schema; what cannot be read is one clear line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import claude_parallel as cp
from claude_parallel.errors import InputError
from claude_parallel.tables.json_lines import parse_line
from claude_parallel.tables.places import find_files
from claude_parallel.tables.source import open_source


def rows_of(source: Any, rows: int = 2, most_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    """Return all rows of a source."""
    return [row for chunk in source.chunks(rows, most_bytes) for row in chunk.table().to_pylist()]


@pytest.fixture
def hive(tmp_path: Path) -> Path:
    """Return a folder of partitions with a hidden file."""
    for folder, text in {"land=NA/zip=00501": "a", "land=DE/zip=01067": "b"}.items():
        (tmp_path / folder).mkdir(parents=True)
        pq.write_table(pa.table({"t": [text]}), tmp_path / folder / "part.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    return tmp_path


def test_partitions_of_a_folder_become_columns(hive: Path) -> None:
    """As the text they are: neither a missing value nor a number is seen in them."""
    source = open_source(hive)

    assert rows_of(source) == [{"t": "b", "land": "DE", "zip": "01067"}, {"t": "a", "land": "NA", "zip": "00501"}]
    assert source.total == 2
    assert rows_of(open_source(f"{hive}/*/*/part.parquet")) == rows_of(source)
    assert rows_of(open_source(hive / "land=NA" / "zip=00501" / "part.parquet")) == [{"t": "a"}]


def test_partitions_written_as_numbers_are_numbers(tmp_path: Path) -> None:
    """As Arrow, Spark and Hive read them."""
    for year in (2024, 2025):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(pa.table({"t": ["a"]}), tmp_path / f"year={year}" / "part.parquet")

    assert [row["year"] for row in rows_of(open_source(tmp_path))] == [2024, 2025]


def test_files_make_one_table(tmp_path: Path) -> None:
    """In the order of the list; a column that one file lacks, or has without any value, is missing there."""
    tables = [pa.table({"t": ["a"], "n": [1]}), pa.table({"t": ["b"]}), pa.table({"n": pa.nulls(1), "t": ["c"]})]
    for number, table in enumerate(tables):
        pq.write_table(table, tmp_path / f"{number}.parquet")
    source = open_source([tmp_path / "2.parquet", tmp_path / "0.parquet", tmp_path / "1.parquet"])

    assert rows_of(source) == [{"n": None, "t": "c"}, {"n": 1, "t": "a"}, {"n": None, "t": "b"}]


def test_files_that_disagree_are_told(tmp_path: Path) -> None:
    """No value is changed to make them fit."""
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"n": ["1"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="disagree about the type"):
        open_source(tmp_path)


def test_csv_columns_get_types_where_they_are_asked_for(tmp_path: Path) -> None:
    """All others stay text; a cell that does not fit is told with its file."""
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress("\ufeffid;price;day\n007;1.50;2024-02-29\n008;;\n".encode()))
    source = open_source(path, dtype={"price": float, "day": "date32"})

    assert [row["id"] for row in rows_of(source)] == ["007", "008"]
    assert [row["price"] for row in rows_of(source)] == [1.5, None]
    with pytest.raises(InputError, match=r"in\.csv\.gz cannot be read to its end"):
        rows_of(open_source(path, dtype={"day": "int64"}))
    with pytest.raises(InputError, match="no column 'prise'"):
        open_source(path, dtype={"prise": "int64"})


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "a\n\n"])
def test_a_header_without_rows_is_a_table(tmp_path: Path, text: str) -> None:
    """Of no rows."""
    path = tmp_path / "in.csv"
    path.write_text(text)

    assert rows_of(open_source(path)) == []


def test_chunks_hold_so_many_rows_or_bytes(tmp_path: Path) -> None:
    """Whatever the file's own groups are, and the same at every reading."""
    pq.write_table(pa.table({"t": ["x" * 1_000] * 25}), tmp_path / "in.parquet", row_group_size=7)
    source = open_source(tmp_path / "in.parquet")

    assert [len(chunk) for chunk in source.chunks(10, 1 << 30)] == [10, 10, 5]
    assert [len(chunk) for chunk in source.chunks(10, 4_500)] == [5] * 5  # a row over the limit at most
    assert [len(chunk) for chunk in source.chunks(10, 1)] == [1] * 25


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", b"", "begins with the names of its columns"),
        ("in.csv", b"a,b\n1\n", "cannot be read to its end"),
        ("in.csv", b"a\n\xff\n", "is not UTF-8: `iconv"),
        ("in.csv", b"a\n" + b"x\n" * 10_000 + b"\xff\n", "is not UTF-8: `iconv"),
        ("in.csv", "a\nb\n".encode("utf-16"), "is not UTF-8 but UTF-16"),
        ("in.csv", b"\n \n", "begins with the names of its columns"),
        ("in.csv", b'a,b\n1,"two\n3,four\n', "ends within quotes: the quotation mark before 'two"),
        ("in.parquet", b"PAR1", "cannot be read"),
        ("in.jsonl", b'{"a": 1}\n{"a": \n', "line 2, is not valid JSON"),
        ("in.jsonl", b'[{"a": 1}]\n', "jq -c"),
        ("in.jsonl", b'{"a": "\xff"}\n', "line 1, is not UTF-8"),
        ("in.jsonl", '{"a": 1}'.encode("utf-16"), "is not UTF-8 but UTF-16"),
        ("in.csv.gz", b"a,b\n", "cannot be read"),
        ("in.xlsx", b"", "no known ending"),
        ("in.parquet.gz", b"", "compress themselves"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """With its file, and its line where there are lines."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        rows_of(open_source(tmp_path / name))


@pytest.mark.parametrize("source", [pa.table({"t": ["a"]}), None, b"in.csv", [1]])
def test_what_is_no_path_is_told(source: Any) -> None:
    """A frame above all: it has a map of its own."""
    with pytest.raises(InputError, match="must be a path or a list of paths") as caught:
        open_source(source)
    assert ("cp.map" in str(caught.value)) == isinstance(source, pa.Table)


def test_blank_lines_before_the_header_are_no_rows(tmp_path: Path) -> None:
    """As they are none after it."""
    (tmp_path / "in.csv").write_text("\n\na,b\n\n1,2\n")
    assert rows_of(open_source(tmp_path / "in.csv")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("source", "words"),
    [("no.csv", "there is no file"), ("*.csv", "no file matches"), ("", "no file to read"), ("in", "several formats")],
)
def test_what_is_not_there_is_told(tmp_path: Path, source: str, words: str) -> None:
    """A list of nothing, a pattern without a match, a folder of all sorts."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("a\n")
    (tmp_path / "in" / "b.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=words):
        open_source(f"{tmp_path}/{source}" if source else [])


@pytest.mark.parametrize("end", ['"', '"\n', '"\r\n', '"\n\n'])
def test_a_last_cell_of_several_lines_is_a_cell(tmp_path: Path, end: str) -> None:
    """Its quotes are closed."""
    (tmp_path / "in.csv").write_bytes(f'a,b\n1,"two\nlines{end}'.encode())
    (chunk,) = open_source(tmp_path / "in.csv").chunks(10, 1_000)
    assert chunk.rows(["b"], 0, 1) == [("two\nlines",)]


def test_a_nan_of_json_is_missing(tmp_path: Path) -> None:
    """Python writes it where a number is missing; nobody is asked about "nan"."""
    (tmp_path / "in.jsonl").write_text('{"a": NaN, "b": 1}\n')
    (chunk,) = open_source(tmp_path / "in.jsonl").chunks(10, 1_000)
    assert chunk.rows(["a", "b"], 0, 1) == [(None, 1)]


def test_numbers_of_json_keep_their_digits() -> None:
    """In a prompt, with and without a format."""
    price = parse_line('{"price": 1.10}', "here")["price"]

    assert f"{price} {price:.3f} {price!r} {price + 1:.1f}" == "1.10 1.100 1.10 2.1"


def test_a_file_of_lines_without_a_line_is_said_to_be_one(tmp_path: Path) -> None:
    """Not that a column does not exist."""
    source = tmp_path / "empty.jsonl"
    source.write_text("\n")
    with pytest.raises(InputError, match=r"empty\.jsonl holds no row"):
        cp.map_file(source, tmp_path / "out.jsonl", "Say {t}")


def test_a_pattern_behind_a_protocol_finds_files_by_their_whole_path(tmp_path: Path) -> None:
    """A path on this machine begins with a slash, a bucket does not."""
    (tmp_path / "year=2026").mkdir()
    (tmp_path / "year=2026" / "a.csv").write_text("t\n1\n")
    (found,) = find_files(f"file://{tmp_path}/*/*.csv")
    assert found.path == str(tmp_path / "year=2026" / "a.csv")
    assert found.keys == (("year", "2026"),)
