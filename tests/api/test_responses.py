"""One HTTP response at a time: the whole table of errors, the headers, and bodies that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.api.answers import read_answer
from claude_parallel.api.json_text import parse_json, write_json
from claude_parallel.api.responses import read_batch_error, read_count, read_limits, read_response
from claude_parallel.errors import KINDS
from claude_parallel.records import Failure, RateLimitStatus, Reply

MESSAGE: dict[str, Any] = {"id": "msg_1", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}


def error_body(message: str = "the API's words", kind: str = "x", code: Any = None, **more: Any) -> str:
    """Return an error as the API writes it."""
    error: dict[str, Any] = {"type": kind, "message": message, **more}
    if code is not None:
        error["details"] = {"error_code": code}
    return json.dumps({"type": "error", "error": error, "request_id": "req_body"})


def failure(status: int, headers: dict[str, str] | None = None, body: Any = "") -> Failure:
    """Return the failure that a response stands for."""
    result = read_response(status, headers or {}, body)
    assert isinstance(result, Failure)
    return result


# -- kinds -----------------------------------------------------------------------------------------------------------

CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
OWN_LIMIT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
OWN_WORKSPACE_LIMIT = "You have reached your specified workspace API usage limits."

TABLE = [
    (400, None, "messages: field required", "invalid"),
    (400, None, CREDIT, "billing"),
    (400, None, OWN_LIMIT, "spend_limit"),
    (400, None, OWN_WORKSPACE_LIMIT, "spend_limit"),
    (400, None, "prompt is too long: 1000001 tokens > 1000000 maximum", "context_window"),
    (400, "organization_on_hold", "on hold", "billing"),
    (401, None, "invalid x-api-key", "auth"),
    (402, None, "pay", "billing"),
    (402, "linked_organization_spend_limit_reached", "x", "spend_limit"),
    (402, "linked_organization_billing_unavailable", "x", "billing"),
    (403, None, "x", "auth"),
    (404, None, "model: claude-x", "not_found"),
    (408, None, "x", "timeout"),
    (409, None, "x", "server"),
    (412, None, "x", "invalid"),
    (413, None, "x", "too_large"),
    (422, None, "x", "invalid"),
    (429, None, "x", "rate_limit"),
    (429, "enforced_spend_limit_reached", "x", "spend_limit"),
    (429, "contract_spend_limit_reached", "x", "spend_limit"),
    (429, "ramp_limit_exceeded", "x", "rate_limit"),
    (429, "brand_new_code", "x", "rate_limit"),
    (431, None, "x", "invalid"),
    (499, None, "x", "invalid"),
    (500, None, "x", "server"),
    (500, None, CREDIT, "server"),
    (501, None, "x", "server"),
    (502, None, "x", "server"),
    (503, None, "x", "server"),
    (504, None, "x", "timeout"),
    (529, None, "x", "overloaded"),
    (599, None, "x", "server"),
    (304, None, "x", "unknown"),
    (199, None, "x", "unknown"),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), TABLE)
def test_each_error_has_its_kind(status: int, code: str | None, message: str, kind: str) -> None:
    """By code first, by status then, by message only where the API gives nothing better."""
    found = failure(status, {}, error_body(message, code=code))
    assert (found.kind, found.message, found.error_code) == (kind, message, code)
    assert not found.perhaps_billed


@pytest.mark.parametrize(
    ("details", "hint"),
    [
        ({"appeal_url": "https://claude.example/appeal"}, "appeal at https://claude.example/appeal"),
        ({}, "see the Claude"),
    ],
)
def test_who_is_on_hold_is_not_told_to_pay(details: dict[str, str], hint: str) -> None:
    """The hint of the kind says that the account cannot pay."""
    body = {"error": {"message": "on hold", "details": {"error_code": "organization_on_hold", **details}}}
    found = failure(400, {}, body)
    assert found.hint is not None
    assert found.hint.startswith(hint)
    assert failure(402, {}, error_body("pay")).hint is None


@pytest.mark.parametrize("status", [400, 401, 413, 429, 500, 502, 503, 520, 529])
@pytest.mark.parametrize("body", ["<html>bad</html>", "", "null", "[]", '"text"', '{"error": "text"}', b"\xff\xfe\x00"])
def test_a_body_that_is_no_error_object_leaves_the_status(status: int, body: Any) -> None:
    """Proxies answer in HTML; the kind comes from the status all the same."""
    found = failure(status, {}, body)
    assert found.kind == failure(status, {}, error_body()).kind
    assert found.message == f"HTTP status {status}"


@pytest.mark.parametrize(
    ("body", "kind"), [("\n<!DOCTYPE html>blocked", "connection"), ("", None), ("Forbidden", None), ("{}", None)]
)
@pytest.mark.parametrize(("status", "own"), [(403, "auth"), (404, "not_found")])
def test_the_page_of_a_firewall_or_a_gateway_blames_neither_key_nor_model(
    body: str, kind: str | None, status: int, own: str
) -> None:
    """It may be about one row, or one moment; with anything but a page, whoever knows the key has spoken."""
    for found in (failure(status, {}, body), failure(status, {}, body.encode())):
        assert (found.kind, found.status, found.perhaps_billed) == (kind or own, status, False)


@given(st.integers(100, 599), st.dictionaries(st.text(), st.text()), st.binary() | st.text())
def test_no_response_raises(status: int, headers: dict[str, str], body: Any) -> None:
    """Whatever comes over the wire is a reply or a failure of the closed list."""
    result = read_response(status, headers, body)
    assert isinstance(result, Reply) or result.kind in KINDS


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "type", "message", "details", "error_code", "request_id"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from([200, 400, 404, 429, 500]), ODD)
def test_error_objects_of_any_shape_are_read(status: int, data: Any) -> None:
    """A list where a text should be does not end the run."""
    result = read_response(status, {}, json.dumps(data))
    assert isinstance(result, Failure)
    assert isinstance(result.message, str)
    assert result.error_code is None or isinstance(result.error_code, str)
    assert result.request_id is None or isinstance(result.request_id, str)
    if isinstance(data, dict):
        assert read_batch_error(data).kind in KINDS


# -- answers ---------------------------------------------------------------------------------------------------------


def test_a_message_is_a_reply() -> None:
    """As raw bytes, as text, or parsed already."""
    for body in (json.dumps(MESSAGE).encode(), json.dumps(MESSAGE), MESSAGE):
        result = read_response(200, {"request-id": "req_1"}, body)
        assert result == Reply(message=MESSAGE, request_id="req_1", rate_limits={})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "server"),
        ('{"content": [', "server"),
        ('{"type": "error"}', "server"),
        ("<html>", "connection"),
        ("[]", "connection"),
        ("null", "connection"),
        ('{"detail": "sign in"}', "connection"),
    ],
)
def test_a_200_that_is_no_message_may_have_been_billed(body: str, kind: str) -> None:
    """Cut off, or said by something on the way: try again, and count it."""
    found = failure(200, {"request-id": "req_1"}, body)
    assert (found.kind, found.perhaps_billed, found.request_id) == (kind, True, "req_1")
    assert found.hint or kind == "server"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=10,
)


@given(ANY_JSON)
def test_what_is_written_as_json_is_read_back_the_same(value: Any) -> None:
    """A law: half letters, fractions and integers of any size among it."""
    again = parse_json(write_json(value))
    assert again == value
    assert repr(again) == repr(value)


def test_json_that_is_nested_deeper_than_the_quick_writer_goes_is_written() -> None:
    """300 levels: the standard library's writer takes them; far more are an error, as they are for it."""
    value: list[Any] = []
    for _ in range(300):
        value = [value]
    assert write_json(value) == "[" * 301 + "]" * 301
    for _ in range(100_000):
        value = [value]
    with pytest.raises((RecursionError, ValueError)):
        write_json(value)


