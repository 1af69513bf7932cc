"""What can be known to fail before the first call: keys, addresses, headers, proxies and certificates.

Each check raises one :class:`InputError` that says what to do and repeats no secret. The base URL goes into the journal
and into ``cp.runs()``, so nothing that signs in may stand in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

from ..errors import CredentialsError, InputError
from .connections import ssl_context

_OWN_CLIENT = "client=lambda: anthropic.AsyncAnthropic(http_client=anthropic.DefaultAsyncHttpxClient(...))"


def check_secret(name: str, secret: object) -> None:
    """Refuse a key that no HTTP header can carry, such as one read from a file with its line break.

    Parameters
    ----------
    name : str
        What to call it, such as ``"API key"``.
    secret : object
        The key; anything but a text is left to the SDK.

    Raises
    ------
    CredentialsError
        Where it holds a blank, a control character or a letter beyond ASCII; it is not repeated.
    """
    if isinstance(secret, str) and not all("!" <= letter <= "~" for letter in secret):
        what = "a line break" if "\n" in secret or "\r" in secret else "a blank or a letter that no key has"
        raise CredentialsError(f"the {name} holds {what}; pass it without, such as key.strip()")


def check_headers(headers: Mapping[str, object]) -> None:
    """Refuse headers that would break the request apart.

    Raises
    ------
    InputError
        Where a value holds a line break or NUL; the value is not repeated.
    """
    for name, value in headers.items():
        if isinstance(value, str) and any(letter in value for letter in "\r\n\0"):
            raise InputError(f"the value of the default header {name!r} holds a line break; pass it without")


def check_url(url: str) -> None:
    """Refuse a base URL that is no web address or that holds something secret.

    Raises
    ------
    InputError
        For a scheme other than http and https, a missing host, a bad port; and for a user name, password, query or
        fragment, since the address is written into the journal.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        raise InputError("base_url is not a web address; write such as https://api.anthropic.com")
    if "@" in parts.netloc:
        raise InputError(
            "base_url holds a user name or password, and it is written into the journal; pass them in a header: "
            'client=anthropic.AsyncAnthropic(default_headers={"Authorization": ...})'
        )
    if parts.query or parts.fragment:
        raise InputError(
            "base_url holds a query (?...), and it is written into the journal; pass it apart: "
            "client=anthropic.AsyncAnthropic(default_query={...})"
        )


def check_network() -> None:
    """Refuse proxies and certificates of the environment that cannot work.

    Raises
    ------
    InputError
        For a proxy that is no address or speaks SOCKS, and for certificates that are not there or cannot be read.
    """
    found = getproxies()
    if found.get("no", "").strip() != "*":
        for scheme in ("http", "https", "all"):
            if found.get(scheme):
                _check_proxy(f"{scheme.upper()}_PROXY", found[scheme])
    _check_certificates()


def _check_proxy(name: str, address: str) -> None:
    """Check the address of a proxy; without a scheme it is taken as HTTP (source: httpx2, ``_utils.py``)."""
    parts = _split(address if "://" in address else f"http://{address}")
    if parts is not None and parts.scheme.startswith("socks"):
        raise InputError(
            f"{name} names a SOCKS proxy, which is not supported; name an HTTP proxy in HTTPS_PROXY and unset {name}, "
            f"or bring a client that can: {_OWN_CLIENT}"
        )
    if parts is None or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
        raise InputError(f"{name} is not the address of a proxy; write such as http://proxy.example:8080, or unset it")


def _check_certificates() -> None:
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file:
        try:
            ssl_context()
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", None) or error
            raise InputError(f"SSL_CERT_FILE={file} cannot be used ({what}); name a file of certificates") from None
    if folder and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise InputError(f"SSL_CERT_DIR={folder} is not a folder; name one that holds certificates, or unset it")


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address; None where it has no host, a port that is none, or blanks."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    has_blank = any(letter.isspace() for letter in url) or "%20" in parts.netloc
    return parts if has_host and not has_blank else None
