"""Files larger than memory, and the command line over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import claude_parallel as cp
from claude_parallel.cli.main import app, main
from claude_parallel.config import override

FRAME = pd.DataFrame({"t": [f"text {n}" for n in range(7)], "n": range(7)})


def _write(path: Path) -> Path:
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        FRAME.to_parquet(path)
    elif path.suffix == ".arrow":
        FRAME.to_feather(path)
    elif path.suffix == ".csv":
        FRAME.to_csv(path, index=False)
    else:
        FRAME.to_json(path, orient="records", lines=True)
    return path


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".arrow":
        return pd.read_feather(path)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "arrow"])
def test_a_file_comes_back_with_the_answers(tmp_path: Path, ending: str) -> None:
    """In chunks, in order, over HTTP; an error in one chunk does not change the types."""
    source = _write(tmp_path / f"in.{ending}")
    target = tmp_path / f"out.{ending}"
    with cp.simulator(None, latency_seconds=0, script={5: "refusal"}):
        result = cp.map_file(source, target, "Say {t}", out="said", progress=False, chunk_rows=3)
    found = _read(target)

    assert found["t"].tolist() == FRAME["t"].tolist()
    assert (result.rows, result.errors) == (7, 1)
    assert found["said_error"].notna().sum() == 1
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        source.name,
        target.name,
        f".{target.name}.job.json",
    }


def test_a_budget_holds_for_the_whole_file(tmp_path: Path) -> None:
    """Later chunks get what earlier ones left."""
    source = _write(tmp_path / "in.csv")
    with cp.simulator(None, latency_seconds=0), pytest.warns(UserWarning, match="budget"):
        result = cp.map_file(
            source,
            tmp_path / "out.csv",
            "Say {t}",
            progress=False,
            budget=0.00018,
            max_tokens=200,
            chunk_rows=2,
        )

    assert float(result.cost_usd) <= 0.00018
    assert result.rows == 7


def test_the_command_maps_a_file(tmp_path: Path) -> None:
    """`claude-parallel map ... --simulate` writes the output and prints the totals."""
    source = _write(tmp_path / "in.csv")
    arguments = ["map", str(source), "-p", "Say {t}", "-o", str(tmp_path / "out.csv"), "--simulate"]
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 0, result.output
    assert "7 of 7 rows answered, $0.00" in result.output
    assert len(pd.read_csv(tmp_path / "out.csv")) == 7


def test_a_dry_run_tells_the_price_and_writes_nothing(tmp_path: Path) -> None:
    """As the estimate does."""
    source = _write(tmp_path / "in.csv")
    asked = [str(source), "-p", "Say {t}", "--simulate", "--limit", "5", "--labels", "good, bad"]
    dry = CliRunner().invoke(app, ["map", *asked, "-o", str(tmp_path / "out.csv"), "--dry-run"])
    estimate = CliRunner().invoke(app, ["estimate", *asked])

    assert dry.exit_code == estimate.exit_code == 0, dry.output + estimate.output
    assert "5 rows" in dry.output
    assert dry.output == estimate.output
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.csv"]


def test_every_option_reaches_the_run(tmp_path: Path) -> None:
    """A schema, columns to keep, types of CSV, samples, a folder of parts."""
    source = _write(tmp_path / "in.csv")
    (tmp_path / "schema.json").write_text('{"type": "object", "properties": {"x": {"type": "integer"}}}')
    asked = ["map", str(source), "-p", "Say {t} {n}", "-o", f"{tmp_path}/out/", "--simulate", "--columns", "n"]
    more = ["--schema", str(tmp_path / "schema.json"), "--dtype", "n=int64", "--sample", "2", "--chunk-rows", "4"]
    result = CliRunner().invoke(app, [*asked, *more])

    assert result.exit_code == 0, result.output
    parts = sorted((tmp_path / "out").glob("part*"))
    assert [len(pd.read_csv(part)) for part in parts] == [4, 3]
    assert list(pd.read_csv(parts[0]).columns[:2]) == ["n", "x"]


def test_files_and_labels_of_the_first_rows(tmp_path: Path) -> None:
    """Images and documents are attached, labels are the only answers; another result is replaced on demand only."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(photo)
    (tmp_path / "note.txt").write_text("a note")
    frame = FRAME.assign(photo=str(photo), note=str(tmp_path / "note.txt"))
    frame.loc[2, "photo"] = str(tmp_path / "missing.png")
    frame.to_csv(tmp_path / "in.csv", index=False)
    target = tmp_path / "out.csv"
    target.write_text("something else")
    asked = ["map", str(tmp_path / "in.csv"), "-p", "Which one?", "-o", str(target), "--simulate", "--limit", "4"]
    asked += ["--images", "photo", "--documents", "note", "--labels", "yes, no", "--max-concurrency", "2"]
    refused = CliRunner().invoke(app, asked)
    done = CliRunner().invoke(app, [*asked, "--overwrite", "--out", "label"])

    assert isinstance(refused.exception, cp.InputError)
    assert "--overwrite" in str(refused.exception)
    assert done.exit_code == 0, done.output
    assert "3 of 4 rows answered" in done.output
    assert "invalid 1" in done.output
    found = pd.read_csv(target)
    assert found["t"].tolist() == FRAME["t"][:4].tolist()
    assert set(found["label"].dropna()) <= {"yes", "no"}
    assert found["label"].isna().tolist() == [False, False, True, False]


