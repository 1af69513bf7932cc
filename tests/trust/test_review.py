"""Labelling by hand: which rows are drawn, what is kept, what a restart finds, and what an audit makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.errors import InputError
from claude_parallel.trust.panel import ReviewPanel
from claude_parallel.trust.review import Review
from claude_parallel.trust.subjects import SAMPLE_ATTRIBUTE


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of its own."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    return tmp_path


def answered(rows: int = 200, rare: int = 20) -> pd.DataFrame:
    """Return a frame as classify() leaves it, with an agreement column."""
    labels = ["bad" if number < rare else "good" for number in range(rows)]
    return pd.DataFrame(
        {
            "text": [f"text {number}" for number in range(rows)],
            "label": pd.Categorical(labels, categories=["good", "bad"]),
            "label_agreement": [2 / 3 if number % 20 == 0 else 1.0 for number in range(rows)],
        },
        index=[f"r{number}" for number in range(rows)],
    )


def review(frame: pd.DataFrame, **options: Any) -> Review:
    """Return a review of the label column."""
    return frame.claude.review(**{"column": "label", "show": "text", "rows": 10, **options})


def test_labels_are_kept_as_they_are_given_and_a_restart_goes_on() -> None:
    """Right, another label, skipped, and back to change one's mind."""
    frame = answered()
    first = review(frame)
    assert first.current is not None
    first.confirm()
    first.give("bad")
    first.skip()
    first.back()
    first.give("good")
    assert first.labelled == 3
    assert first.items[0].answer == first.labels.iloc[first.items[0].position]

    second = review(frame)
    assert second.labelled == 3
    assert second.place == 3
    pd.testing.assert_series_equal(second.labels, first.labels)
    second.back()
    second.give("bad")
    assert review(frame).labels.iloc[second.items[2].position] == "bad"


def test_labels_stand_on_the_frames_own_index() -> None:
    """Missing where none was given; the sample is random and repeatable."""
    frame = answered()
    panel = review(frame)
    panel.confirm()
    labels = panel.labels
    assert labels.index.equals(frame.index)
    assert labels.notna().sum() == 1
    assert [item.position for item in review(frame).items] == [item.position for item in panel.items]
    assert [item.position for item in review(frame, seed=1).items] != [item.position for item in panel.items]


def test_labels_belong_to_what_the_row_says() -> None:
    """The same texts in another order, answered by another prompt, have their labels already."""
    frame = answered(10, 3)
    one = review(frame)
    while one.current is not None:
        one.give("bad")
    turned = frame.iloc[::-1].assign(label=pd.Categorical(["good"] * 10, categories=["good", "bad"]))
    assert review(turned).labelled == 10
    assert review(frame.assign(text="something else")).labelled == 0


def test_labels_of_one_question_are_not_those_of_another_in_a_column_of_the_same_name() -> None:
    """classify() calls every column "label"; what was given to one question stands when another is labelled."""
    tone = answered(4, 1)
    urgency = tone.assign(label=pd.Categorical(["low", "high"] * 2, categories=["low", "high"]))
    for frame, label in ((tone, "good"), (urgency, "high")):
        panel = review(frame)
        assert panel.labelled == 0
        while panel.current is not None:
            panel.give(label)
    assert review(tone).labels.tolist() == ["good"] * 4
    assert review(urgency).labels.tolist() == ["high"] * 4


def test_a_label_that_is_added_leaves_the_others_as_they_were_given() -> None:
    """Only those that are no choice any more have to be given again."""
    frame = answered(4, 1)
    panel = review(frame)
    for label in ("good", "bad", "good"):
        panel.give(label)
    wider = frame.assign(label=frame["label"].cat.set_categories(["good", "mixed"]).fillna("mixed"))
    assert sorted(review(wider).labels.dropna()) == ["good", "good"]
    more = frame.assign(label=frame["label"].cat.set_categories(["good", "bad", "mixed"]))
    assert sorted(review(more).labels.dropna()) == ["bad", "good", "good"]


def test_choices_are_the_labels_of_the_schema() -> None:
    """A label that is none of them is refused with the nearest; nothing is kept."""
    panel = review(answered())
    assert panel.choices == ("good", "bad")
    with pytest.raises(InputError, match="good"):
        panel.give("goood")
    with pytest.raises(InputError, match="empty"):
        panel.give(" ")
    assert panel.labelled == 0
    free = review(answered().assign(label=["x", "y"] * 100), column="label")
    assert free.choices == ()
    free.give("anything")
    assert free.labelled == 1


