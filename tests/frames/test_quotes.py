"""Quotes: what stands in a text, what does not, and what cannot be checked."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import InputError
from claude_parallel.forecast.estimate import estimate_frame
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.frames.quotes import stands_in
from claude_parallel.schema.quotes import with_quotes
from claude_parallel.schema.schema import Values, compile_schema
from claude_parallel.simulation.profile import Profile

from ..worlds import world

TEXT = (
    'The kettle arrived on 3 May with a dented lid. Support, "Anna from Lyon", answered after 12 hours and was not '
    "rude, but the refund of $59.90 never came.\nI would definitely recommend the headphones instead; they're lighter."
)

STANDS = [
    "The kettle arrived on 3 May",
    "a dented lid",
    "dented",
    '"a dented lid."',
    "THE REFUND of  $59.90\nnever came",
    "“Anna from Lyon”",
    "they’re lighter",
    "answered after 12 hours ... the refund of $59.90",
    "arrived on 3 May … dented lid",
    "I would definitly recommend the headphones instead",
    'Support, "Anna from Lyon", answered after 12 hours and was not rude, but refund of $59.90 never came',
]

DOES_NOT = [
    "The kettle arrived on 4 May",
    "answered after 12 hours and was rude",
    "Anna from Paris",
    "the refund of $59.00 never came",
    "the refund of $59.90 came",
    "ent",
    "he kettle arrived on 3 May",
    "a broken lid",
    "the refund of $59.90 ... a dented lid",
    "I would not recommend the headphones instead; they're lighter.",
    "I would definitely recommend the kettle instead; they're lighter.",
    "I would definitely never recommend the headphones instead; they're lighter.",
    "...",
    "",
    TEXT + " And more.",
]


@pytest.mark.parametrize("quote", STANDS)
def test_these_words_stand_in_the_text(quote: str) -> None:
    """Exactly, but for spaces, marks and case, around an ellipsis, or but for a slip of the pen."""
    assert stands_in(quote, TEXT)


@pytest.mark.parametrize("quote", DOES_NOT)
def test_these_words_do_not(quote: str) -> None:
    """Another number, another name, a negation more or less, a part of a word, parts in another order."""
    assert not stands_in(quote, TEXT)


def test_scripts_without_spaces_are_searched_as_they_are() -> None:
    """There is no boundary of a word to respect."""
    assert stands_in("退款没有到账", "客服回复了，但退款没有到账。")
    assert not stands_in("退款已经到账", "客服回复了，但退款没有到账。")


WORDS = [
    "battery",
    "screen",
    "delivery",
    "refund",
    "support",
    "kettle",
    "lamp",
    "charger",
    "arrived",
    "failed",
    "lasted",
    "works",
    "broke",
    "cracked",
    "quickly",
    "slowly",
    "yesterday",
    "three",
    "seven",
    "excellent",
    "terrible",
    "adequate",
    "price",
    "quality",
    "service",
    "manual",
    "button",
    "cable",
    "warranty",
]


def false_quotes(rng: random.Random, words: list[str]) -> list[str]:
    """Return quotes of eight words from a text, each spoilt in one way."""
    start = rng.randrange(len(words) - 8)
    true = words[start : start + 8]
    place = rng.randrange(1, 7)
    other = rng.choice([word for word in WORDS if word != true[place]])
    return [
        " ".join([*true[:place], other, *true[place + 1 :]]),
        " ".join([*true[:place], "not", *true[place:]]),
        " ".join([*true[:place], other, *true[place:]]),
        " ".join([*true[:place], str(rng.randrange(100)), *true[place:]]),
        " ".join([*true[:place], *true[place + 1 :]]),
        " ".join(rng.sample(WORDS, 8)),
    ]


@given(st.integers(0, 2**32))
def test_every_planted_false_quote_is_flagged(seed: int) -> None:
    """A word swapped, put in or left out, a number, a negation, or all of it invented; none passes as near."""
    rng = random.Random(seed)
    words = [rng.choice(WORDS) for _ in range(60)]
    text = " ".join(words)
    for quote in false_quotes(rng, words):
        assert stands_in(quote, text) == (quote in text)


@given(st.text(min_size=1, max_size=80), st.integers(0, 60), st.integers(1, 40))
def test_what_is_copied_is_found(text: str, start: int, length: int) -> None:
    """Any stretch between spaces, whatever letters it holds."""
    words = text.split()
    quote = " ".join(words[start : start + length])
    if any(letter.isalnum() for letter in quote):
        assert stands_in(quote, text)


# -- schemas ---------------------------------------------------------------------------------------------------------


def test_a_quote_is_asked_for_before_each_field() -> None:
    """As plain required text, so that the API's limits on optional and union types are not touched."""
    schema = with_quotes(compile_schema({"tone": Literal["good", "bad"], "price": float | None}, "response"))
    wire = schema.format["schema"]
    assert list(wire["properties"]) == ["tone_quote", "tone", "price_quote", "price"]
    assert {"tone_quote", "price_quote"} <= set(wire["required"])
    assert wire["properties"]["price_quote"]["type"] == "string"
    found = schema.read('{"tone_quote": "so good", "tone": "GOOD", "price_quote": " ", "price": null}')
    assert isinstance(found, Values)
    assert found.columns == ("good", None)
    assert found.quotes == ("so good", None)


