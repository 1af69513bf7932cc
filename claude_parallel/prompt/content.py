"""What a prompt function may give: text, content blocks or messages; and files before the text that asks about them."""

from __future__ import annotations

import math
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from .template import HALF_A_CHARACTER, Content, RowProblem, Skipped, is_missing, is_unicode


def check_content(result: object) -> Content | Skipped | RowProblem:
    """Return what a prompt function gave, if it can be sent.

    Parameters
    ----------
    result : object
        Text, a content block, a list of content blocks, or a list of messages. A missing value (None, NaN, NA, NaT)
        and empty text skip the row.
    """
    if isinstance(result, Coroutine):
        result.close()  # nobody waits for it
        return RowProblem("the prompt function is async; it must be a plain one that gives text")
    if is_missing(result) or _is_empty(result):
        return Skipped("the prompt function gave nothing")
    if isinstance(result, str):
        return result if is_unicode(result) else RowProblem(f"the prompt function's text {HALF_A_CHARACTER}")
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
    wrong = not_json(result)
    return result if wrong is None else RowProblem(f"the prompt function gave {wrong}, which cannot be sent as JSON")


def _is_empty(result: object) -> bool:
    return not result.strip() if isinstance(result, str) else isinstance(result, list) and not result


def _is_content(content: object) -> bool:
    return isinstance(content, str) or (
        isinstance(content, list | tuple) and all(isinstance(block, Mapping) for block in content)
    )


def not_json(value: object) -> str | None:
    """Name the first part of a value that JSON cannot say; None when all of it can be sent."""
    if isinstance(value, str):
        return None if is_unicode(value) else f"text that {HALF_A_CHARACTER}"
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        odd = next((name for name in value if not isinstance(name, str)), None)
        return _first_not_json(value.values()) if odd is None else f"the key {odd!r}, which is no text"
    return _first_not_json(value) if isinstance(value, list | tuple) else f"a value of type {type(value).__name__}"


def _first_not_json(parts: Iterable[object]) -> str | None:
    return next((wrong for wrong in map(not_json, parts) if wrong is not None), None)


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
