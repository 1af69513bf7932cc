"""The names of a map's columns: one object knows them all, and what each of them holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import InputError
from claude_parallel.frames.columns import AnswerColumns, asked_name, plan_columns


@pytest.mark.parametrize(
    ("arguments", "options", "names"),
    [
        (("response",), {}, "response response_error response_cost"),
        (("x", 2), {}, "x x_error x_cost x_2 x_2_error x_2_cost"),
        (("x", 1, ("tone", "score")), {}, "tone score x_error x_cost"),
        (("x", 1, ("tone",)), {"keep_text": True}, "tone x x_error x_cost"),
        (("x", 1, ("x",)), {}, "x x_error x_cost"),
        (("x", 1, ("x",)), {"keep_text": True}, "x x_text x_error x_cost"),
        (("x", 2, ("tone",)), {}, "tone x_error x_cost tone_2 x_2_error x_2_cost"),
    ],
)
def test_what_one_reads_comes_first(arguments: tuple[str, int], options: dict[str, bool], names: str) -> None:
    """Typed values, then text, then error and cost; each further sample by its number."""
    assert " ".join(plan_columns(*arguments, **options).names) == names


@pytest.mark.parametrize("asked", [None, "", "value", "text", 0])
@pytest.mark.parametrize("answers", ["value", "text", "0", "fr"])
def test_values_and_their_answers_have_two_names(asked: object, answers: str) -> None:
    """Side by side in one frame, whatever series and answers are called."""
    assert asked_name(asked, answers) != answers


def test_a_name_that_would_stand_twice_is_refused() -> None:
    """A field that looks like the second sample of another one."""
    with pytest.raises(InputError, match="'tone_2'"):
        plan_columns("x", 2, ("tone", "tone_2"))


@given(st.text(min_size=1), st.integers(1, 4), st.lists(st.text(min_size=1), unique=True), st.booleans())
def test_all_names_differ_and_each_means_one_thing(out: str, samples: int, fields: list[str], keep: bool) -> None:
    """Or the map is refused: no column is ever two things."""
    try:
        columns = plan_columns(out, samples, fields, keep_text=keep)
    except InputError:
        return
    assert len(columns.answers) == samples
    assert len(set(columns.names)) == len(columns.names)
    meanings = [name for one in columns.answers for name in (one.error, one.cost, *one.fields, one.text) if name]
    assert sorted(meanings) == sorted(columns.names)
    assert columns.answers[0] == AnswerColumns(
        None if fields and not keep else columns.answers[0].text, f"{out}_error", f"{out}_cost", tuple(fields)
    )
