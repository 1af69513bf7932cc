"""Messages read by a schema."""

from __future__ import annotations

from typing import Any

import pytest

from claude_parallel.api.reading import read_message
from claude_parallel.records import Answer
from claude_parallel.schema.reader import typed_reader
from claude_parallel.schema.schema import Problem, Values, compile_schema

from ..nasty.server import message

SCHEMA = compile_schema({"employees": int}, "response")
JSON = '{"employees": 12}'
SEARCH: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
]


def text(words: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words}


def read(*content: dict[str, Any]) -> Answer:
    """Read a Message with this content."""
    said = message(content=list(content))
    return typed_reader(SCHEMA)(said, read_message(said))


@pytest.mark.parametrize(
    "before", ["I look that up first.", JSON.replace("12", "1"), "{not JSON"], ids=["words", "an earlier guess", "odd"]
)
def test_the_values_are_what_claude_says_after_its_tools(before: str) -> None:
    """Each search is paid, and the row failed: all texts together are no JSON."""
    answer = read(text(before), *SEARCH, text(JSON), text(" \n"))
    assert answer.kind is None
    assert answer.text == JSON
    assert isinstance(answer.values, Values)
    assert answer.values == SCHEMA.read(JSON)


def test_an_answer_in_pieces_is_put_together_first() -> None:
    """The last piece alone would be another answer, or none."""
    assert read(text('{"employees":'), text(" 12}")).values == SCHEMA.read(JSON)
    assert read(text("[1, 2]"), text("[3]")).kind == "schema"


def test_where_nothing_fits_the_whole_text_is_kept_and_judged() -> None:
    """The problem that is told is the one of all texts."""
    answer = read(text("I look that up."), *SEARCH, text("About a dozen."))
    problem = SCHEMA.read("I look that up.About a dozen.")
    assert isinstance(problem, Problem)
    assert (answer.kind, answer.text, answer.what) == ("schema", "I look that up.About a dozen.", problem.message)
