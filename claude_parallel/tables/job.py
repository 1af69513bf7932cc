"""What makes a job the very same one: its input, what it asks, and how its output is cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from types import CodeType
from typing import Any

from ..engine.plan import Plan
from ..prompt.template import Prompt


def identify(plan: Plan, prompt: Prompt, *parts: Any) -> str:
    """Return the identity of a job.

    Parameters
    ----------
    plan : Plan
        The host, and what all requests share: model, system, schema, examples and so on.
    prompt : Prompt
        What each row asks; of a function, its code.
    *parts
        Everything else that decides what is written, as JSON values: the input, columns, cuts.
    """
    settings = plan.settings
    asked = [list(prompt.pieces), list(prompt.columns), _code(prompt.function)]
    attached = [list(settings.images), list(settings.documents), settings.max_pixels]
    text = json.dumps([plan.shared.seed.copy().digest().hex(), settings.sample, asked, attached, *parts], default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _code(function: Callable[..., Any] | None) -> Any:
    """Return what a function does, as far as its own code tells."""
    if function is None:
        return None
    code = getattr(function, "__code__", None)
    return repr(type(function)) if code is None else _code_parts(code)


def _code_parts(code: CodeType) -> list[Any]:
    constants = [_code_parts(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), constants]
