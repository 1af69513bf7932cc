"""What all connections to the API have in common: whom they trust, how many there may be, and that none is led astray.

Redirects are followed nowhere: the API sends none, and whoever else does would get the prompts and the key.
"""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 15.0
"""For one connection: a server that does not answer by then will not."""

KEEPALIVE_SECONDS = 30.0
"""An idle connection is closed before a server, or a router on the way, is likely to have dropped it."""

_lock = threading.Lock()
_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}


def most_connections() -> int | None:
    """Return how many sockets this process may open without starving the rest of it; None = no limit known.

    Half of the open files that the system allows (256 in many shells): a run must not keep a notebook from opening one.
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if allowed == resource.RLIM_INFINITY else max(1, allowed // 2)


def ssl_context() -> ssl.SSLContext:
    """Return whom to trust, as the SDK's HTTP client decides it; read once for each setting of ``SSL_CERT_*``.

    Reading the certificates takes 25 ms of CPU, and contexts may be shared by threads.
    """
    import httpx2

    setting = tuple(_fingerprint(os.environ.get(name)) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    with _lock:
        if setting not in _contexts:
            _contexts.clear()  # a setting that has changed is not needed any more
            _contexts[setting] = httpx2.create_ssl_context()
        return _contexts[setting]


def _fingerprint(path: str | None) -> tuple[object, ...] | None:
    """Return what tells a file of certificates from itself after a change."""
    if not path:
        return None
    try:
        found = Path(path).stat()
    except OSError:
        return (path,)
    return path, found.st_mtime_ns, found.st_size


def sdk_http_client(max_connections: int, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """Return an HTTP client for the SDK, over aiohttp: 1.7 to 2 times the rows per second of its default."""
    import anthropic
    import httpx2

    limits = httpx2.Limits(
        max_connections=max_connections,
        max_keepalive_connections=max_connections,
        keepalive_expiry=KEEPALIVE_SECONDS,
    )
    client: httpx2.AsyncClient = anthropic.DefaultAioHttpClient(
        limits=limits, timeout=timeout, verify=ssl_context(), follow_redirects=False
    )
    return client


def _new_lock() -> None:
    """A forked child must not wait for a lock that no thread holds any more."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