def test_blind_means_blind(tmp_path: Path) -> None:
    """No answer to confirm, and none in the file."""
    panel = review(answered(), blind=True)
    panel.confirm()
    assert panel.labelled == 0
    assert "answer" not in pd.read_csv(panel.to_csv(tmp_path / "sample.csv")).columns


def test_each_answer_in_equal_parts_with_known_weights() -> None:
    """A tenth of the rows is half of the sample, and the audit puts it back."""
    frame = answered(1_000, 100)
    panel = review(frame, rows=60, by="answer")
    while panel.current is not None:
        panel.confirm()
    assert panel.labels.value_counts().to_dict() == {"bad": 30, "good": 30}
    assert panel.labels.attrs[SAMPLE_ATTRIBUTE]["sizes"] == {"bad": 100, "good": 900}
    audit = frame.claude.audit(panel, column="label")
    assert audit.shares.loc["bad", "share"] == pytest.approx(0.1)
    assert audit.warnings == ()


def test_rows_whose_draws_disagree_come_first_and_the_audit_still_weighs_them() -> None:
    """They are half of the sample where there are enough of them."""
    frame = answered(1_000, 100)
    panel = review(frame, rows=40, by="agreement")
    shown = [frame["label_agreement"].iloc[item.position] < 1 for item in panel.items]
    assert shown == [True] * 20 + [False] * 20
    while panel.current is not None:
        panel.confirm()
    assert frame.claude.audit(panel.labels, column="label").accuracy.estimate == 1.0
    with pytest.raises(InputError, match="vote=True"):
        review(frame.drop(columns="label_agreement"), by="agreement")


def test_a_spreadsheet_does_what_the_panel_does(tmp_path: Path) -> None:
    """There and back; formulas are disarmed; rows of another sample and unknown labels are refused."""
    frame = answered()
    frame["text"] = "=SUM(A1)"
    frame["text"] += [str(number) for number in range(200)]
    panel = review(frame)
    path = panel.to_csv(tmp_path / "sample.csv")
    table = pd.read_csv(path)
    assert table["text"].str.startswith("'=").all()
    table["gold"] = ["good"] * 9 + [None]
    table.to_csv(path, index=False)
    assert panel.read_csv(path) == 9
    assert review(frame).labelled == 9
    table["gold"] = "maybe"
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match="maybe"):
        panel.read_csv(path)
    table.assign(row=10_000, gold="good").to_csv(path, index=False)
    with pytest.raises(InputError, match="not in this sample"):
        panel.read_csv(path)
    table.drop(columns="gold").to_csv(path, index=False)
    with pytest.raises(InputError, match="'gold'"):
        panel.read_csv(path)


def test_labels_of_a_spreadsheet_follow_what_the_row_says(tmp_path: Path) -> None:
    """The frame may come in another order on the next day; a file without keys is one of an older version."""
    frame = answered(10, 5)
    path = review(frame, journal=False).to_csv(tmp_path / "sample.csv")
    table = pd.read_csv(path)
    table["gold"] = frame["label"].astype(str).to_numpy()[table["row"]]
    table.to_csv(path, index=False)
    turned = frame.iloc[::-1]
    panel = review(turned, journal=False)
    assert panel.read_csv(path) == 10
    assert panel.labels.tolist() == turned["label"].tolist()
    with pytest.raises(InputError, match="not in this sample; use the same frame"):
        review(frame.assign(text="something else"), journal=False).read_csv(path)
    table.drop(columns="row_key").to_csv(path, index=False)
    assert review(frame, journal=False).read_csv(path) == 10


def test_what_cannot_be_reviewed_is_refused() -> None:
    """One clear line."""
    with pytest.raises(InputError, match="rows"):
        review(answered(), rows=0)
    with pytest.raises(InputError, match="no row has an answer"):
        review(answered().assign(label=None))
    with pytest.raises(InputError, match="nope"):
        review(answered(), show="nope")


def test_answers_without_anything_to_read_are_refused() -> None:
    """A list that was mapped is a frame of answers alone: one label would count for every row."""
    with cp.simulator(None, latency_seconds=0):
        prompts = ["bread", "milk", "eggs"]
        out = cp.map(prompts, progress=False)
        with pytest.raises(InputError, match="nothing to read beside the answers"):
            out.claude.review()
        out.insert(0, "prompt", prompts)
        first = out.claude.review()
    first.give("good")
    with cp.simulator(None, latency_seconds=0):
        assert out.claude.review().labelled == 1


def test_journal_clear_keeps_what_was_labelled_by_hand() -> None:
    """Answers can be bought again, an hour of reading cannot."""
    frame = answered()
    review(frame).confirm()
    cp.journal.clear(all=True)
    assert review(frame).labelled == 1


# -- the panel -------------------------------------------------------------------------------------------------------


