"""The demo tickets: 200 texts with right answers, written for this project, which the simulated models play.

It knows the data in ``demo_data`` and how well each model does on it. A strong model errs less than a cheap one, always
on the same rows, so that a comparison has something to show.
"""

from __future__ import annotations

import base64
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from .question import Question

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent / "demo_data"

TOPICS = ("billing", "delivery", "damaged", "returns", "account", "question")
URGENCIES = ("low", "normal", "high")

SKILL: Mapping[str, int] = MappingProxyType({"haiku": 0, "sonnet": 2, "opus": 4, "fable": 4, "mythos": 4})
"""Line of models -> the hardness of tickets that it still gets right."""

MISTAKES = 0.75
"""How often a model mistakes a ticket that is too hard for it; below 1, so that several draws disagree there."""

URGENCY_MISTAKES: Mapping[int, float] = MappingProxyType({0: 0.12, 1: 0.09, 2: 0.06, 3: 0.04, 4: 0.02, 5: 0.02})
"""Skill -> how often the urgency is one step off: people, too, agree less on urgency than on topics."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One support ticket and what is right about it.

    Attributes
    ----------
    number : int
        1001 and up.
    product, text : str
        What it is about (may be empty), and what the customer wrote.
    topic, urgency, reason : str
        The right answers.
    hardness : int
        0 = every model gets the topic right.
    mistaken : str
        The topic that a weaker model says instead.
    photo, caption : str
        File name of a picture and what it shows; mostly empty.
    """

    number: int
    product: str
    text: str
    topic: str
    urgency: str
    reason: str
    hardness: int
    mistaken: str
    photo: str
    caption: str


@dataclass(frozen=True, slots=True)
class Played:
    """What one model says about one ticket.

    Attributes
    ----------
    ticket : Ticket
        The ticket.
    topic, urgency : str
        Said by the model; not always right.
    confidence : float
        0 to 1.
    """

    ticket: Ticket
    topic: str
    urgency: str
    confidence: float


@cache
def all_tickets() -> tuple[Ticket, ...]:
    """Return the demo tickets."""
    with (FOLDER / "tickets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(Ticket(number=int(row.pop("ticket")), hardness=int(row.pop("hardness")), **row) for row in rows)


def demo_tickets(rows: int | None = None, *, photos: bool = False) -> pd.DataFrame:
    """Return 200 support tickets to try things on: texts, right answers, some with a picture.

    They were written for this project, about a shop that does not exist. The simulator knows them and plays models of
    different strength on them: a cheap model gets some topics wrong, a strong one fewer.

    Parameters
    ----------
    rows : int, optional
        Only the first so many.
    photos : bool, default False
        True = only the tickets that have a picture, with its path in a column ``photo``.

    Returns
    -------
    DataFrame
        Indexed by ticket number: ``product``, ``text``, and the right answers ``gold_topic`` (billing, delivery,
        damaged, returns, account, question) and ``gold_urgency`` (low, normal, high).

    Examples
    --------
    >>> import claude_parallel as cp
    >>> tickets = cp.demo_tickets()
    >>> tickets.shape
    (200, 4)
    >>> with cp.simulator():
    ...     out = tickets.claude.classify("{text}", sorted(set(tickets["gold_topic"])), progress=False)
    >>> bool((out["label"] == out["gold_topic"]).mean() > 0.8)
    True
    """
    import pandas as pd

    chosen = [ticket for ticket in all_tickets() if ticket.photo or not photos][:rows]
    columns = {
        "product": pd.Series([ticket.product or None for ticket in chosen], dtype="str"),
        "text": pd.Series([ticket.text for ticket in chosen], dtype="str"),
        "gold_topic": pd.Categorical([ticket.topic for ticket in chosen], categories=TOPICS),
        "gold_urgency": pd.Categorical([ticket.urgency for ticket in chosen], categories=URGENCIES, ordered=True),
    }
    if photos:
        columns["photo"] = pd.Series([str(FOLDER / "photos" / ticket.photo) for ticket in chosen], dtype="str")
    frame = pd.DataFrame(columns)
    frame.index = pd.Index([ticket.number for ticket in chosen], name="ticket")
    return frame


def find_ticket(question: Question) -> Ticket | None:
    """Return the one demo ticket whose text a question holds or whose picture it shows; None for none or several."""
    by_piece = _by_piece()
    found = {
        ticket.number: ticket
        for piece in _pieces(question.prompt)
        for ticket in by_piece.get(piece, ())
        if ticket.text in question.prompt
    }
    if not found:
        found = {ticket.number: ticket for data in question.pictures if (ticket := _by_photo(data))}
    return next(iter(found.values())) if len(found) == 1 else None


def captions(question: Question) -> list[str]:
    """Return what is known about the pictures of a question."""
    return [ticket.caption for data in question.pictures if (ticket := _by_photo(data))]


def play(ticket: Ticket, line: str, is_guided: bool, roll: float, chance: Random) -> Played:
    """Return what a model says about a ticket.

    Parameters
    ----------
    ticket : Ticket
        From :func:`find_ticket`.
    line : str
        The model's line, a key of :data:`SKILL`.
    is_guided : bool
        Examples or a handbook help: they count as one step of skill.
    roll : float
        Chance in [0, 1) of this very draw.
    chance : random.Random
        Chance of this request, the same for each draw of it.
    """
    skill = SKILL.get(line, 0) + is_guided
    is_hard = ticket.hardness > skill
    topic = ticket.mistaken if is_hard and roll < MISTAKES else ticket.topic
    urgency = ticket.urgency
    if chance.random() < URGENCY_MISTAKES[min(skill, 5)]:
        at = URGENCIES.index(urgency)
        urgency = URGENCIES[1 if at != 1 else chance.choice((0, 2))]
    low, high = (0.5, 0.75) if is_hard else (0.85, 0.99)
    return Played(ticket, topic, urgency, round(chance.uniform(low, high), 2))


def quote_of(ticket: Ticket, pieces: Sequence[str]) -> str:
    """Return the sentence of a ticket that shares most words with its reason."""
    from .words import stems

    reason = set(stems(ticket.reason))
    return max(pieces, key=lambda piece: len(reason & set(stems(piece))))


def _pieces(text: str) -> list[str]:
    """Return what stands between the ends of sentences and lines; a regular expression takes forty times as long."""
    ends = text.replace(".", "\n").replace("!", "\n").replace("?", "\n")
    return [stripped for piece in ends.split("\n") if (stripped := piece.strip())]


@cache
def _by_piece() -> Mapping[str, list[Ticket]]:
    found: dict[str, list[Ticket]] = {}
    for ticket in all_tickets():
        for piece in _pieces(ticket.text):
            found.setdefault(piece, []).append(ticket)
    return found


@cache
def _photos() -> Mapping[int, list[tuple[str, Ticket]]]:
    """Length of a picture's base64 text -> pictures, so that a foreign picture is told by its length."""
    found: dict[int, list[tuple[str, Ticket]]] = {}
    for ticket in all_tickets():
        if ticket.photo:
            data = base64.b64encode((FOLDER / "photos" / ticket.photo).read_bytes()).decode()
            found.setdefault(len(data), []).append((data, ticket))
    return found


def _by_photo(data: str) -> Ticket | None:
    return next((ticket for known, ticket in _photos().get(len(data), ()) if known == data), None)
