"""Templates, columns and functions: what they become, and what is refused before the first row."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from claude_parallel.errors import InputError
from claude_parallel.prompt.content import attach_blocks, check_content
from claude_parallel.prompt.template import Prompt, RowProblem, Skipped, compile_prompt

COLUMNS = ["review", "product", "a.b", "x y", "0"]


def fill(template: str, **values: Any) -> Any:
    """Return the template, filled."""
    prompt = compile_prompt(template, list(values))
    return prompt.fill([values[name] for name in prompt.columns])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a}", "1"),
        ("{a}{b}", "1two"),
        ("{b}-{a}-{b}", "two-1-two"),
        ("{{a}} {a}", "{a} 1"),
        ("{{}}{a}", "{}1"),
        ("{{{a}}}", "{1}"),
        ("é {b}\n", "é two\n"),
    ],
)
def test_a_template_is_filled(template: str, text: str) -> None:
    """Each placeholder once for each time it stands there; doubled braces are braces."""
    assert fill(template, a=1, b="two") == text


@given(cell=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), before=st.text(), after=st.text())
def test_text_of_cells_and_templates_is_never_read_as_a_template(cell: str, before: str, after: str) -> None:
    """Braces in data are data, and escaped braces come out as they were."""
    assume(cell.strip())

    def escape(text: str) -> str:
        return text.encode("utf-8", "ignore").decode().replace("{", "{{").replace("}", "}}")

    expected = escape(before).replace("{{", "{").replace("}}", "}") + cell
    expected += escape(after).replace("{{", "{").replace("}}", "}")
    assert fill(escape(before) + "{t}" + escape(after), t=cell) == expected


def test_columns_are_read_once_and_in_order_of_appearance() -> None:
    """The frame is asked for these columns only."""
    assert compile_prompt("{product} {review} {product}", COLUMNS).columns == ("product", "review")


@pytest.mark.parametrize("name", COLUMNS)
def test_any_column_name_may_stand_in_a_placeholder(name: str) -> None:
    """Dots, blanks and digits included, when the column is really called so."""
    assert compile_prompt(f"say {{{name}}}", COLUMNS).columns == (name,)


def test_a_column_name_is_a_prompt_of_its_own() -> None:
    """Its cells are the prompts."""
    prompt = compile_prompt("review", COLUMNS)
    assert prompt.columns == ("review",)
    assert prompt.fill(["What?"]) == "What?"


def test_a_series_is_named_by_empty_braces_or_by_its_name() -> None:
    """Both mean its value."""
    for template in ("Say {}", "Say {word}"):
        assert compile_prompt(template, ["word"], is_series=True).fill(["x"]) == "Say x"


def test_a_series_name_alone_is_no_prompt() -> None:
    """It would be taken for a text that is the same for every row."""
    with pytest.raises(InputError, match=r"write \{\} where the value goes"):
        compile_prompt("word", ["word"], is_series=True)


@pytest.mark.parametrize(
    ("template", "static"),
    [("Translate: {review}", "Translate: "), ("{review} please", ""), ("a {{b}} {review} c", "a {b} "), ("review", "")],
)
def test_the_text_before_the_first_placeholder_is_what_rows_share(template: str, static: str) -> None:
    """That is what can be cached."""
    assert compile_prompt(template, COLUMNS).static_text == static


@given(st.text(string.printable, max_size=30))
def test_any_text_is_a_prompt_or_an_input_error(template: str) -> None:
    """Nothing else comes out of a template, whatever was typed."""
    try:
        prompt = compile_prompt(template, COLUMNS)
    except InputError:
        return
    assert isinstance(prompt.fill(["x"] * len(prompt.columns)), str)


@pytest.mark.parametrize("missing", [None, "", "  ", "\n\t"])
def test_a_missing_or_empty_cell_skips_the_row(missing: Any) -> None:
    """And the reason names the column."""
    result = fill("{a} {b}", a="x", b=missing)
    assert isinstance(result, Skipped)
    assert "'b'" in result.reason


@pytest.mark.parametrize("kind", [set, frozenset])
@given(words=st.lists(st.text(max_size=8), min_size=1, max_size=8, unique=True))
def test_a_set_is_written_in_order(kind: Any, words: list[str]) -> None:
    """Python's own order is another one in every process, and the request would be another one, too."""
    assert fill("{a}", a=kind(words)) == "{" + ", ".join(sorted(map(repr, words))) + "}"


WORDS = st.sets(st.text(max_size=4), min_size=2, max_size=4)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.lists(parts, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), parts, max_size=3)
    ),
    max_leaves=8,
)


@given(words=WORDS, template=st.sampled_from(["{a}", "{a!r}", "{a!s}"]))
def test_a_set_is_written_in_order_wherever_it_stands(words: set[str], template: str) -> None:
    """With a conversion, or inside what the cell holds."""
    text = "{" + ", ".join(sorted(map(repr, words))) + "}"
    assert fill(template, a=words) == text
    assert fill(template, a={"x": [(words,), 1]}) == f"{{'x': [({text},), 1]}}"


