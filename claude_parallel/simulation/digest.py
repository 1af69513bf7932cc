"""What makes two requests the same, and the chance that hangs on it.

It knows hashes: of a body, and numbers in [0, 1) drawn from a seed and a body, so that a run's faults and
answers do not depend on the order in which its requests arrive. What is done with the chance is for others.
"""

from __future__ import annotations

import json
import marshal
import struct
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

_EIGHT_WORDS = struct.Struct("<8Q").unpack


def body_digest(body: Mapping[str, Any]) -> bytes:
    """Return 16 bytes that are equal for bodies which ask the same.

    Cache breakpoints, the order of keys at the top, how a text is split into text blocks, and whether the answer is
    streamed make no difference.
    """
    parts = [(name, _plain(name, body[name])) for name in sorted(body) if name not in ("cache_control", "stream")]
    return blake2b(pack(parts), digest_size=16).digest()


def pack(value: Any) -> bytes:
    """Return the same bytes for the same JSON value, quickly; ``marshal.loads`` gives the value back."""
    try:
        # Version 2 has no references to objects, so equal values make equal bytes.
        return marshal.dumps(value, 2)
    except ValueError:
        return marshal.dumps(json.loads(json.dumps(value, default=_unproxied)), 2)


def _unproxied(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def _plain(name: str, value: Any) -> Any:
    if name == "messages" and isinstance(value, list):
        return [_plain_message(message) for message in value]
    if name == "system":
        return _joined(value)
    if name == "tools" and isinstance(value, list):
        return [without_breakpoint(tool) for tool in value]
    return value


def _plain_message(message: Any) -> Any:
    if not isinstance(message, Mapping):
        return message
    content = message.get("content")
    if isinstance(content, str):
        return (message.get("role"), content)
    return (message.get("role"), _joined(content))


def _joined(content: Any) -> Any:
    if isinstance(content, str) or not isinstance(content, list):
        return content
    blocks = [without_breakpoint(block) for block in content]
    if all(isinstance(block, dict) and block.keys() == {"type", "text"} for block in blocks):
        return "".join(str(block["text"]) for block in blocks)
    return blocks


def without_breakpoint(block: Any) -> Any:
    """Return a block without its ``cache_control``."""
    if isinstance(block, Mapping) and "cache_control" in block:
        return {name: value for name, value in block.items() if name != "cache_control"}
    return block


def chances(seed: int, digest: bytes, occurrence: int) -> Iterator[float]:
    """Return eight numbers in [0, 1), fixed by seed, body and how often that body was seen before."""
    raw = blake2b(digest + b"%d/%d" % (seed, occurrence), digest_size=64).digest()
    # 53 bits are what a float can hold without rounding up to 1.
    return ((word >> 11) / 2**53 for word in _EIGHT_WORDS(raw))
