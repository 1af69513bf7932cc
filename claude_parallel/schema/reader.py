"""Reads answers by a schema, and asks again for those that do not fit.

What a schema is stands in ``schema``; the values become columns in ``frames.typed_columns``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..api.answers import read_answer
from ..api.reading import Reading, last_text_of
from ..prompt.request import Shared, build
from ..records import Answer, Request
from .schema import Problem, Schema


def typed_reader(schema: Schema) -> Callable[[Mapping[str, Any], Reading], Answer]:
    """Return a reader of Messages that also reads the values; a cut or refused answer is never half-parsed.

    Between calls of the API's tools Claude may say what it does next. The values then stand in the last text alone.
    """

    def read(message: Mapping[str, Any], reading: Reading) -> Answer:
        answer = read_answer(message, reading)
        if answer.kind is not None:
            return answer
        found = schema.read(answer.text)
        if not isinstance(found, Problem):
            return Answer(answer.text, values=found)
        last = last_text_of(message)
        values = found if last == answer.text else schema.read(last)
        if isinstance(values, Problem):
            return Answer(answer.text, kind="schema", what=found.message)
        return Answer(last, values=values)

    return read


def repair_request(shared: Shared, asked: Request, answer: Answer, sample: int = 0) -> Request:
    """Return the request that shows Claude its answer, says what is wrong, and asks for another one."""
    turns = [
        *asked.body["messages"][len(shared.examples) :],
        {"role": "assistant", "content": answer.text},
        {"role": "user", "content": f"That answer does not fit: {answer.what}. Answer again, so that it fits."},
    ]
    return build(shared, turns, sample=sample, has_breakpoint=asked.prefix is not None)
