"""Prompt caching: breakpoints that leave the text as it is, and turns that write once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.engine.cache_warmup import Prefixes
from claude_parallel.prompt.cache_breakpoints import add_breakpoint, minimum_tokens
from claude_parallel.prompt.request import build, example_messages, fingerprint, share
from claude_parallel.simulation.content_checks import breakpoints_problem

words = st.text(max_size=60)


def texts(content: Any) -> str:
    """Return all text of a message's content."""
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def breakpoints(body: Any) -> int:
    """Count the cache breakpoints anywhere in a body."""
    if isinstance(body, dict):
        return ("cache_control" in body) + sum(breakpoints(value) for value in body.values())
    return sum(breakpoints(value) for value in body) if isinstance(body, list) else 0


@given(words, words, st.one_of(st.none(), words.filter(str.strip)), st.booleans())
def test_a_mark_changes_neither_the_text_nor_the_key(
    static: str, rest: str, system: str | None, few_shot: bool
) -> None:
    """The concatenated text is the same, there is at most one breakpoint, and the fingerprint does not see it."""
    examples = example_messages([("q", "a")] if few_shot else [])
    fields: dict[str, Any] = {"model": "m", "max_tokens": 5, **({"system": system} if system else {})}
    shared = share("host", fields, examples, static)
    request = build(shared, static + rest, has_breakpoint=True)
    marked = add_breakpoint(request.body, static, len(examples), "5m")

    assert [texts(m["content"]) for m in marked["messages"]] == [texts(m["content"]) for m in request.body["messages"]]
    assert texts(marked.get("system", "")) == (system or "")
    assert breakpoints(dict(marked)) <= 1
    assert all(texts(m["content"]) == "" or m["content"] for m in marked["messages"])
    if not static.strip() and not few_shot and system:
        assert fingerprint("host", marked | {"system": system}) == request.fingerprint


@pytest.mark.parametrize(
    ("fields", "static", "examples", "where"),
    [
        ({"system": "s", "tools": [{"name": "t"}]}, "static ", 1, "text"),
        ({"system": "s", "tools": [{"name": "t"}]}, "", 1, "example"),
        ({"system": "s", "tools": [{"name": "t"}]}, "", 0, "system"),
        ({"tools": [{"name": "t"}, {"name": "u"}]}, "", 0, "tools"),
        ({}, "", 0, "nowhere"),
    ],
)
def test_the_mark_stands_at_the_end_of_what_is_shared(fields: Any, static: str, examples: int, where: str) -> None:
    """The deepest shared place takes everything before it along."""
    turns = example_messages([("q", "a")] * examples)
    body = {"model": "m", **fields, "messages": [*turns, {"role": "user", "content": static + "row"}]}
    marked = add_breakpoint(body, static, len(turns), "1h")
    control = {"type": "ephemeral", "ttl": "1h"}
    found = {
        "text": lambda: (
            marked["messages"][-1]["content"][0] == {"type": "text", "text": static, "cache_control": control}
        ),
        "example": lambda: marked["messages"][1]["content"][-1]["cache_control"] == control,
        "system": lambda: marked["system"] == [{"type": "text", "text": "s", "cache_control": control}],
        "tools": lambda: marked["tools"] == [{"name": "t"}, {"name": "u", "cache_control": control}],
        "nowhere": lambda: marked == body,
    }

    assert found[where]()
    assert breakpoints(dict(marked)) == (where != "nowhere")
    assert breakpoints(dict(body)) == 0


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-haiku-5-5", 512),
        ("claude-sonnet-5-5", 512),
        ("claude-opus-5-5", 512),
        ("claude-fable-5-2", 512),
        ("claude-sonnet-5", 1024),
        ("claude-sonnet-4-6", 1024),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-opus-4-6", 4096),
    ],
)
def test_minimum_by_model(model: str, tokens: int) -> None:
    """Shorter prefixes are silently not cached (source: prompt caching, October 2026)."""
    assert minimum_tokens(model) == tokens


def test_one_leads_and_the_others_hold_until_it_is_back() -> None:
    """Then all follow, until the entry has gone cold."""
    prefixes = Prefixes(ttl_seconds=300)
    assert prefixes.turn(b"p", 0) == "lead"
    prefixes.sent(b"p", "lead", 0)
    assert prefixes.turn(b"p", 1) == "hold"
    prefixes.ended(b"p", "lead", 0, 1, is_answered=True)

    assert prefixes.turn(b"p", 299) == "follow"
    assert prefixes.turn(b"p", 301) == "lead"


