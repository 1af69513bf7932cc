"""What a user may set, the defaults, and the checks that need no data.

An option comes from the call, else from ``configure``, else from a ``CLAUDE_PARALLEL_*`` variable, else from here. The
values travel as one frozen :class:`Settings`.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from numbers import Real
from pathlib import Path, PurePath
from typing import Any, Literal, TypedDict

from .errors import InputError
from .given_numbers import positive, whole_number
from .limits.tiers import Limits, resolve_limits
from .retry import RetryPolicy
from .synonyms import instead_of_model, instead_of_option, instead_of_tool

DEFAULT_MODEL = "claude-haiku-5-5"
DEFAULT_MAX_TOKENS = 8_192
"""Room for models that think before they answer: thinking counts against ``max_tokens``."""
DEFAULT_TIMEOUT_SECONDS = 600.0
"""Ten minutes, as the SDK's own default (its ``DEFAULT_TIMEOUT``): long answers take minutes."""

_DEFAULT_RETRIES = RetryPolicy()

OnError = Literal["column", "raise"]


class MapOptions(TypedDict, total=False):
    """The keyword options of ``map``; every one may be left out. Documented in ``ClaudeFrame.map``."""

    system: str | None
    examples: Any
    schema: Any
    keep_text: bool | None
    skip_missing: bool | None
    images: str | Sequence[str] | None
    documents: str | Sequence[str] | None
    model: str | None
    max_tokens: int | None
    thinking: Mapping[str, Any] | str | bool | None
    effort: str | None
    tools: Sequence[Mapping[str, Any]] | None
    stop_sequences: Sequence[str] | None
    request: Mapping[str, Any] | None
    max_concurrency: int | Literal["auto"] | None
    limits: Limits | str | Mapping[str, float] | None
    budget: float | None
    retries: int | RetryPolicy | None
    timeout: float | None
    journal: bool | str | Path | None
    prompt_cache: str | bool | None
    batch: bool | str | None
    sample: int | None
    vote: bool | None
    quotes: bool | None
    repair: int | None
    max_pixels: int | None
    on_error: OnError | None
    progress: bool | None
    bridge: Literal["thread", "nested"] | None
    wire: Literal["auto", "sdk"] | None
    client: Any


class PreviewOptions(MapOptions, total=False):
    """The keyword options of ``apreview``. Documented in ``ClaudeFrame.preview``."""

    rows: int
    by: str | None
    seed: int
    out: str


class CompareOptions(PreviewOptions, total=False):
    """The keyword options of ``acompare``. Documented in ``ClaudeFrame.compare``."""

    labels: Sequence[str] | None
    gold: Any
    column: str | None
    judge: str | Mapping[str, Any] | None
    holdout: float


@dataclass(frozen=True, slots=True)
class Settings:
    """All options of one run, resolved and checked; see ``ClaudeFrame.map`` for their meaning."""

    system: str | None = None
    examples: Any = None
    schema: Any = None
    keep_text: bool = False
    skip_missing: bool = True
    images: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    max_tokens: int = DEFAULT_MAX_TOKENS
    thinking: Mapping[str, Any] | str | bool | None = None
    effort: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    stop_sequences: tuple[str, ...] = ()
    request: Mapping[str, Any] | None = None
    max_concurrency: int | Literal["auto"] = "auto"
    limits: Limits | None = None
    budget: Decimal | None = None
    retries: RetryPolicy = _DEFAULT_RETRIES
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    journal: bool | str | Path = True
    prompt_cache: Literal["auto", "5m", "1h"] | None = "auto"
    batch: bool | Literal["then-live"] = False
    sample: int = 1
    vote: bool = False
    quotes: bool = False
    repair: int = 0
    max_pixels: int | None = None
    on_error: OnError = "column"
    progress: bool = True
    bridge: Literal["thread", "nested"] = "thread"
    wire: Literal["auto", "sdk"] = "auto"
    client: Any = None

    def summary(self) -> dict[str, Any]:
        """Return what a run's record may keep: no prompts, no examples, no clients, no keys."""
        private = {"system", "examples", "schema", "tools", "request", "client", "stop_sequences"}
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in private}
        used = {name: True for name in sorted(private - {"client"}) if _is_given(getattr(self, name))}
        return {name: value for name, value in {**kept, **used}.items() if value not in (None, (), False)}


def _is_given(value: Any) -> bool:
    """Say whether an option says anything; a frame of examples has no truth value of its own."""
    is_empty = isinstance(value, str | list | tuple | Mapping) and not value
    return value is not None and not is_empty


OPTION_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Settings))


def check_names(options: Mapping[str, Any]) -> None:
    """Refuse options that do not exist, and offer the nearest."""
    for name in options:
        if name not in OPTION_NAMES:
            raise InputError(f"there is no option {name!r}; {instead_of_option(name, OPTION_NAMES)}")


