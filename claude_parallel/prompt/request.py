"""A row's content becomes a wire body, its fingerprint, and an estimate of its weight.

Everything that all rows of a run share is prepared once in :class:`Shared`. What a row asks is decided in ``template``
and ``content``; when a request is sent, in the engine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from typing import Any, Protocol

from ..attachments.sniffing import HIGH_RESOLUTION, STANDARD_RESOLUTION
from ..attachments.token_estimates import block_pages, estimate_tokens
from ..errors import InputError
from ..records import Body, Load, Request
from .template import Content

_BEFORE_4_7 = re.compile(r"(?:.*\.)?claude-(?:3|(?:haiku|sonnet|opus)-4(?:-[0-6])?(?![0-9]|-[7-9]))")
"""Claude 3, and 4 up to 4.6, also with a date behind and a platform's prefix before (``us.anthropic.claude-...``)."""

BYTES_PER_TOKEN = 3.5
"""First guess for text; the gate corrects it by the answers. Source: about 3.5 English characters a token with the
tokenizer of Claude 4.7 and later (token counting docs: some 30 % more tokens than before)."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_MESSAGE_OVERHEAD_TOKENS = 16
"""Roles and separators of one message, generously: the API does not say how many tokens it adds."""
_SCHEMA_OVERHEAD_TOKENS = 600
"""A generous bound for the hidden system prompt that structured outputs and tools add. The docs of structured outputs
name no figure."""
_OWN_FIELDS = ("messages", "stream")
_WITHOUT_BREAKPOINTS = frozenset(("input_schema", "output_config", "input", "metadata"))
"""Fields in which ``cache_control`` is a name of the user's own, such as a property of a schema."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def copy(self) -> _Hash: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What all requests of a run have in common.

    Attributes
    ----------
    fields : mapping
        The wire body without ``messages``.
    examples : tuple of mapping
        Messages that come before each row's own.
    static_text : str
        Text that each row's message begins with.
    seed : hash object
        SHA-256 state after host, fields and examples; copied for every row.
    prefix : bytes
        Key of the shared prefix: two requests with the same one can share a cache entry.
    text_bytes : int
        Size of the shared text without `static_text`, UTF-8.
    prefix_tokens : float
        Estimated tokens of everything that could be cached.
    """

    fields: Mapping[str, Any]
    examples: tuple[Mapping[str, Any], ...]
    static_text: str
    seed: _Hash
    prefix: bytes
    text_bytes: int
    prefix_tokens: float

    @property
    def prefix_bytes(self) -> int:
        """Size of all shared text, in bytes of UTF-8."""
        return self.text_bytes + _text_bytes(self.static_text)


def canonical(value: Any) -> bytes:
    """Return `value` as canonical JSON: sorted keys, no spaces, UTF-8."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def fingerprint(host: str, body: Body, sample: int = 0) -> bytes:
    """Return the key of a request in the journal: SHA-256 over host, body and sample.

    Parameters
    ----------
    host : str
        Base URL of the API; answers of another host (a simulator's) can never be mistaken for this one's.
    body : mapping
        The wire body. Cache breakpoints do not count: they change the price, not the answer.
    sample : int, default 0
        Number of the independent sample, for ``sample=``.
    """
    fields = {name: value for name, value in body.items() if name != "messages"}
    return _finish(_seed(host, fields), body["messages"], sample)


def share(host: str, fields: Mapping[str, Any], examples: Sequence[Mapping[str, Any]], static_text: str) -> Shared:
    """Prepare what all requests of a run have in common.

    Raises
    ------
    InputError
        When the fields hold something that is not JSON.
    """
    try:
        seed = _seed(host, fields)
        for message in examples:
            _add_message(seed, message)
    except (TypeError, ValueError) as error:
        raise InputError(f"the request is not plain JSON: {error}") from None
    prefix = seed.copy()
    prefix.update(static_text.encode("utf-8", "surrogatepass"))
    shared_parts = [fields.get("system"), fields.get("tools"), fields.get("output_config"), *examples]
    text_bytes = sum(_text_bytes(part) for part in shared_parts)
    return Shared(
        fields=fields,
        examples=tuple(examples),
        static_text=static_text,
        seed=seed,
        prefix=prefix.digest(),
        text_bytes=text_bytes,
        prefix_tokens=(text_bytes + _text_bytes(static_text)) / BYTES_PER_TOKEN,
    )


