"""A server of bytes on loopback: it keeps each request as it came, and answers whatever it is told, valid or not."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

RESET = b"!reset"
"""A piece of an answer: break the connection with a reset."""

SILENCE = b"!silence"
"""A piece of an answer: say nothing more until the server ends."""


@dataclass
class RawServer:
    """What it answers to each request, in pieces; when the pieces are out, the connection is closed unless `keeps`."""

    url: str = ""
    answer: list[bytes] = field(default_factory=list)
    keeps: bool = False
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def heads(self) -> list[list[str]]:
        """The lines of each request's head."""
        return [raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n") for raw in self.requests]


def message(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a response with a body of the right length."""
    lines = [b"HTTP/1.1 " + status, b"content-type: application/json", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@contextmanager
def raw_server(context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve on loopback for the length of a block."""
    server = RawServer()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    scheme = "https" if context else "http"
    server.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"

    def accept() -> None:
        while not server.over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                server.connections += 1
                threading.Thread(target=_serve, args=(server, connection, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _serve(server: RawServer, connection: socket.socket, context: ssl.SSLContext | None) -> None:
    with suppress(OSError), connection, _secured(connection, context) as channel:
        while (request := _read(channel)) is not None:
            server.requests.append(request)
            if not _say(server, channel) or not server.keeps:
                break
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)


def _secured(connection: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    return context.wrap_socket(connection, server_side=True) if context else connection


def _read(channel: socket.socket) -> bytes | None:
    """Return one request with a body of known length; None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = channel.recv(65_536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += channel.recv(65_536)
    return head + b"\r\n\r\n" + body


def _say(server: RawServer, channel: socket.socket) -> bool:
    """Send the answer; False when the connection is no more."""
    for piece in server.answer:
        if piece == RESET:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            channel.close()
            return False
        if piece == SILENCE:
            server.over.wait(30)
            return False
        channel.sendall(piece)
        time.sleep(0.002 if len(server.answer) < 10 else 0)  # so that each piece is a read of its own on the other side
    return True