def test_a_read_refreshes_the_entry() -> None:
    """Its lifetime counts from the last request that used it."""
    prefixes = Prefixes(ttl_seconds=300)
    prefixes.sent(b"p", "lead", 0)
    prefixes.ended(b"p", "lead", 0, 1, is_answered=True)
    prefixes.sent(b"p", "follow", 200)

    assert prefixes.turn(b"p", 450) == "follow"


def test_after_a_failed_leader_another_leads() -> None:
    """A failure fills no cache."""
    prefixes = Prefixes(ttl_seconds=300)
    prefixes.sent(b"p", "lead", 0)
    prefixes.ended(b"p", "lead", 0, 1, is_answered=False)

    assert prefixes.turn(b"p", 1) == "lead"


@pytest.mark.parametrize("users", range(6))
def test_no_more_marks_than_the_api_takes(users: int) -> None:
    """A user's own breakpoints count; a fifth would be a 400 for every row."""
    control = {"type": "ephemeral"}
    system = [{"type": "text", "text": f"part {number}", "cache_control": control} for number in range(users)]
    body = {"model": "m", "system": system, "messages": [{"role": "user", "content": "static row"}]}
    assert breakpoints(dict(add_breakpoint(body, "static ", 0, "5m"))) == max(users, min(users + 1, 4))


def body_with(tools: Any, system: Any, example: Any, automatic: Any) -> dict[str, Any]:
    """Return a body whose parts have breakpoints of such lifetimes; None = no breakpoint there."""

    def marked(block: dict[str, Any], ttl: Any) -> dict[str, Any]:
        return block if ttl is None else {**block, "cache_control": {"type": "ephemeral", "ttl": ttl}}

    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [marked({"type": "text", "text": "a"}, example)]},
        {"role": "user", "content": "static row"},
    ]
    tool = {"name": "t", "input_schema": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}
    body = {"model": "m", "tools": [marked(tool, tools)], "system": [marked({"type": "text", "text": "s"}, system)]}
    return marked({**body, "messages": turns}, automatic)


LIFETIMES = [(None, "5m", "1h")] * 4


@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("static", ["static ", ""])
def test_a_mark_of_ours_never_makes_a_request_a_bad_one(ttl: Any, static: str) -> None:
    """Breakpoints of an hour have to come before those of five minutes; the user's own stay as they are."""
    for own in itertools.product(*LIFETIMES):
        body = body_with(*own)
        if breakpoints_problem(body) is None:
            marked = add_breakpoint(body, static, 2, ttl)
            assert breakpoints_problem(marked) is None, own
            found = [marked["tools"][0], marked["system"][0], marked["messages"][1]["content"][0], marked]
            kept = [part.get("cache_control", {}).get("ttl") for part in found]
            assert [was for was in zip(own, kept, strict=True) if was[0] not in (None, was[1])] == [], own


@pytest.mark.parametrize("empty", ["", " ", [{"type": "text", "text": ""}]])
def test_empty_text_is_never_marked(empty: Any) -> None:
    """The API refuses that; the breakpoint goes to the next place before it."""
    body = {
        "model": "m",
        "system": "s",
        "messages": [{"role": "assistant", "content": empty}, {"role": "user", "content": "x"}],
    }
    marked = add_breakpoint(body, "", 1, "5m")
    assert marked["messages"] == body["messages"]
    assert breakpoints(marked["system"]) == 1


def test_a_call_longer_than_the_lifetime_ends_the_caching() -> None:
    """Nobody could read what it wrote, and one call after the other would lead."""
    prefixes = Prefixes(ttl_seconds=300)
    prefixes.sent(b"p", "lead", 0)
    prefixes.ended(b"p", "lead", 0, 360, is_answered=True)
    assert prefixes.turn(b"p", 360) == "plain"


def test_prefixes_do_not_wait_for_one_another() -> None:
    """Each has a leader of its own."""
    prefixes = Prefixes(ttl_seconds=300)
    prefixes.sent(b"p", "lead", 0)
    assert prefixes.turn(b"q", 0) == "lead"
