"""Few-shot pairs become alternating turns before every row's own message.

An example is written as the rows are: where the prompt is a template, its input fills the same template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from .template import Prompt


def example_pairs(examples: Any, prompt: Prompt) -> tuple[tuple[str, str], ...]:
    """Return few-shot pairs as texts.

    Parameters
    ----------
    examples : list of pairs, or DataFrame
        ``[(input, output), ...]``. An input is a mapping of the template's columns, or a text: it fills a template with
        one placeholder, else it is sent as it is. Of a frame the last column is the output, the others are the inputs.
        An output that is not text is sent as JSON, as a schema would make it.
    prompt : Prompt
        The prompt of the rows.

    Raises
    ------
    InputError
        For anything that is not a pair, or an input that lacks a column of the template.
    """
    if examples is None:
        return ()
    return tuple((_asked(asked, prompt), _answered(answered)) for asked, answered in _pairs(examples))


def _pairs(examples: Any) -> list[tuple[Any, Any]]:
    if hasattr(examples, "columns") and hasattr(examples, "itertuples"):
        return _pairs_of_frame(examples)
    if isinstance(examples, str | Mapping) or not isinstance(examples, Sequence):
        raise InputError("examples must be a list of (input, output) pairs, or a frame whose last column is the output")
    for pair in examples:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"an example must be a pair (input, output), not {pair!r:.80}")
    return [(pair[0], pair[1]) for pair in examples]


def _pairs_of_frame(frame: Any) -> list[tuple[Any, Any]]:
    names = [str(name) for name in frame.columns]
    if len(names) < 2:
        raise InputError("examples as a frame needs at least two columns: inputs, and the output in the last one")
    rows = [tuple(row) for row in frame.itertuples(index=False, name=None)]
    if len(names) == 2:
        return [(row[0], row[1]) for row in rows]
    return [(dict(zip(names[:-1], row[:-1], strict=True)), row[-1]) for row in rows]


def _asked(asked: Any, prompt: Prompt) -> str:
    if isinstance(asked, Mapping):
        missing = [name for name in prompt.columns if name not in asked]
        if missing:
            raise InputError(f"an example lacks the column {missing[0]!r} that the prompt uses")
        values = [asked[name] for name in prompt.columns]
    elif len(prompt.columns) == 1 and prompt.function is None:
        values = [asked]
    else:
        values = None
    text = prompt.fill(values) if values is not None and prompt.function is None else str(asked)
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"an example's input is empty: {asked!r:.80}")
    return text


def _answered(answered: Any) -> str:
    if isinstance(answered, str):
        text = answered
    elif hasattr(answered, "model_dump_json"):
        text = str(answered.model_dump_json())
    else:
        try:
            text = json.dumps(answered, ensure_ascii=False, default=_plain)
        except TypeError:
            raise InputError(f"an example's output must be text or JSON values, not {answered!r:.80}") from None
    if not text.strip():
        raise InputError("an example's output is empty")
    return text


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value that it cannot: an enum's value, a NumPy scalar's item."""
    if hasattr(value, "value"):
        return value.value
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(type(value).__name__)
