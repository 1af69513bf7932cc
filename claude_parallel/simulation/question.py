"""What a request asks: the row's own text, the instruction around it, the labels it offers, the pictures it shows.

It knows how prompts are usually written; what is answered is for :mod:`words` and :mod:`tickets`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .cache import as_blocks

_OPENING = re.compile(r"\A(?P<instruction>.{0,300}?(?::\s|\?\s|\n))(?P<text>.*\S)", re.DOTALL)
"""An instruction ends with a colon, a question mark or a line's end; what follows is the row's text."""

_LISTING = re.compile(
    r"\b(?:one of|as|into|either|is (?:it|this)|labels?(?: are)?|categories|classes|options)\b[:\s]*"
    r"(?P<listed>[^.:;?!\n]+)",
    re.IGNORECASE,
)
_BETWEEN_LABELS = re.compile(r",|/|\bor\b|\band\b", re.IGNORECASE)

_MOST_CHARACTERS = 20_000
"""What is read of a long prompt; a toy answer needs no more, and the simulator must stay quick."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks.

    Attributes
    ----------
    prompt : str
        All text of the last user message.
    instruction, text : str
        The prompt's opening and the row's own text, as far as they can be told apart.
    system : str
        The system prompt.
    pictures : tuple of str
        Base64 data of the pictures.
    is_guided : bool
        Whether examples or a system prompt of some length stand before the question.
    """

    prompt: str
    instruction: str
    text: str
    system: str = ""
    pictures: tuple[str, ...] = ()
    is_guided: bool = False
    unseen: str = ""
    """What a toy cannot look into: "a picture" or "a document"; empty where there is none."""


GUIDE_CHARACTERS = 200
"""A system prompt of that length is taken for guidance: a list of labels is shorter, a handbook longer."""


def read_question(body: Mapping[str, Any]) -> Question:
    """Return what a Messages body asks."""
    messages = body["messages"]
    blocks = as_blocks(messages[-1]["content"])
    prompt = "".join(str(block["text"]) for block in blocks if block.get("type") == "text")[:_MOST_CHARACTERS]
    system = "".join(str(block.get("text", "")) for block in as_blocks(body.get("system")))[:_MOST_CHARACTERS]
    sources = [block["source"] for block in blocks if block.get("type") == "image" and "source" in block]
    pictures = tuple(str(source["data"]) for source in sources if "data" in source)
    found = _OPENING.match(prompt)
    instruction, text = (found["instruction"], found["text"]) if found else ("", prompt)
    papers = [block["source"] for block in blocks if block.get("type") == "document" and "source" in block]
    read = "\n".join(str(paper["data"]) for paper in papers if paper.get("type") == "text")[:_MOST_CHARACTERS]
    if read:
        instruction, text = prompt, read
    unseen = "a picture" if sources else "a document" if papers and not read else ""
    is_guided = len(messages) > 1 or len(system) >= GUIDE_CHARACTERS
    return Question(prompt, instruction, text.strip(), system, pictures, is_guided, unseen)


def listed_labels(question: Question) -> list[str]:
    """Return the labels that the instruction offers, such as ``good`` and ``bad`` of "as good or bad"."""
    return list(_labels_in(question.instruction + " ") or _labels_in(question.system))


@lru_cache(maxsize=256)  # thousands of rows share one instruction and one system prompt
def _labels_in(text: str) -> tuple[str, ...]:
    for found in _LISTING.finditer(text):
        labels = tuple(label for piece in _BETWEEN_LABELS.split(found["listed"]) if (label := piece.strip(" '\"()")))
        if len(labels) > 1 and all(len(label.split()) <= MOST_LABEL_WORDS for label in labels):
            return labels
    return ()


MOST_LABEL_WORDS = 3
"""A longer piece between commas is a clause of a sentence."""
