"""Answers by the words of a text."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.knowledge import knowledge_of
from claude_parallel.simulation.models import MODELS
from claude_parallel.simulation.question import listed_labels, read_question
from claude_parallel.simulation.words import best_label, first_sentence, key_words, name_in, number_in, sentences

from .test_brain import body_of, formatted, message


def said(content: str, **fields: Any) -> str:
    """Return the text that answers a prompt."""
    return str(message(Brain(), body_of(content, **fields))["content"][0]["text"])


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Summarise: The lamp broke. I am sad.", "The lamp broke."),
        ("Translate to French:\n\nGood morning! How are you?", "Good morning!"),
        ("Classify the tone as good or bad: It broke after a week.", "bad"),
        ("Is this positive, negative or neutral? Great sound, I love it.", "positive"),
        ("Hello", "Hello"),
    ],
)
def test_a_text_answer_speaks_of_the_text_and_says_that_it_is_simulated(prompt: str, answer: str) -> None:
    """Not of the instruction."""
    assert said(prompt) == f"Simulated: {answer}"


def test_fields_are_answered_by_name_and_type() -> None:
    """From the row's own words."""
    fields: dict[str, Any] = {
        "tone": {"enum": ["good", "bad"]},
        "refund": {"type": "boolean"},
        "praise": {"type": "boolean"},
        "amount": {"type": "number"},
        "customer_name": {"type": "string"},
        "summary": {"type": "string"},
        "quote": {"type": "string"},
        "keywords": {"type": "array", "items": {"type": "string"}},
        "confidence": {"type": "number"},
    }
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    text = "The kettle was broken. Please refund 49.90 euros to Ada Okafor."
    value = json.loads(message(Brain(), formatted(schema, content=f"Read this: {text}"))["content"][0]["text"])
    assert (value["tone"], value["refund"], value["praise"]) == ("bad", True, False)
    assert (value["amount"], value["customer_name"]) == (49.9, "Ada Okafor")
    assert value["summary"] == "Simulated: The kettle was broken."
    assert value["quote"] in text
    assert set(value["keywords"]) <= set(text.lower().replace(".", " ").split())
    assert 0 <= value["confidence"] <= 1


def test_a_label_may_be_explained() -> None:
    """Descriptions count beside the label's own words."""
    explained = "billing: charges and refunds\ndelivery: parcels and couriers"
    assert best_label(["billing", "delivery"], "The courier was rude.", Random(0), explained) == "delivery"
    assert best_label(["billing", "delivery"], "Two charges!", Random(0), explained) == "billing"


@given(st.lists(st.text(min_size=1), min_size=1), st.text(), st.text(), st.integers())
def test_a_label_is_one_of_the_labels(labels: list[str], text: str, descriptions: str, seed: int) -> None:
    """Whatever the text, and always the same one."""
    chosen = best_label(labels, text, Random(seed), descriptions)
    assert chosen in labels
    assert chosen == best_label(labels, text, Random(seed), descriptions)


@given(st.text())
def test_what_is_taken_from_a_text_stands_in_it(text: str) -> None:
    """Sentences, numbers, names and key words are quoted, not made up."""
    assert all(sentence in text for sentence in sentences(text))
    assert len(first_sentence(text)) <= 162
    name, number = name_in(text), number_in(text)
    assert name is None or name in text
    assert number is None or any(letter.isdigit() for letter in text)
    assert all(word in text.lower() for word in key_words(text, 3))


@pytest.mark.parametrize("piece", ["as good or bad, ", "one of a, b, c ", "Is it so? ", "a", " ", "A b. "])
def test_reading_a_long_prompt_takes_no_time(piece: str) -> None:
    """No pattern goes back and forth over a text (CPU seconds; it once took minutes)."""
    text = piece * (200_000 // len(piece))
    before = time.process_time()
    question = read_question(body_of(text, system=text))
    listed_labels(question)
    sentences(question.text)
    assert said("Summarise: " + text)
    assert time.process_time() - before < 1.0


def test_what_a_toy_cannot_look_into_it_says_so() -> None:
    """Instead of echoing the prompt; a text document is the text that is judged."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
    paper = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Rain. Then sun."}}
    for block, answer in (
        (picture, "Simulated: a picture, which no simulator can look into"),
        (paper, "Simulated: Rain."),
    ):
        content = [block, {"type": "text", "text": "Describe this"}]
        assert (
            knowledge_of(
                {"messages": [{"role": "user", "content": content}]}, MODELS["claude-haiku-5-5"], 0.5, Random(0)
            ).answer()
            == answer
        )
