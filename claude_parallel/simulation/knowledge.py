"""What the simulated model has to say about one request: the demo ticket that it plays, or the words of the text.

It answers for a field by the field's name and kind; how a schema is walked is for :mod:`schema_values`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from . import words
from .models import Model
from .question import Question, listed_labels, read_question
from .tickets import TOPICS, URGENCIES, Played, captions, find_ticket, play, quote_of

SIMULATED = "Simulated: "
"""Begins every free text that was not written for the project."""

_QUOTES = re.compile(r"quote|evidence|citation|excerpt|verbatim", re.IGNORECASE)
_REASONS = re.compile(r"reason|summar|explan|why|descri|caption|note|comment|rationale|gist", re.IGNORECASE)
_TOPICS = re.compile(r"topic|label|categor|class|theme|subject|department", re.IGNORECASE)
_URGENCY = re.compile(r"urgen|priorit|sever", re.IGNORECASE)
_NAMES = re.compile(r"name|person|customer|author|who|place|town|city|country|company", re.IGNORECASE)
_AMOUNTS = re.compile(r"amount|price|year|number|count|quantit|total|order|age\b|days|sum|cost", re.IGNORECASE)
_CONFIDENCE = re.compile(r"confiden|probab|certain|likelihood", re.IGNORECASE)
_OTHERS = ("other", "none", "unknown", "unclear", "n/a")
_RATINGS = {"low": 1, "normal": 3, "high": 5}
"""A number for who asks for one: the middle and both ends of a scale from 1 to 5."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a model knows about one request.

    Attributes
    ----------
    question : Question
        What is asked.
    text : str
        What is judged: the row's text, or what is known about its pictures.
    played : Played or None
        The demo ticket in it.
    chance : random.Random
        Decides what words cannot.
    """

    question: Question
    text: str
    played: Played | None
    chance: Random

    def label(self, labels: Sequence[Any], name: str, description: str = "") -> Any:
        """Return one of `labels` for a field."""
        by_text = {str(label).casefold(): label for label in labels if label is not None}
        for said in self._said(name):
            if said in by_text:
                return by_text[said]
        others = [by_text[word] for word in _OTHERS if word in by_text]
        if self.played is not None and others and set(by_text) & set(TOPICS):
            return others[0]
        explained = "\n".join((description, self.question.system, self.question.instruction))
        return words.best_label(list(by_text.values()) or labels, self.text, self.chance, explained)

    def _said(self, name: str) -> tuple[str, ...]:
        if self.played is None:
            return ()
        topic, urgency = self.played.topic, self.played.urgency
        return (urgency, topic) if _URGENCY.search(name) else (topic, urgency)

    def is_true(self, name: str) -> bool:
        """Return the answer to a yes-or-no field, by whether the text speaks of it."""
        asked = name if words.stems(name) else self.question.instruction
        if self.played is not None and _URGENCY.search(asked):
            return self.played.urgency == "high"
        if not words.stems(asked):
            return self.chance.random() < 0.5
        return words.mentions(self.text, words.stems(asked))

    def number(self, name: str) -> float:
        """Return a number for a field: a figure of the text, or by chance."""
        if _CONFIDENCE.search(name):
            return self.played.confidence if self.played else round(self.chance.uniform(0.5, 0.99), 2)
        if self.played is not None and _URGENCY.search(name):
            return _RATINGS[self.played.urgency]
        found = words.number_in(self.text) if _AMOUNTS.search(name) else None
        return round(self.chance.uniform(0, 100), 2) if found is None else found

    def string(self, name: str) -> str:
        """Return a free text for a field."""
        if _QUOTES.search(name):
            return self.quote()
        if self.played is not None:
            if _TOPICS.search(name):
                return self.played.topic
            if _URGENCY.search(name):
                return self.played.urgency
        if _REASONS.search(name):
            return self.summary()
        if _NAMES.search(name):
            return words.name_in(self.text) or "unknown"
        found = words.key_words(self.text, 2)
        return SIMULATED + " ".join(found) if found else self.summary()

    def strings(self, name: str) -> list[str]:
        """Return a list of free texts for a field."""
        if _QUOTES.search(name):
            return [self.quote()]
        return words.key_words(self.text, self.chance.randint(2, 4)) or [self.string(name)]

    def quote(self) -> str:
        """Return a sentence that stands in the text, word for word."""
        pieces = words.sentences(self.text)
        if not pieces:
            return ""
        if self.played is not None and self.played.ticket.text in self.question.prompt:
            return quote_of(self.played.ticket, words.sentences(self.played.ticket.text))
        return pieces[0]

    def summary(self) -> str:
        """Return the gist: the one written for the ticket, what a picture shows, or the text's first sentence."""
        if shown := captions(self.question):
            return " ".join(shown)
        if self.played is not None:
            return self.played.ticket.reason
        if self.question.unseen:
            return f"{SIMULATED}{self.question.unseen}, which no simulator can look into"
        return SIMULATED + words.first_sentence(self.text)

    def answer(self) -> str:
        """Return the answer to a prompt without a schema; it says that it is simulated."""
        labels = listed_labels(self.question)
        if self.played is not None:
            asked = self.question.prompt.replace(self.played.ticket.text, "")
            if labels or (sum(topic in asked.casefold() for topic in TOPICS) > 1):
                return SIMULATED + str(self.label(labels or TOPICS, ""))
            if _URGENCY.search(asked):
                return SIMULATED + str(self.label(URGENCIES, "urgency"))
        if labels:
            return SIMULATED + str(self.label(labels, ""))
        gist = self.summary()
        return gist if gist.startswith(SIMULATED) else SIMULATED + gist


def knowledge_of(body: Mapping[str, Any], model: Model, roll: float, chance: Random) -> Knowledge:
    """Return what `model` knows about a request; `roll` is the chance of this very draw."""
    question = read_question(body)
    ticket = find_ticket(question)
    played = play(ticket, model.line, question.is_guided, roll, chance) if ticket else None
    shown = " ".join(captions(question))
    text = question.text or question.prompt or "a request without text"
    return Knowledge(question, shown or text, played, chance)
