"""How an answer's text is read: strict JSON, letter case normalized, plain Python values, errors in one sentence.

Which schema the answer belongs to, and what validates it, is decided in ``schema``.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .json_schema import Json, alternatives, labels

_SHOWN_ERRORS = 3
"""The first few say what is wrong with an answer; the model gets them back, too, in a repair."""
_SHOWN_LETTERS = 60
"""Letters of a wrong value that are shown."""


def parse(text: str) -> Any:
    """Return the JSON value of `text`.

    Raises
    ------
    ValueError
        For anything but one JSON value: text around it, a cut, NaN or Infinity, a key given twice.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"the answer is not JSON ({error.msg.removesuffix(' at')} at character {error.pos})") from None
    except RecursionError:
        raise ValueError("the answer is nested too deeply to read") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"the answer holds {name}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("the answer gives the same key twice")
    return found


def normalize_case(wire: Mapping[str, Any], value: Any) -> Any:
    """Return `value` with its labels in the letter case of the schema.

    The API does not keep the capitalisation of ``enum`` and ``const``.
    Source: structured outputs page, "Invalid outputs" (September 2026).
    """
    listed = labels(wire)
    if listed is not None:
        return _label(listed, value)
    if "anyOf" in wire:
        branch = next((branch for branch in wire["anyOf"] if _fits(branch, value)), None)
        return value if branch is None else normalize_case(branch, value)
    if isinstance(value, dict):
        known = wire.get("properties", {})
        return {name: normalize_case(known[name], child) if name in known else child for name, child in value.items()}
    if isinstance(value, list) and "items" in wire:
        return [normalize_case(wire["items"], child) for child in value]
    return value


def _label(listed: list[Any], value: Any) -> Any:
    if not isinstance(value, str) or value in listed:
        return value
    folded = value.casefold()
    return next((one for one in listed if isinstance(one, str) and one.casefold() == folded), value)


def _fits(wire: Mapping[str, Any], value: Any) -> bool:
    """Tell whether `value` belongs to this branch of a union, whatever the case of its labels."""
    listed = labels(wire)
    if listed is not None:
        return _label(listed, value) in listed
    if "anyOf" in wire:
        return any(_fits(branch, value) for branch in wire["anyOf"])
    match wire["type"]:
        case "object":
            known = wire["properties"]
            return (
                isinstance(value, dict)
                and set(wire["required"]) <= set(value) <= set(known)
                and all(_fits(known[name], child) for name, child in value.items())
            )
        case "array":
            return isinstance(value, list) and all(_fits(wire["items"], child) for child in value)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """Return `value` without models and enums: dicts, lists, and values that pandas knows."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {plain(key): plain(child) for key, child in value.items()}
    if isinstance(value, set | frozenset):
        # A set has no order; the same answer must give the same cell in every process.
        return sorted(map(plain, value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    if getattr(type(value), "__pydantic_root_model__", False):
        return plain(value.root)
    fields = getattr(type(value), "model_fields", None) or getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return {name: plain(getattr(value, name)) for name in fields}
    return value


def explain(errors: Sequence[Mapping[str, Any]], wire: Mapping[str, Any], wrapped: bool) -> str:
    """Return one sentence for pydantic's list of errors, naming each field and what stood there.

    Parameters
    ----------
    errors : sequence of mapping
        ``ValidationError.errors()``.
    wire : mapping
        The schema that was sent.
    wrapped : bool
        True where the fields stand in a wrapper of ours that the reader does not know.
    """
    told = [_explain_one(error, wire, wrapped) for error in errors[:_SHOWN_ERRORS]]
    more = len(errors) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


def _explain_one(error: Mapping[str, Any], wire: Mapping[str, Any], wrapped: bool) -> str:
    path = _path(error["loc"][1:], wire["properties"]["value"]) if wrapped else _path(error["loc"], wire)
    where = f"field {path!r}" if path else "the answer"
    if error["type"] == "missing":
        return f"{where} is missing"
    what = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    seen = repr(error.get("input"))
    seen = seen if len(seen) <= _SHOWN_LETTERS else seen[:_SHOWN_LETTERS] + "..."
    return f"{where}: {what} (got {seen})"


def _path(location: Sequence[str | int], wire: Mapping[str, Any]) -> str:
    """Return pydantic's location without the names of union branches, which are no part of the answer."""
    path = ""
    nodes = [wire]
    for part in location:
        nodes = [leaf for node in nodes for leaf in alternatives(node)]
        if isinstance(part, int):
            path, nodes = f"{path}[{part}]", [node["items"] for node in nodes if "items" in node]
        elif below := [node["properties"][part] for node in nodes if part in node.get("properties", ())]:
            path, nodes = f"{path}.{part}" if path else part, below
    return path
