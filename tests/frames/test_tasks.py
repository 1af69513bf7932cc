"""classify, extract, models."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pandas as pd
import pytest
from pydantic import AfterValidator, BaseModel, Field

import claude_parallel as cp
from claude_parallel.frames.tasks import classification, extraction
from claude_parallel.simulation.profile import Profile

from ..worlds import world

FRAME = pd.DataFrame({"t": ["one", "two", "three"]})


@pytest.fixture(autouse=True)
def simulated() -> Any:
    """Run against the simulator."""
    with cp.simulator(None, latency_seconds=0) as sim:
        yield sim


def test_classes_are_a_categorical_column() -> None:
    """Every label is one of those given, in their order."""
    out = FRAME.claude.classify("{t}", ["good", "bad"], progress=False)

    assert out["label"].cat.categories.tolist() == ["good", "bad"]
    assert out["label"].notna().all()


def test_several_classes_are_a_list() -> None:
    """With multiple=True a cell holds any number of labels."""
    out = FRAME.claude.classify("{t}", ["a", "b"], multiple=True, progress=False)

    assert all(set(labels) <= {"a", "b"} for labels in out["label"])


class Tone(Enum):
    """Labels as an Enum."""

    GOOD = "good"
    BAD = "bad"


@pytest.mark.parametrize(
    ("labels", "categories"),
    [
        ({"good": "any praise", "bad": None}, ["good", "bad"]),
        (Tone, ["good", "bad"]),
        ([Tone.BAD, Tone.GOOD], ["bad", "good"]),
        ([1, 2, 3], [1, 2, 3]),
        (range(2), [0, 1]),
        (Literal["b", "a"], ["b", "a"]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series(["b", "a"]), ["b", "a"]),
        (["{x}", "y"], ["{x}", "y"]),
    ],
    ids=["dict", "Enum", "members", "whole numbers", "range", "Literal", "categorical", "Series", "braces"],
)
def test_labels_may_be_whatever_names_classes(labels: Any, categories: list[Any]) -> None:
    """The column has exactly these categories, in their order."""
    out = FRAME.claude.classify("{t}", labels, progress=False)

    assert out["label"].cat.categories.tolist() == categories
    assert out["label"].notna().all()


def test_descriptions_of_labels_stand_in_the_prompt() -> None:
    """They are why one writes a dict."""
    seen: list[str] = []

    def answer(body: Any) -> str:
        seen.append(str(body["system"]))
        return '{"value": "billing"}'

    labels = {"billing": "charges and\n refunds {all}", "bug": "it does not work"}
    options = classification(labels, {"system": "Be strict."}, multiple=False)
    world(Profile(answer=answer)).map(FRAME, "{t}", out="label", **options)

    assert "Be strict." in seen[0]
    assert "- billing: charges and refunds {all}" in seen[0]
    assert "- bug: it does not work" in seen[0]


@pytest.mark.parametrize(
    "task", [lambda: classification(["a", "b"], {}, multiple=False), lambda: extraction(Entry, {})]
)
def test_a_configured_system_prompt_stands_before_the_task(task: Any) -> None:
    """Both are said; literal braces stay literal."""
    cp.configure(system="Be {{strict}}.")
    assert task()["system"].startswith("Be {{strict}}.\n\n")


@pytest.mark.parametrize(
    "labels", [["one"], ["a", "a"], "ab", ["a", ""], ["a", 1.5], ["a", True], 5, {"a": 1, "b": 2}, {"a", "b"}]
)
def test_labels_that_cannot_work_are_refused(labels: Any) -> None:
    """Before the first call."""
    with pytest.raises(cp.InputError, match="labels"):
        FRAME.claude.classify("{t}", labels)


def test_extract_gives_fields_and_objects() -> None:
    """Fields become columns, and the pydantic objects can be had back."""

    class Fact(BaseModel):
        name: str
        year: int

    out = FRAME.claude.extract("{t}", Fact, progress=False)

    assert out["year"].dtype == "Int64"
    objects = out.claude.models()
    assert [fact.year for fact in objects] == out["year"].tolist()
    assert isinstance(objects.iloc[0], Fact)


def test_the_objects_follow_the_rows_and_are_built_from_the_cells() -> None:
    """Of sorted frames too; what a validator changes can still be had, and a row without an answer has none."""

    class Fact(BaseModel):
        name: Annotated[str, AfterValidator(lambda text: f"<{text}>" if text.startswith("ok") else _refuse())]
        day: date | None = Field(alias="the day")
        parts: list[Tone] = []

    frame = pd.DataFrame({"t": ["b", None, "a"]})
    answer = '{"name": "ok", "the day": "2026-01-02", "parts": ["good"]}'
    with cp.simulator(None, latency_seconds=0, answer=lambda body: answer):
        out = frame.claude.extract("{t}", Fact, progress=False).sort_values("t")

    objects = out.claude.models()
    assert objects.index.tolist() == [2, 0, 1]
    assert objects.iloc[2] is None
    assert isinstance(objects.iloc[0], Fact)
    assert objects.iloc[0].name == "<ok>"


class Entry(BaseModel):
    """One of several in an answer."""

    name: str
    born: date | None = None


@pytest.mark.parametrize(
    ("schema", "answer", "expected"),
    [
        (list[Entry], '{"value": [{"name": "a", "born": "2026-01-02"}]}', [Entry(name="a", born=date(2026, 1, 2))]),
        (date, '{"value": "2026-01-02"}', date(2026, 1, 2)),
        (Tone, '{"value": "good"}', Tone.GOOD),
        (int, '{"value": 5}', 5),
        (Annotated[str, AfterValidator(lambda text: f"<{text}>")], '{"value": "a"}', "<a>"),
    ],
)
def test_the_objects_of_a_bare_type_are_of_that_type(schema: Any, answer: str, expected: Any) -> None:
    """Models in a list, dates, members of an Enum: not what stands for them in a column."""
    with cp.simulator(None, latency_seconds=0, answer=lambda body: answer):
        objects = FRAME.claude.map("{t}", schema=schema, progress=False).claude.models()
    assert objects.tolist() == [expected] * 3
    assert type(objects.iloc[0]) is type(expected)


def test_the_objects_are_there_after_another_map() -> None:
    """A map without a schema has no objects; the one before it has."""
    out = FRAME.claude.map("{t}", schema=int, out="n", progress=False).claude.map("Say {t}", progress=False)
    assert out.claude.models().tolist() == out["n"].tolist()


def _refuse() -> str:
    raise ValueError("not ok")


def test_models_of_an_untyped_frame_are_refused() -> None:
    """The message says why."""
    with pytest.raises(cp.InputError, match="schema"):
        FRAME.claude.models()


def test_an_answer_that_does_not_fit_is_repaired(simulated: Any) -> None:
    """repair=1 shows Claude its answer and what is wrong; both answers are paid and counted."""
    answers = iter(['{"n": 5}', '{"n": 500}'])

    with cp.simulator(
        None, latency_seconds=0, answer=lambda prompt: {"n": 50} if "does not fit" in prompt else next(answers)
    ) as sim:
        spec = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 100}}, "required": ["n"]}
        out = pd.DataFrame({"t": ["x", "y"]}).claude.map(
            "{t}", schema=spec, repair=1, progress=False, max_concurrency=1
        )

        assert out["n"].tolist() == [5, 50]
        assert sim.ledger.requests == 3
        again = pd.DataFrame({"t": ["x", "y"]}).claude.map("{t}", schema=spec, repair=1, progress=False)

    assert again["n"].tolist() == [5, 50]
    assert sim.ledger.requests == 3  # the repaired answer, too, comes from the journal


def test_models_of_a_column_that_was_dropped_say_so() -> None:
    """Instead of a KeyError."""
    out = FRAME.claude.map("{t}", schema={"a": int}, progress=False).drop(columns="a")
    with pytest.raises(cp.InputError, match="'a', of which the objects are made, was renamed or dropped"):
        out.claude.models()