def test_a_command_that_no_row_has_an_answer_from_says_so_to_the_shell(tmp_path: Path) -> None:
    """`map ... && next` goes on with what there is, and not with nothing; rows that were skipped are no failure."""
    FRAME.assign(photo="missing.png", empty=None).to_csv(tmp_path / "in.csv", index=False)
    asked = ["map", str(tmp_path / "in.csv"), "--simulate", "-p"]
    failed = CliRunner().invoke(app, [*asked, "What?", "--images", "photo", "-o", str(tmp_path / "failed.csv")])
    skipped = CliRunner().invoke(app, [*asked, "Say {empty}", "-o", str(tmp_path / "skipped.csv")])

    assert failed.exit_code == 1, failed.output
    assert "0 of 7 rows answered" in failed.output
    assert skipped.exit_code == 0, skipped.output


def test_a_command_that_its_budget_stopped_says_so_to_the_shell(tmp_path: Path) -> None:
    """The rows that it kept back stand in the file, which is none to go on with; the same command asks them."""
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    asked = ["map", str(tmp_path / "in.csv"), "--simulate", "-p", "Say {t}", "-o", str(tmp_path / "out.csv")]
    with pytest.warns(UserWarning, match="budget"):
        stopped = CliRunner().invoke(app, [*asked, "--budget", "0.000001"])
    done = CliRunner().invoke(app, asked)

    assert stopped.exit_code == 1, stopped.output
    assert "the same command goes on where it was" in stopped.output
    assert done.exit_code == 0, done.output


def test_rows_whose_batch_came_to_its_end_are_asked_by_the_same_command(tmp_path: Path) -> None:
    """As their error says: run again."""
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    asked = ["map", str(tmp_path / "in.csv"), "-p", "Say {t}", "-o", str(tmp_path / "out.csv")]
    with cp.simulator(batch_seconds=0.1, latency_seconds=0, batch_faults={"expired": 1.0}) as world:
        ended = CliRunner().invoke(app, [*asked, "--batch"])
        port = int(world.url.rpartition(":")[2])
    with cp.simulator(latency_seconds=0, batch_seconds=0.1, port=port):
        done = CliRunner().invoke(app, [*asked, "--batch"])

    assert ended.exit_code == 1, ended.output
    assert "expired 7" in ended.output
    assert done.exit_code == 0, done.output
    assert "7 of 7 rows answered" in done.output


def test_a_batch_within_a_budget(tmp_path: Path) -> None:
    """At half the price, and no more than that."""
    source = _write(tmp_path / "in.parquet")
    asked = ["map", str(source), "-p", "Say {t}", "--simulate", "--tier", "build", "--max-tokens", "100"]
    live = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / "live.jsonl")])
    batch = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / "batch.arrow"), "--batch", "--budget", "1"])

    assert live.exit_code == batch.exit_code == 0, live.output + batch.output
    costs = [
        frame["response_cost"].sum() for frame in (_read(tmp_path / "live.jsonl"), _read(tmp_path / "batch.arrow"))
    ]
    assert costs[1] == pytest.approx(costs[0] / 2)


@pytest.mark.parametrize("target", ["out.csv", "out/"])
def test_a_simulated_target_is_known_again_and_never_passes_for_a_real_one(tmp_path: Path, target: str) -> None:
    """Each simulator has another port; the job is the same all the same. With a key it is another job."""
    source, place = _write(tmp_path / "in.csv"), f"{tmp_path}/{target}"
    asked = ["map", str(source), "-p", "Say {t}", "-o", place]
    first, again = (CliRunner().invoke(app, [*asked, "--simulate"]) for _ in range(2))

    assert first.exit_code == again.exit_code == 0, again.output
    assert "7 of 7 rows answered, $0.000032 simulated" in first.output
    assert "7 of 7 rows answered, $0.00 simulated" in again.output
    with (
        override(api_key="k-real", base_url="http://127.0.0.1:9"),
        pytest.raises(cp.InputError, match="overwrite=True"),
    ):
        cp.map_file(source, place, "Say {t}", progress=False)


