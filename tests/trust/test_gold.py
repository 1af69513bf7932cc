"""Gold as it comes: other types and cases, unknown labels, other orders, samples labelled in part."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from claude_parallel.errors import InputError
from claude_parallel.trust.audit import Audit
from claude_parallel.trust.comparison import Comparison
from claude_parallel.trust.review import Review
from claude_parallel.trust.scores import normalized
from claude_parallel.trust.subjects import fit_labels, fit_numbers

from .worlds import LABELS, reviews, serve


class Tone(enum.Enum):
    """Labels as an Enum."""

    GOOD = "good"
    BAD = "bad"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_PARALLEL_PROGRESS", "0")


def compare(frame: pd.DataFrame, **options: Any) -> Comparison:
    """Compare two models on the truth column unless told otherwise."""
    variants = {"haiku": {}, "opus": {"model": "claude-opus-5-5"}}
    given = {"labels": LABELS, "gold": "truth", "rows": 40, **options}
    found: Comparison = frame.claude.compare("{text}", variants, **given)
    return found


def answered(rows: int = 300) -> pd.DataFrame:
    """Return reviews with answers that are wrong about one in ten, and how far three draws agree."""
    frame = reviews(rows)
    wrong = frame["text"].str.endswith("hard")
    other = frame["truth"].map({"good": "bad", "bad": "good"})
    label = pd.Series(np.where(wrong, other, frame["truth"]), dtype=pd.CategoricalDtype(LABELS))
    return frame.assign(label=label, label_agreement=np.where(wrong, 2 / 3, 1.0))


@pytest.mark.parametrize(
    ("values", "labels", "fitted"),
    [
        (["good", "bad"], LABELS, ["good", "bad"]),
        (["GOOD ", "Bad"], LABELS, ["good", "bad"]),
        (["1", 2.0], [1, 2], [1, 2]),
        (["2.0", "3", "2.5", 3], [2.0, 2.5, 3.0], [2.0, 3.0, 2.5, 3.0]),
        (["TRUE", "false", 1, 0.0], [False, True], [True, False, True, False]),
        (["a", "A"], ["A", "a"], ["a", "A"]),  # labels that differ by case only
    ],
)
def test_gold_is_read_as_the_labels_that_it_means(values: list[Any], labels: list[Any], fitted: list[Any]) -> None:
    """Equal, or the same but for case, space and type; never a guess between two."""
    found, words = fit_labels(values, labels)
    assert found == fitted
    assert [type(value) for value in found] == [type(value) for value in fitted]
    assert words == []


def test_gold_of_no_label_is_told_or_refused() -> None:
    """Some of it is a warning with its number; all of it an error."""
    found, words = fit_labels(["good", "awful", "awful"], LABELS)
    assert found == ["good", "awful", "awful"]
    assert "'awful', which no answer is, in 2 of 3 rows" in words[0]
    with pytest.raises(InputError, match="same labels"):
        fit_labels(["awful"], LABELS)
    assert fit_labels(["b"], ["A", "a", "b"])[0] == ["b"]
    assert "'À'" in fit_labels(["À", "b"], ["b"])[1][0]


def test_gold_for_numbers_is_numbers() -> None:
    """Text from a spreadsheet counts; words and infinities are refused."""
    assert fit_numbers(["1", 2, 3.5, True]) == [1.0, 2.0, 3.5, 1.0]
    for odd in ("good", math.inf, "nan"):
        with pytest.raises(InputError, match="answers are numbers"):
            fit_numbers([1, odd])


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Paris.", "paris", True),
        ("New  York", "new york!", True),
        ("+", "-", False),
        ("C++", "C", False),
        ("C#", "c#.", True),
        ("-5", "5", False),
        ("well-known", "well known", True),
        ("5 °C", "-5 °C", False),
    ],
)
def test_punctuation_that_carries_meaning_stays(one: str, other: str, is_same: bool) -> None:
    """A sign, or the plus of C++, is no decoration."""
    assert (normalized(one) == normalized(other)) is is_same


def test_labels_that_are_punctuation_are_told_apart() -> None:
    """Plus and minus are two classes, and a model that always says plus is not always right."""
    frame = reviews(60)
    frame["truth"] = frame["truth"].map({"good": "+", "bad": "-"})
    with serve(lambda _body: json.dumps({"value": "+"})):
        found = compare(frame, labels=["+", "-"])
    assert found.kind == "labels"
    assert found.table.loc["haiku", "accuracy"] == (found.sample["truth"] == "+").mean() < 1


def test_members_of_an_enum_are_their_labels() -> None:
    """As labels, as gold, in comparisons and audits."""
    frame = reviews(60)
    as_enum = frame.assign(truth=frame["truth"].map(Tone))
    with serve():
        found = compare(as_enum, labels=Tone)
        assert found.table["accuracy"].tolist() == compare(frame).table["accuracy"].tolist()
    audit: Audit = answered(60).claude.audit(as_enum["truth"], column="label")
    assert audit.accuracy == answered(60).claude.audit(frame["truth"], column="label").accuracy


def test_gold_that_is_no_label_is_refused_before_anything_is_paid() -> None:
    """And so are words where answers are numbers, draws without a seed, and a holdout that leaves nothing."""
    frame = reviews(60)
    with serve() as sim:
        for options, message in (
            ({"gold": pd.Series("zzz", index=frame.index)}, "same labels"),
            ({"labels": None, "schema": bool}, "same labels"),
            ({"labels": None, "schema": int}, "but the answers are numbers"),
            ({"seed": -1}, "seed"),
            ({"rows": 1, "holdout": 0.5}, "two gold rows"),
        ):
            with pytest.raises(InputError, match=message):
                compare(frame, **options)  # type: ignore[arg-type]
        assert sim.ledger.requests == 0
        told = compare(frame.assign(truth=frame["truth"].replace("bad", "awful")), rows=np.int64(40))
    assert "'awful', which no answer is" in told.warnings[0]
    assert len(told.sample) == 40


def test_a_holdout_keeps_and_leaves_a_row_at_least() -> None:
    """However near to 0 or 1 it is."""
    with serve():
        assert [len(compare(reviews(60), holdout=share).sample) for share in (0.001, 0.999)] == [39, 1]


def test_variants_that_answer_nothing_are_no_choice() -> None:
    """Neither is cheaper, and gold has judged neither."""
    with serve(), pytest.warns(UserWarning, match="stopped early"):
        found: Comparison = reviews(60).claude.compare(
            "{text}", {str(n): {"model": f"claude-nope-{n}"} for n in range(6)}, labels=LABELS, gold="truth", rows=10
        )
    assert len(found.warnings) == 6
    assert found.warnings[0] == "'0' answered none of 10 rows (not_found 10)."


def test_an_absolute_error_is_never_negative() -> None:
    """Also at the low end of its interval."""
    frame = pd.DataFrame({"text": [f"{n}" for n in range(40)], "truth": [str(n) for n in range(40)]})

    def speak(body: Mapping[str, Any]) -> str:
        number = int(str(body["messages"][-1]["content"]))
        return json.dumps({"value": number + (number == 7)})

    with serve(speak):
        table = compare(frame, labels=None, schema=int).table
    assert table["mean_absolute_error"].tolist() == [0.025, 0.025]
    assert table["mean_absolute_error_low"].tolist() == [0.0, 0.0]


def reviewed(frame: pd.DataFrame, rows: int = 40) -> Review:
    """Return a finished review that looks first where draws disagree."""
    panel: Review = frame.claude.review(rows=rows, column="label", by="agreement", show="text")
    while (item := panel.current) is not None:
        panel.give(frame["truth"].iloc[item.position])
    return panel


def test_labels_know_their_groups_in_any_order() -> None:
    """Sorted, dropped, or through a file: what a row stands for belongs to the row, not to its place."""
    frame = answered()
    labels = reviewed(frame).labels
    weighed = frame.claude.audit(labels, column="label")
    later = frame.sample(frac=1.0, random_state=3)
    some = labels.dropna().sample(frac=1.0, random_state=1)
    some.attrs = json.loads(json.dumps(labels.attrs))
    for gold in (labels, some):
        found = later.claude.audit(gold, column="label")
        assert found.accuracy.estimate == pytest.approx(weighed.accuracy.estimate)
        assert found.accuracy.low == pytest.approx(weighed.accuracy.low)
        assert found.warnings == ()
    repeated = frame.set_axis(["same"] * len(frame))
    assert repeated.claude.audit(reviewed(repeated), column="label").accuracy == weighed.accuracy


def test_a_group_without_labels_is_told() -> None:
    """Who stops after the rows that disagree knows nothing about the others."""
    frame = answered()
    panel: Review = frame.claude.review(rows=40, column="label", by="agreement", show="text")
    for item in panel.items[:20]:
        panel.give(frame["truth"].iloc[item.position])
    audit = frame.claude.audit(panel, column="label")
    assert any("None of the" in line and "'agree'" in line for line in audit.warnings)
    with serve():
        assert any("'agree'" in line for line in compare(frame, gold=panel, rows=20).warnings)


def test_gold_of_rows_without_an_answer_counts_nowhere() -> None:
    """Nor is it said to count as wrong."""
    frame = pd.DataFrame({"label": ["a", "b", None, "a"], "truth": ["a", "b", "of no row", "b"]})
    audit = frame.claude.audit("truth", column="label")
    assert (audit.gold_rows, audit.warnings) == (3, ())


@pytest.mark.parametrize("weights", ["w", 1.0, ["x", "y", "z", "z"]])
def test_weights_that_are_none_are_refused_in_a_line(weights: Any) -> None:
    """As a name of a column is."""
    frame = pd.DataFrame({"label": ["a", "b", "b", "a"], "truth": ["a", "b", "a", "b"], "w": 1.0})
    with pytest.raises(InputError, match="weights must be one number above 0 for each of the 4 gold rows"):
        frame.claude.audit("truth", column="label", weights=weights)


def test_an_audit_that_knows_no_class_has_a_figure() -> None:
    """An empty one, without a warning of matplotlib."""
    pytest.importorskip("matplotlib")
    frame = pd.DataFrame({"label": ["a"] * 60 + ["b"] * 40, "truth": ["a"] + [None] * 98 + ["b"]})
    assert frame.claude.audit("truth", column="label").plot() is not None


def test_a_spreadsheet_in_the_home_folder_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pandas has written it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    panel = answered().claude.review(rows=4, column="label", show="text", journal=False)
    panel.to_csv("~/sample.csv")
    assert panel.read_csv("~/sample.csv") == 0


def test_labels_that_have_lost_their_groups_are_suspected() -> None:
    """Half of them disagree, as few of all rows do: no random sample, and the audit says so."""
    frame = answered()
    plain = pd.Series(reviewed(frame).labels.to_dict())
    assert any("all draws agree on 50.0 %" in line for line in frame.claude.audit(plain, column="label").warnings)
    honest = frame["truth"].sample(60, random_state=5)
    assert frame.claude.audit(honest, column="label").warnings == ()


def test_a_spreadsheet_of_any_country_comes_back(tmp_path: Path) -> None:
    """Semicolons or tabs, labels in capitals, an umlaut, and columns that are called as ours."""
    frame = answered(20).assign(text=lambda rows: rows["text"] + " für alle", row="mine", gold="theirs")
    panel: Review = frame.claude.review(rows=8, column="label", show=["text", "row", "gold"])
    path = panel.to_csv(tmp_path / "sample.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # Excel needs it for the umlaut
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert [*table] == ["row", "text", "row (column)", "gold (column)", "answer", "gold", "row_key"]
    truth = frame["truth"].iloc[table["row"].astype(int)].str.upper().tolist()
    for separator in (",", ";", "\t"):
        table.assign(gold=truth).to_csv(path, sep=separator, index=False)
        assert panel.read_csv(path) == 8
        assert panel.labels.dropna().tolist() == frame["truth"][panel.labels.notna()].tolist()
    path.write_bytes("row,gold\n1,f\xfcr\n".encode("latin-1"))
    with pytest.raises(InputError, match="CSV UTF-8"):
        panel.read_csv(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheet_of_long_texts_and_odd_columns_comes_back(tmp_path: Path, separator: str) -> None:
    """A text longer than the limit of csv (128 KiB), a column name full of separators and of two lines."""
    frame = answered(20).rename(columns={"text": "a,b;c\td,e;f\ng"})
    frame["a,b;c\td,e;f\ng"] += "x" * 200_000
    panel: Review = frame.claude.review(rows=4, column="label", show=["a,b;c\td,e;f\ng"])
    path = panel.to_csv(tmp_path / "sample.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    truth = frame["truth"].iloc[table["row"].astype(int)].tolist()
    table.assign(gold=truth).to_csv(path, sep=separator, index=False)
    assert panel.read_csv(path) == 4
    for damaged in ("", 'row,text,gold\n1,"no end,good\n'):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(InputError, match="'row' and 'gold'"):
            panel.read_csv(path)


def test_a_variant_called_as_a_column_hides_nothing() -> None:
    """Neither the row's text nor the gold."""
    with serve():
        found: Comparison = reviews(60).claude.compare(
            "{text}", {"text": {}, "gold": {"model": "claude-opus-5-5"}}, labels=LABELS, gold="truth", rows=60
        )
    assert [*found.disagreements] == ["text", "truth", "gold", "text (answer)", "gold (answer)"]
    assert found.disagreements["text"].str.startswith("review").all()


@pytest.mark.parametrize("twice", ["answer", "truth"])
def test_a_column_that_stands_twice_is_refused(twice: str) -> None:
    """Nobody knows which one is meant."""
    frame = pd.DataFrame([["a", "a", "b"]] * 6, columns=["answer", "truth", twice])
    with pytest.raises(InputError, match=f"several columns '{twice}'; rename them"):
        frame.claude.audit("truth", column="answer")
