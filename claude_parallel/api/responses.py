"""One HTTP response of the Messages API becomes a :class:`Reply` or a :class:`Failure`.

Sources: errors, rate limits and headers of the Claude API, version 2026-10-21. What a failure means for the run is
decided in ``retry``; whether a reply is a good answer, in ``answers``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import Kind, without_keys
from ..records import Dimension, Failure, RateLimitStatus, RateLimitStatuses, Reply, is_success
from .json_text import UnreadableJson, parse_json, parse_object
from .reading import is_count, is_message, unreadable

_HEADER_NAMES: dict[Dimension, str] = {"requests": "requests", "input": "input-tokens", "output": "output-tokens"}
_SPEND_LIMIT_CODES = {
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
}
_ON_HOLD = "organization_on_hold"
_BILLING_CODES = {_ON_HOLD, "linked_organization_billing_unavailable"}
_KIND_OF_STATUS: dict[int, Kind] = {
    400: "invalid",
    401: "auth",
    402: "billing",
    403: "auth",
    404: "not_found",
    408: "timeout",
    409: "server",
    413: "too_large",
    429: "rate_limit",
    504: "timeout",
    529: "overloaded",
}
"""Statuses with a kind of their own. Any other from 500 on is a server error, any other from 400 on an invalid
request."""

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,40}")

PROXY_SIGN_IN = Failure(
    kind="connection",
    message="the proxy asks for a name and a password (HTTP status 407)",
    status=407,
    should_retry=False,
    hint="write them into HTTPS_PROXY, as in http://name:password@proxy.example:8080, then run the cell again",
)

_LOST_HINT = "it was probably paid, and so is the next: retry() asks again"
_FOREIGN_HINT = (
    "sign in to the network or the proxy in a browser, or mend base_url or HTTPS_PROXY, then run the cell again"
)


_BLOCKED_HINT = (
    "it may be a firewall that dislikes a text: where only some rows are refused, change them and retry(), else ask "
    "whoever runs the network"
)
_HINT_OF_PAGE = {403: _BLOCKED_HINT, 404: _FOREIGN_HINT}
"""By the status of a page. The API's own words with it would stop the run: the key, or the model, is wrong."""


def read_response(status: int, headers: Mapping[str, str], body: bytes | str | Mapping[str, Any]) -> Reply | Failure:
    """Return what one HTTP response says.

    Parameters
    ----------
    status : int
        HTTP status code.
    headers : mapping of str to str
        Response headers; names in lower case, or a case-insensitive mapping.
    body : bytes, str or mapping
        The response body, raw or already parsed.

    Returns
    -------
    Reply or Failure
        A Message of an unforeseen form is a reply: it was paid. A success without any Message is a failure that may
        have been billed: an error of the ``server`` where it was cut off, of the ``connection`` where something on the
        way has answered in the API's place (the page or JSON of a proxy, or of a network that wants a sign-in). So has
        a firewall whose page has status 403, or a gateway's with 404: neither key nor model is to blame, and other rows
        may pass.
    """
    if is_success(status):
        return _read_success(status, headers, body)
    if status in _HINT_OF_PAGE and _is_page(body):
        return replace(_foreign(headers, "a page", status), perhaps_billed=False, hint=_HINT_OF_PAGE[status])
    data = body if isinstance(body, Mapping) else parse_object(body)
    return _read_error(status, headers, data or {})


def _is_page(body: bytes | str | Mapping[str, Any]) -> bool:
    return isinstance(body, bytes | str) and body.strip()[:1] in (b"<", "<")