def test_labels_and_a_schema_are_one_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels make a schema; the other one would be left out without a word."""
    (tmp_path / "schema.json").write_text('{"type": "object", "properties": {"x": {"type": "integer"}}}')
    source = _write(tmp_path / "in.csv")
    asked = ["map", str(source), "-p", "Say {t}", "-o", str(tmp_path / "out.csv"), "--simulate"]
    with pytest.raises(SystemExit):
        main([*asked, "--labels", "a,b", "--schema", str(tmp_path / "schema.json")])

    assert "leave schema= out" in capsys.readouterr().err


def test_the_version_is_told() -> None:
    """In one line."""
    assert CliRunner().invoke(app, ["--version"]).output.startswith("claude-parallel 0")


def test_without_a_key_the_simulator_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to do."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        main(["map", str(_write(tmp_path / "in.csv")), "-p", "Say {t}", "-o", str(tmp_path / "out.csv")])

    assert "--simulate" in capsys.readouterr().err


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

    assert "12 of 12 rows answered" in output
    assert "12 rows from the journal" in output
    assert "claude-sonnet-5-5" in output
    assert "ANTHROPIC_API_KEY" in output


def test_the_list_of_runs_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook's terminal: columns that do not fit stand below the others, and missing ones are empty."""
    monkeypatch.setenv("COLUMNS", "80")
    with cp.simulator(None, latency_seconds=0):
        cp.map(["a"], progress=False)
    shown = CliRunner().invoke(app, ["runs"]).output
    assert max(map(len, shown.splitlines())) <= 80
    assert "simulated" in shown
    assert "$0.0000" in shown