def test_a_lone_surrogate_in_an_answer_is_read() -> None:
    """JSON can say half a character; the answer is paid all the same."""
    body = json.dumps({**MESSAGE, "content": [{"type": "text", "text": "half \ud83d"}]})
    assert isinstance(read_response(200, {}, body), Reply)
    assert isinstance(read_response(200, {}, body.encode()), Reply)


# -- headers ---------------------------------------------------------------------------------------------------------


def limit_headers(**values: str) -> dict[str, str]:
    """Return rate limit headers; ``input_tokens_limit`` stands for ``anthropic-ratelimit-input-tokens-limit``."""
    return {f"anthropic-ratelimit-{name.replace('_', '-')}": value for name, value in values.items()}


def test_limits_are_read_by_dimension() -> None:
    """Requests, input tokens and output tokens; the sum beside them says nothing new."""
    headers = limit_headers(
        requests_limit="1000",
        requests_remaining="999",
        requests_reset="2026-11-23T00:00:00Z",
        input_tokens_limit="2000000",
        input_tokens_remaining="1999000",
        output_tokens_limit="400000",
        output_tokens_remaining="400000",
        tokens_limit="2400000",
        tokens_remaining="2399000",
    )
    assert read_limits(headers) == {
        "requests": RateLimitStatus(1000.0, 999.0),
        "input": RateLimitStatus(2_000_000.0, 1_999_000.0),
        "output": RateLimitStatus(400_000.0, 400_000.0),
    }


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [("50000", 50_000.0), ("2000000", 2_000_000.0), ("400000", 2_000_000.0), ("9999999", 2_000_000.0)],
)
def test_a_tighter_limit_of_a_workspace_bounds_the_input(tokens: str, expected: float) -> None:
    """``tokens-*`` shows the tightest limit in force; only one of its own says something new."""
    headers = limit_headers(input_tokens_limit="2000000", output_tokens_limit="400000", tokens_limit=tokens)
    assert read_limits(headers)["input"].limit == expected


def test_a_token_limit_alone_bounds_the_input() -> None:
    """Some gateways send no other."""
    assert read_limits(limit_headers(tokens_limit="80000", tokens_remaining="1000")) == {
        "input": RateLimitStatus(80_000.0, 1_000.0)
    }