def _read_success(status: int, headers: Mapping[str, str], body: bytes | str | Mapping[str, Any]) -> Reply | Failure:
    """Return the Message in a success, whatever its form; a failure for what is no Message at all."""
    try:
        data = body if isinstance(body, Mapping) else parse_json(body)
    except UnreadableJson as error:  # nobody's but the API's: paid, so it is kept
        data = unreadable(str(error), body.decode("utf-8", "replace") if isinstance(body, bytes) else body)
    except ValueError:
        data = _mended(body)
    if is_message(data):
        return Reply(message=data, request_id=headers.get("request-id"), rate_limits=read_limits(headers))
    if isinstance(data, Mapping) and data.get("type") == "error":
        failure = replace(read_batch_error(data), status=status, perhaps_billed=True)
    elif data is None:
        failure = without_json(headers, body, status)
    else:
        failure = _foreign(headers, "JSON that is not a Message", status)
    return replace(failure, request_id=headers.get("request-id"))


def without_json(headers: Mapping[str, str], body: bytes | str | Mapping[str, Any], status: int = 200) -> Failure:
    """Return what a success without JSON comes to: the answer was cut off, or it is not the API's."""
    if isinstance(body, bytes | str) and body.strip()[:1] in (b"", b"{", "", "{"):
        message = f"the answer was cut off on its way (HTTP status {status})"
        return Failure(kind="server", message=message, status=status, perhaps_billed=True, hint=_LOST_HINT)
    return _foreign(headers, "a page", status)


def _foreign(headers: Mapping[str, str], what: str, status: int = 200) -> Failure:
    named = headers.get("content-type", "").partition(";")[0].strip()
    kind = f", {named}" if _MEDIA_TYPE.fullmatch(named) else ""
    message = f"{what} came instead of an answer (HTTP status {status}{kind}): something on the way answers for the API"
    return Failure(kind="connection", message=message, status=status, perhaps_billed=True, hint=_FOREIGN_HINT)


def foreign(headers: Mapping[str, str], body: bytes) -> Failure:
    """Return the failure of a success of which nothing is the API's."""
    return _foreign(headers, "JSON that is not the API's" if body.strip()[:1] in (b"{", b"[") else "a page")


def is_foreign(failure: Failure) -> bool:
    """Say whether something on the way has answered in the API's place."""
    return failure.kind == "connection" and failure.is_broken_answer


def _mended(body: bytes | str | Mapping[str, Any]) -> Any:
    """Return the JSON in a whole body of which single bytes are damaged; None where it is not whole."""
    if not isinstance(body, bytes):
        return None
    try:
        return parse_json(body.decode("utf-8", "replace"))
    except (UnreadableJson, ValueError):
        return None


def read_result_message(message: object) -> Reply:
    """Return the answer in a succeeded batch result; it was billed, so it is an answer whatever its form."""
    if not isinstance(message, Mapping):
        message = unreadable("it is not a JSON object", message)
    return Reply(message=message, request_id=None, rate_limits={})


def read_count(body: bytes | str) -> int | Failure:
    """Return the number in a 200 of the counting endpoint; a proxy's page or anything else is a failure."""
    tokens = (parse_object(body) or {}).get("input_tokens")
    if is_count(tokens) and tokens > 0:  # no request is without a token
        return tokens
    return Failure(kind="server", message="the token count is no number that makes sense", status=200)


def read_batch_error(error: Mapping[str, Any]) -> Failure:
    """Return the failure that the ``error`` object of an errored batch result describes.

    Such a result has no HTTP status of its own; the error type stands in for it.
    """
    detail = error.get("error")
    named = detail.get("type") if isinstance(detail, Mapping) else None
    status = {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "timeout_error": 504,
        "overloaded_error": 529,
    }.get(str(named), 500)
    return _read_error(status, {"request-id": str(error.get("request_id") or "")}, error)


def read_limits(headers: Mapping[str, str]) -> RateLimitStatuses:
    """Return the limits that the ``anthropic-ratelimit-*`` headers tell, by dimension.

    ``tokens-*`` repeats the sum or the tightest of the others, unless a workspace has a limit of its own: then it
    differs from all of them and bounds input and output together; it is read as a bound on input tokens, the larger
    part (source: rate limits page, "most restrictive limit currently in effect").
    """
    found: dict[Dimension, RateLimitStatus] = {}
    for dimension, name in _HEADER_NAMES.items():
        rate_limit = _reading(headers, name)
        if rate_limit is not None:
            found[dimension] = rate_limit
    total = _reading(headers, "tokens")
    if total is not None and _is_own_limit(total, found):
        found["input"] = total
    return found