def key_of(shared: Shared, content: Content, sample: int = 0) -> bytes:
    """Return the key of one row's request in the journal, which needs no request; as :func:`fingerprint` does."""
    return _finish(shared.seed, _messages(content), sample)


def build(
    shared: Shared, content: Content, *, sample: int = 0, has_breakpoint: bool = False, key: bytes | None = None
) -> Request:
    """Return the request for one row.

    Parameters
    ----------
    shared : Shared
        What the run's requests have in common.
    content : str or list
        Text, content blocks, or messages.
    sample : int
        Number of the independent sample.
    has_breakpoint : bool
        True when the shared prefix is to be cached.
    key : bytes, optional
        What :func:`key_of` gives, where that was asked before.
    """
    messages = _messages(content)
    size = sum(_text_bytes(message.get("content")) for message in messages)
    text_bytes = shared.text_bytes + size
    files = [block for message in messages for block in _files(message.get("content"))]
    media = sum(estimate_tokens(block, image_resolution(str(shared.fields["model"]))) for block in files)
    overhead = _MESSAGE_OVERHEAD_TOKENS * (len(messages) + len(shared.examples) + 1)
    return Request(
        body={**shared.fields, "messages": [*shared.examples, *messages]},
        fingerprint=key or _finish(shared.seed, messages, sample),
        load=Load(
            input_tokens=text_bytes / BYTES_PER_TOKEN + overhead + media,
            max_output_tokens=float(shared.fields["max_tokens"]),
        ),
        prefix=shared.prefix if has_breakpoint else None,
        # A byte is never more than one token, so this bounds the input from above, for the budget.
        max_input_tokens=text_bytes + overhead + _SCHEMA_OVERHEAD_TOKENS + 2 * media,
        unbounded=next(filter(None, map(unbounded_file, files)), None),
    )


def is_before_4_7(model: str) -> bool:
    """Say whether a model is older than Claude 4.7, which brought another tokenizer and larger images."""
    return _BEFORE_4_7.match(model) is not None


def image_resolution(model: str) -> tuple[int, int]:
    """Return the longest edge and the most tokens of an image that this model sees; see ``attachments.sniffing``."""
    return STANDARD_RESOLUTION if is_before_4_7(model) else HIGH_RESOLUTION


