"""Options from the environment: which ``CLAUDE_PARALLEL_*`` variables there are, and what their text means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from .errors import InputError, nearest
from .options import OPTION_NAMES

PREFIX = "CLAUDE_PARALLEL_"

_READ: dict[str, Callable[[str], Any]] = {
    "model": str,
    "max_tokens": int,
    "max_concurrency": lambda text: text if text == "auto" else int(text),
    "limits": str,
    "budget": float,
    "retries": int,
    "timeout": float,
    "journal": lambda text: _boolean(text, other=text),
    "prompt_cache": lambda text: _boolean(text, other=text),
    "progress": lambda text: _boolean(text, other=None),
}
_NAMES = (*_READ, "home")


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that ``CLAUDE_PARALLEL_*`` variables set.

    Raises
    ------
    InputError
        For a variable whose text does not fit; and for one that is named after another option, or nearly as one of
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
            try:
                found[name] = _READ[name](text)
            except ValueError:
                raise InputError(f"{variable}={text!r} does not fit") from None
    return found


def _check_is_none_of_ours(variable: str, name: str) -> None:
    """Refuse a variable that somebody believes to be read; others may use the prefix for what they like."""
    if name in OPTION_NAMES:
        raise InputError(f"{variable} is not read; write {name}= into the call or cp.configure()")
    if difflib.get_close_matches(name, _NAMES):
        raise InputError(f"{variable} is not read; {nearest(variable, (PREFIX + each.upper() for each in _NAMES))}")


def _boolean(text: str, *, other: Any) -> Any:
    lowered = text.lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    if other is None:
        raise ValueError(text)
    return other
