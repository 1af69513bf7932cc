"""How many tokens a request body weighs: four characters to a token, pictures by area, papers by pages.

It knows arithmetic only, the same for every model; which of the tokens are cached is for :mod:`cache`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

BODY_TOKENS = 8
"""What every request weighs beside its parts."""

MESSAGE_TOKENS = 4
"""What every message weighs beside its content."""

IMAGE_TOKENS = 1_500
"""A picture whose size cannot be read, in tokens; also the most that one picture weighs."""

PAGE_TOKENS = 2_000
"""One page of a PDF, in tokens."""

PAGE_BYTES = 50_000
"""How many bytes of a PDF are taken for one page."""

PIXELS_PER_TOKEN = 750
"""Source: Claude docs, vision: tokens = width * height / 750."""


def text_tokens(text: str) -> int:
    """Return the tokens of a text: a quarter of its characters, rounded up."""
    return (len(text) + 3) >> 2


def count_tokens(body: Mapping[str, Any]) -> int:
    """Return the input tokens of a Messages body."""
    total = BODY_TOKENS + format_tokens(body)
    tools = body.get("tools")
    if tools:
        total += sum(value_tokens(tool) for tool in tools)
    system = body.get("system")
    if system:
        total += content_tokens(system)
    for message in body.get("messages") or ():
        total += MESSAGE_TOKENS + content_tokens(message.get("content") or "")
    return total


def format_tokens(body: Mapping[str, Any]) -> int:
    """Return the tokens of the hidden system prompt that an output format brings."""
    config = body.get("output_config")
    form = config.get("format") if config else None
    return 20 + value_tokens(form) if form else 0


def content_tokens(content: Any) -> int:
    """Return the tokens of a content: a text or a list of blocks."""
    if isinstance(content, str):
        return (len(content) + 3) >> 2
    return sum(block_tokens(block) for block in content)


def block_tokens(block: Mapping[str, Any]) -> int:
    """Return the tokens of one content block."""
    kind = block.get("type")
    if kind == "text":
        return (len(block["text"]) + 3) >> 2
    source = block.get("source")
    if isinstance(source, Mapping):
        if kind == "image":
            return _image_tokens(source)
        if kind == "document":
            return _document_tokens(source)
    return value_tokens(block)


def value_tokens(value: Any) -> int:
    """Return the tokens of any JSON value, by the length of its text; cache breakpoints weigh nothing."""
    return (_length(value) + 3) >> 2


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, Mapping):
        return 2 + sum(len(name) + 4 + _length(inner) for name, inner in value.items() if name != "cache_control")
    if isinstance(value, list | tuple):
        return 2 + sum(1 + _length(inner) for inner in value)
    return len(str(value))


def _image_tokens(source: Mapping[str, Any]) -> int:
    size = _image_size(source.get("data")) if source.get("type") == "base64" else None
    if size is None:
        return IMAGE_TOKENS
    return max(1, min(IMAGE_TOKENS, size[0] * size[1] // PIXELS_PER_TOKEN))


def _image_size(data: Any) -> tuple[int, int] | None:
    """Return width and height of a base64 PNG, GIF or JPEG; None when they cannot be read."""
    if not isinstance(data, str):
        return None
    try:
        head = base64.b64decode(data[: 4 * 16_384])
    except (binascii.Error, ValueError):
        return None
    if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head[:4] == b"GIF8" and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head[:2] == b"\xff\xd8":
        return _jpeg_size(head)
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Walk a JPEG's segments to the frame header (markers C0 to CF without C4, C8 and CC)."""
    at = 2
    while at + 9 < len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _document_tokens(source: Mapping[str, Any]) -> int:
    kind, data = source.get("type"), source.get("data")
    if kind == "text" and isinstance(data, str):
        return text_tokens(data)
    if kind == "base64" and isinstance(data, str):
        return PAGE_TOKENS * (1 + len(data) * 3 // 4 // PAGE_BYTES)
    if kind == "content":
        return content_tokens(source.get("content") or "")
    return PAGE_TOKENS