def test_a_field_that_is_named_like_a_quote_is_refused() -> None:
    """It would be read as one."""
    with pytest.raises(InputError, match="tone_quote"):
        with_quotes(compile_schema({"tone": str, "tone_quote": str}, "response"))


# -- whole runs ------------------------------------------------------------------------------------------------------


def quoting(quote: str, **values: Any) -> Profile:
    """Return an account that supports every field with the same words."""

    def answer(body: Mapping[str, Any]) -> str:
        names = body["output_config"]["format"]["schema"]["properties"]
        given_ = {name: values.get(name, "v") for name in names if not name.endswith("_quote")}
        return json.dumps({name: quote if name.endswith("_quote") else given_[name] for name in names})

    return Profile(answer=answer)


def test_each_field_has_its_quote_and_whether_it_was_found() -> None:
    """In the row's own cells, not in the words of the prompt; false ones are flagged, missing rows are missing."""
    frame = pd.DataFrame({"t": ["It was a great day", "Nothing of the kind", None]})
    out = world(quoting("a great day")).map(frame, "Was it a great day? {t}", schema={"tone": str}, quotes=True)
    assert list(out.columns) == ["t", "tone", "tone_quote", "tone_found", "response_error", "response_cost"]
    assert out["tone_quote"].tolist()[:2] == ["a great day", "a great day"]
    assert out["tone_found"].dtype == "boolean"
    assert out["tone_found"].tolist()[:2] == [True, False]
    assert pd.isna(out["tone_found"][2])


def test_a_value_without_a_quote_is_not_supported_and_nothing_needs_no_support() -> None:
    """An empty quote for a value is as bad as a false one; for an empty field there is nothing to check."""
    frame = pd.DataFrame({"t": ["x"]})
    account = world(quoting("", tone="good", note=None))
    out = account.map(frame, "{t}", schema={"tone": str, "note": str | None}, quotes=True)
    assert out["tone_quote"].isna().all()
    assert out["tone_found"].tolist() == [False]
    assert out["note_found"].isna().all()


def test_a_quote_that_may_stand_in_a_file_is_not_checkable(tmp_path: Path) -> None:
    """Found in the text it is True, else missing: never False."""
    (tmp_path / "a.txt").write_text("a great day")
    frame = pd.DataFrame({"t": ["great", "no"], "f": [str(tmp_path / "a.txt")] * 2})
    out = world(quoting("great")).map(frame, "{t}", schema={"tone": str}, documents="f", quotes=True)
    assert out["tone_found"].tolist()[0] is True
    assert pd.isna(out["tone_found"][1])


def test_quotes_of_a_bare_type_of_a_series_and_of_a_function() -> None:
    """All of them have a text of their own."""
    series = pd.Series(["a great day", "a bad one"])
    account = world(quoting("a great day", value="good"))
    one = account.map(series, "{}", out="label", schema=Literal["good", "bad"], quotes=True)
    assert one["label_found"].tolist() == [True, False]
    frame = pd.DataFrame({"t": series})
    two = account.map(frame, lambda row: f"Read: {row['t']}", schema=Literal["good", "bad"], quotes=True)
    assert two["response_found"].tolist() == [True, False]


def test_with_a_vote_the_quote_is_the_winners() -> None:
    """Not one that was given for another answer."""
    turn = iter([("bad", "poor"), ("good", "great"), ("good", "day")])

    def answer(_body: Mapping[str, Any]) -> str:
        value, quote = next(turn)
        return json.dumps({"value_quote": quote, "value": value})

    out = world(Profile(answer=answer)).map(
        pd.DataFrame({"t": ["a great day"]}), "{t}", schema=Literal["good", "bad"], sample=3, vote=True, quotes=True
    )
    assert out["response"].tolist() == ["good"]
    assert out["response_quote"].tolist() == ["great"]
    assert out["response_found"].tolist() == [True]


def test_quotes_without_fields_are_refused() -> None:
    """Before anything is paid."""
    with pytest.raises(InputError, match="schema="):
        world().map(pd.DataFrame({"t": ["x"]}), "{t}", quotes=True)


def test_an_estimate_says_what_quotes_cost_more() -> None:
    """Tokens and dollars, and the same map without them is cheaper by about as much."""
    frame = pd.DataFrame({"t": [f"row {number}" for number in range(100)]})
    options = {"schema": {"tone": str, "price": float}, "journal": False}
    with_them = estimate_frame(FrameMap(frame, "{t}", "response", {**options, "quotes": True}))
    without = estimate_frame(FrameMap(frame, "{t}", "response", options))
    note = next(note for note in with_them.notes if note.startswith("Quotes: "))
    assert "$" in note
    assert not any(note.startswith("Quotes: ") for note in without.notes)
    assert with_them.strategies[0].usd[1] > without.strategies[0].usd[1]  # type: ignore[index]
