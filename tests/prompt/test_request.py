"""The wire body, its fingerprint and its weight."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from claude_parallel.errors import InputError
from claude_parallel.prompt.cache_breakpoints import add_breakpoint
from claude_parallel.prompt.request import body_fields, build, example_messages, fingerprint, share

HOST = "https://api.anthropic.com"
MARK = {"type": "ephemeral", "ttl": "5m"}

TEXT = st.text(max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9, allow_nan=False) | TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_", min_size=1), inner, max_size=3),
    max_leaves=6,
)
BLOCKS = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}, optional={"extra": JSON}), min_size=1, max_size=3
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXT | BLOCKS}),
    min_size=1,
    max_size=3,
)
BODIES = st.fixed_dictionaries(
    {"model": TEXT, "max_tokens": st.integers(1, 9999), "messages": MESSAGES},
    optional={
        "system": TEXT | BLOCKS,
        "tools": st.lists(st.fixed_dictionaries({"name": TEXT, "input_schema": JSON}), min_size=1, max_size=2),
        "thinking": st.fixed_dictionaries({"type": TEXT}),
        "output_config": st.dictionaries(st.sampled_from(["effort", "format"]), JSON),
        "metadata": st.fixed_dictionaries({"user_id": TEXT}),
        "stop_sequences": st.lists(TEXT, max_size=2),
    },
)


def shuffled(value: Any, rng: random.Random) -> Any:
    """Return the same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(name, shuffled(part, rng)) for name, part in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(part, rng) for part in value] if isinstance(value, list) else value


def marked(body: Any, rng: random.Random) -> Any:
    """Return the body with cache breakpoints wherever the API takes them."""
    body = copy.deepcopy(body)
    places = [body]
    places += [block for block in body.get("system", []) if isinstance(block, dict)]
    places += body.get("tools", [])
    for message in body["messages"]:
        places += [block for block in message["content"] if isinstance(block, dict)]
    for place in places:
        if rng.random() < 0.6:
            place["cache_control"] = dict(MARK)
    return body


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all parts of a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [p for name, part in value.items() for p in leaves(part, (*path, name))]
    if isinstance(value, list):
        return found + [p for number, part in enumerate(value) for p in leaves(part, (*path, number))]
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy with one part replaced."""
    value = copy.deepcopy(value)
    parent = value
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = new
    return value


# -- fingerprint -----------------------------------------------------------------------------------------------------


@given(BODIES, st.integers(0, 3), st.randoms(use_true_random=False))
def test_key_order_and_cache_marks_do_not_change_a_fingerprint(body: Any, sample: int, rng: random.Random) -> None:
    """They change neither the question nor the answer."""
    first = fingerprint(HOST, body, sample)
    assert fingerprint(HOST, shuffled(body, rng), sample) == first
    assert fingerprint(HOST, marked(body, rng), sample) == first


@given(BODIES, st.data())
def test_every_other_change_is_another_fingerprint(body: Any, data: st.DataObject) -> None:
    """Any part of the body replaced, by anything else."""
    path = data.draw(st.sampled_from([path for path in leaves(body) if path != ("messages",)]))
    new = data.draw(JSON)
    other = replaced(body, path, new)
    assume(all(isinstance(message, dict) for message in other["messages"]))
    assume(json.dumps(other, sort_keys=True) != json.dumps(body, sort_keys=True))
    assert fingerprint(HOST, other) != fingerprint(HOST, body)


@given(BODIES)
def test_host_and_draw_are_part_of_the_fingerprint(body: Any) -> None:
    """A simulator's answer can never pass for a real one, nor one sample for another."""
    keys = {fingerprint(host, body, sample) for host in (HOST, HOST + ":1", "http://127.0.0.1") for sample in range(4)}
    assert len(keys) == 12


@given(MESSAGES, MESSAGES)
def test_messages_cannot_be_shifted_into_one_another(first: Any, second: Any) -> None:
    """Two lists of messages are equal or have two fingerprints."""
    body = {"model": "m", "max_tokens": 1}
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    keys = {fingerprint(HOST, {**body, "messages": messages}) for messages in (first, second)}
    assert len(keys) == (1 if same else 2)


