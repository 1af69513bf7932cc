"""What ``?``, Tab and Shift-Tab show of a verb: every option by its name, instead of ``**options``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .options import MapOptions

F = TypeVar("F", bound=Callable[..., Any])

_shown: dict[str, inspect.Signature] = {}
"""What the verbs of this process show, by class and name."""


def shows_options(function: F) -> F:
    """Let a function's signature show every option in the place of ``**options``: for ``?``, Tab and Shift-Tab."""
    signature = inspect.signature(function)
    named = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    # Annotations as they are written: a ForwardRef shows its module, which nobody reads a signature for.
    texts = {name: str(getattr(one, "__forward_arg__", one)) for name, one in MapOptions.__annotations__.items()}
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=text)
        for name, text in texts.items()
        if name not in signature.parameters
    ]
    shown = _shown[function.__qualname__] = signature.replace(parameters=[*named, *options])
    function.__signature__ = shown  # type: ignore[attr-defined]
    return function


def shows_options_like(verb: str) -> Callable[[F], F]:
    """Let a function's signature show what a verb of pandas takes, such as ``ClaudeFrame.compare``."""

    def show(function: F) -> F:
        function.__signature__ = _shown[verb]  # type: ignore[attr-defined]
        return function

    return show


def shows_options_of(blocking: Callable[..., Any]) -> Callable[[F], F]:
    """Let a function's signature show the options of its blocking twin; ``estimate=`` sends nothing, so it has none."""
    parameters = [one for name, one in inspect.signature(blocking).parameters.items() if name != "estimate"]

    def show(function: F) -> F:
        function.__signature__ = inspect.signature(function).replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return show
