"""Whether quoted words stand in the row's own text: exactly, apart from spaces and punctuation, or apart from a typo.

A quote is evidence only if it can be believed, so a near match must be very near: with another number, another word, or
a "not" more or less, the quote counts as not found. ``schema.quotes`` asks for the quotes.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import InputError
from ..records import Outcome

NEAR = 90.0
"""Least similarity, per cent, of a near match as a whole: its words are compared one by one as well."""
_LONGEST_SMALL_WORD = 3
"""Longest word that may be left out or put in: articles and the like."""
_LEAST_LETTERS = 5
"""Shorter words have no slips: one letter makes another word of them (now, not)."""
_LETTERS_PER_SLIP = 5
"""One slip for each so many letters."""

_NEGATIONS = frozenset(
    {
        "no",
        "not",
        "nor",
        "non",
        "un",
        "ne",
        "pas",
        "ni",
        "nie",
        "sin",
        "sem",
        "mai",
        "nej",
        "nei",
        "não",
        "не",
        "нет",
        "ни",
    }
)
"""Small words that turn a sentence round, in the languages that are read most."""

_MARKS = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "–": "-",
        "—": "-",
        "\u00ad": None,
        "\u200b": None,
    }
)
_GAP = re.compile(r"\s*(?:\[\s*\.{3}\s*\]|\(\s*\.{3}\s*\)|\.{3,})\s*")
_EDGES = " \t\n\"'`.,;:!?-"
_WORD = re.compile(r"\w+(?:['.,]\w+)*")


@dataclass(frozen=True, slots=True)
class OwnText:
    """What a row itself says: its text, and whether it has files that cannot be searched."""

    text: str
    has_files: bool = False


def check_rapidfuzz() -> None:
    """Refuse quotes before the first call where the search for near ones is not installed.

    Raises
    ------
    InputError
        With the command that installs it.
    """
    if importlib.util.find_spec("rapidfuzz") is None:
        raise InputError('quotes=True needs rapidfuzz; run: pip install "claude-parallel[quotes]"')


def quote_arrays(
    names: Sequence[tuple[str, str]], outcomes: Sequence[Outcome], texts: Sequence[OwnText]
) -> dict[str, Any]:
    """Return the columns of quotes, and of whether they were found.

    Found is True or False; missing where there is nothing to check: no answer, an empty field without a quote, or a
    quote that may stand in an attached file.
    """
    arrays: dict[str, Any] = {}
    for place, (quote_name, found_name) in enumerate(names):
        quotes: list[str | None] = []
        found: list[bool | None] = []
        for outcome, own in zip(outcomes, texts, strict=True):
            values = outcome.values
            quote = values.quotes[place] if values is not None and values.quotes else None
            quotes.append(quote)
            found.append(None if values is None else _is_found(quote, values.columns[place], own))
        arrays[quote_name] = pd.array(quotes, dtype="string")
        arrays[found_name] = pd.array(found, dtype="boolean")
    return arrays


def _is_found(quote: str | None, value: Any, own: OwnText) -> bool | None:
    if quote is None and value in (None, "", []):
        return None
    if quote is not None and stands_in(quote, own.text):
        return True
    return None if own.has_files else False


def stands_in(quote: str, text: str) -> bool:
    """Say whether quoted words stand in a text.

    Parts around an ellipsis must stand in the text one after the other.

    Parameters
    ----------
    quote : str
        The words, as they were quoted.
    text : str
        Where they are said to stand.
    """
    if _position(quote, text, 0) >= 0:
        return True
    whole = _normalized(text)
    parts = [part.strip(_EDGES) for part in _GAP.split(_normalized(quote))]
    parts = [part for part in parts if part]
    start = 0
    for part in parts:
        place = _position(part, whole, start)
        if place < 0:
            return len(parts) == 1 and _is_near(part, whole)
        start = place + len(part)
    return bool(parts)


def _position(part: str, text: str, start: int) -> int:
    """Return where `part` stands as whole words; -1 where it does not."""
    place = text.find(part, start)
    while place >= 0 and (_cuts(text, place) or _cuts(text, place + len(part))):
        place = text.find(part, place + 1)
    return place if part else -1


def _cuts(text: str, place: int) -> bool:
    """Say whether a word goes on across a place; scripts without letter case have no such words (Chinese, Thai)."""
    return 0 < place < len(text) and _is_of_word(text[place - 1]) and _is_of_word(text[place])


def _is_of_word(letter: str) -> bool:
    return letter.isdigit() or letter.lower() != letter.upper()


def _normalized(text: str) -> str:
    """Return text without what copying changes: letter case, forms of letters, kinds of quotation marks, spaces."""
    plain = unicodedata.normalize("NFKC", text).translate(_MARKS)  # NFKC makes three dots of an ellipsis
    return " ".join(plain.casefold().split())


def _is_near(quote: str, text: str) -> bool:
    from rapidfuzz import fuzz

    found = fuzz.partial_ratio_alignment(quote, text, score_cutoff=NEAR)
    if found is None or len(quote) > len(text):
        return False
    return _is_same_but_for_slips(
        _WORD.findall(quote), _WORD.findall(_whole_words(text, found.dest_start, found.dest_end))
    )


def _whole_words(text: str, start: int, end: int) -> str:
    """Return a stretch of text, widened to whole words."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end]


def _is_same_but_for_slips(quoted: list[str], written: list[str]) -> bool:
    """Compare word by word; what stands before and after the quote does not count."""
    from rapidfuzz.distance import Levenshtein

    steps = Levenshtein.opcodes(quoted, written)
    for step in steps:
        ours, theirs = quoted[step.src_start : step.src_end], written[step.dest_start : step.dest_end]
        is_edge = step.dest_start == 0 or step.dest_end == len(written)
        if step.tag == "insert" and is_edge:
            continue
        if step.tag == "replace":
            if not all(_is_slip(one, other) for one, other in zip(ours, theirs, strict=True)):
                return False
        elif step.tag != "equal" and not all(_is_small(word) for word in (*ours, *theirs)):
            return False
    return True


def _is_small(word: str) -> bool:
    return len(word) <= _LONGEST_SMALL_WORD and word.isalpha() and word not in _NEGATIONS


def _is_slip(one: str, other: str) -> bool:
    """Say whether two words are one, with a letter more, less, changed or swapped; never in numbers or at the start."""
    from rapidfuzz.distance import OSA

    shortest = min(len(one), len(other))
    if shortest < _LEAST_LETTERS or one[0] != other[0] or not (one.isalpha() and other.isalpha()):
        return False
    return OSA.distance(one, other) <= shortest // _LETTERS_PER_SLIP
