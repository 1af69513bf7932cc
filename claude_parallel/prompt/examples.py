"""Few-shot pairs become alternating turns before every row's own message.

An example is written as the rows are: where the prompt is a template, its input fills the same template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..text import as_python
from .template import Prompt, RowProblem, is_missing


def example_pairs(
    examples: Any, prompt: Prompt, *, fields: Sequence[str] = (), wrapper: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Return few-shot pairs as texts.

    Parameters
    ----------
    examples : list of pairs, list of dicts, dict, or DataFrame (of pandas or Polars)
        ``[(input, output), ...]`` or ``{input: output, ...}``. An input is a mapping of the template's columns, or a
        text: it fills a template with one placeholder, else (also where the prompt is a function) it is sent as it is.
        A dict is ``{"input": ..., "output": ...}``, or has the template's columns and its output besides: one more key,
        or the schema's fields. Of a frame the last column is the output, the others are the inputs. An output that is
        not text is sent as JSON.
    prompt : Prompt
        The prompt of the rows.
    fields : sequence of str
        Names of a schema's fields.
    wrapper : str, optional
        With the schema of a bare type: the name of the one field around it.

    Raises
    ------
    InputError
        For anything that is not a pair, or an input that lacks a column of the template.
    """
    if examples is None:
        return ()
    pairs = _pairs(examples, prompt, fields)
    return tuple((_asked(asked, prompt), _answered(answered, wrapper)) for asked, answered in pairs)


def _pairs(examples: Any, prompt: Prompt, fields: Sequence[str]) -> list[tuple[Any, Any]]:
    if hasattr(examples, "columns") and (hasattr(examples, "itertuples") or hasattr(examples, "rows")):
        return _pairs_of_frame(examples)
    if isinstance(examples, Mapping):
        return list(examples.items())
    if isinstance(examples, str) or not isinstance(examples, Sequence):
        raise InputError(
            "examples must be a list of (input, output) pairs, a dict of input to output, or a frame whose last column "
            "is the output"
        )
    return [
        _pair_of_dict(one, prompt, fields) if isinstance(one, Mapping) else _pair_of_sequence(one) for one in examples
    ]


def _pair_of_sequence(pair: Any) -> tuple[Any, Any]:
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise InputError(f"an example must be a pair (input, output) or a dict, not {pair!r:.80}")
    return pair[0], pair[1]


def _pair_of_dict(example: Mapping[str, Any], prompt: Prompt, fields: Sequence[str]) -> tuple[Any, Any]:
    """Take an example apart: what the template reads is its input, the rest its output."""
    read = prompt.columns if prompt.function is None else ()
    if set(example) == {"input", "output"} and not set(example) <= set(read):
        return example["input"], example["output"]
    given = {name: value for name, value in example.items() if name in read}
    rest = {name: value for name, value in example.items() if name not in read}
    if given and rest and set(rest) <= set(fields):
        return given, rest
    if given and len(rest) == 1:
        return given, next(iter(rest.values()))
    wanted = " and ".join(map(repr, read)) or "'input'"
    raise InputError(
        f"an example must have {wanted} and one output besides (or the schema's fields), "
        f"not {', '.join(map(repr, example))}"
    )


def _pairs_of_frame(frame: Any) -> list[tuple[Any, Any]]:
    names = [str(name) for name in frame.columns]
    if len(names) < 2:
        raise InputError("examples as a frame needs at least two columns: inputs, and the output in the last one")
    found = frame.itertuples(index=False, name=None) if hasattr(frame, "itertuples") else frame.rows()  # of Polars
    rows = [tuple(None if is_missing(cell) else cell for cell in row) for row in found]
    if len(names) == 2:
        return [(row[0], row[1]) for row in rows]
    return [(dict(zip(names[:-1], row[:-1], strict=True)), row[-1]) for row in rows]


def _asked(asked: Any, prompt: Prompt) -> str:
    is_template = prompt.function is None
    if is_template and isinstance(asked, Mapping):
        missing = [name for name in prompt.columns if name not in asked]
        if missing:
            raise InputError(f"an example lacks the column {missing[0]!r} that the prompt uses")
        text = prompt.fill([asked[name] for name in prompt.columns])
    elif is_template and len(prompt.columns) == 1:
        text = prompt.fill([asked])
    elif isinstance(asked, Mapping | list | tuple):
        fills = "a mapping of the prompt's columns, or text" if is_template else "text, as the prompt function gives it"
        raise InputError(f"an example's input must be {fills}, not {asked!r:.80}")
    else:
        text = str(asked)
    if isinstance(text, RowProblem):
        raise InputError(f"an example's input {asked!r:.80} does not fit the prompt: {text.message}")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"an example's input is empty: {asked!r:.80}")
    return text


def _answered(answered: Any, wrapper: str | None) -> str:
    if (answered is None and wrapper is None) or (isinstance(answered, str) and not answered.strip()):
        raise InputError("an example's output is empty")
    if wrapper is not None and not (isinstance(answered, Mapping) and set(answered) == {wrapper}):
        answered = {wrapper: answered}
    if isinstance(answered, str):
        return answered
    if hasattr(answered, "model_dump_json"):
        return str(answered.model_dump_json(by_alias=True))
    try:
        return json.dumps(answered, ensure_ascii=False, default=_plain)
    except TypeError:
        raise InputError(f"an example's output must be text or JSON values, not {answered!r:.80}") from None


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value that it cannot: a date as ISO text, an enum's value, an array's values."""
    if hasattr(value, "isoformat"):  # first: a Timestamp has a value, too, which counts nanoseconds
        return value.isoformat()
    if hasattr(value, "value"):
        return value.value
    if hasattr(value, "tolist"):
        return as_python(value)
    raise TypeError(type(value).__name__)
