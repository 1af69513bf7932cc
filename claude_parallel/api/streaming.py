"""A streamed Message: its events, put together to the Message that the same call would have given in one piece.

Pure: bytes in, a Message out. Source of the events: streaming of the Claude API (version 2026-10-21) and the SDK's
own accumulation of them. Streaming serves one end here, to know when an answer begins; who needs to know is decided in
``engine``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..records import Failure, Reply
from .json_text import UnreadableJson, parse_json
from .reading import marked_odd, unreadable
from .responses import read_batch_error, read_limits, read_response

_PIECES = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Deltas that come in pieces, and the field that holds one."""

_STOPS = ("stop_reason", "stop_sequence", "stop_details")
"""Fields of the end that may well be null; any other field that is null is not there."""


def is_stream(headers: Mapping[str, str]) -> bool:
    """Say whether a response is a stream of events; whoever does not know how to stream sends JSON instead."""
    return headers.get("content-type", "").strip().lower().startswith("text/event-stream")


@dataclass(slots=True)
class MessageStream:
    """Puts the events of one stream together.

    Attributes
    ----------
    on_begin : callable
        Called once, when the answer has begun.
    has_begun, has_ended : bool
        True once the first, and the last event was seen.
    """

    on_begin: Callable[[], object]
    has_begun: bool = False
    has_ended: bool = False
    _rest: bytes = b""
    _ends_in_cr: bool = False
    _data: list[bytes] = field(default_factory=list)
    _message: dict[str, Any] = field(default_factory=dict)
    _pieces: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    _error: Mapping[str, Any] | None = None
    _oddity: str | None = None

    @property
    def is_whole(self) -> bool:
        """True once nothing of the answer is missing, though perhaps the event that says so."""
        is_concluded = self._message.get("stop_reason") is not None and not self._pieces
        return self.has_ended or (is_concluded and self._error is None)

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes, and say whether the answer has ended; whatever they hold, nothing is raised.

        CR, LF or both end a line (source: HTML, "server-sent events"); a CR may be the last byte of one chunk, and its
        LF the first of the next.
        """
        if self._ends_in_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._ends_in_cr = False
        if chunk:
            self._ends_in_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if not self.has_ended:
                self._take_line(line)
        return self.has_ended

    def result(self, headers: Mapping[str, str]) -> Reply | Failure:
        """Return what the stream came to, judged as an answer in one piece is.

        A stream that was cut is a failure like a body that was cut. One that came to its end, or lacks no more than the
        word that it has ended, was paid, so it is a reply, whatever its events hold.
        """
        if self._error is not None:
            failure = read_batch_error(self._error)
            request_id = failure.request_id or headers.get("request-id")
            limits = read_limits(headers)
            return replace(failure, request_id=request_id, rate_limits=limits, perhaps_billed=self.has_begun)
        if not self.is_whole:
            return read_response(200, headers, b"")
        if self._oddity is not None:
            is_counted = self._message.get("stop_reason") is not None  # its end, which tells the counts, was understood
            odd = self._message | marked_odd(self._oddity) if is_counted else unreadable(self._oddity, self._message)
            return read_response(200, headers, odd)
        return read_response(200, headers, self._message)

    def _take_line(self, line: bytes) -> None:
        """Take a line of an event. The API sends its data, which names its type, too, in one; others in several."""
        name, _, data = line.partition(b":")
        if name == b"data":
            self._data.append(data)
            if data.rstrip().endswith(b"}"):  # what is no whole object yet goes on in the next line
                self._take(is_whole=False)
        elif self._data and (not line or name == b"event"):
            self._take(is_whole=True)

    def _take(self, *, is_whole: bool) -> None:
        try:
            event = parse_json(b"\n".join(self._data))
        except ValueError as error:
            if not is_whole:
                return
            self._note_odd(error)
        except UnreadableJson as error:
            self._note_odd(error)
        else:
            self._try(event)
        self._data.clear()

    def _try(self, event: Any) -> None:
        try:
            self._apply(event)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, UnreadableJson) as error:
            self._note_odd(error)

    def _note_odd(self, error: Exception) -> None:
        self._oddity = self._oddity or f"an event of its stream is odd ({type(error).__name__})"

    def _apply(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "message_start":
                self._message = {**event["message"], "content": [], "usage": dict(event["message"]["usage"])}
                self.has_begun = True
                self.on_begin()
            case "content_block_start":
                self._message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                self._add(event["index"], event["delta"])
            case "content_block_stop":
                self._join(event["index"])
            case "message_delta":
                self._conclude(event["delta"], event.get("usage") or {})
            case "message_stop":
                self.has_ended = self.has_begun
            case "error":
                self._error = event

    def _add(self, index: int, delta: Mapping[str, Any]) -> None:
        kind, block = delta["type"], self._message["content"][index]
        if kind in _PIECES:
            self._pieces.setdefault((index, kind), []).append(delta[_PIECES[kind]])
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]

    def _join(self, index: int) -> None:
        block = self._message["content"][index]
        for kind, name in _PIECES.items():
            pieces = "".join(self._pieces.pop((index, kind), ()))
            if pieces and kind == "input_json_delta":
                block["input"] = parse_json(pieces)
            elif pieces:
                block[name] = block.get(name, "") + pieces

    def _conclude(self, delta: Mapping[str, Any], usage: Mapping[str, Any]) -> None:
        """Take the end's own fields; its counts are totals, and what it does not name stands as it was at the start."""
        self._message |= {name: value for name, value in delta.items() if value is not None or name in _STOPS}
        self._message["usage"] |= {name: value for name, value in usage.items() if value is not None}
