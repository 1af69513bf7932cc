"""Every exception class of the SDK has a verdict: a row's failure, or the end of the run, never an unknown crash."""

from __future__ import annotations

import random
from collections.abc import Iterator

import anthropic
import httpx2
import pydantic
import pytest
from anthropic.lib.credentials import WorkloadIdentityError

from claude_parallel.api.messages import read_exception
from claude_parallel.errors import KINDS
from claude_parallel.records import Failure
from claude_parallel.retry import Again, RetryPolicy, Stop, judge_failure

URL = "https://api.example/v1/messages"


def subclasses(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield a class and everything below it that the SDK defines."""
    yield cls
    for child in cls.__subclasses__():
        if child.__module__.startswith("anthropic"):
            yield from subclasses(child)


CLASSES = sorted(set(subclasses(anthropic.AnthropicError)), key=lambda cls: cls.__qualname__)
STATUS_CLASSES = [cls for cls in CLASSES if issubclass(cls, anthropic.APIStatusError)]
OTHER_CLASSES = [cls for cls in CLASSES if not issubclass(cls, anthropic.APIStatusError)]


def status_error(cls: type[BaseException], status: int | None = None) -> Exception:
    """Return an error of this class as the SDK would raise it."""
    code = status or getattr(cls, "status_code", None)
    code = code if isinstance(code, int) else 500
    request = httpx2.Request("POST", URL)
    response = httpx2.Response(code, request=request, json={"type": "error", "error": {"type": "x", "message": "m"}})
    made = cls("m", response=response, body=None)  # type: ignore[call-arg]
    assert isinstance(made, Exception)
    return made


def plain_error(cls: type[BaseException]) -> Exception:
    """Return an error of a class without a status; where its constructor wants more than a message, without asking."""
    try:
        made = cls("m")
    except TypeError:
        made = cls.__new__(cls)
        made.args = ("m",)
    assert isinstance(made, Exception)
    return made


def test_the_list_is_not_empty() -> None:
    """The SDK has these at least; a renamed base class would make the tests below say nothing."""
    names = {cls.__name__ for cls in CLASSES}
    assert {"RateLimitError", "OverloadedError", "APITimeoutError", "AuthenticationError"} <= names
    assert len(STATUS_CLASSES) > 15


@pytest.mark.parametrize("cls", STATUS_CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_with_a_status_is_a_failure_that_can_be_judged(cls: type[BaseException]) -> None:
    """A kind of the closed list, and a decision."""
    failure = read_exception(status_error(cls))
    assert failure.kind in KINDS
    assert failure.kind != "unknown"
    assert judge_failure(failure, [], RetryPolicy(), random.Random(0)) is not None


@pytest.mark.parametrize("cls", OTHER_CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_without_a_status_is_a_failure_too(cls: type[BaseException]) -> None:
    """Connection, timeout, validation, credentials: nothing of the SDK's own comes through as an exception."""
    failure = read_exception(plain_error(cls))
    assert isinstance(failure, Failure)
    assert failure.kind in KINDS


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 418, 429, 500, 503, 504, 529, 599])
def test_the_status_decides_whatever_class_the_sdk_chose(status: int) -> None:
    """New classes for old statuses change nothing here."""
    kinds = {read_exception(status_error(cls, status)).kind for cls in STATUS_CLASSES}
    assert len(kinds) == 1


@pytest.mark.parametrize(
    ("cause", "kind", "perhaps_billed"),
    [
        (httpx2.ConnectError("refused"), "connection", False),
        (httpx2.ReadError("reset"), "connection", True),
        (httpx2.RemoteProtocolError("closed"), "connection", True),
        (httpx2.WriteError("broken pipe"), "connection", True),
        (UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed"), "invalid", False),
    ],
)
def test_the_cause_of_a_broken_connection_says_whether_it_may_be_billed(
    cause: Exception, kind: str, perhaps_billed: bool
) -> None:
    """Only a connection that was never made is surely free."""
    error = anthropic.APIConnectionError(request=httpx2.Request("POST", URL))
    error.__cause__ = cause
    failure = read_exception(error)
    assert (failure.kind, failure.perhaps_billed) == (kind, perhaps_billed)


@pytest.mark.parametrize(
    ("cause", "perhaps_billed"),
    [
        (httpx2.ReadTimeout("slow"), True),
        (httpx2.WriteTimeout("slow"), True),
        (httpx2.ConnectTimeout("slow"), False),
        (httpx2.PoolTimeout("full"), False),
        (None, True),
    ],
)
def test_the_cause_of_a_timeout_says_whether_it_may_be_billed(cause: Exception | None, perhaps_billed: bool) -> None:
    """A call that never got a connection is surely free."""
    error = anthropic.APITimeoutError(request=httpx2.Request("POST", URL))
    error.__cause__ = cause
    failure = read_exception(error)
    assert (failure.kind, failure.perhaps_billed) == ("timeout", perhaps_billed)


def test_missing_credentials_at_request_time_stop_the_run() -> None:
    """The SDK raises a TypeError for them, not one of its own errors."""
    failure = read_exception(TypeError("Could not resolve authentication method. Expected one of ..."))
    assert failure.kind == "auth"


def no_token(status: int | None, cause: Exception | None = None) -> Failure:
    """Return the failure of a call for which no token could be had."""
    error = WorkloadIdentityError("Token exchange failed", status_code=status)
    error.__cause__ = cause
    return read_exception(error)


@pytest.mark.parametrize("status", [400, 401, 403, None])
def test_an_identity_that_gets_no_token_stops_the_run(status: int | None) -> None:
    """The next row has the same identity, and each would ask for a token twice."""
    failure = no_token(status)
    assert failure.kind == "auth"
    assert judge_failure(failure, [], RetryPolicy(), random.Random(0)) == Stop()


@pytest.mark.parametrize(
    "failure",
    [*map(no_token, (200, 408, 429, 500, 503)), no_token(None, httpx2.ConnectError("x"))],
    ids=lambda failure: failure.kind,
)
def test_a_token_that_cannot_be_had_just_now_is_asked_for_again(failure: Failure) -> None:
    """A moment's trouble where tokens are made costs no row; nothing was asked of the API yet, so nothing is billed."""
    assert isinstance(judge_failure(failure, [], RetryPolicy(), random.Random(0)), Again)
    assert not failure.perhaps_billed
    assert failure.status is None


@pytest.mark.parametrize("bug", [AttributeError("x"), KeyError("x"), RuntimeError("x"), TypeError("other")])
def test_a_mistake_of_the_program_is_no_rows_fault(bug: Exception) -> None:
    """It is raised, not hidden in a column."""
    with pytest.raises(type(bug)):
        read_exception(bug)


def test_a_body_that_is_no_json_is_an_invalid_row() -> None:
    """Whatever the encoder raises."""
    errors: list[Exception] = [ValueError("Out of range float values are not JSON compliant")]
    try:
        pydantic.TypeAdapter(int).validate_python("x")
    except pydantic.ValidationError as error:
        errors.append(error)
    assert {read_exception(error).kind for error in errors} == {"invalid"}