@given(value=PLAIN.filter(lambda value: value is not None and value == value and value != ""))
def test_what_holds_no_set_is_written_as_python_writes_it(value: Any) -> None:
    """Its key in the journal is what it ever was."""
    assert fill("a {a}, {a!r}", a=value) in (f"a {value}, {value!r}", Skipped("column 'a' is empty text"))


@given(
    values=st.lists(st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=4)), repeats=st.sampled_from([1, 500])
)
def test_an_array_is_written_as_the_list_of_all_that_it_holds(values: list[Any], repeats: int) -> None:
    """NumPy leaves out the middle of a long one, and digits; its settings would make it another question."""
    values = values * repeats
    array = np.empty(len(values), dtype=object)
    array[:] = values
    for cell in (array, pd.Series(array, dtype=object), [array, {"x": array}], np.array(values or [""])):
        plain = cell.tolist() if hasattr(cell, "tolist") else [values, {"x": values}]
        assert fill("{a} {a!r}", a=cell) == f"{plain} {plain}"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (np.array([[0.1, 2]], dtype="float32"), "[[0.1, 2.0]]"),
        ([np.float64(0.1), np.float32(0.1), np.str_("a"), np.bool_(True)], "[0.1, 0.1, 'a', True]"),
        (np.array(["2020-01-01"], dtype="datetime64[ns]"), "[Timestamp('2020-01-01 00:00:00')]"),
        (pd.Series(["2020-01-01"], dtype="datetime64[ns]"), "[Timestamp('2020-01-01 00:00:00')]"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "[datetime.date(2020, 1, 1)]"),
        ({"x": (np.timedelta64(1, "ns"),)}, "{'x': (Timedelta('0 days 00:00:00.000000001'),)}"),
    ],
)
def test_numbers_and_times_of_numpy_are_written_as_those_of_a_file(cell: Any, text: str) -> None:
    """Short fractions as people write them, times as times: ``str`` gives 'np.float64(0.1)' since NumPy 2."""
    assert fill("{a}", a=cell) == text
    assert "2.0" in fill("{a}", a=[np.longdouble(2)])  # of which Python has no number of its own


@pytest.mark.parametrize("value", [0, 0.0, False, [], {}])
def test_a_false_value_is_no_missing_one(value: Any) -> None:
    """Zero is data."""
    assert fill("n={a}", a=value) == f"n={value}"


@pytest.mark.parametrize("text", ["\ud83d", "ok \udfff ok"])
def test_half_a_character_is_this_rows_problem(text: str) -> None:
    """It cannot be encoded, so it is never sent."""
    assert isinstance(fill("say {a}", a=text), RowProblem)
    assert isinstance(check_content(text), RowProblem)


BLOCK = {"type": "text", "text": "x"}
TURN = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("text", "text"),
        (BLOCK, [BLOCK]),
        ([BLOCK, BLOCK], [BLOCK, BLOCK]),
        ([TURN], [TURN]),
        ([{"role": "user", "content": [BLOCK]}], [{"role": "user", "content": [BLOCK]}]),
    ],
)
def test_a_function_may_give_text_blocks_or_messages(result: Any, content: Any) -> None:
    """A single block is a list of one."""
    assert check_content(result) == content


@pytest.mark.parametrize("result", [None, "", "  ", []])
def test_a_function_that_gives_nothing_skips_the_row(result: Any) -> None:
    """That is how a function leaves a row out."""
    assert isinstance(check_content(result), Skipped)


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (42, "int"),
        (b"bytes", "bytes"),
        (["text"], "list"),
        ((BLOCK,), "tuple"),
        ([BLOCK, TURN], "mixed"),
        ([{"role": "user"}], "content"),
        ([{"role": "user", "content": ["x"]}], "content"),
        ([{"type": "text", "text": float("nan")}], "nan"),
        ([{"type": "text", "text": b"x"}], "bytes"),
        ([{"type": "text", 5: "x"}], "key 5"),
        ([{"type": "text", "text": "\ud83d"}], "half a character"),
    ],
)
def test_what_cannot_be_sent_is_a_row_problem_that_says_why(result: Any, word: str) -> None:
    """Never an exception: the other rows go on."""
    problem = check_content(result)
    assert isinstance(problem, RowProblem)
    assert word in problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_whatever_a_function_gives_is_content_or_a_reason(result: Any) -> None:
    """And what passes can be sent as JSON."""
    import json

    content = check_content(result)
    assert isinstance(content, str | list | Skipped | RowProblem)
    if isinstance(content, str | list):
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()


def test_blocks_come_before_the_text() -> None:
    """The API reads files best before the question about them."""
    file = {"type": "image"}
    assert attach_blocks([file], "what?") == [file, {"type": "text", "text": "what?"}]
    assert attach_blocks([file], [BLOCK]) == [file, BLOCK]
    assert attach_blocks([file], [TURN, TURN]) == [
        {"role": "user", "content": [file, {"type": "text", "text": "x"}]},
        TURN,
    ]


def test_a_function_reads_every_column() -> None:
    """It may look at any of them."""
    prompt = compile_prompt(str, COLUMNS)
    assert isinstance(prompt, Prompt)
    assert prompt.columns == tuple(COLUMNS)
    assert prompt.static_text == ""