def body_fields(
    *,
    model: str,
    max_tokens: int,
    system: str | None,
    thinking: Mapping[str, Any] | str | bool | None,
    effort: str | None,
    output_format: Mapping[str, Any] | None,
    tools: Sequence[Mapping[str, Any]] | None,
    stop_sequences: Sequence[str] | None,
    request: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the wire body without messages, from the user's options.

    ``request`` comes last and wins; where both sides hold a mapping (``output_config``) their keys are merged.

    Raises
    ------
    InputError
        When ``request`` sets ``messages`` or ``stream``, which are the run's own.
    """
    fields: dict[str, Any] = {"model": model, "max_tokens": max_tokens}
    output_config = {"effort": effort, "format": output_format}
    optional: dict[str, Any] = {
        "system": system,
        "thinking": _thinking(thinking),
        "output_config": {name: value for name, value in output_config.items() if value is not None} or None,
        "tools": list(tools) if tools else None,
        "stop_sequences": list(stop_sequences) if stop_sequences else None,
    }
    fields.update({name: value for name, value in optional.items() if value is not None})
    for name, value in (request or {}).items():
        if name in _OWN_FIELDS:
            raise InputError(f"request= must not set {name!r}; the run makes it")
        both = isinstance(value, Mapping) and isinstance(fields.get(name), Mapping)
        fields[name] = {**fields[name], **value} if both else value
    return fields


def example_messages(examples: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return few-shot pairs as alternating turns."""
    turns: list[dict[str, Any]] = []
    for asked, answered in examples:
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": answered})
    return turns


def _thinking(thinking: Mapping[str, Any] | str | bool | None) -> Mapping[str, Any] | None:
    if thinking is None or isinstance(thinking, Mapping):
        return thinking
    if isinstance(thinking, bool):
        return {"type": "adaptive" if thinking else "disabled"}
    return {"type": thinking}


def _messages(content: Content) -> list[Mapping[str, Any]]:
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    if content and "role" in content[0]:
        return content
    return [{"role": "user", "content": content}]


def _seed(host: str, fields: Mapping[str, Any]) -> _Hash:
    seed = hashlib.sha256(host.encode() + b"\n")
    seed.update(canonical(_without_breakpoints(fields)) + b"\n")
    return seed


def _finish(seed: _Hash, messages: Sequence[Mapping[str, Any]], sample: int) -> bytes:
    state = seed.copy()
    for message in messages:
        _add_message(state, message)
    if sample:
        state.update(b"draw %d" % sample)
    return state.digest()


def _add_message(state: _Hash, message: Mapping[str, Any]) -> None:
    content, role = message.get("content"), message.get("role")
    if isinstance(content, str) and isinstance(role, str) and len(message) == 2:
        # What canonical() gives for {"content": ..., "role": ...}, in a fifth of the time: every row passes here.
        text = f'{{"content":{quoted(content)},"role":{quoted(role)}}}\n'
        state.update(text.encode("utf-8", "surrogatepass"))
    else:
        state.update(canonical(_without_breakpoints(message)) + b"\n")


def _without_breakpoints(value: Any) -> Any:
    """Return JSON without its cache breakpoints."""
    if isinstance(value, Mapping):
        return {
            name: part if name in _WITHOUT_BREAKPOINTS else _without_breakpoints(part)
            for name, part in value.items()
            if name != "cache_control"
        }
    if isinstance(value, list | tuple):
        return [_without_breakpoints(part) for part in value]
    return value


def _text_bytes(part: Any) -> int:
    """Return the UTF-8 size of all text in a part of the body, without images and files."""
    if isinstance(part, str):
        return len(part) if part.isascii() else len(part.encode("utf-8", "surrogatepass"))
    if isinstance(part, Mapping):
        if part.get("type") == "base64":
            return 0
        return sum(len(str(name)) + _text_bytes(value) for name, value in part.items())
    if isinstance(part, list | tuple):
        return sum(_text_bytes(item) for item in part)
    return 0 if part is None else len(str(part))


def unbounded_file(block: Mapping[str, Any]) -> str | None:
    """Say in words which document nobody knows the pages of before it is paid; None for all other blocks.

    An image is never larger than what the API scales it down to, wherever it lies.
    """
    if block["type"] != "document":
        return None
    kind = block["source"].get("type")
    if kind == "url":
        return "a document behind a URL"
    if kind == "file":
        return "a document given by its file_id"
    return None if block_pages(block) else "a PDF whose pages cannot be counted"


def _files(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the image and document blocks in a message's content, also those inside tool results and documents.

    Documents of plain text are left out, since they count as text already.
    """
    for block in content if isinstance(content, list | tuple) else ():
        if not isinstance(block, Mapping):
            continue
        source = block.get("source")
        if block.get("type") in ("image", "document") and isinstance(source, Mapping):
            if source.get("type") == "content":
                yield from _files(source.get("content"))
            elif source.get("type") != "text":
                yield block
        else:
            yield from _files(block.get("content"))