@pytest.mark.parametrize("place", ["tools", "output_config"])
def test_a_property_that_is_called_like_a_cache_mark_is_no_mark(place: str) -> None:
    """In a tool's or an answer's schema, ``cache_control`` is only a name."""

    def body(kind: str) -> Any:
        schema = {"type": "object", "properties": {"cache_control": {"type": kind}}}
        held: Any = {"format": {"type": "json_schema", "schema": schema}}
        if place == "tools":
            held = [{"name": "t", "input_schema": schema}]
        return {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}], place: held}

    assert fingerprint(HOST, body("string")) != fingerprint(HOST, body("number"))


@given(
    fields=BODIES,
    content=TEXT | BLOCKS | MESSAGES,
    examples=st.lists(st.tuples(TEXT, TEXT), max_size=2),
    sample=st.integers(0, 2),
)
def test_a_built_request_has_the_fingerprint_of_its_body(fields: Any, content: Any, examples: Any, sample: int) -> None:
    """The quick way over the shared state and the plain one are the same."""
    fields = {name: value for name, value in fields.items() if name != "messages"}
    shared = share(HOST, fields, example_messages(examples), "")
    request = build(shared, content, sample=sample)
    assert request.fingerprint == fingerprint(HOST, request.body, sample)


# -- breakpoints -----------------------------------------------------------------------------------------------------


def text_of(part: Any) -> str:
    """Return the text of a system prompt or of a message's content."""
    return part if isinstance(part, str) else "".join(block.get("text", "") for block in part)


@given(
    static=TEXT,
    rest=TEXT,
    system=st.none() | st.text(min_size=1, max_size=5) | BLOCKS,
    examples=st.lists(st.tuples(st.text(min_size=1, max_size=5), TEXT), max_size=2),
    ttl=st.sampled_from(["5m", "1h"]),
)
def test_a_marked_body_says_the_same(static: str, rest: str, system: Any, examples: Any, ttl: Any) -> None:
    """Concatenated text, fingerprint and order stay; at most one breakpoint is added, of the lifetime asked for."""
    fields: dict[str, Any] = {"model": "m", "max_tokens": 1}
    if system is not None:
        fields["system"] = system
    shared = share(HOST, fields, example_messages(examples), static)
    body = build(shared, static + rest).body
    before = json.dumps(body)
    result = add_breakpoint(body, static, len(shared.examples), ttl)
    assert json.dumps(body) == before
    assert [text_of(m["content"]) for m in result["messages"]] == [text_of(m["content"]) for m in body["messages"]]
    assert text_of(result.get("system", "")) == text_of(body.get("system", ""))
    assert json.dumps(result).count('"cache_control"') <= 1
    assert all(block.get("text", "x").strip() for block in _blocks(result) if "cache_control" in block)
    if not any("extra" in block for block in (system if isinstance(system, list) else [])):
        assert f'"{ttl}"' in json.dumps(result) or '"cache_control"' not in json.dumps(result)


def _blocks(body: Any) -> list[Any]:
    contents = [message["content"] for message in body["messages"]] + [body.get("system", "")]
    return [block for content in contents if isinstance(content, list) for block in content]


def test_the_prefix_tells_which_requests_share_a_cache_entry() -> None:
    """Same fields, examples and static text; whatever the row."""
    fields = {"model": "m", "max_tokens": 1}
    first = share(HOST, fields, [], "beginning")
    assert (
        build(first, "beginning a", has_breakpoint=True).prefix
        == build(first, "beginning b", has_breakpoint=True).prefix
    )
    others = [
        share(HOST, fields, [], "another"),
        share(HOST, {**fields, "system": "s"}, [], "beginning"),
        share(HOST, fields, example_messages([("a", "b")]), "beginning"),
    ]
    assert first.prefix not in {other.prefix for other in others}
    assert build(first, "beginning a").prefix is None


# -- fields ----------------------------------------------------------------------------------------------------------

