"""The demo tickets: what is in them, and how models of different strength play them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.tickets import FOLDER, TOPICS, URGENCIES, all_tickets

from .test_brain import body_of, message

READ = {
    "type": "object",
    "properties": {
        "topic": {"enum": list(TOPICS)},
        "urgency": {"enum": list(URGENCIES)},
        "reason": {"type": "string"},
        "evidence_quote": {"type": "string"},
        "confidence": {"type": "number"},
    },
    "required": ["topic", "urgency", "reason", "evidence_quote", "confidence"],
    "additionalProperties": False,
}


def read_all(model: str, **fields: Any) -> list[dict[str, Any]]:
    """Return what a model says about all tickets."""
    brain = Brain()
    form = {"output_config": {"format": {"type": "json_schema", "schema": READ}}, "model": model, **fields}
    answers = [message(brain, body_of(f"Read this ticket: {ticket.text}", **form)) for ticket in all_tickets()]
    return [json.loads(answer["content"][0]["text"]) for answer in answers]


def right(answers: list[dict[str, Any]], field: str = "topic") -> int:
    """Count the right ones."""
    return sum(answer[field] == getattr(ticket, field) for answer, ticket in zip(answers, all_tickets(), strict=True))


def test_there_are_two_hundred_different_tickets_of_every_kind() -> None:
    """Each class is large enough to count in, and what is confused is another class."""
    tickets = all_tickets()
    assert len({ticket.text for ticket in tickets}) == len({ticket.number for ticket in tickets}) == 200
    assert min(Counter(ticket.topic for ticket in tickets)[topic] for topic in TOPICS) >= 30
    assert min(Counter(ticket.urgency for ticket in tickets)[urgency] for urgency in URGENCIES) >= 30
    for ticket in tickets:
        assert bool(ticket.hardness) == bool(ticket.mistaken)
        assert ticket.mistaken in ("", *set(TOPICS) - {ticket.topic})
        assert bool(ticket.photo) == bool(ticket.caption)
        assert ticket.text not in ticket.reason


def test_a_strong_model_errs_less_than_a_cheap_one() -> None:
    """And always on the same rows: the figures are part of the notebooks."""
    cheap, medium, strong = (read_all(model) for model in ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"))
    assert 165 <= right(cheap) <= 178 < 186 <= right(medium) <= 194 < 196 <= right(strong) < 200
    assert right(cheap, "urgency") < right(medium, "urgency") <= right(strong, "urgency")
    assert read_all("claude-haiku-5-5") == cheap


def test_a_model_that_errs_is_less_sure() -> None:
    """Confidence is worth something here."""
    answers = read_all("claude-haiku-5-5")
    sure = {True: [], False: []}  # type: dict[bool, list[float]]
    for answer, ticket in zip(answers, all_tickets(), strict=True):
        sure[answer["topic"] == ticket.topic].append(answer["confidence"])
    assert max(sure[False]) < sum(sure[True]) / len(sure[True])


def test_examples_and_handbooks_help() -> None:
    """A cheap model that is told what counts does better."""
    assert right(read_all("claude-haiku-5-5", system="A ticket is returns when goods go back. " * 20)) > right(
        read_all("claude-haiku-5-5")
    )


def test_quotes_stand_in_the_text_word_for_word() -> None:
    """So that what checks quotes finds them."""
    for answer, ticket in zip(read_all("claude-haiku-5-5"), all_tickets(), strict=True):
        assert answer["evidence_quote"] in ticket.text
        assert answer["reason"] == ticket.reason


def test_several_draws_disagree_on_hard_tickets_only() -> None:
    """What a vote is for."""
    brain, disagreed = Brain(), []
    for ticket in all_tickets():
        body = body_of(f"One of {', '.join(TOPICS)}: {ticket.text}")
        draws = {message(brain, body)["content"][0]["text"] for _ in range(5)}
        if len(draws) > 1:
            disagreed.append(ticket.hardness)
    assert len(disagreed) >= 15
    assert min(disagreed) > 0


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Summarise in one sentence: {text}", "reason"),
        ("How urgent is this ticket? {text}", "urgency"),
        ("{text}\n\nWhich of billing, delivery, damaged, returns, account, question?", "topic"),
    ],
)
def test_a_prompt_without_a_schema_gets_what_it_asks_for(prompt: str, said: str) -> None:
    """Marked as simulated."""
    ticket = next(ticket for ticket in all_tickets() if ticket.urgency == "high")
    text = message(Brain(), body_of(prompt.format(text=ticket.text), model="claude-opus-5-5"))["content"][0]["text"]
    assert text == f"Simulated: {getattr(ticket, said)}"


def test_the_frame_has_the_right_answers_beside_the_texts() -> None:
    """Ready to be mapped and compared."""
    frame = cp.demo_tickets()
    assert frame.columns.tolist() == ["product", "text", "gold_topic", "gold_urgency"]
    assert frame["gold_urgency"].cat.ordered
    assert frame.index.name == "ticket"
    assert cp.demo_tickets(8).equals(frame.head(8))


def test_pictures_are_known_to_the_simulator() -> None:
    """A photo column is described by what is drawn there."""
    photos = cp.demo_tickets(photos=True)
    assert photos["photo"].map(lambda path: str(path).startswith(str(FOLDER))).all()
    with cp.simulator(latency_seconds=0):
        out = photos.claude.map(lambda row: "What is damaged?", images="photo", progress=False)
    known = {ticket.number: f"Simulated: {ticket.caption}" for ticket in all_tickets() if ticket.photo}
    assert out["response"].to_dict() == known
    assert len(known) == 8


def test_pictures_are_small() -> None:
    """They travel with the package."""
    sizes = [path.stat().st_size for path in (FOLDER / "photos").glob("*.png")]
    assert max(sizes) < 4_000


def test_the_demo_works_in_batches_too() -> None:
    """The same tickets, the same models."""
    tickets = cp.demo_tickets(40)
    with cp.simulator(None, latency_seconds=0, batch_seconds=0.1):
        out = tickets.claude.classify("{text}", list(TOPICS), batch=True, progress=False, model="claude-opus-5-5")
    assert isinstance(out, pd.DataFrame)
    assert (out["label"].astype(str) == out["gold_topic"].astype(str)).mean() > 0.95
