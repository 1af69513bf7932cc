"""classify, extract, models."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

import claude_parallel as cp

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


@pytest.mark.parametrize("labels", [["one"], ["a", "a"], "ab", ["a", ""]])
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


def test_models_of_an_untyped_frame_are_refused() -> None:
    """The message says why."""
    with pytest.raises(cp.InputError, match="schema"):
        FRAME.claude.models()


def test_an_answer_that_does_not_fit_is_repaired(simulated: Any) -> None:
    """repair=1 shows Claude its answer and what is wrong; both answers are paid and counted."""
    answers = iter(['{"n": 5}', '{"n": 500}'])

    with cp.simulator(
        None, latency_seconds=0, answer=lambda prompt: {"n": 50} if "maximum" in prompt else next(answers)
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