def _is_own_limit(total: RateLimitStatus, found: Mapping[Dimension, RateLimitStatus]) -> bool:
    """Say whether the ``tokens`` headers tell a limit of their own, tighter than the one on input tokens."""
    others = [found[d].limit for d in ("input", "output") if d in found]
    if total.limit in others:
        return False
    return "input" not in found or total.limit < found["input"].limit


def _reading(headers: Mapping[str, str], name: str) -> RateLimitStatus | None:
    limit = _number(headers.get(f"anthropic-ratelimit-{name}-limit"))
    if limit is None or limit <= 0:
        return None
    return RateLimitStatus(limit=limit, remaining=_number(headers.get(f"anthropic-ratelimit-{name}-remaining")))


def _read_error(status: int, headers: Mapping[str, str], data: Mapping[str, Any]) -> Failure:
    error = data.get("error")
    error = error if isinstance(error, Mapping) else {}
    details = error.get("details")
    details = details if isinstance(details, Mapping) else {}
    code = _text(details.get("error_code"))
    message = (
        _redirect(status, headers)
        if is_redirect(status)
        else without_keys(str(error.get("message") or f"HTTP status {status}"))
    )
    if status == 407:
        return PROXY_SIGN_IN
    should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
    return Failure(
        kind=_kind(status, code, message),
        message=message,
        status=status,
        retry_after=_retry_after(headers),
        should_retry=should_retry,
        error_type=_text(error.get("type")),
        error_code=code,
        request_id=headers.get("request-id") or _text(data.get("request_id")),
        rate_limits=read_limits(headers),
        hint=_appeal(details) if code == _ON_HOLD else None,
    )


def _appeal(details: Mapping[str, Any]) -> str:
    """Say where to appeal: who is on hold can pay, so the hint of the kind would mislead."""
    url = _text(details.get("appeal_url"))
    return f"appeal at {without_keys(url)}" if url else "see the Claude Console, or ask Anthropic's support"


def _redirect(status: int, headers: Mapping[str, str]) -> str:
    """Say where a redirect leads; the host alone, since the rest of an address may be secret."""
    try:
        target = urlsplit(headers.get("location", ""))
        place = f" to {target.scheme}://{target.hostname}" if target.hostname else ""
    except ValueError:
        place = ""
    return (
        f"the server redirects{place} (HTTP status {status}), which is not followed, since prompts and keys would go "
        "there; set base_url to the API itself"
    )


def is_redirect(status: int) -> bool:
    """Say whether a status sends the caller elsewhere."""
    return status in (301, 302, 303, 307, 308)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _kind(status: int, code: str | None, message: str) -> Kind:
    """Name the kind of an error answer; by code first, by message only where the API gives nothing better."""
    text = message.lower()
    if is_redirect(status):
        return "not_found"
    if code in _SPEND_LIMIT_CODES:
        return "spend_limit"
    if code in _BILLING_CODES:
        return "billing"
    if status == 400 and "credit balance is too low" in text:
        return "billing"
    if status == 400 and "usage limit" in text and "reached your specified" in text:
        return "spend_limit"
    if status == 400 and "prompt is too long" in text:
        return "context_window"
    if status >= 500:
        return _KIND_OF_STATUS.get(status, "server")
    return _KIND_OF_STATUS.get(status, "invalid" if status >= 400 else "unknown")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that the server names, in seconds; None where it names none that makes sense."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and milliseconds > 0:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text is not None:
        seconds = _seconds_until(text, headers.get("date"))
    return seconds if seconds is not None and seconds > 0 else None


def _seconds_until(text: str, server_date: str | None) -> float | None:
    """Return the seconds between the server's own ``Date`` and the HTTP date in `text`."""
    try:
        return (parsedate_to_datetime(text) - parsedate_to_datetime(server_date or "")).total_seconds()
    except (TypeError, ValueError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
