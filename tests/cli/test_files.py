"""Files larger than memory, and the command line over them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import claude_parallel as cp
from claude_parallel.cli.files import map_file
from claude_parallel.cli.main import app, main

FRAME = pd.DataFrame({"t": [f"text {n}" for n in range(7)], "n": range(7)})


def _write(path: Path) -> Path:
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        FRAME.to_parquet(path)
    elif path.suffix == ".csv":
        FRAME.to_csv(path, index=False)
    else:
        FRAME.to_json(path, orient="records", lines=True)
    return path


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_file_comes_back_with_the_answers(tmp_path: Path, ending: str) -> None:
    """In chunks, in order, with the three columns; an error in one chunk does not change the types."""
    source = _write(tmp_path / f"in.{ending}")
    target = tmp_path / f"out.{ending}"
    with cp.simulator(None, latency_seconds=0, script={5: "refusal"}):
        totals = map_file(source, target, "Say {t}", out="said", options={"progress": False}, chunk_rows=3)
    found = _read(target)

    assert found["t"].tolist() == FRAME["t"].tolist()
    assert (totals.rows, totals.errors) == (7, 1)
    assert found["said_error"].notna().sum() == 1
    assert not list(tmp_path.glob("*.part"))


def test_a_budget_holds_for_the_whole_file(tmp_path: Path) -> None:
    """Later chunks get what earlier ones left."""
    source = _write(tmp_path / "in.csv")
    with cp.simulator(None, latency_seconds=0), pytest.warns(UserWarning, match="budget"):
        totals = map_file(
            source,
            tmp_path / "out.csv",
            "Say {t}",
            out="said",
            options={"progress": False, "budget": 0.00018, "max_tokens": 200},
            chunk_rows=2,
        )

    assert float(totals.cost_usd) <= 0.00018
    assert totals.rows == 7


@pytest.mark.parametrize(("name", "words"), [("in.xlsx", "only"), ("missing.csv", "no file")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, words: str) -> None:
    """Before anything is asked."""
    with pytest.raises(cp.InputError, match=words):
        map_file(tmp_path / name, tmp_path / "out.csv", "{t}", out="o", options={}, chunk_rows=5)


def test_the_command_maps_a_file(tmp_path: Path) -> None:
    """`claude-parallel map ... --simulate` writes the output and prints the totals."""
    source = _write(tmp_path / "in.csv")
    arguments = ["map", str(source), "-p", "Say {t}", "-o", str(tmp_path / "out.csv"), "--simulate"]
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 0, result.output
    assert "7 rows, 0 errors" in result.output
    assert len(pd.read_csv(tmp_path / "out.csv")) == 7


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake of the user is no traceback."""
    source = _write(tmp_path / "in.csv")
    with pytest.raises(SystemExit) as stopped:
        main(["map", str(source), "-p", "Say {x}", "-o", str(tmp_path / "out.csv"), "--simulate"])

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("claude-parallel: the prompt names the column 'x'")


def test_runs_and_journal_commands(tmp_path: Path) -> None:
    """The records can be looked at and cleared from the command line."""
    runner = CliRunner()
    with cp.simulator(None, latency_seconds=0):
        cp.map(["a"], progress=False)
        shown, pruned, cleared = (
            runner.invoke(app, ["journal", *arguments]).output
            for arguments in (["show"], ["prune", "--older-than", "30d"], ["clear", "--yes"])
        )
        cp.map(["a"], progress=False)

    assert "claude-haiku-5-5" in runner.invoke(app, ["runs"]).output
    assert "1 answers" in shown
    assert "0 answers deleted" in pruned
    assert "1 answers deleted" in cleared
    assert "0 answers deleted" in runner.invoke(app, ["journal", "clear", "--yes"]).output


def test_the_demo_runs_without_a_key() -> None:
    """`make demo` in small: a frame, totals, live prices, how to go live."""
    output = CliRunner().invoke(app, ["demo", "--rows", "12"]).output

    assert "answered 12 of 12 rows" in output
    assert "12 rows from the journal" in output
    assert "claude-sonnet-5-5" in output
    assert "ANTHROPIC_API_KEY" in output