def test_buttons_and_keys_do_what_they_say() -> None:
    """A digit for each label, r, w, s and b; several letters at once in their order."""
    pytest.importorskip("ipywidgets")
    panel = review(answered())
    face = ReviewPanel(panel)
    assert [button.description for button in face._choices] == ["good (1)", "bad (2)"]
    face._choices[1].click()
    assert panel.labels.iloc[panel.items[0].position] == "bad"
    face._keys.value = "1sb2"
    assert panel.labelled == 3
    assert panel.labels.iloc[panel.items[1].position] == "good"
    assert panel.labels.iloc[panel.items[2].position] == "bad"
    assert face._keys.value == ""
    assert "3 of 10" in face._count.value
    face._keys.value = "r" * 20
    assert panel.labelled == 10
    assert "All rows" in face._text.value
    assert face._right.disabled


def test_a_wrong_answer_asks_which_label_instead() -> None:
    """Of two labels the other one is meant; of three the panel asks, and keeps nothing meanwhile."""
    pytest.importorskip("ipywidgets")
    panel = review(answered())
    first = panel.items[0]
    ReviewPanel(panel)._keys.value = "w"
    assert panel.label_of(first) == {"good": "bad", "bad": "good"}[first.answer]
    frame = answered()
    frame["label"] = frame["label"].cat.add_categories("mixed")
    panel = review(frame, seed=1)
    face, item = ReviewPanel(panel), panel.current
    face._wrong.click()
    assert item is panel.current is not None
    assert f"which label instead of &#x27;{item.answer}&#x27;?" in face._said.value
    face._keys.value = "3"
    assert panel.label_of(item) == "mixed"
    assert face._said.value == ""
    assert ReviewPanel(review(frame, blind=True))._wrong.disabled


def test_the_panel_shows_text_as_text_and_hides_a_blind_answer() -> None:
    """Markup in a row is data."""
    pytest.importorskip("ipywidgets")
    frame = answered()
    frame["text"] = "<script>alert(1)</script> $5 and $6"
    open_, blind = ReviewPanel(review(frame)), ReviewPanel(review(frame, blind=True))
    assert "<script>" not in open_._text.value
    assert "mathjax_ignore" in open_._text.value
    assert ">answer<" in open_._text.value
    assert ">answer<" not in blind._text.value
    assert blind._right.disabled


def test_free_text_is_typed() -> None:
    """And a mistake is a line below."""
    pytest.importorskip("ipywidgets")
    panel = review(answered().assign(label=["x", "y"] * 100))
    face = ReviewPanel(panel)
    face._other.value = "new label"
    assert panel.labelled == 1
    assert face._other.value == ""
    face._other.value = "  "
    assert "empty" in face._said.value


class _Shown:
    """What a cell shows: the last bundle of each output."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []

    def __call__(self, data: Any) -> Any:
        self.outputs.append(dict(data))
        place, outputs = len(self.outputs) - 1, self.outputs

        class Output:
            def update(self, data: Any, *, raw: bool) -> None:
                outputs[place] = dict(data)

        return Output()

    @property
    def widgets(self) -> int:
        return sum("application/vnd.jupyter.widget-view+json" in output for output in self.outputs)


def test_a_saved_notebook_says_how_far_the_labelling_went() -> None:
    """A line of plain HTML follows each label; once all are given it is all that is left, until show() reopens."""
    pytest.importorskip("ipywidgets")
    panel, shown = review(answered()), _Shown()
    face = ReviewPanel(panel)
    face.show(shown)
    assert "0 of 10 rows labelled" in shown.outputs[0]["text/html"]
    face._keys.value = "12"
    assert "2 of 10 rows labelled; run this cell again" in shown.outputs[0]["text/html"]
    assert shown.widgets == 1
    panel.give("good")
    assert "3 of 10 rows labelled" in shown.outputs[0]["text/html"], "labels given by code count as well"
    face._keys.value = "r" * 7
    assert "10 of 10 rows labelled" in shown.outputs[0]["text/html"]
    assert shown.widgets == 0

    again, reopened = _Shown(), _Shown()
    ReviewPanel(review(answered())).show(again)
    ReviewPanel(review(answered())).show(reopened, reopens=True)
    assert (again.widgets, reopened.widgets) == (0, 1)


def test_dates_are_labelled_and_found_again() -> None:
    """The label of a date is kept as its text, which an audit takes for the date."""
    days = pd.to_datetime(["2026-01-02", "2026-03-04", "2026-05-06"])
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": days})
    review(frame).confirm()
    again = review(frame)
    assert again.labelled == 1
    assert frame.claude.audit(again, column="label").accuracy.estimate == 1.0