NOTHING: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": None,
    "thinking": None,
    "effort": None,
    "output_format": None,
    "tools": None,
    "stop_sequences": None,
    "request": None,
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"system": "be kind"}, {"system": "be kind"}),
        ({"thinking": True}, {"thinking": {"type": "adaptive"}}),
        ({"thinking": False}, {"thinking": {"type": "disabled"}}),
        ({"thinking": "between_tools"}, {"thinking": {"type": "between_tools"}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        ({"effort": "low"}, {"output_config": {"effort": "low"}}),
        ({"output_format": {"type": "x"}}, {"output_config": {"format": {"type": "x"}}}),
        (
            {"effort": "low", "output_format": {"type": "x"}, "request": {"output_config": {"new": 1}}},
            {"output_config": {"effort": "low", "format": {"type": "x"}, "new": 1}},
        ),
        ({"effort": "low", "request": {"output_config": {"effort": "max"}}}, {"output_config": {"effort": "max"}}),
        ({"tools": [{"name": "t"}]}, {"tools": [{"name": "t"}]}),
        ({"stop_sequences": ["END"]}, {"stop_sequences": ["END"]}),
        ({"request": {"speed": "fast", "x": None}}, {"speed": "fast", "x": None}),
        (
            {"system": "a", "request": {"system": [{"type": "text", "text": "b"}]}},
            {"system": [{"type": "text", "text": "b"}]},
        ),
        ({"request": {"max_tokens": 5, "model": "n"}}, {"max_tokens": 5, "model": "n"}),
    ],
)
def test_options_become_fields(options: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is not set is not sent; ``request`` comes last and wins, key by key in mappings."""
    assert body_fields(**{**NOTHING, **options}) == {"model": "m", "max_tokens": 9, **expected}


@pytest.mark.parametrize("name", ["messages", "stream"])
def test_request_must_not_set_what_is_the_runs_own(name: str) -> None:
    """Such a field would break the run in ways that nobody understands."""
    with pytest.raises(InputError, match=name):
        body_fields(**{**NOTHING, "request": {name: 1}})


def test_merging_leaves_the_users_mapping_alone() -> None:
    """It may be used for the next call."""
    request = {"output_config": {"new": 1}}
    body_fields(**{**NOTHING, "effort": "low", "request": request})
    assert request == {"output_config": {"new": 1}}


@pytest.mark.parametrize("odd", [object(), b"bytes", float("nan"), {1, 2}])
def test_fields_that_are_no_json_are_refused(odd: Any) -> None:
    """Before the first row."""
    with pytest.raises(InputError, match="JSON"):
        share(HOST, {"model": "m", "metadata": odd}, [], "")


# -- weight ----------------------------------------------------------------------------------------------------------


@given(TEXT, st.integers(0, 400))
def test_the_upper_bound_is_above_the_estimate_and_above_one_token_a_byte(text: str, repeat: int) -> None:
    """The budget reserves by it, so it must not be too small."""
    shared = share(HOST, {"model": "m", "max_tokens": 1, "system": text}, [], "")
    request = build(shared, text * repeat)
    assert request.max_input_tokens >= len((text * (repeat + 1)).encode("utf-8", "surrogatepass"))
    assert request.max_input_tokens >= request.load.input_tokens


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document"},
        {"type": "document", "source": "text"},
        {"type": "image"},
        {"type": "image", "source": None},
        {"type": "document", "source": {"type": "text", "data": "x"}},
        {"type": "document", "source": {"type": "url", "url": "https://x"}},
        {"type": "image", "source": {"type": "base64", "data": "???"}},
        {"type": "tool_result", "content": [{"type": "image", "source": {}}]},
        {},
    ],
)
def test_any_block_can_be_weighed(block: Any) -> None:
    """What is wrong with it, the API says: for this row, and not with an exception."""
    shared = share(HOST, {"model": "m", "max_tokens": 1}, [], "")
    assert build(shared, [block]).load.input_tokens > 0


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-sonnet-4-6", 1_568),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 1_568),
        ("claude-opus-4-20250514", 1_568),
        ("claude-opus-4-7", 4_784),
        ("claude-haiku-5-5", 4_784),
        ("claude-of-tomorrow", 4_784),
    ],
)
def test_an_image_weighs_what_its_model_sees(model: str, tokens: int) -> None:
    """Models before 4.7 see smaller ones, which cost a third."""
    shared = share(HOST, {"model": model, "max_tokens": 10}, [], "")
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/large.png"}}
    text = {"type": "text", "text": "What?"}
    weight = build(shared, [image, text]).load.input_tokens - build(shared, [text]).load.input_tokens
    assert weight == pytest.approx(tokens, abs=20)  # the block's own words come on top
