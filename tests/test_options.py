"""What a user may set: layers, defaults, checks, and what a run's record may keep of it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.config import journal_path, resolve_settings
from claude_parallel.errors import InputError
from claude_parallel.options import OPTION_NAMES, MapOptions, Settings, resolve
from claude_parallel.retry import RetryPolicy
from claude_parallel.variables import read_environment


def test_without_anything_set_the_defaults_hold() -> None:
    """A cheap model of today, and room to think."""
    settings = resolve()
    assert settings == Settings()
    assert (settings.model, settings.max_concurrency, settings.journal) == ("claude-haiku-5-5", "auto", True)
    assert settings.max_tokens >= 4_096


def test_the_typed_options_and_the_settings_are_the_same_names() -> None:
    """What an editor offers is what works."""
    assert set(MapOptions.__annotations__) == set(OPTION_NAMES)


def test_the_first_layer_that_sets_an_option_wins() -> None:
    """Call, then configure, then environment; None sets nothing, False does."""
    settings = resolve({"model": None, "journal": False}, {"model": "a", "journal": True}, {"model": "b", "timeout": 9})
    assert (settings.model, settings.journal, settings.timeout) == ("a", False, 9.0)


def test_call_configure_and_environment_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the documentation says."""
    monkeypatch.setenv("CLAUDE_PARALLEL_MODEL", "from-environment")
    monkeypatch.setenv("CLAUDE_PARALLEL_RETRIES", "2")
    assert resolve_settings({}).model == "from-environment"
    cp.configure(model="from-configure")
    assert resolve_settings({}).model == "from-configure"
    assert resolve_settings({"model": "from-call"}).model == "from-call"
    assert resolve_settings({}).retries == RetryPolicy(max_retries=2)
    cp.configure()
    assert resolve_settings({}).model == "from-environment"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MODEL", "m", "m"),
        ("MAX_TOKENS", "50", 50),
        ("MAX_CONCURRENCY", "auto", "auto"),
        ("MAX_CONCURRENCY", "7", 7),
        ("LIMITS", "start", "start"),
        ("BUDGET", "2.5", 2.5),
        ("RETRIES", "0", 0),
        ("TIMEOUT", "30", 30),
        ("JOURNAL", "no", False),
        ("JOURNAL", "TRUE", True),
        ("JOURNAL", "/some/where", "/some/where"),
        ("PROMPT_CACHE", "off", False),
        ("PROMPT_CACHE", "1h", "1h"),
        ("PROGRESS", "0", False),
    ],
)
def test_variables_are_read(name: str, text: str, value: Any) -> None:
    """Each as its option wants it, and each is accepted by the checks."""
    found = read_environment({f"CLAUDE_PARALLEL_{name}": text, "CLAUDE_PARALLEL_HOME": "/x", "OTHER": "y"})
    assert found == {name.lower(): value}
    resolve(found)


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("MAX_TOKENS", "many", "max_tokens must be a whole number of at least 1, not 'many'"),
        ("BUDGET", "$5", "budget must be a number above 0, not '$5'"),
        ("BUDGET", "0", "budget must be a number above 0, not 0.0"),
        ("BUDGET", "nan", "budget must be a number above 0, not nan"),
        ("PROGRESS", "perhaps", "progress must be one of True, False, not 'perhaps'"),
        ("RETRIES", "1.5", "retries must be a whole number"),
        ("MODEL", "sonnet", "'sonnet' is not a model's full id"),
    ],
)
def test_a_variable_that_cannot_work_is_refused_by_its_name(name: str, text: str, advice: str) -> None:
    """The user must find it, and be told what it may be."""
    with pytest.raises(InputError, match=re.escape(f"the variable CLAUDE_PARALLEL_{name} cannot be used: {advice}")):
        read_environment({f"CLAUDE_PARALLEL_{name}": text})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("BUGDET", "did you mean 'CLAUDE_PARALLEL_BUDGET'"),
        ("MAX_TOKEN", "did you mean 'CLAUDE_PARALLEL_MAX_TOKENS'"),
        ("BATCH", r"write batch= into the call or cp.configure\(\)"),
    ],
)
def test_a_variable_that_nobody_reads_is_refused(name: str, advice: str) -> None:
    """A misspelt budget would be none, and the money gone."""
    with pytest.raises(InputError, match=f"CLAUDE_PARALLEL_{name} is not read; {advice}"):
        read_environment({f"CLAUDE_PARALLEL_{name}": "1"})


def test_a_variable_of_somebody_elses_is_left_alone() -> None:
    """The prefix is nobody's property."""
    assert read_environment({"CLAUDE_PARALLEL_SCREENSHOTS": "folder", "CLAUDE_PARALLEL_HOME": "folder"}) == {}


def test_an_empty_variable_sets_nothing() -> None:
    """As in a shell."""
    assert read_environment({"CLAUDE_PARALLEL_MODEL": ""}) == {}


