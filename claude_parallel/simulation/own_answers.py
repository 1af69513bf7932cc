"""Answers that the caller wants to hear, for tests of the caller's own code: ``cp.simulator(answer=...)``.

It knows how a text, a choice, fields or a function become what a model would have said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from .question import read_question
from .words import best_label

Answer = str | bool | int | float | None | Mapping[str, Any] | BaseModel | list[Any] | tuple[Any, ...]


class OwnAnswers:
    """Body -> the text that the caller wants to hear.

    Parameters
    ----------
    answer : object
        A value is said as it is; of a list, the member whose words fit the prompt best, else one by a chance that the
        prompt fixes; a function gets the prompt's text and returns what to say.

    Attributes
    ----------
    error : Exception or None
        The first that the caller's function raised.
    """

    def __init__(self, answer: Answer | Callable[[str], Any]) -> None:
        self._answer = answer
        self.error: Exception | None = None

    def __call__(self, body: Mapping[str, Any]) -> str:
        """Return the answer to a Messages body."""
        try:
            return _as_text(self._chosen(body), body)
        except Exception as error:
            self.error = self.error or error
            return f"Simulated: the answer function failed with {type(error).__name__}"

    def _chosen(self, body: Mapping[str, Any]) -> Any:
        if callable(self._answer):
            return self._answer(read_question(body).prompt)
        if isinstance(self._answer, list | tuple):
            question = read_question(body)
            return best_label(self._answer, question.text, Random(question.prompt))
        return self._answer


def _as_text(value: Any, body: Mapping[str, Any]) -> str:
    """Return a value as the text of an answer: JSON where a schema asks for it."""
    form = (body.get("output_config") or {}).get("format")
    if form is None:
        return value if isinstance(value, str) else json.dumps(to_jsonable_python(value), ensure_ascii=False)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return value
    if not isinstance(value, Mapping | BaseModel):
        fields = list(form["schema"].get("properties") or ())
        # A bare type travels as an object with one field.
        value = {fields[0]: value} if len(fields) == 1 else value
    return json.dumps(to_jsonable_python(value), ensure_ascii=False)
