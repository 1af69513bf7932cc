"""What the simulated API refuses, with which status, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.profile import Profile

HEADERS = {"authorization": "Bearer key", "anthropic-version": "2026-10-21"}
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
MARK = {"type": "ephemeral"}


def body_of(**fields: Any) -> dict[str, Any]:
    """Return a good body with these fields changed; None takes a field away."""
    body = {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}


def said(content: Any, role: str = "user") -> dict[str, Any]:
    """Return a body with one message."""
    return body_of(messages=[{"role": role, "content": content}])


def formatted(schema: Any, **fields: Any) -> dict[str, Any]:
    """Return a body that asks for a JSON schema."""
    return body_of(output_config={"format": {"type": "json_schema", "schema": schema}}, **fields)


def field(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose schema has one field."""
    return formatted({**SCHEMA, "properties": {"a": schema}, "required": ["a"]})


def verdict(body: Any, headers: dict[str, str] | None = None, size_bytes: int = 0) -> tuple[int, str, str]:
    """Return status, error type and message; 200 has neither."""
    brain = Brain()
    exchange = brain.open(
        "POST", "/v1/messages", HEADERS if headers is None else headers, body, 0.0, size_bytes=size_bytes
    )
    response = brain.close(exchange, 0.0)
    assert isinstance(response.body, dict)
    if response.status == 200:
        return 200, "", ""
    assert response.body["request_id"] == response.headers["request-id"]
    error = response.body["error"]
    return response.status, error["type"], error["message"]


