"""Answers by the words of a text: the label that fits best, the first sentence, key words, numbers, names.

No model, and no pretence of one: enough for a demo whose answers have to do with their texts. Chance, which breaks
ties, is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from types import MappingProxyType

_WORD = re.compile(r"[^\W\d_]{3,}")
_SENTENCE = re.compile(r"\S.*?(?:[.!?]+(?=\s|\Z)|\n|\Z)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NAME = re.compile(r"(?<![.!?]\s)(?<!\A)\b[A-Z][a-z]+(?:\s[A-Z][a-z]+)*")
_ENDINGS = ("ingly", "ments", "ment", "ings", "ing", "ies", "ied", "ers", "est", "ed", "es", "er", "ly", "s", "y", "e")

_COMMON = frozenset(
    re.findall(
        r"\w+",
        """about after all also and any are because been before but can cannot could did does for from get had has have
        her his how into its just may more most not now only our out over than that the their them then there these
        they this was were what when where which who why will with would you your""",
    )
)
"""Words that say nothing about a text's subject."""

_SENSE: Mapping[str, str] = MappingProxyType(
    {
        "good positive happy satisfied praise": "amazing best comfortable excellent fine fits glad good great happy "
        "helpful kind like lovely love nice perfect pleased quick recommend super thank thanks wonderful worth",
        "bad negative unhappy angry annoyed complaint": "afraid angry annoyed awful bad broke broken cracked defect "
        "disappointed dirty failed horrible late leaks missing never poor refund scratch slow terrible torn useless "
        "weak worse worst wrong",
        "urgent high critical yes true": "asap danger deadline fire hurt immediately leak locked now smoke sparks "
        "stolen today tomorrow tonight twice urgent",
        "low minor": "maybe someday whenever wondering curious question",
    }
)
"""Labels -> words that speak for them: what overlap alone cannot see in "Great!" against "positive"."""


def stems(text: str) -> list[str]:
    """Return the words of a text without their endings, common words left out."""
    return [_stem(word) for word in map(str.lower, _WORD.findall(text)) if word not in _COMMON]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


_SPEAKS_FOR: Mapping[str, frozenset[str]] = MappingProxyType(
    {_stem(label): frozenset(stems(words)) for labels, words in _SENSE.items() for label in labels.split()}
)


def best_label(labels: Sequence[object], text: str, chance: Random, descriptions: str = "") -> object:
    """Return the label whose words overlap most with those of a text.

    Parameters
    ----------
    labels : sequence
        What there is to choose from; anything that has a text.
    text : str
        What is judged.
    chance : random.Random
        Decides between equals.
    descriptions : str
        Where labels may be explained, as in ``billing: charges and refunds``.
    """
    said = stems(text)
    scores = [_score(str(label), said, descriptions) for label in labels]
    best = max(scores)
    return chance.choice([label for label, score in zip(labels, scores, strict=True) if score == best])


def _score(label: str, said: Sequence[str], descriptions: str) -> float:
    own = set(stems(label.replace("_", " ")))
    sense = {word for stem in own for word in _SPEAKS_FOR.get(stem, ())}
    described = set(stems(_description(label, descriptions))) if descriptions else set()
    # A label's own word says more than a word that only speaks for it.
    return sum(3 * (word in own) + (word in sense) + (word in described) for word in said)


def _description(label: str, descriptions: str) -> str:
    found = re.search(rf"\b{re.escape(label)}\W{{0,2}}\s*[:=(–]\s*([^\n.;)]+)", descriptions)
    return found[1] if found else ""


def sentences(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [found.strip() for found in _SENTENCE.findall(text)]


def first_sentence(text: str, most: int = 160) -> str:
    """Return the first sentence of a text, shortened at a word to `most` characters."""
    found = _SENTENCE.search(text[: 4 * most])
    sentence = " ".join(found[0].split()) if found else ""
    return sentence if len(sentence) <= most else sentence[:most].rsplit(" ", 1)[0] + " …"


def key_words(text: str, most: int) -> list[str]:
    """Return the longest different words of a text, in the order in which they stand there."""
    found = dict.fromkeys(word.lower() for word in _WORD.findall(text) if word.lower() not in _COMMON)
    chosen = set(sorted(found, key=lambda word: (-len(word), word))[:most])
    return [word for word in found if word in chosen]


def number_in(text: str) -> float | None:
    """Return the first number in a text."""
    found = _NUMBER.search(text)
    return float(found[0]) if found else None


def name_in(text: str) -> str | None:
    """Return the first capitalised words that do not begin a sentence."""
    found = _NAME.search(text)
    return found[0] if found else None


def mentions(text: str, words: Iterable[str]) -> bool:
    """Return whether a text holds one of some words."""
    return not set(stems(text)).isdisjoint(map(_stem, words))
