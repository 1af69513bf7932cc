"""JSON as text: whatever the API sends is read, and what is written reads back as the same value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any


class UnreadableJson(Exception):
    """A text is JSON, but of a kind that Python does not hold: nested hundreds deep, or a number of 4,300 digits."""


def parse_object(body: bytes | str) -> Mapping[str, Any] | None:
    """Return the JSON object in a body; None where there is none."""
    try:
        data = parse_json(body)
    except (UnreadableJson, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write_json(value: Any) -> str:
    """Return a JSON value as text, which :func:`parse_json` reads back as the same value.

    pydantic's writer takes a sixth of the time of the standard library's, which has to step in for what it refuses:
    lone surrogates, and more than some 250 levels.

    Raises
    ------
    RecursionError, TypeError, ValueError
        For what JSON cannot hold.
    """
    import pydantic_core

    try:
        return pydantic_core.to_json(value, inf_nan_mode="constants").decode()
    except ValueError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_BODIES = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Return a wire body as the SDK's own encoder writes it; ``api.template`` compares the two before it trusts this.

    Raises
    ------
    ValueError, TypeError
        For what JSON or UTF-8 cannot hold, a lone surrogate among it.
    """
    return _BODIES.encode(body).encode()


@cache
def _quick_parser() -> Callable[..., Any]:
    """Return pydantic's parser, loaded at the first answer: that takes longer than half of this package.

    It keeps the names of fields to use them again, and no values: ids and texts are hardly ever the same.
    """
    import pydantic_core

    return partial(pydantic_core.from_json, cache_strings="keys")


def parse_json(body: bytes | str) -> Any:
    """Return the JSON value in a body.

    pydantic's parser takes a quarter of the time of the standard library's, which has to step in only for what it
    refuses: escapes of lone surrogates.

    Raises
    ------
    ValueError
        Where the body is not JSON.
    UnreadableJson
        Where it is, and is nested more than 200 deep (the parser's limit) or holds a number that is too long, as no
        Message of the API is.
    """
    try:
        return _quick_parser()(body)
    except ValueError as error:
        if "recursion limit" in str(error):
            raise UnreadableJson("its JSON is nested too deeply") from None
    try:
        return json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise UnreadableJson("its JSON is nested too deeply") from None
    except ValueError:
        raise UnreadableJson("its JSON holds a number that is too long") from None
