"""Whether the API accepts a request, and if not, with which status and words.

It knows the rules of API version 2026-10-21; limits and answers are for others. Source: Claude API reference,
versioning and errors pages, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .content_checks import breakpoints_problem, content_problem
from .models import EFFORTS, MODELS, Model
from .profile import Profile
from .schema_checks import schema_problem
from .wire import Problem

MEGABYTE = 1_000_000
"""The stricter reading of the MB in the API's size limits."""

MESSAGE_BYTES = 32 * MEGABYTE
BATCH_BYTES = 256 * MEGABYTE
"""Bytes of a body. Source: API overview, "Request size limits" (September 2026)."""

LEGACY_VERSION = "2023-06-01"
"""The version under which older models still accept sampling parameters."""

VERSIONS = (LEGACY_VERSION, "2026-10-21")

SAMPLING = ("temperature", "top_p", "top_k")

FIELDS = frozenset(
    {
        "model", "messages", "max_tokens", "cache_control", "container", "context_management", "diagnostics",
        "inference_geo", "mcp_servers", "metadata", "output_config", "service_tier", "speed",
        "stop_sequences", "stream", "system", "thinking", "tool_choice", "tools", *SAMPLING,
    }
)  # fmt: skip


_OBJECTS = ("output_config", "thinking", "tool_choice", "metadata", "cache_control")


