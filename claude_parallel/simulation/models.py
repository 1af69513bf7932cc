"""The models that the simulated API knows, and what each accepts.

It knows facts about models only; prices are no business of an API server. Source: ``types/model.py`` of the
anthropic SDK 2.12.0, the models overview and the prompt caching page of the Claude docs, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Thinking = Literal["adaptive", "between_tools", "disabled", "enabled"]

EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Model:
    """What the API knows about one model.

    Attributes
    ----------
    id, display_name, line, created_at : str
        As in ``GET /v1/models/{id}``.
    group : str
        The models that share one set of limits.
    cache_minimum : int
        Tokens below which a prefix is silently not cached.
    context, max_output : int
        Tokens of prompt and answer together, and of the answer alone.
    thinking : frozenset of str
        The accepted values of ``thinking.type``.
    thinks_unasked : bool
        Whether it may think when the body says nothing.
    forced_tools : bool
        Whether ``tool_choice`` ``any`` and ``tool`` are accepted.
    lifecycle : str
        ``active`` or ``deprecated``.
    aliases : tuple of str
        Other ids for the same model.
    """

    id: str
    display_name: str
    line: str
    created_at: str
    group: str
    cache_minimum: int
    context: int
    max_output: int
    thinking: frozenset[Thinking]
    thinks_unasked: bool = False
    forced_tools: bool = True
    lifecycle: Literal["active", "deprecated"] = "active"
    aliases: tuple[str, ...] = ()


_M = 1_000_000  # tokens: short, since the table below is wide
_ALWAYS: frozenset[Thinking] = frozenset({"adaptive"})
_BETWEEN: frozenset[Thinking] = frozenset({"adaptive", "between_tools"})
_CHOICE: frozenset[Thinking] = frozenset({"adaptive", "disabled"})
_OLD: frozenset[Thinking] = frozenset({"enabled", "disabled"})
_BOTH: frozenset[Thinking] = _CHOICE | _OLD

_ALL = (
    Model("claude-fable-5-2", "Claude Fable 5.2", "fable", "2026-11-09", "fable-5", 512, _M, 128_000,
          _ALWAYS, True, False),
    Model("claude-mythos-5-2", "Claude Mythos 5.2", "mythos", "2026-11-09", "mythos-5", 512, _M,
          128_000, _ALWAYS, True, False),
    Model("claude-haiku-5-5", "Claude Haiku 5.5", "haiku", "2026-10-07", "haiku-5-5", 512, _M, 128_000,
          _CHOICE, True),
    Model("claude-sonnet-5-5", "Claude Sonnet 5.5", "sonnet", "2026-09-28", "sonnet-5-5", 512, _M,
          128_000, _BETWEEN, True, False),
    Model("claude-opus-5-5", "Claude Opus 5.5", "opus", "2026-09-22", "opus-5-5", 512, _M, 128_000,
          _ALWAYS, True, False),
    Model("claude-fable-5-1", "Claude Fable 5.1", "fable", "2026-09-01", "fable-5", 512, _M, 128_000,
          _ALWAYS, True, False),
    Model("claude-mythos-5-1", "Claude Mythos 5.1", "mythos", "2026-09-01", "mythos-5", 512, _M,
          128_000, _ALWAYS, True, False),
    Model("claude-sonnet-5", "Claude Sonnet 5", "sonnet", "2026-06-30", "sonnet-5", 1_024, _M, 128_000,
          _CHOICE),
    Model("claude-fable-5", "Claude Fable 5", "fable", "2026-06-09", "fable-5", 512, _M, 128_000,
          _CHOICE),
    Model("claude-mythos-5", "Claude Mythos 5", "mythos", "2026-06-09", "mythos-5", 512, _M, 128_000,
          _CHOICE),
    Model("claude-opus-5", "Claude Opus 5", "opus", "2026-07-24", "opus-5", 512, _M, 128_000, _CHOICE),
    Model("claude-opus-4-8", "Claude Opus 4.8", "opus", "2026-05-28", "opus-4", 1_024, _M, 128_000,
          _CHOICE),
    Model("claude-opus-4-7", "Claude Opus 4.7", "opus", "2026-04-16", "opus-4", 2_048, _M, 128_000,
          _CHOICE),
    Model("claude-mythos-preview", "Claude Mythos Preview", "mythos", "2026-04-07", "mythos-5", 2_048,
          _M, 128_000, _BOTH, lifecycle="deprecated"),
    Model("claude-opus-4-6", "Claude Opus 4.6", "opus", "2026-02-05", "opus-4", 4_096, _M, 128_000,
          _BOTH),
    Model("claude-sonnet-4-6", "Claude Sonnet 4.6", "sonnet", "2026-02-17", "sonnet-4", 1_024, _M,
          64_000, _BOTH),
    Model("claude-opus-4-5-20251101", "Claude Opus 4.5", "opus", "2025-11-24", "opus-4", 4_096, 200_000,
          64_000, _OLD, aliases=("claude-opus-4-5",)),
    Model("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "haiku", "2025-10-15", "haiku-4-5", 4_096,
          200_000, 64_000, _OLD, aliases=("claude-haiku-4-5",)),
    Model("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "sonnet", "2025-09-29", "sonnet-4", 1_024,
          200_000, 64_000, _OLD, lifecycle="deprecated", aliases=("claude-sonnet-4-5",)),
)  # fmt: skip

MODELS: Mapping[str, Model] = MappingProxyType({name: model for model in _ALL for name in (model.id, *model.aliases)})
"""Every accepted id, aliases included."""


def listed(lifecycles: tuple[str, ...] = ("active", "deprecated")) -> list[Model]:
    """Return the models of ``GET /v1/models``, newest first, without aliases."""
    found = [model for model in _ALL if model.lifecycle in lifecycles]
    return sorted(found, key=lambda model: model.created_at, reverse=True)


def model_info(model: Model) -> dict[str, Any]:
    """Return the ``ModelInfo`` object of one model."""
    deprecated = model.lifecycle == "deprecated"
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "line": model.line,
        "created_at": f"{model.created_at}T00:00:00Z",
        "lifecycle": model.lifecycle,
        "deprecated_at": "2026-06-30T00:00:00Z" if deprecated else None,
        "retires_at": "2026-11-30T00:00:00Z" if deprecated else None,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def _capabilities(model: Model) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    kinds: tuple[Thinking, ...] = ("adaptive", "between_tools", "disabled", "enabled")
    efforts = model.context == _M
    return {
        "batch": yes,
        "citations": yes,
        "code_execution": yes,
        "context_management": yes,
        "effort": {"supported": efforts, **dict.fromkeys(EFFORTS, yes if efforts else no)},
        "image_input": yes,
        "pdf_input": yes,
        "server_tools": {"supported": True, "code_execution": yes, "web_search": yes},
        "structured_outputs": yes,
        "thinking": {
            "supported": True,
            "types": {kind: yes if kind in model.thinking else no for kind in kinds},
        },
    }
