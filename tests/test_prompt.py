"""Prompts: templates, column names, callables, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import InputError
from claude_parallel.prompt import RowProblem, Skipped, attach_blocks, check_content, compile_prompt

COLUMNS = ["review", "product", "a.b", "n"]


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("review", ("fine",), "fine"),
        ("Is {review} good?", ("it",), "Is it good?"),
        ("{product}: {review} ({product})", ("p", "r"), "p: r (p)"),
        ('{{"json": {n}}}', (3,), '{"json": 3}'),
        ("{a.b}", ("dotted column",), "dotted column"),
        ("{review}", ("{product} and {0} are data",), "{product} and {0} are data"),
        ("{n}", (1.0,), "1.0"),
    ],
)
def test_a_template_fills_in_the_cells(template: str, values: tuple[Any, ...], expected: str) -> None:
    """Only plain column names are replaced; braces in data are data."""
    assert compile_prompt(template, COLUMNS).fill(values) == expected


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Classify {reviw}", "'review'"),
        ("reviw", "neither a column nor a template"),
        ("the same for all", "neither a column nor a template"),
        ("{review.upper}", "reaches into a value"),
        ("{review[0]}", "reaches into a value"),
        ("{review!r}", "format"),
        ("{n:.2f}", "format"),
        ("{}", "series"),
        ("{review", "unpaired brace"),
        ("}", "unpaired brace"),
        (5, "not int"),
        ("", "neither a column nor a template"),
    ],
)
def test_what_cannot_work_is_told_with_what_to_do(template: Any, words: str) -> None:
    """A wrong prompt fails before row 1, and the message helps."""
    with pytest.raises(InputError, match=words):
        compile_prompt(template, COLUMNS)


def test_a_series_fills_its_value() -> None:
    """``{}`` stands for the value, and so does the series' name."""
    assert compile_prompt("Say {}", ["text"], is_series=True).fill(("x",)) == "Say x"
    assert compile_prompt("Say {text}", ["text"], is_series=True).fill(("x",)) == "Say x"
    with pytest.raises(InputError, match="write {}"):
        compile_prompt("text", ["text"], is_series=True)


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_missing_or_empty_cell_skips_the_row(value: Any) -> None:
    """The reason names the column."""
    result = compile_prompt("{review}", COLUMNS).fill((value,))

    assert isinstance(result, Skipped)
    assert "'review'" in result.reason


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("text", "text"),
        ({"type": "text", "text": "x"}, [{"type": "text", "text": "x"}]),
        ([{"role": "user", "content": "x"}], [{"role": "user", "content": "x"}]),
        (None, Skipped),
        ("", Skipped),
        ([], Skipped),
        (3, RowProblem),
        (["x"], RowProblem),
        ([{"role": "user", "content": "x"}, {"type": "text", "text": "y"}], RowProblem),
    ],
)
def test_what_a_function_may_give(result: Any, expected: Any) -> None:
    """Text, blocks or messages; nothing skips the row; anything else is the row's problem."""
    found = check_content(result)

    assert isinstance(found, expected) if isinstance(expected, type) else found == expected


def test_files_come_before_the_text() -> None:
    """Of text, of blocks, and of the first message."""
    image = {"type": "image", "source": {}}
    text = {"type": "text", "text": "what?"}

    assert attach_blocks([image], "what?") == [image, text]
    assert attach_blocks([image], [text]) == [image, text]
    assert attach_blocks([image], [{"role": "user", "content": "what?"}]) == [
        {"role": "user", "content": [image, text]}
    ]


@given(st.text(), st.text(min_size=1).filter(str.strip))
def test_any_text_around_a_placeholder_survives(literal: str, cell: str) -> None:
    """Escaped braces come out as braces, and the cell as it is; the static text is the beginning."""
    escaped = literal.replace("{", "{{").replace("}", "}}")
    prompt = compile_prompt(escaped + "{review}" + escaped, COLUMNS)

    assert prompt.fill((cell,)) == literal + cell + literal
    assert prompt.static_text == literal
