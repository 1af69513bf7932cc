"""Few-shot pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from claude_parallel.errors import InputError
from claude_parallel.prompt.examples import example_pairs
from claude_parallel.prompt.template import compile_prompt

ONE = compile_prompt("Classify: {text}", ["text", "other"])
TWO = compile_prompt("{text} about {other}", ["text", "other"])


@pytest.mark.parametrize(
    ("examples", "prompt", "expected"),
    [
        ([("fine", "good")], ONE, (("Classify: fine", "good"),)),
        ([({"text": "a", "other": "b"}, "c")], TWO, (("a about b", "c"),)),
        ([("as it is", "c")], TWO, (("as it is", "c"),)),
        ([("x", {"tone": "good", "n": 1})], ONE, (("Classify: x", '{"tone": "good", "n": 1}'),)),
        (pd.DataFrame({"q": ["x"], "a": ["y"]}), ONE, (("Classify: x", "y"),)),
        (pd.DataFrame({"text": ["x"], "other": ["z"], "a": [3]}), TWO, (("x about z", "3"),)),
        (None, ONE, ()),
        ({"x": "y", "z": 3}, ONE, (("Classify: x", "y"), ("Classify: z", "3"))),
        ([{"text": "x", "label": "y"}], ONE, (("Classify: x", "y"),)),
        ([{"input": "x", "output": "y"}], ONE, (("Classify: x", "y"),)),
        ([{"input": {"text": "a", "other": "b"}, "output": "y"}], TWO, (("a about b", "y"),)),
        ([{"text": "a", "other": "b", "label": {"n": 1}}], TWO, (("a about b", '{"n": 1}'),)),
    ],
)
def test_pairs_are_written_as_the_rows_are(examples: Any, prompt: Any, expected: Any) -> None:
    """Inputs fill the template, outputs that are not text become JSON."""
    assert example_pairs(examples, prompt) == expected


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ("text", "list of"),
        ([("a",)], "pair"),
        ([{"text": "a"}], "one output besides"),
        ([{"label": "a"}], "'text' and one output"),
        ([{"text": "a", "b": 1, "c": 2}], "one output besides"),
        ([({"text": "a"}, "b")], "'other'"),
        ([("", "b")], "empty"),
        ([("a", "")], "empty"),
        ([("a", object())], "JSON"),
        (pd.DataFrame({"only": ["x"]}), "two columns"),
        (pd.DataFrame({"text": [None], "a": ["y"]}), "input is empty"),
        (pd.DataFrame({"text": ["x"], "a": [float("nan")]}), "output is empty"),
    ],
)
def test_what_is_not_a_pair_is_refused(examples: Any, words: str) -> None:
    """A mistake in the examples is told before the first call."""
    with pytest.raises(InputError, match=words):
        example_pairs(examples, TWO if words == "'other'" else ONE)


@pytest.mark.parametrize("asked", [{"text": "a"}, {"text": "a", "other": "b"}, [{"type": "text", "text": "a"}]])
def test_what_no_template_fills_has_to_be_text(asked: Any) -> None:
    """The text of a dict was sent as the question of the example, or its lack of a column was found fault with."""
    function = compile_prompt(lambda row: f"About {row}", ["text", "other"])
    assert example_pairs([("a", "b")], function) == (("a", "b"),)
    with pytest.raises(InputError, match="input must be text, as the prompt function gives it"):
        example_pairs([(asked, "b")], function)
    with pytest.raises(InputError, match="mapping of the prompt's columns, or text"):
        example_pairs([(["a", "b"], "c")], TWO)


@pytest.mark.parametrize(
    ("answered", "sent"),
    [
        (np.array(["a", "b"]), '["a", "b"]'),
        (np.array(["a"], dtype=object), '["a"]'),
        ({"n": np.array([1.5, 2])}, '{"n": [1.5, 2.0]}'),
        (np.float32(0.1), "0.1"),
        (np.datetime64("2026-01-02T03:04", "ns"), '"2026-01-02T03:04:00"'),
    ],
)
def test_an_array_of_an_example_is_a_list(answered: Any, sent: str) -> None:
    """Of one value it was that value, of several a ValueError, and a moment was a count of nanoseconds."""
    frame = pd.DataFrame({"text": ["x"], "answer": pd.Series([answered], dtype=object)})
    assert example_pairs(frame, ONE) == (("Classify: x", sent),)


def test_an_input_that_the_format_does_not_fit_is_told() -> None:
    """It was called empty."""
    with pytest.raises(InputError, match="'a lot' does not fit the prompt: column 'price' cannot be filled in"):
        example_pairs([("a lot", "dear")], compile_prompt("{price:.2f}", ["price"]))


def test_a_frame_of_polars_is_a_frame() -> None:
    """Whoever maps one has the examples in one, too."""
    polars = pytest.importorskip("polars")
    assert example_pairs(polars.DataFrame({"q": ["x"], "a": ["y"]}), ONE) == (("Classify: x", "y"),)


def test_the_answer_of_an_example_looks_like_the_answers_that_are_asked_for() -> None:
    """Fields of a schema are taken together; the value of a bare type stands in the field around it."""
    both = example_pairs([{"text": "x", "tone": "good", "n": 1}], ONE, fields=("tone", "n"))
    assert both == (("Classify: x", '{"tone": "good", "n": 1}'),)
    assert example_pairs([("x", "good")], ONE, fields=("value",), wrapper="value") == (
        ("Classify: x", '{"value": "good"}'),
    )
    assert example_pairs([("x", {"value": 1})], ONE, wrapper="value") == (("Classify: x", '{"value": 1}'),)
    when = example_pairs([("x", pd.Timestamp("2026-01-02"))], ONE, wrapper="value")
    assert when == (("Classify: x", '{"value": "2026-01-02T00:00:00"}'),)
