"""``cp.simulator(answer=...)``: a model that says what a test of one's own code needs."""

from __future__ import annotations

import socket
from typing import Any, Literal

import pandas as pd
import pytest
from pydantic import BaseModel

import claude_parallel as cp
from claude_parallel.config import is_simulating

FRAME = pd.DataFrame({"text": ["The invoice is wrong.", "Where is my parcel?"]})


def mapped(answer: Any, **options: Any) -> pd.DataFrame:
    """Map two rows on a simulator that answers so."""
    with cp.simulator(None, latency_seconds=0, answer=answer):
        return FRAME.claude.map("Judge: {text}", progress=False, **options)


class Judgement(BaseModel):
    tone: Literal["good", "bad"]
    score: float


@pytest.mark.parametrize(
    ("answer", "responses"),
    [
        ("fine", ["fine", "fine"]),
        (7, ["7", "7"]),
        (["my parcel", "an invoice"], ["an invoice", "my parcel"]),
        (lambda prompt: "money" if "invoice" in prompt else "van", ["money", "van"]),
        (lambda prompt: {"length": len(prompt)}, ['{"length": 28}', '{"length": 26}']),
    ],
)
def test_a_text_a_list_and_a_function(answer: Any, responses: list[str]) -> None:
    """A value is said as it is, the fitting member of a list, what a function returns."""
    assert mapped(answer)["response"].tolist() == responses


@pytest.mark.parametrize(
    "answer", [{"tone": "bad", "score": 0.2}, Judgement(tone="bad", score=0.2), '{"tone": "bad", "score": 0.2}']
)
def test_fields_of_a_typed_answer(answer: Any) -> None:
    """A dict, a pydantic object, or its JSON."""
    out = mapped(answer, schema=Judgement)
    assert out["tone"].tolist() == ["bad", "bad"]
    assert out["score"].tolist() == [0.2, 0.2]


def test_labels_of_a_classification() -> None:
    """A bare type, too, gets a bare value."""
    with cp.simulator(None, latency_seconds=0, answer=lambda prompt: "money" if "invoice" in prompt else "van"):
        out = FRAME.claude.classify("{text}", ["money", "van"], progress=False)
    assert out["label"].tolist() == ["money", "van"]
    assert mapped(True, schema=bool)["response"].tolist() == [True, True]


def test_an_answer_that_does_not_fit_is_a_failed_row() -> None:
    """So that a test can have one."""
    errors = mapped({"tone": "odd", "score": 1}, schema=Judgement)["response_error"]
    assert errors.str.startswith("schema: ").all()


def test_what_the_function_raises_is_raised_at_the_end() -> None:
    """The rows say so, too."""
    with pytest.raises(KeyError, match="missing"), cp.simulator(None, answer=lambda prompt: {}["missing"]):
        out = FRAME.claude.map("Judge: {text}", progress=False)
        assert out["response"].str.contains("KeyError").all()


def test_the_simulator_may_be_stopped_twice() -> None:
    """An error is raised once."""
    simulator = cp.simulator(None, answer="yes").start()
    simulator.stop()
    simulator.stop()
    assert simulator.ledger.requests == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latency": 1}, "no option 'latency'; did you mean"),
        ({"faults": {"boom": 1}}, "unknown fault"),
        ({"faults": 0.1}, "faults must be a mapping"),
    ],
)
def test_a_wrong_option_of_the_simulator_is_told_in_a_line(options: Any, words: str) -> None:
    """As everywhere: what is wrong, and what there is."""
    with pytest.raises(cp.InputError, match=words):
        cp.simulator(**options)


def test_a_simulator_says_where_it_is_and_what_it_saw() -> None:
    """Before, while and after."""
    simulator = cp.simulator(None)
    assert "not started" in repr(simulator)
    with simulator:
        assert f"at {simulator.url}; 0 requests" in repr(simulator)


def test_a_cell_with_a_port_may_be_run_again_and_finds_its_answers() -> None:
    """The one that it started before makes room; what that has answered is in the journal, as after a restart."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = []
    for _ in range(2):
        simulator = cp.simulator(None, latency_seconds=0.0, port=port).start()
        out = cp.map(["one", "two"], progress=False)
        asked.append(simulator.ledger.requests)
    simulator.stop()

    assert asked == [2, 0]
    assert out["response"].tolist() == ["Simulated: one", "Simulated: two"]
    assert not is_simulating()
    with cp.simulator(None, port=port) as another:
        assert another.url.endswith(f":{port}")