def headers_problem(headers: Mapping[str, str], profile: Profile) -> Problem | None:
    """Return why a request's headers are refused, or None.

    Parameters
    ----------
    headers : mapping
        Lower-case names, or a mapping that ignores case.
    profile : Profile
        Which keys work.
    """
    key = api_key(headers)
    if not key:
        return Problem(401, "Authentication required: send an API key as 'Authorization: Bearer'")
    known = not key.startswith("invalid") if profile.api_keys is None else key in profile.api_keys
    if not known:
        return Problem(401, "invalid API key")
    version = headers.get("anthropic-version")
    if version is None:
        return Problem(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        return Problem(400, f'anthropic-version: "{version}" is not a valid version')
    return None


def api_key(headers: Mapping[str, str]) -> str:
    """Return the key that a request is signed with; empty when there is none."""
    bearer = headers.get("authorization") or ""
    if bearer[:7].lower() == "bearer ":
        return bearer[7:].strip()
    return (headers.get("x-api-key") or "").strip()


def size_problem(size_bytes: int, limit_bytes: int) -> Problem | None:
    """Return why a body is too large, or None."""
    if size_bytes <= limit_bytes:
        return None
    return Problem(413, f"Request exceeds the maximum size: {size_bytes} > {limit_bytes} bytes")


def known_model(body: Any) -> Model | Problem:
    """Return the model that a body names, or why there is none."""
    if not isinstance(body, Mapping):
        return Problem(400, "The request body is not valid JSON")
    name = body.get("model")
    if not isinstance(name, str) or not name:
        return Problem(400, "model: Field required")
    return MODELS.get(name) or Problem(404, f"model: {name}")


def message_problem(
    body: Mapping[str, Any], model: Model, version: str | None, *, counting: bool = False
) -> Problem | None:
    """Return why the API refuses a Messages body, or None.

    Parameters
    ----------
    body : mapping
        The wire body.
    model : Model
        The model it names.
    version : str or None
        The ``anthropic-version`` header.
    counting : bool
        True for token counting: ``max_tokens`` is no part of it, and schemas are not compiled.
    """
    what = (
        _field_problem(body, model, version)
        or (None if counting else _length_problem(body, model))
        or content_problem(body)
        or _turn_problem(body, model)
        or _thinking_problem(body, model)
        or _output_problem(body, counting)
        or breakpoints_problem(body)
    )
    return None if what is None else Problem(400, what)


def batch_row_problem(body: Any) -> Problem | None:
    """Return why a row's parameters are refused in a batch, or None.

    Parameters
    ----------
    body : mapping
        The row's ``params``.
    """
    model = known_model(body)
    if isinstance(model, Problem):
        return model
    for name in ("stream", "speed"):
        if body.get(name):
            return Problem(400, f"{name}: not supported in message batches")
    if body.get("max_tokens") == 0:
        return Problem(400, "max_tokens: 0 is not supported in message batches")
    return message_problem(body, model, VERSIONS[-1])


def _field_problem(body: Mapping[str, Any], model: Model, version: str | None) -> str | None:
    if not body.keys() <= FIELDS:
        return f"{min(body.keys() - FIELDS)}: Extra inputs are not permitted"
    for name in _OBJECTS:
        if name in body and not isinstance(body[name], Mapping | None):
            return f"{name}: Input should be a valid dictionary"
    for name in SAMPLING:
        if name in body and not (version == LEGACY_VERSION and "enabled" in model.thinking):
            return f"{name}: sampling parameters are not supported"
    if not isinstance(body.get("stream"), bool | None):
        return "stream: Input should be a valid boolean"
    return None


def _length_problem(body: Mapping[str, Any], model: Model) -> str | None:
    length = body.get("max_tokens")
    if length is None:
        return "max_tokens: Field required"
    if not isinstance(length, int) or isinstance(length, bool):
        return "max_tokens: Input should be a valid integer"
    if length < 0:
        return "max_tokens: Input should be greater than or equal to 0"
    if length > model.max_output:
        return (
            f"max_tokens: {length} > {model.max_output}, "
            f"which is the maximum allowed number of output tokens for {model.id}"
        )
    if length > 0:
        return None
    config = body.get("output_config") or {}
    if config.get("format"):
        return "max_tokens: 0 cannot be combined with output_config.format"
    if (body.get("thinking") or {}).get("type") == "enabled":
        return "max_tokens: 0 cannot be combined with thinking.enabled"
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        return "max_tokens: 0 cannot be combined with a forced tool_choice"
    return None


def _turn_problem(body: Mapping[str, Any], model: Model) -> str | None:
    if body["messages"][-1]["role"] == "assistant" and "adaptive" in model.thinking:
        return "This model does not support assistant message prefill. End with a user message."
    choice = body.get("tool_choice")
    if choice is None:
        return None
    names = [tool.get("name") for tool in body.get("tools") or ()]
    if choice.get("type") in ("any", "tool"):
        if not model.forced_tools:
            return f"tool_choice: forcing a tool is not supported by {model.id}"
        if not names:
            return "tool_choice: may only be specified while providing tools"
    if choice.get("type") == "tool" and choice.get("name") not in names:
        return f"tool_choice.name: Tool '{choice.get('name')}' not found in provided tools"
    return None


def _thinking_problem(body: Mapping[str, Any], model: Model) -> str | None:
    config = body.get("output_config") or {}
    effort = config.get("effort")
    if effort is not None and effort not in EFFORTS:
        return f"output_config.effort: Input should be one of {', '.join(EFFORTS)}"
    thinking = body.get("thinking")
    if thinking is None:
        return None
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    if kind not in ("adaptive", "between_tools", "disabled", "enabled"):
        return f"thinking: Input tag '{kind}' does not match any of the expected tags"
    if kind not in model.thinking:
        return f'"thinking.type.{kind}" is not supported for this model. Use one of {sorted(model.thinking)}.'
    if kind in ("disabled", "between_tools") and effort in ("xhigh", "max"):
        return f"thinking: type '{kind}' is not supported at effort '{effort}'"
    if kind == "enabled" and int(thinking.get("budget_tokens") or 0) < 1_024:
        return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
    return None


def _output_problem(body: Mapping[str, Any], counting: bool) -> str | None:
    form = (body.get("output_config") or {}).get("format")
    if form is None:
        return None
    if form.get("type") != "json_schema":
        return f"output_config.format: Input tag '{form.get('type')}' does not match 'json_schema'"
    if counting:
        return None
    what = schema_problem(form.get("schema"))
    return None if what is None else f"output_config.format.schema: {what}"
