"""An API that misbehaves: a loopback server that answers each row by a table, live and in batches.

Written from the API's documentation, and kept apart from the simulator: it checks nothing, bills nothing and knows no
limits; it says what the table says, and counts how often it was asked. A row is named by the text of its prompt.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal["", "reset", "truncated", "silence"]
"""What happens to the connection: broken before the answer, cut in the middle of it, or nothing is ever said."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What the server says to one row.

    Attributes
    ----------
    body : str or bytes
        The response body as it travels; in a batch, the JSON that stands where the Message should.
    status : int
        HTTP status.
    headers : mapping of str to str
        Beside the content type and length.
    fault : str
        What happens to the connection.
    """

    body: str | bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault = ""

    @property
    def raw(self) -> bytes:
        """The bytes of the body."""
        return self.body.encode("utf-8", "surrogatepass") if isinstance(self.body, str) else self.body


def message(text: str = "fine", **changes: Any) -> dict[str, Any]:
    """Return a Message as the API sends it, with some fields changed."""
    usage = {"input_tokens": 10, "output_tokens": 5, "service_tier": "standard"}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
        **changes,
    }


def good(text: str = "fine") -> Saying:
    """Return a good answer."""
    return Saying(json.dumps(message(text)))


class NastyServer:
    """What is said to whom, and what was asked.

    Attributes
    ----------
    table : mapping of str to Saying, or of str to list of Saying
        By the text of the row; a list is said one by one, its last over and over. All other rows are answered well.
    asked : Counter of str
        How often each row was asked, live or in a batch.
    batches : dict
        Requests of each batch by its id.
    headers : dict
        Headers of every response, such as limits.
    url : str
        Where it listens.
    """

    def __init__(self, table: Mapping[str, Saying | list[Saying]], headers: Mapping[str, str] | None = None) -> None:
        self.table = table
        self.headers = dict(headers or {})
        self.asked: Counter[str] = Counter()
        self.heard: list[tuple[str, str, dict[str, str]]] = []
        self.batches: dict[str, list[dict[str, Any]]] = {}
        self.url = ""
        self.released = threading.Event()
        self._lock = threading.Lock()

    def saying_to(self, body: Mapping[str, Any]) -> Saying:
        """Return what is said to the row of this request body, and count it."""
        row = row_of(body)
        with self._lock:
            self.asked[row] += 1
            said = self.table.get(row) or good()
            return said[min(self.asked[row], len(said)) - 1] if isinstance(said, list) else said

    def create(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
        """Take a batch and return its state, which is its end: results are there at once."""
        with self._lock:
            batch_id = f"msgbatch_{len(self.batches) + 1}"
            self.batches[batch_id] = requests
        return self.state(batch_id)

    def state(self, batch_id: str) -> dict[str, Any]:
        """Return a batch as the API shows it."""
        counts = {"processing": 0, "succeeded": len(self.batches[batch_id]), "errored": 0, "canceled": 0, "expired": 0}
        return {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "ended",
            "request_counts": counts,
            "created_at": "2026-11-25T10:00:00Z",
            "expires_at": "2026-11-26T10:00:00Z",
            "ended_at": "2026-11-25T10:01:00Z",
            "archived_at": None,
            "results_url": f"/v1/messages/batches/{batch_id}/results",
        }

    def results(self, batch_id: str) -> bytes:
        """Return the lines of a batch's results."""
        lines = []
        for request in self.batches[batch_id]:
            said = self.saying_to(request["params"]).raw
            head = json.dumps({"custom_id": request["custom_id"]})[:-1].encode()
            lines.append(head + b', "result": {"type": "succeeded", "message": ' + said + b"}}\n")
        return b"".join(lines)


def row_of(body: Mapping[str, Any]) -> str:
    """Return the text of the last message of a request."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about connections that were broken on purpose."""


@contextmanager
def nasty_server(
    table: Mapping[str, Saying | list[Saying]], headers: Mapping[str, str] | None = None
) -> Iterator[NastyServer]:
    """Serve a table on loopback for the length of a block."""
    api = NastyServer(table, headers)
    server = _Server(("127.0.0.1", 0), _handler_of(api))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        api.released.set()
        server.shutdown()
        server.server_close()


def _handler_of(api: NastyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.partition("?")[0]
            api.heard.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            if path.endswith("/messages/batches"):
                self._say(Saying(json.dumps(api.create(json.loads(raw)["requests"]))))
            elif path.endswith("/cancel"):
                self._say(Saying(json.dumps(api.state(path.split("/")[-2]))))
            elif path.endswith("/count_tokens"):
                self._say(Saying('{"input_tokens": 10}'))
            else:
                self._say(api.saying_to(json.loads(raw)))

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.endswith("/results"):
                self._say(Saying(api.results(path.split("/")[-2])))
            elif path.endswith("/batches"):
                listed = [api.state(batch_id) for batch_id in reversed(api.batches)]
                self._say(Saying(json.dumps({"data": listed, "has_more": False})))
            else:
                self._say(Saying(json.dumps(api.state(path.split("/")[-1]))))

        def _say(self, said: Saying) -> None:
            if said.fault == "silence":
                api.released.wait(60)
            if said.fault in ("reset", "silence"):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
                return
            self.send_response(said.status)
            for name, value in {"content-type": "application/json", **api.headers, **said.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said.raw)))
            self.end_headers()
            self.wfile.write(said.raw[: len(said.raw) // 2] if said.fault == "truncated" else said.raw)
            self.wfile.flush()
            if said.fault == "truncated":
                self.close_connection = True

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    return Handler