def resolve(*layers: Mapping[str, Any]) -> Settings:
    """Return checked settings from layers of options, the first that sets an option wins; None sets nothing.

    Raises
    ------
    InputError
        For an option that does not exist or a value that cannot work.
    """
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        check_names(layer)
        merged.update({name: value for name, value in layer.items() if value is not None})
    request = merged.get("request")
    for name in ("model", "max_tokens"):  # request= wins on the wire, so it counts for prices and limits as well
        if isinstance(request, Mapping) and name in request:
            merged[name] = request[name]
    for name, check in _CHECKS.items():
        if name in merged:
            merged[name] = check(name, merged[name])
    _check_together(merged)
    return Settings(**merged)


def _check_together(merged: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing without another one."""
    if merged.get("vote") and merged.get("sample", 1) < 2:
        raise InputError("vote=True needs several answers to vote on: add sample=3")
    if merged.get("quotes") and merged.get("schema") is None:
        raise InputError("quotes=True needs fields to quote for: add schema=, or use classify() or extract()")


def _dollars(name: str, value: Any) -> Decimal | None:
    """Return an amount of US dollars; None for infinity, which lifts a default, since None itself sets nothing."""
    if isinstance(value, Real | Decimal) and value == math.inf:
        return None
    if isinstance(value, Decimal) and value.is_finite() and value > 0:
        return value
    return Decimal(repr(positive(name, value)))


def _model(name: str, value: Any) -> str:
    if hint := instead_of_model(_text(name, value)):
        raise InputError(hint)
    return str(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be text that is not empty, not {value!r}")
    return value


def _system(name: str, value: Any) -> str:
    """Return a system prompt with its doubled braces undone; it is no template, and must not look like one."""
    text = _text(name, value)
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise InputError(f"{name} has an unpaired brace; write {{{{ and }}}} for literal braces") from None
    placeholders = [name for _literal, name, *_format in parts if name is not None]
    if placeholders:
        raise InputError(
            f"{name} is the same for every row, so {{{placeholders[0]}}} cannot be filled in there; put it into the "
            "prompt, or write {{ and }} for literal braces"
        )
    return "".join(literal for literal, *_rest in parts)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        raise InputError(f"{name} must be text or a list of texts, not {value!r}")
    values = (value,) if isinstance(value, str) else tuple(value)
    return tuple(_text(name, item) for item in values)


def _mappings(name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    items = value if isinstance(value, list | tuple) else [value]
    names = [item for item in items if isinstance(item, str)]
    if names or items is not value or not all(isinstance(item, Mapping) for item in items):
        what = instead_of_tool(names[0]) if names else "as the Messages API takes them"
        raise InputError(f"{name} must be a list of mappings: {what}")
    return tuple(items)


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a mapping, not {type(value).__name__}")
    return value


def _one_of(*choices: Any) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise InputError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
        return value

    return check


def _prompt_cache(name: str, value: Any) -> str | None:
    if value is True:
        return "auto"
    return None if value is False else str(_one_of("auto", "5m", "1h")(name, value))


def _retries(name: str, value: Any) -> RetryPolicy:
    return value if isinstance(value, RetryPolicy) else RetryPolicy(max_retries=whole_number(name, value, 0))


def _journal(name: str, value: Any) -> bool | str | Path:
    if not isinstance(value, bool | str | PurePath) or value == "":
        raise InputError(f"{name} must be True, False or the path of a file, not {value!r}")
    return value if isinstance(value, bool | str) else Path(value)


def _thinking(name: str, value: Any) -> Any:
    if not isinstance(value, bool | str | Mapping):
        raise InputError(f"{name} must be True, False, a type such as 'adaptive', or a mapping, not {value!r}")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "system": _system,
    "keep_text": _one_of(True, False),
    "skip_missing": _one_of(True, False),
    "images": _texts,
    "documents": _texts,
    "model": _model,
    "max_tokens": whole_number,
    "thinking": _thinking,
    "effort": _text,
    "tools": _mappings,
    "stop_sequences": _texts,
    "request": _mapping,
    "max_concurrency": lambda name, value: value if value == "auto" else whole_number(name, value),
    "limits": lambda _name, value: resolve_limits(value),
    "budget": _dollars,
    "retries": _retries,
    "timeout": positive,
    "journal": _journal,
    "prompt_cache": _prompt_cache,
    "batch": _one_of(True, False, "then-live"),
    "sample": whole_number,
    "vote": _one_of(True, False),
    "quotes": _one_of(True, False),
    "repair": lambda name, value: whole_number(name, value, 0),
    "max_pixels": whole_number,
    "on_error": _one_of("column", "raise"),
    "progress": _one_of(True, False),
    "bridge": _one_of("thread", "nested"),
    "wire": _one_of("auto", "sdk"),
}
