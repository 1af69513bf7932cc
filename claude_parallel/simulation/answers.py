"""What the simulated model says: blocks, stop reason and token counts, fixed by the body and a seed.

It knows how an answer looks; what it says is for :mod:`knowledge`; whether one is given, how its input splits and when
it comes is for others. Every invented text says that it is simulated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from .cache import Split
from .faults import Fate
from .knowledge import Knowledge, knowledge_of
from .models import Model
from .profile import Profile
from .schema_values import fitting_value
from .tokens import text_tokens

_FILLER = " It goes on with words that mean nothing and only fill the length that was asked for."


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before it is a Message.

    Attributes
    ----------
    content : list of dict
        The content blocks.
    stop_reason : str
        As in the API.
    output_tokens : int
        All output tokens, thinking included.
    thinking_tokens : int
        Those of them that were thought.
    billed : bool
        False for a refusal before any output.
    """

    content: list[dict[str, Any]]
    stop_reason: str
    output_tokens: int
    thinking_tokens: int = 0
    billed: bool = True


def draft_answer(
    body: Mapping[str, Any], model: Model, profile: Profile, fate: Fate, digest: bytes, seed: int, room: int
) -> Draft:
    """Return what the model says to `body`.

    Parameters
    ----------
    body : mapping
        A valid Messages body.
    model : Model
        Whether it thinks unasked.
    profile : Profile
        Lengths, and the caller's own answers.
    fate : Fate
        Odd answers, and the chance for lengths.
    digest : bytes
        The body's hash: equal bodies get equal answers.
    seed : int
        The simulator's seed.
    room : int
        Tokens left in the context window.
    """
    allowed = int(body["max_tokens"])
    if allowed == 0:
        return Draft([], "max_tokens", 0)
    if fate.fault == "refusal":
        return Draft([], "refusal", 0, billed=False)
    if fate.fault == "empty":
        return Draft([], "end_turn", 2)
    content: list[dict[str, Any]] = []
    thought = 0
    if _thinks(body, model, profile, fate):
        thought = min(profile.thinking_tokens, allowed)
        content.append(_thinking_block(body, digest))
        if thought >= allowed:
            return Draft(content, "max_tokens", allowed, allowed)
    if fate.fault == "unknown_block":
        content.append({"type": "simulated_widget", "note": "a block type that no client knows yet"})
    block, tokens, stop = _said(body, model, profile, fate, digest, seed)
    limit, cut = min((allowed - thought, "max_tokens"), (room - thought, "model_context_window_exceeded"))
    if tokens > limit and block["type"] == "text":
        tokens, stop = max(limit, 0), cut
        block = {"type": "text", "text": block["text"][: 4 * tokens]}
    content.append(block)
    return Draft(content, stop, thought + tokens, thought)


def message_json(draft: Draft, body: Mapping[str, Any], split: Split, number: int, tier: str) -> dict[str, Any]:
    """Return the Message of the API.

    Parameters
    ----------
    draft : Draft
        What is said.
    body : mapping
        The request.
    split : Split
        How its input divides.
    number : int
        Makes the message's id.
    tier : str
        ``standard`` or ``batch``.
    """
    refused = draft.stop_reason == "refusal"
    return {
        "id": f"msg_sim{number:020d}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": draft.content,
        "stop_reason": draft.stop_reason,
        "stop_sequence": None,
        "stop_details": _REFUSAL if refused else None,
        "container": None,
        "usage": _usage(draft, body, split, tier),
    }


_REFUSAL = {"type": "refusal", "category": "general_harms", "explanation": "Simulated refusal."}


def _usage(draft: Draft, body: Mapping[str, Any], split: Split, tier: str) -> dict[str, Any]:
    thought = draft.thinking_tokens
    return {
        "input_tokens": split.plain,
        "cache_creation_input_tokens": split.written_5m + split.written_1h,
        "cache_read_input_tokens": split.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": split.written_5m,
            "ephemeral_1h_input_tokens": split.written_1h,
        },
        "output_tokens": draft.output_tokens,
        "output_tokens_details": {"thinking_tokens": thought} if thought else None,
        "server_tool_use": None,
        "service_tier": tier,
        "speed": body.get("speed", "standard"),
        "inference_geo": body.get("inference_geo", "global"),
    }


def _thinks(body: Mapping[str, Any], model: Model, profile: Profile, fate: Fate) -> bool:
    asked = (body.get("thinking") or {}).get("type")
    if asked is None:
        forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
        return model.thinks_unasked and not forced and fate.thinking_roll < profile.thinking_share
    return asked in ("adaptive", "enabled")


def _thinking_block(body: Mapping[str, Any], digest: bytes) -> dict[str, Any]:
    shown = (body.get("thinking") or {}).get("display") == "summarized"
    return {
        "type": "thinking",
        "thinking": "Simulated thought." if shown else "",
        "signature": digest.hex(),
    }


def _said(
    body: Mapping[str, Any], model: Model, profile: Profile, fate: Fate, digest: bytes, seed: int
) -> tuple[dict[str, Any], int, str]:
    """Return the last block, its tokens and the stop reason if nothing cuts it."""
    drawn = _drawn_tokens(profile, fate)
    if profile.answer is not None:
        text = profile.answer(body)
        return {"type": "text", "text": text}, max(1, drawn or text_tokens(text)), "end_turn"
    knowledge = knowledge_of(body, model, fate.answer_roll, _chance(digest, seed))
    form = (body.get("output_config") or {}).get("format")
    if form:
        text = json.dumps(fitting_value(form["schema"], knowledge), ensure_ascii=False)
        return {"type": "text", "text": text}, max(drawn or 1, text_tokens(text)), "end_turn"
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        return _tool_use(body, knowledge, digest), drawn or 20, "tool_use"
    text = knowledge.answer()
    if drawn is not None and 4 * drawn > len(text):
        text = (text + _FILLER * (4 * drawn // len(_FILLER) + 1))[: 4 * drawn]
    return {"type": "text", "text": text}, drawn or text_tokens(text), "end_turn"


def _drawn_tokens(profile: Profile, fate: Fate) -> int | None:
    length = profile.output_tokens
    if isinstance(length, tuple):
        low, high = length
        return low + int(fate.length_roll * (high - low + 1))
    return length


def _tool_use(body: Mapping[str, Any], knowledge: Knowledge, digest: bytes) -> dict[str, Any]:
    tools = {str(tool.get("name")): tool for tool in body["tools"]}
    name = str(body["tool_choice"].get("name") or next(iter(tools)))
    schema = tools[name].get("input_schema") or {"type": "object"}
    value = fitting_value(schema, knowledge)
    return {"type": "tool_use", "id": f"toolu_sim{digest.hex()[:16]}", "name": name, "input": value}


def _chance(digest: bytes, seed: int) -> Random:
    return Random(int.from_bytes(digest, "big") ^ seed)