@pytest.mark.parametrize("bad", ["", "many", "nan", "inf", "-5", "0"])
def test_a_limit_that_is_no_number_is_left_out(bad: str) -> None:
    """And the others are read all the same."""
    headers = limit_headers(requests_limit=bad, input_tokens_limit="80000")
    assert set(read_limits(headers)) == {"input"}


def test_a_limit_without_a_remainder_is_read() -> None:
    """The remainder is a hint."""
    assert read_limits(limit_headers(requests_limit="50", requests_remaining="x")) == {
        "requests": RateLimitStatus(50.0, None)
    }


def test_a_429_tells_the_limits_too() -> None:
    """That is how a run learns them that begins with a refusal."""
    assert failure(429, limit_headers(requests_limit="50"), error_body()).rate_limits == {
        "requests": RateLimitStatus(50.0, None)
    }


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "7200"}, 7200.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Mon, 23 Nov 2026 00:01:30 GMT", "date": "Mon, 23 Nov 2026 00:00:00 GMT"}, 90.0),
        ({"retry-after": "Mon, 23 Nov 2026 00:00:00 GMT", "date": "Mon, 23 Nov 2026 00:00:05 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 00:01:30 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 00:01:30 GMT", "date": "nonsense"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 00:01:30 -0000", "date": "Mon, 23 Nov 2026 00:00:00 GMT"}, None),
    ],
)
def test_the_wait_that_a_server_names_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """To the fraction of a second, however long; None where it makes no sense."""
    assert failure(429, headers, error_body()).retry_after == seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("TRUE", True), ("false", False), ("maybe", None), ("", None)]
)
def test_x_should_retry_is_read(text: str, expected: bool | None) -> None:
    """Only two words mean something."""
    assert failure(500, {"x-should-retry": text}, error_body()).should_retry is expected


def test_the_request_id_of_the_header_goes_before_the_bodys() -> None:
    """For support requests; a proxy's error may have only one of them."""
    assert failure(500, {"request-id": "req_head"}, error_body()).request_id == "req_head"
    assert failure(500, {}, error_body()).request_id == "req_body"


# -- batches and counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind_of_error", "kind"),
    [
        ("invalid_request_error", "invalid"),
        ("authentication_error", "auth"),
        ("billing_error", "billing"),
        ("permission_error", "auth"),
        ("not_found_error", "not_found"),
        ("request_too_large", "too_large"),
        ("rate_limit_error", "rate_limit"),
        ("timeout_error", "timeout"),
        ("overloaded_error", "overloaded"),
        ("api_error", "server"),
        ("brand_new_error", "server"),
    ],
)
def test_an_errored_batch_row_has_the_kind_of_its_type(kind_of_error: str, kind: str) -> None:
    """There is no HTTP status for a row of a batch."""
    found = read_batch_error(json.loads(error_body(kind=kind_of_error)))
    assert (found.kind, found.request_id) == (kind, "req_body")


@pytest.mark.parametrize("data", [{}, {"error": None}, {"error": "text"}, {"error": {"type": ["x"]}}])
def test_an_errored_batch_row_of_any_shape_is_read(data: Any) -> None:
    """A row that says nothing useful is a server's error."""
    assert read_batch_error(data).kind == "server"


def test_a_count_is_a_number_or_a_failure() -> None:
    """A proxy's page with status 200 is no count; neither are 0, of which an estimate raised, nor -5 and 10**99."""
    assert read_count(b'{"input_tokens": 12}') == 12
    for body in ("", "<html>", "[]", "{}"):
        assert isinstance(read_count(body), Failure)
    for tokens in ('"12"', "true", "12.5", "0", "-5", f"{10**99}"):
        assert isinstance(read_count(f'{{"input_tokens": {tokens}}}'), Failure)


@pytest.mark.parametrize(
    "body",
    [
        '{"content": "text", "usage": {}}',
        '{"content": ["hi"]}',
        '{"content": [], "usage": "much"}',
        '{"type": "message"}',
        '{"content": ' + "[" * 20_000 + "]" * 20_000 + "}",
        b'{"content": ' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=lambda body: str(body[:40]),
)
def test_an_odd_message_is_a_reply_since_it_was_paid(body: bytes | str) -> None:
    """Kept and judged like any other, so that it is never asked again silently."""
    result = read_response(200, {"request-id": "req_1"}, body)
    assert isinstance(result, Reply)
    assert result.request_id == "req_1"
    assert read_answer(result.message).kind == "unknown"


def test_a_damaged_byte_costs_no_paid_answer() -> None:
    """The Message is whole but for a letter; what is cut or is no Message stays a failure."""
    whole = b'{"type": "message", "content": [{"type": "text", "text": "caf\xe9"}], "usage": {"input_tokens": 1}}'
    result = read_response(200, {}, whole)
    assert isinstance(result, Reply)
    assert result.message["content"][0]["text"] == "caf\ufffd"
    for body in (whole[:-20], b"<html>\xe9</html>", b"\xe9"):
        failure = read_response(200, {}, body)
        assert isinstance(failure, Failure)
        assert failure.perhaps_billed
