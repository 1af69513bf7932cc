"""The closed list of kinds, their hints, and the tree of exceptions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel import errors
from claude_parallel.api.responses import read_response
from claude_parallel.errors import (
    HINTS,
    KINDS,
    ClaudeParallelError,
    InputError,
    Kind,
    RowFailed,
    RunStopped,
    count_fates,
    fate_of,
    nearest,
    row_error,
    what_happened,
)
from claude_parallel.records import Failure

PROMISED = (
    "skipped, invalid, too_large, rate_limit, overloaded, server, timeout, connection, refusal, max_tokens, "
    "context_window, empty, schema, auth, billing, spend_limit, not_found, budget, cancelled, expired, unknown"
)


def test_the_kinds_are_those_that_users_are_promised() -> None:
    """A closed list: a new one is a change of the contract."""
    assert ", ".join(KINDS) == PROMISED


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_hint_that_says_what_to_do(kind: errors.Kind) -> None:
    """One clause, ready to stand behind a semicolon."""
    hint = HINTS[kind]
    assert hint[0].islower() or hint.startswith("Claude")
    assert not hint.endswith((".", ";"))
    assert len(hint) > 10


def test_there_is_no_hint_without_a_kind() -> None:
    """Nothing is left over from an older list."""
    assert set(HINTS) == set(KINDS)


def test_a_row_without_an_error_is_answered_and_only_failures_are_errors() -> None:
    """Skipped and cancelled rows are counted by their own words, everywhere."""
    assert fate_of(None) == "answered"
    others = {kind: fate_of(kind) for kind in KINDS if fate_of(kind) != "failed"}
    assert others == {"skipped": "skipped", "cancelled": "cancelled", "budget": "cancelled", "expired": "cancelled"}


def test_what_running_again_asks_is_no_failure() -> None:
    """A file that holds a failed row is finished: run again, it is left alone, whatever the row says."""
    said = {kind for kind, hint in HINTS.items() if "run the cell again" in hint and kind != "skipped"}
    assert {kind for kind in KINDS if fate_of(kind) == "cancelled"} == said


@given(st.dictionaries(st.sampled_from(KINDS), st.integers(0, 9)), st.integers(0, 9))
def test_the_fates_of_the_rows_add_up_to_the_rows(kinds: dict[errors.Kind, int], answered: int) -> None:
    """Every row is counted once."""
    counts = count_fates(kinds, sum(kinds.values()) + answered)
    assert (counts.answered, counts.skipped) == (answered, kinds.get("skipped", 0))
    assert counts.answered + counts.failed + counts.skipped + counts.cancelled == sum(kinds.values()) + answered


def test_an_invalid_row_is_not_said_to_have_been_refused() -> None:
    """The same kind marks rows that never left: a prompt function that raised, a file that is missing."""
    assert "refused" not in row_error("invalid", "the prompt function raised KeyError: 'x'")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["plain", "ends with a stop.", "two\n  lines\tand tabs", "a: colon; and semicolon;"])
def test_an_error_text_begins_with_its_kind(kind: errors.Kind, what: str) -> None:
    """``error.split(":")[0]`` counts the kinds, so the kind comes first, on one line."""
    text = row_error(kind, what)
    assert text.split(":")[0] == kind
    assert "\n" not in text
    assert text.endswith(f"; {HINTS[kind]}")
    assert ".;" not in text
    assert ";;" not in text


def test_every_exception_is_one_of_ours_and_says_more_than_its_name() -> None:
    """One ``except ClaudeParallelError`` catches all of them."""
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]
    assert len(classes) >= 6
    for cls in classes:
        assert issubclass(cls, ClaudeParallelError)
        assert cls.__doc__


def test_a_mistake_of_the_caller_is_a_value_error_too() -> None:
    """As Python's own functions raise."""
    assert issubclass(InputError, ValueError)
    assert issubclass(errors.CredentialsError, InputError)


def test_a_stopped_run_names_kind_and_words() -> None:
    """And what to do."""
    error = RunStopped("auth", "invalid x-api-key")
    assert (error.kind, str(error)) == ("auth", f"auth: invalid x-api-key; {HINTS['auth']}")


@pytest.mark.parametrize(("request_id", "end"), [("req_1", "x (request id req_1)"), (None, "x")])
def test_a_failed_row_names_its_position(request_id: str | None, end: str) -> None:
    """With the API's id, where there is one, for a support request."""
    error = RowFailed(3, "server: x", request_id)
    assert str(error) == f"row 3: server: {end}"
    assert (error.position, error.error, error.request_id) == (3, "server: x", request_id)


@pytest.mark.parametrize(
    ("name", "choices", "words"),
    [
        ("reviw", ["review", "product"], "did you mean 'review'?"),
        ("ID", ["review", "id"], "did you mean 'id'?"),
        ("zzz", ["review", "product"], "there is 'review', 'product'"),
        ("zzz", [], "there is none"),
        ("zzz", [f"column {n}" for n in range(11)], "..."),
    ],
)
def test_the_nearest_names_are_offered(name: str, choices: list[str], words: str) -> None:
    """Or all there are, when none is near; a wide frame does not fill the screen."""
    assert words in nearest(name, choices)


def test_an_error_says_nothing_twice() -> None:
    """Where what happened begins as the kind's own words do, only the advice follows."""
    assert row_error("timeout", "no answer in time") == "timeout: no answer in time; retry(), or raise timeout="
    assert row_error("timeout", "it hung") == "timeout: it hung; no answer in time; retry(), or raise timeout="


@pytest.mark.parametrize(
    "said",
    [
        "invalid x-api-key: sk-ant-api03-SECRET_x-y",
        "Authorization: Bearer SECRET.abc/def== is not known",
        "boom bearer SECRETSECRET\nat line 3",
    ],
)
def test_a_key_that_somebody_repeats_is_not_repeated(said: str) -> None:
    """A server, a proxy or a prompt function may say it; no error column, record or exception does."""
    failure = read_response(401, {}, {"error": {"type": "authentication_error", "message": said}})

    assert isinstance(failure, Failure)
    assert "SECRET" not in failure.message
    assert "SECRET" not in row_error("auth", said)
    assert "SECRET" not in str(RunStopped("auth", said))


def test_words_about_keys_and_bearers_stay_as_they_are() -> None:
    """Only what looks like a key is left out."""
    said = "the key is wrong (sk-ant-...), or the bearer of it has no rights"
    assert said in row_error("auth", said)


@pytest.mark.parametrize("kind", HINTS)
@pytest.mark.parametrize("what", ["it went wrong", "said before"])
def test_what_happened_is_found_in_an_error_again(kind: Kind, what: str) -> None:
    """With the whole hint behind it, or less the beginning that was said already."""
    what = HINTS[kind].partition("; ")[0] + " at noon" if what == "said before" else what
    assert what_happened(kind, row_error(kind, what)) == what