GOOD = {
    "plain": body_of(),
    "system text": body_of(system="You help."),
    "system blocks": body_of(system=[{"type": "text", "text": "You help.", "cache_control": MARK}]),
    "four marks": said([{"type": "text", "text": str(at), "cache_control": MARK} for at in range(4)]),
    "hour before five minutes": body_of(
        system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[{"role": "user", "content": [{"type": "text", "text": "u", "cache_control": MARK}]}],
    ),
    "warm-up": body_of(max_tokens=0),
    "alias": body_of(model="claude-haiku-4-5"),
    "prefill on an old model": body_of(
        model="claude-haiku-4-5",
        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}],
    ),
    "thinking off": body_of(thinking={"type": "disabled"}),
    "between tools": body_of(model="claude-sonnet-5-5", thinking={"type": "between_tools"}),
    "old thinking": body_of(model="claude-haiku-4-5", thinking={"type": "enabled", "budget_tokens": 1_024}),
    "effort": body_of(output_config={"effort": "xhigh"}),
    "empty object": formatted(SCHEMA),
    "enum": field({"enum": ["a", "b", 1, None]}),
    "reference": formatted(
        {
            **SCHEMA,
            "properties": {"a": {"$ref": "#/$defs/T"}, "b": {"$ref": "#/$defs/T"}},
            "required": ["a"],
            "$defs": {"T": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}},
        }
    ),
    "array": field({"type": "array", "items": {"type": "integer"}, "minItems": 1}),
    "bare boolean": formatted({"type": "boolean"}),
    "forced tool": body_of(tools=[{"name": "t", "input_schema": {"type": "object"}}], tool_choice={"type": "any"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_bodies_are_answered(name: str) -> None:
    """What the API documents as allowed is answered with 200."""
    assert verdict(GOOD[name]) == (200, "", "")


BAD = {
    "not JSON": (None, "not valid JSON"),
    "no model": (body_of(model=None), "model: Field required"),
    "no max_tokens": (body_of(max_tokens=None), "max_tokens: Field required"),
    "negative max_tokens": (body_of(max_tokens=-1), "greater than or equal to 0"),
    "text as max_tokens": (body_of(max_tokens="10"), "valid integer"),
    "too many max_tokens": (body_of(max_tokens=128_001), "128000"),
    "unknown field": (body_of(colour="red"), "colour: Extra inputs"),
    "temperature": (body_of(temperature=1.0), "temperature"),
    "top_p": (body_of(top_p=0.5), "top_p"),
    "top_k": (body_of(top_k=5), "top_k"),
    "no messages": (body_of(messages=None), "messages: Field required"),
    "empty messages": (body_of(messages=[]), "at least one message"),
    "messages of text": (body_of(messages="hi"), "valid list"),
    "strange role": (said("hi", role="robot"), "role"),
    "empty text": (said(""), "non-empty"),
    "empty content": (said([]), "non-empty"),
    "empty block": (said([{"type": "text", "text": ""}]), "non-empty"),
    "empty marked block": (
        said([{"type": "text", "text": "", "cache_control": MARK}]),
        "cache_control cannot be set for empty text blocks",
    ),
    "blank block": (said([{"type": "text", "text": " \n"}]), "non-whitespace"),
    "unknown block": (said([{"type": "video"}]), "Input tag 'video'"),
    "block without type": (said(["hello"]), "valid content block"),
    "image without data": (said([{"type": "image", "source": {"type": "base64"}}]), "media_type"),
    "empty system block": (body_of(system=[{"type": "text", "text": ""}]), "system.0"),
    "five marks": (
        said([{"type": "text", "text": str(at), "cache_control": MARK} for at in range(5)]),
        "maximum of 4",
    ),
    "strange lifetime": (body_of(cache_control={"type": "ephemeral", "ttl": "2h"}), "ttl"),
    "hour after five minutes": (
        body_of(
            system=[{"type": "text", "text": "s", "cache_control": MARK}],
            cache_control={"type": "ephemeral", "ttl": "1h"},
        ),
        "must not come after",
    ),
    "prefill": (
        body_of(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
        "prefill",
    ),
    "enabled thinking": (
        body_of(thinking={"type": "enabled", "budget_tokens": 2_000}),
        "thinking.type.enabled",
    ),
    "disabled thinking on Sonnet 5.5": (
        body_of(model="claude-sonnet-5-5", thinking={"type": "disabled"}),
        "thinking.type.disabled",
    ),
    "disabled thinking at high effort": (
        body_of(thinking={"type": "disabled"}, output_config={"effort": "max"}),
        "effort",
    ),
    "strange effort": (body_of(output_config={"effort": "huge"}), "effort"),
    "effort that is no object": (body_of(output_config="high"), "output_config"),
    "forced tool on Sonnet 5.5": (
        body_of(
            model="claude-sonnet-5-5",
            tools=[{"name": "t", "input_schema": {"type": "object"}}],
            tool_choice={"type": "any"},
        ),
        "tool_choice",
    ),
    "warm-up with format": (formatted(SCHEMA, max_tokens=0), "max_tokens: 0"),
    "free-form object": (formatted({"type": "object", "properties": {}}), "additionalProperties"),
    "nested free-form object": (field({"type": "object"}), "additionalProperties"),
    "minimum": (field({"type": "integer", "minimum": 0}), "'minimum' is not supported"),
    "maxLength": (field({"type": "string", "maxLength": 3}), "'maxLength' is not supported"),
    "maxItems": (field({"type": "array", "items": {"type": "string"}, "maxItems": 3}), "'maxItems'"),
    "minItems of two": (field({"type": "array", "items": {"type": "string"}, "minItems": 2}), "minItems"),
    "strange format": (field({"type": "string", "format": "colour"}), "colour"),
    "no type": (field({"description": "anything"}), "missing a 'type'"),
    "recursion": (
        formatted(
            {
                **SCHEMA,
                "properties": {"next": {"$ref": "#/$defs/Node"}},
                "$defs": {"Node": {**SCHEMA, "properties": {"next": {"$ref": "#/$defs/Node"}}}},
            }
        ),
        "Circular",
    ),
    "dangling reference": (field({"$ref": "#/$defs/Nothing"}), "cannot be resolved"),
    "too many optional fields": (
        formatted({**SCHEMA, "properties": {f"f{at}": {"type": "string"} for at in range(25)}}),
        "optional parameters",
    ),
    "too many unions": (
        formatted(
            {
                **SCHEMA,
                "properties": {f"f{at}": {"type": ["string", "null"]} for at in range(17)},
                "required": [f"f{at}" for at in range(17)],
            }
        ),
        "union types",
    ),
    "too long for the model": (body_of(model="claude-haiku-4-5", system="x" * 900_000), "prompt is too long"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_are_400_and_say_why(name: str) -> None:
    """The status is 400, the type ``invalid_request_error``, and the message names the fault."""
    body, words = BAD[name]
    status, kind, message = verdict(body)
    assert (status, kind) == (400, "invalid_request_error")
    assert words in message


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer key", "anthropic-version": "2026-10-21"}, 200),
        ({"x-api-key": "key", "anthropic-version": "2023-06-01"}, 200),
        ({"anthropic-version": "2026-10-21"}, 401),
        ({"authorization": "Bearer ", "anthropic-version": "2026-10-21"}, 401),
        ({"authorization": "Bearer invalid-key", "anthropic-version": "2026-10-21"}, 401),
        ({"x-api-key": "key"}, 400),
        ({"x-api-key": "key", "anthropic-version": "1999-01-01"}, 400),
    ],
)
def test_key_and_version_are_asked_for(headers: dict[str, str], status: int) -> None:
    """Both ways to send a key work; a missing or wrong key is 401, a missing version 400."""
    assert verdict(body_of(), headers)[0] == status


def test_only_the_listed_keys_work_when_there_is_a_list() -> None:
    """A profile may name its keys."""
    brain = Brain(Profile(api_keys=frozenset({"mine"})))
    for key, status in (("mine", 200), ("yours", 401)):
        headers = {"x-api-key": key, "anthropic-version": "2026-10-21"}
        assert brain.open("POST", "/v1/messages", headers, body_of(), 0.0).status == status


@pytest.mark.parametrize("model", ["claude-3-haiku-20240307", "gpt-4", "claude-haiku-9"])
def test_unknown_models_are_404(model: str) -> None:
    """Retired and invented ids are not found."""
    assert verdict(body_of(model=model)) == (404, "not_found_error", f"model: {model}")


def test_bodies_above_32_megabytes_are_413() -> None:
    """The size on the wire decides."""
    assert verdict(body_of(), size_bytes=32_000_001)[:2] == (413, "request_too_large")
    assert verdict(body_of(), size_bytes=32_000_000)[0] == 200


def test_sampling_parameters_live_on_with_old_models_under_the_old_version() -> None:
    """The old version header restores them for Sonnet 4.6, and for no newer model."""
    old = {**HEADERS, "anthropic-version": "2023-06-01"}
    assert verdict(body_of(model="claude-sonnet-4-6", temperature=0.0), old)[0] == 200
    assert verdict(body_of(model="claude-sonnet-5-5", temperature=0.0), old)[0] == 400
    assert verdict(body_of(model="claude-sonnet-4-6", temperature=0.0))[0] == 400
