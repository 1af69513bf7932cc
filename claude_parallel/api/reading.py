"""What a Message says: its text, its usage, and what it has that the API does not promise.

A Message is an HTTP 200 and costs money. Whatever JSON it holds, nothing here raises. Whether it is a good answer is
judged in ``api.answers``; prices are computed in ``pricing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from ..records import Usage

MOST_TOKENS = 2**53
"""No count is as high; above it, JSON readers disagree on whole numbers (RFC 8259, section 6)."""

_TEXTS = ("model", "stop_reason", "stop_sequence", "id")
_PARTS = ("cache_creation", "output_tokens_details", "server_tool_use")
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
    "thinking_tokens",
    "web_search_requests",
)
"""Names in a usage object: its parts, and its numbers by :func:`_counts`."""

_NOTHING: Mapping[str, Any] = {}

_UNREADABLE = "unreadable"
"""Field of what stands in for an answer that is no JSON object, or cannot be read as one."""


def unreadable(why: str, body: object = None) -> dict[str, Any]:
    """Return a mapping that stands in for an answer which is not a JSON object: kept, since it was paid."""
    return {_UNREADABLE: why, "body": body}


def marked_odd(why: str) -> dict[str, Any]:
    """Return the mark of a Message that has arrived in part: its text and its usage still count."""
    return {_UNREADABLE: why}


def is_message(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Say whether a JSON value comes from the Messages API, of the promised form or not.

    A proxy's or portal's JSON has none of these fields: nothing was answered, so it may be asked again.
    """
    if not isinstance(data, Mapping) or data.get("type") == "error":
        return False
    return data.get("type") == "message" or not {"content", "usage", _UNREADABLE}.isdisjoint(data)


class Reading(NamedTuple):
    """What one look at a Message finds, as :func:`text_of`, :func:`usage_of` and :func:`oddity` return it."""

    text: str
    usage: Usage
    odd: str | None = None


