"""Options from the environment: which ``CLAUDE_PARALLEL_*`` variables there are, and what their text means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from .errors import InputError, nearest
from .options import OPTION_NAMES, resolve

PREFIX = "CLAUDE_PARALLEL_"

_READ: dict[str, Callable[[str], Any]] = {
    "model": str,
    "max_tokens": lambda text: _number(text, int),
    "max_concurrency": lambda text: text if text == "auto" else _number(text, int),
    "limits": str,
    "budget": lambda text: _number(text, float),
    "retries": lambda text: _number(text, int),
    "timeout": lambda text: _number(text, float),
    "journal": lambda text: _boolean(text),
    "prompt_cache": lambda text: _boolean(text),
    "progress": lambda text: _boolean(text),
}
_NAMES = (*_READ, "home")


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that ``CLAUDE_PARALLEL_*`` variables set.

    Raises
    ------
    InputError
        For a variable whose value cannot work; and for one that is named after another option, or nearly as one of
        these: a misspelt budget would be none.
    """
    found: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or not text:  # an empty one sets nothing, as in a shell
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in _NAMES:
            _check_is_none_of_ours(variable, name)
        elif name in _READ:
            found[name] = _READ[name](text)
            try:
                resolve(found)
            except InputError as error:  # of an option that this call does not name
                raise InputError(f"the variable {variable} cannot be used: {error}") from None
    return found


def _check_is_none_of_ours(variable: str, name: str) -> None:
    """Refuse a variable that somebody believes to be read; others may use the prefix for what they like."""
    if name in OPTION_NAMES:
        raise InputError(f"{variable} is not read; write {name}= into the call or cp.configure()")
    if difflib.get_close_matches(name, _NAMES):
        raise InputError(f"{variable} is not read; {nearest(variable, (PREFIX + each.upper() for each in _NAMES))}")


def _number(text: str, kind: type[int] | type[float]) -> float | str:
    """Return a number, and as it stands what is none: the option's own check says what it must be."""
    try:
        return kind(text)
    except ValueError:
        return text


def _boolean(text: str) -> bool | str:
    """Return a boolean, and as it stands what is none: a path, a lifetime, or nothing that the option's check takes."""
    lowered = text.lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    return text
