"""A prompt and a row become the text, blocks or messages that are sent.

Knows templates, column names and callables, and finds a wrong name before the first row. How rows come out of a frame
is the business of ``frames``; what a request looks like on the wire, of ``request``.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, nearest

Content = str | list[Any]
"""Text, a list of content blocks, or a list of messages (mappings with a ``role``)."""

PromptFunction = Callable[[Any], Any]

_HALF_A_CHARACTER = "holds half a character (a lone surrogate), which cannot be encoded"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is not sent, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be sent as it is, and why."""

    message: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked prompt.

    Attributes
    ----------
    columns : tuple of str
        The columns that it reads, each once; all of them for a callable.
    pieces : tuple
        Alternating literal text and index into `columns`; empty for a callable.
    is_column : bool
        True when the prompt is the name of a column, whose cells must be text.
    function : callable or None
        ``row -> str | list of content blocks | list of messages``.
    """

    columns: tuple[str, ...]
    pieces: tuple[str | int, ...] = ()
    function: PromptFunction | None = None
    is_column: bool = False

    @property
    def static_text(self) -> str:
        """The text before the first placeholder: the same for every row."""
        return self.pieces[0] if self.pieces and isinstance(self.pieces[0], str) else ""

    def fill(self, values: Sequence[Any]) -> str | Skipped | RowProblem:
        """Return the text for one row of a template or column prompt.

        Parameters
        ----------
        values : sequence
            The cells of `columns`, missing ones as None. Braces in cells are data.
        """
        for name, value in zip(self.columns, values, strict=True):
            if value is None:
                return Skipped(f"column {name!r} is missing")
            if isinstance(value, str) and not value.strip():
                return Skipped(f"column {name!r} is empty text")
        text = "".join(piece if isinstance(piece, str) else str(values[piece]) for piece in self.pieces)
        return text if _is_unicode(text) else RowProblem(f"the prompt {_HALF_A_CHARACTER}")


def compile_prompt(prompt: str | PromptFunction, columns: Sequence[str], *, is_series: bool = False) -> Prompt:
    """Check a prompt against the columns there are.

    Parameters
    ----------
    prompt : str or callable
        A column name, a template such as ``"Translate: {text}"`` (``{{`` and ``}}`` for literal braces), or a
        callable that gets the row.
    columns : sequence of str
        The names that may stand in a placeholder.
    is_series : bool, default False
        True for a series: ``{}`` stands for its value.

    Raises
    ------
    InputError
        For an unknown column, an attribute or index access, a format specification, or a text that is the same for
        every row.
    """
    if callable(prompt):
        return Prompt(columns=tuple(columns), function=prompt)
    if not isinstance(prompt, str):
        raise InputError(f"prompt must be a column name, a template or a callable, not {type(prompt).__name__}")
    if not is_series and prompt in columns:
        return Prompt(columns=(prompt,), pieces=("", 0), is_column=True)
    return _compile_template(prompt, columns, is_series)


def _compile_template(template: str, columns: Sequence[str], is_series: bool) -> Prompt:
    used: list[str] = []
    pieces: list[str | int] = [""]
    for literal, name in _split(template):
        if literal:
            pieces.append(literal) if isinstance(pieces[-1], int) else pieces.__setitem__(-1, pieces[-1] + literal)
        if name is None:
            continue
        column = _resolve(name, columns, is_series)
        if column not in used:
            used.append(column)
        pieces.append(used.index(column))
    if not used:
        hint = "write {} where the value goes" if is_series else nearest(template, columns)
        raise InputError(
            f"the prompt {_shorten(template)!r} is neither a column nor a template with a placeholder, "
            f"so every row would ask the same; {hint}"
        )
    return Prompt(columns=tuple(used), pieces=tuple(pieces))


def _split(template: str) -> list[tuple[str, str | None]]:
    """Return the template as pairs of literal text and the name of the placeholder behind it."""
    pairs: list[tuple[str, str | None]] = []
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InputError(
            f"the template {_shorten(template)!r} has an unpaired brace ({error}); write {{{{ and }}}} for "
            "literal braces"
        ) from None
    for literal, name, spec, conversion in parsed:
        if spec or conversion:
            raise InputError(
                f"the placeholder {{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}} has a "
                "format; only a plain column name may stand there. Format the column first, with assign()"
            )
        pairs.append((literal, name))
    return pairs


def _resolve(name: str, columns: Sequence[str], is_series: bool) -> str:
    if is_series and name == "":
        return columns[0]
    if name in columns:
        return name
    if name == "":
        raise InputError(
            "the placeholder {} is for series; name a column, as in {" + (columns[0] if columns else "") + "}"
        )
    if any(mark in name for mark in ".["):
        raise InputError(
            f"the placeholder {{{name}}} reaches into a value; only a plain column name may stand there. "
            "Make a column of it first, with assign()"
        )
    raise InputError(f"the prompt names the column {name!r}, which does not exist; {nearest(name, columns)}")


def check_content(result: object) -> Content | Skipped | RowProblem:
    """Return what a prompt function gave, if it can be sent.

    Parameters
    ----------
    result : object
        Text, a content block, a list of content blocks, or a list of messages. None and empty text skip the row.
    """
    if result is None or (isinstance(result, str) and not result.strip()) or result == []:
        return Skipped("the prompt function gave nothing")
    if isinstance(result, str):
        return result if _is_unicode(result) else RowProblem(f"the prompt function's text {_HALF_A_CHARACTER}")
    if isinstance(result, Mapping):
        result = [result]
    if not isinstance(result, list) or not all(isinstance(item, Mapping) for item in result):
        return RowProblem(
            f"the prompt function gave {type(result).__name__}; it must give text, content blocks or messages"
        )
    with_role = ["role" in item for item in result]
    if any(with_role) and not all(with_role):
        return RowProblem("the prompt function mixed content blocks and messages in one list")
    if any(with_role) and not all(_is_content(item.get("content")) for item in result):
        return RowProblem("the prompt function gave a message whose content is neither text nor a list of blocks")
    wrong = _not_json(result)
    return result if wrong is None else RowProblem(f"the prompt function gave {wrong}, which cannot be sent as JSON")


def _is_content(content: object) -> bool:
    return isinstance(content, str) or (
        isinstance(content, list | tuple) and all(isinstance(block, Mapping) for block in content)
    )


def _not_json(value: object) -> str | None:
    """Name the first part of a value that JSON cannot say; None when all of it can be sent."""
    if isinstance(value, str):
        return None if _is_unicode(value) else f"text that {_HALF_A_CHARACTER}"
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        odd = next((name for name in value if not isinstance(name, str)), None)
        return _first_not_json(value.values()) if odd is None else f"the key {odd!r}, which is no text"
    return _first_not_json(value) if isinstance(value, list | tuple) else f"a value of type {type(value).__name__}"


def _first_not_json(parts: Iterable[object]) -> str | None:
    return next((wrong for wrong in map(_not_json, parts) if wrong is not None), None)


def _is_unicode(text: str) -> bool:
    """Say whether text can be encoded; half a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def attach_blocks(blocks: list[dict[str, Any]], content: Content) -> Content:
    """Return content with blocks put before it (the API reads files best before the question about them).

    Messages get them at the beginning of the first one.
    """
    if isinstance(content, str):
        return [*blocks, {"type": "text", "text": content}]
    if content and "role" in content[0]:
        first = content[0]
        return [{**first, "content": attach_blocks(blocks, first["content"])}, *content[1:]]
    return [*blocks, *content]


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