BAD: dict[str, list[Any]] = {
    "system": ["", "  ", 5, ["x"], b"x", "You know {product}", "{}", "{", "a } b"],
    "keep_text": ["yes", 1],
    "skip_missing": ["no", 0],
    "images": [5, [5], [""], {"a": 1}],
    "documents": [5, [None], ["x", ""]],
    "model": ["", " ", 5, None.__class__, "haiku", "Sonnet", "claude-opus", "claude haiku 5.5"],
    "max_tokens": [0, -1, 1.5, "5", True, float("nan")],
    "thinking": [5, ["adaptive"]],
    "effort": ["", 3],
    "tools": ["web_search", ["web_search"], "x", {"name": "t"}, [5], 5],
    "stop_sequences": [5, [""], ["\n"], [5], {"x": 1}],
    "request": ["x", [("a", 1)], 5],
    "max_concurrency": [0, -1, "many", 1.5, True, float("inf")],
    "limits": ["tier-9", 50, {"rpm": 5}, {"requests_per_minute": 0}, {"requests_per_minute": "x"}, True],
    "budget": [0, -1, "5", True, float("nan"), float("-inf"), Decimal("-1"), Decimal("NaN")],
    "retries": [-1, 1.5, "3", True],
    "timeout": [0, -1, "5", float("nan"), float("inf"), True],
    "journal": [5, "", 1.5, ["x"], b"x"],
    "prompt_cache": ["10m", 5, "on", 300],
    "batch": ["yes", 1, 0, "live"],
    "sample": [0, -1, 1.5, True, "2"],
    "vote": ["yes", 1, True],
    "quotes": ["yes", 1, True],
    "repair": [-1, 1.5, True],
    "max_pixels": [0, -1, 1.5],
    "on_error": ["ignore", True, 5],
    "progress": ["yes", 1, 5],
    "bridge": ["asyncio", True],
    "wire": ["aiohttp", True],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values], ids=repr
)
def test_every_bad_value_is_a_clear_error(name: str, value: Any) -> None:
    """It names the option; anything but an InputError would be a riddle."""
    with pytest.raises(InputError, match="(?i)limits|per_minute" if name == "limits" else name):
        resolve({name: value})


def test_every_option_is_checked_or_taken_as_it_is() -> None:
    """A new option without a bad value above has been forgotten here."""
    assert set(BAD) == set(OPTION_NAMES) - {"examples", "schema", "client"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(BAD)), JUNK)
def test_any_value_is_taken_or_refused_as_input(name: str, value: Any) -> None:
    """Never a TypeError from somewhere inside."""
    try:
        resolve({name: value})
    except InputError:
        return


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_tokens", np.int64(50), 50),
        ("max_concurrency", np.int32(5), 5),
        ("timeout", np.float64(2.5), 2.5),
        ("timeout", np.int64(3), 3.0),
        ("budget", np.float64(0.1), Decimal("0.1")),
        ("budget", float("inf"), None),
        ("budget", Decimal("Infinity"), None),
        ("budget", 0.1, Decimal("0.1")),
        ("budget", 2, Decimal("2.0")),
        ("budget", Decimal("0.30"), Decimal("0.30")),
        ("retries", 0, RetryPolicy(max_retries=0)),
        ("prompt_cache", True, "auto"),
        ("prompt_cache", False, None),
        ("images", "photo", ("photo",)),
        ("stop_sequences", ["a", "b"], ("a", "b")),
        ("journal", Path("x"), Path("x")),
        ("journal", "x", "x"),
    ],
)
def test_good_values_become_what_the_run_works_with(name: str, value: Any, expected: Any) -> None:
    """Numbers of NumPy included: they come out of frames."""
    found = getattr(resolve({name: value}), name)
    assert found == expected
    assert type(found) is type(expected) or name == "journal"


def test_an_option_that_does_not_exist_offers_the_nearest() -> None:
    """A typo is the usual reason."""
    with pytest.raises(InputError, match="no option 'max_concurency'; did you mean 'max_concurrency'"):
        resolve({"max_concurency": 5})
    with pytest.raises(InputError, match="no option 'out'; it names the columns of one map"):
        resolve({"out": "tone"})


def test_the_summary_keeps_no_words_of_the_user() -> None:
    """It is written into the journal: prompts, examples, tools, clients and keys are named, not said."""
    secret = "secret words"
    settings = resolve(
        {
            "system": secret,
            "examples": [(secret, secret)],
            "tools": [{"name": secret}],
            "request": {"x": secret},
            "stop_sequences": [secret],
            "client": secret,
            "schema": {secret: str},
            "model": "m",
            "budget": 1.5,
        }
    )
    summary = settings.summary()
    assert "secret" not in json.dumps(summary, default=str)
    assert summary["model"] == "m"
    assert summary["system"] is True
    assert "client" not in summary


def test_the_journal_setting_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """True is the default file, a path is that file, False is none; ``~`` is the user's home."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/someone")
    assert journal_path(True) == tmp_path / "journal.sqlite3"
    assert journal_path(False) is None
    assert journal_path("~/j.db") == Path("/home/someone/j.db")


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("start", 1_000),
        ("build", 5_000),
        ("scale", 10_000),
        ("tier-1", 50),
        ("tier-2", 1_000),
        ("tier-3", 2_000),
        ("tier-4", 4_000),
    ],
)
def test_tiers_have_names(text: str, requests: int) -> None:
    """Today's, and those of the older table that many analysts know."""
    limits = resolve({"limits": text}).limits
    assert limits is not None
    assert limits.requests_per_minute == requests