def read_message(message: Mapping[str, Any]) -> Reading:
    """Return text, usage and oddity of a Message at one look: every answer passes here, live or from the journal."""
    return _quick_look(message) or _long_look(message)


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text blocks of a Message, joined.

    The first block is often ``thinking`` and unknown block types exist, so only ``type == "text"`` counts.
    """
    return read_message(message).text


def last_text_of(message: Mapping[str, Any]) -> str:
    """Return the last text block of a Message that is not blank: what Claude says once its tools are done."""
    texts = (as_text(block.get("text")) for block in reversed(blocks_of(message)) if block.get("type") == "text")
    return next((text for text in texts if text and text.strip()), "")


def usage_of(message: Mapping[str, Any]) -> Usage:
    """Return the usage of a Message, disjoint by kind of token.

    The API's ``input_tokens`` is what follows the last cache breakpoint; cache writes and reads stand beside it.
    Where the split of the writes by lifetime is missing, they count as five-minute writes (the API's default). Numbers
    that make no sense count as 0, and the usage is then not known; neither is one without input and output tokens.
    """
    return read_message(message).usage


def oddity(message: Mapping[str, Any]) -> str | None:
    """Return what a Message has that the API does not promise; None where all is as promised.

    Source of the form: the SDK's ``types/message.py`` and ``types/usage.py`` (API version 2026-10-21). Fields and block
    types that are new are no oddity, and neither are missing ones that nothing here depends on.
    """
    return read_message(message).odd


def _quick_look(message: Mapping[str, Any]) -> Reading | None:
    """Return what a Message says that is as promised beyond doubt, as nearly every one is; None for any other."""
    content, usage = message.get("content"), message.get("usage")
    if type(content) is not list or type(usage) is not dict or _UNREADABLE in message:
        return None
    texts = []
    for block in content:
        kind = block.get("type") if type(block) is dict else None
        if type(kind) is not str:
            return None
        if kind == "text":
            text = block.get("text")
            if type(text) is not str:
                return None
            texts.append(text)
    for name in _TEXTS:
        value = message.get(name)
        if value is not None and type(value) is not str:
            return None
    details = message.get("stop_details")
    counts = _plain_counts(usage) if details is None or type(details) is dict else None
    if counts is None:
        return None
    is_known = usage.get("input_tokens") is not None and usage.get("output_tokens") is not None
    return Reading("".join(texts), _usage(message, usage, counts, is_known=is_known))


def _plain_counts(usage: dict[str, Any]) -> list[int] | None:
    """Return the numbers of a usage object by ``_COUNTS``, missing ones as 0; None where one of them makes no sense."""
    for name in _PARTS:
        part = usage.get(name)
        if part is not None and type(part) is not dict:
            return None
    counts: list[int] = []
    for value in _counts(usage):
        if value is None:
            counts.append(0)
        elif type(value) is int and 0 <= value < MOST_TOKENS:
            counts.append(value)
        else:
            return None
    return counts


def _long_look(message: Mapping[str, Any]) -> Reading:
    """Return what any Message says."""
    texts = [block.get("text") for block in blocks_of(message) if block.get("type") == "text"]
    usage = as_mapping(message.get("usage"))
    counts = _counts(usage)
    has_totals = is_count(counts[0]) and is_count(counts[1])
    return Reading(
        "".join([text for text in texts if isinstance(text, str)]),
        _usage(
            message,
            usage,
            [value if is_count(value) else 0 for value in counts],
            is_known=has_totals and next(_odd_counts(usage), None) is None,
        ),
        next(_oddities(message), None),
    )


def _usage(message: Mapping[str, Any], usage: Mapping[str, Any], counts: Sequence[int], *, is_known: bool) -> Usage:
    fresh, output, written, read, written_5m, written_1h, thinking, searches = counts
    return Usage(
        fresh,
        output,
        max(written - written_1h, written_5m),
        written_1h,
        read,
        thinking,
        searches,
        as_text(usage.get("service_tier")),
        as_text(usage.get("speed")),
        as_text(usage.get("inference_geo")),
        is_known,
        not is_refused_unanswered(message),
    )


def _oddities(message: Mapping[str, Any]) -> Iterator[str]:
    if _UNREADABLE in message:
        yield str(message[_UNREADABLE])
    content = message.get("content")
    if not isinstance(content, list):
        yield f"its content is {_name(content)}"
    else:
        for block in content:
            if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
                yield f"a block of its content is {_name(block)}"
            elif block["type"] == "text" and not isinstance(block.get("text"), str):
                yield f"the text of a block is {_name(block.get('text'))}"
    for name in _TEXTS:
        if not isinstance(message.get(name), str | None):
            yield f"its {name} is {_name(message[name])}"
    for name in ("stop_details", "usage"):
        if not isinstance(message.get(name), Mapping | None):
            yield f"its {name} is {_name(message[name])}"
    yield from _odd_counts(as_mapping(message.get("usage")))


def _odd_counts(usage: Mapping[str, Any]) -> Iterator[str]:
    for name in _PARTS:
        if not isinstance(usage.get(name), Mapping | None):
            yield f"its usage.{name} is {_name(usage[name])}"
    for name, value in zip(_COUNTS, _counts(usage), strict=True):
        if value is not None and not is_count(value):
            yield f"its usage.{name} is {_name(value)}"


def _counts(usage: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return every number of a usage object that prices or limits depend on, in the order of ``_COUNTS``."""
    get = usage.get
    written = as_mapping(get("cache_creation"))
    return (
        get("input_tokens"),
        get("output_tokens"),
        get("cache_creation_input_tokens"),
        get("cache_read_input_tokens"),
        written.get("ephemeral_5m_input_tokens"),
        written.get("ephemeral_1h_input_tokens"),
        as_mapping(get("output_tokens_details")).get("thinking_tokens"),
        as_mapping(get("server_tool_use")).get("web_search_requests"),
    )


def is_count(value: object) -> TypeGuard[int]:
    """Say whether a JSON value is a number of tokens or of anything else that can be counted."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS


def _name(value: object) -> str:
    """Return what a JSON value is, in words, without repeating it: it may be long, or hold half a letter."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "a negative number" if value < 0 else "a number"
    names = {str: "a text", float: "a fraction", list: "a list", type(None): "null"}
    return names.get(type(value), "an object")


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON value where it is an object, else an empty one."""
    if type(value) is dict:  # nearly always so, and quick
        return value
    return value if value is not None and isinstance(value, Mapping) else _NOTHING


def blocks_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the blocks of a Message that are objects."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if type(block) is dict or isinstance(block, Mapping)]


def model_of(message: Mapping[str, Any]) -> str | None:
    """Return the model that a Message names; None where it names none."""
    model = message.get("model")
    return model if isinstance(model, str) and model else None


def stop_reason_of(message: Mapping[str, Any]) -> str | None:
    """Return why the model stopped; None where the Message does not say."""
    reason = message.get("stop_reason")
    return reason if isinstance(reason, str) else None


def is_refused_unanswered(message: Mapping[str, Any]) -> bool:
    """Say whether Claude refused before any output, which is not billed though tokens are counted.

    Source: "Refusals and fallback" of the Claude API documentation (August 2026): empty ``content``, token counts
    present but not billed, still counted against the rate limits; a refusal in mid-answer is billed.
    """
    return message.get("stop_reason") == "refusal" and message.get("content") == []


def is_paused(message: Mapping[str, Any]) -> bool:
    """Say whether the API has paused a long turn of its own tools, and wants to be asked to go on.

    Source: stop reasons (``pause_turn``) and server tools of the Claude API, version 2026-10-21. An odd Message cannot
    be sent back, so it is not continued.
    """
    return message.get("stop_reason") == "pause_turn" and bool(message.get("content")) and oddity(message) is None


def whole_message(turns: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the Message that paused ones and the last of them make together, to be read as one answer.

    Where the last one is odd, so is the whole, with the text that came before.
    """
    *paused, last = turns
    if not paused:
        return last
    blocks = [block for message in paused for block in message["content"]]
    end, odd = last.get("content"), oddity(last)
    whole = {**last, "content": [*blocks, *end] if isinstance(end, list) else blocks}
    return whole if odd is None else {**whole, _UNREADABLE: odd}


def as_text(value: object) -> str | None:
    """Return a JSON value where it is a text, else None."""
    return value if isinstance(value, str) else None