def test_the_last_run_is_reported_and_what_was_spent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an id; the words of the map, the list and the budget's end are those of files, not of frames."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    source, target = _write(tmp_path / "in.csv"), tmp_path / "out.csv"
    asked = ["map", str(source), "-p", "Say {t}", "-o", str(target), "--simulate", "--budget", "0.0000001"]
    with pytest.warns(UserWarning, match="what was answered is kept; run it again to go on"):
        stopped = CliRunner().invoke(app, asked)
    assert "0 of 7 rows answered, $0.00 simulated, 7 cancelled" in stopped.output
    assert cp.runs()["rows"].tolist() == [7]

    page = tmp_path / "last.html"
    for arguments in (["report", "last", "-o", str(page)], ["report", "-o", str(page)]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
        assert str(cp.runs().index[0]) in page.read_text()
        page.unlink()
    assert "Nothing was spent since then" in CliRunner().invoke(app, ["spent", "--since", "7d"]).output


@pytest.mark.parametrize("command", [["map", "--dry-run"], ["estimate"]])
def test_a_dry_run_says_whether_the_target_could_be_written(tmp_path: Path, command: list[str]) -> None:
    """For the very job that the run would be: its own target is gone on with, another one is not replaced."""
    source, target = _write(tmp_path / "in.csv"), tmp_path / "out.csv"

    def tried(output: Path, *more: str) -> str:
        asked = [str(source), "-p", "Say {t}", "--simulate", "-o", str(output), *more]
        result = CliRunner().invoke(app, [command[0], *asked, *command[1:]])
        return result.output if result.exit_code == 0 else str(result.exception)

    assert "there is no folder" in tried(tmp_path / "no" / "out.csv")
    assert "is the source itself" in tried(source)
    assert "7 rows" in tried(target)
    assert not target.exists()
    CliRunner().invoke(app, ["map", str(source), "-p", "Say {t}", "--simulate", "-o", str(target)])
    assert "7 rows" in tried(target)
    assert "is there already" in tried(target, "--limit", "3")
    assert "3 rows" in tried(target, "--limit", "3", "--overwrite")


@pytest.mark.parametrize("target", ["out.jsonl", "out/"])
def test_rows_that_failed_are_asked_again_and_no_others(tmp_path: Path, target: str) -> None:
    """Also where the journal holds what they got; parts without them stay as they are."""
    source, path = _write(tmp_path / "in.jsonl"), f"{tmp_path}/{target}"
    options: dict[str, Any] = {"out": "said", "progress": False, "chunk_rows": 3, "max_concurrency": 1}

    def rows() -> list[pd.DataFrame]:
        files = [Path(path)] if Path(path).is_file() else sorted(Path(path).glob("part*"))
        return [pd.read_json(file, lines=True) for file in files]

    with cp.simulator(None, latency_seconds=0, script={5: "refusal"}) as simulator:
        first = cp.map_file(source, path, "Say {t}", **options)
        before = {file: file.stat().st_mtime_ns for file in Path(path).glob("part*")}
        same = cp.map_file(source, path, "Say {t}", **options)
        asked = simulator.ledger.requests
        mended = cp.map_file(source, path, "Say {t}", retry_failed=True, **options)
        whole = cp.map_file(source, path, "Say {t}", retry_failed=True, **options)

        assert (first.errors, same.errors, mended.errors) == (1, 1, 0)
        assert asked == 7
        assert simulator.ledger.requests == 8
        assert (whole.run_id, whole.rows) == (None, 7)
    found = pd.concat(rows())
    assert found["t"].tolist() == FRAME["t"].tolist()
    assert found["said"].notna().all()
    changed = [file.name for file, when in before.items() if file.stat().st_mtime_ns != when]
    assert changed == (["part-000001.jsonl"] if before else [])


@pytest.mark.parametrize("target", ["out.jsonl", "out/"])
def test_what_a_batch_answers_in_the_second_try_stands_in_the_file(tmp_path: Path, target: str) -> None:
    """With its dollars: the old answer of the journal no longer counts, the new one does."""
    source, path = _write(tmp_path / "in.jsonl"), f"{tmp_path}/{target}"
    options: dict[str, Any] = {"progress": False, "chunk_rows": 3, "max_concurrency": 1}
    with cp.simulator(None, latency_seconds=0, batch_seconds=0.2, script={5: "refusal", 6: "refusal"}) as simulator:
        cp.map_file(source, path, "Say {t}", **options)
        mended = cp.map_file(source, path, "Say {t}", retry_failed=True, batch=True, **options)
    assert simulator.ledger.batch_rows == 2
    assert (mended.fates.answered, mended.kinds) == (7, {})
    files = [Path(path)] if Path(path).is_file() else sorted(Path(path).glob("part*"))
    rows = pd.concat([pd.read_json(file, lines=True) for file in files])
    assert rows["response"].tolist() == [f"Simulated: Say {text}" for text in FRAME["t"]]
    assert rows.iloc[4:6]["response_cost"].sum() == pytest.approx(float(mended.cost_usd))
    assert mended.cost_usd > 0


@pytest.mark.parametrize("target", ["out.jsonl", "out/"])
@pytest.mark.parametrize(("vote", "failed", "again"), [(True, 1, 3), (False, 2, 4)])
def test_rows_with_several_draws_are_counted_as_rows(
    tmp_path: Path, target: str, vote: bool, failed: int, again: int
) -> None:
    """A voted row is answered once one draw is, and then not asked again; without a vote each draw is an answer."""
    source, path = _write(tmp_path / "in.jsonl"), f"{tmp_path}/{target}"
    options: dict[str, Any] = {"sample": 3, "vote": vote, "progress": False, "chunk_rows": 3, "max_concurrency": 1}
    with cp.simulator(None, latency_seconds=0, script=dict.fromkeys([2, 7, 8, 9], "refusal")) as simulator:
        first = cp.map_file(source, path, "Say {t}", **options)
        asked = simulator.ledger.requests
        mended = cp.map_file(source, path, "Say {t}", retry_failed=True, **options)
        whole = cp.map_file(source, path, "Say {t}", retry_failed=True, **options)

        assert (first.rows, first.fates.answered, first.kinds) == (7, 7 - failed, {"refusal": failed})
        assert simulator.ledger.requests == asked + again
        assert (mended.errors, whole.errors, whole.run_id) == (0, 0, None)


def test_the_command_says_how_failed_rows_are_asked_again(tmp_path: Path) -> None:
    """In a line, only where there are some."""
    (tmp_path / "in.csv").write_text("t,note\na,missing.txt\n")
    asked = ["map", str(tmp_path / "in.csv"), "-p", "{t}", "--documents", "note", "-o", str(tmp_path / "out.csv")]
    told = CliRunner().invoke(app, [*asked, "--simulate"])
    assert "with --retry-failed asks the rows that failed again" in told.output
    (tmp_path / "note.txt").write_text("a note")
    (tmp_path / "in.csv").write_text(f"t,note\na,{tmp_path / 'note.txt'}\n")
    told = CliRunner().invoke(app, [*asked, "--simulate", "--overwrite"])
    assert "--retry-failed" not in told.output
