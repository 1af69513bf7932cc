"""How a JSON schema is read: references resolved, unions opened, labels listed, and its faults named.

What of it the API takes is decided in ``wire``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError

Json = dict[str, Any]


def fault(path: str, what: str, instead: str) -> InputError:
    """Return the error for the part of a schema at `path`, with what to write instead."""
    where = f"schema field {path!r}" if path else "schema"
    return InputError(f"{where}: {what}; {instead}")


def inline(schema: Mapping[str, Any], path: str = "") -> Json:
    """Return `schema` with every local ``$ref`` replaced by what it points to.

    A description beside a ``$ref`` survives that way, and nothing after this has to follow references.

    Raises
    ------
    InputError
        Where the schema refers to itself (the API takes no recursion) or out of the document.
    """
    defs = {
        f"#/{group}/{name}": node for group in ("$defs", "definitions") for name, node in schema.get(group, {}).items()
    }
    node = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    return _inline(node, defs, path, ())


def _inline(node: Any, defs: Json, path: str, within: tuple[str, ...]) -> Json:
    if not isinstance(node, Mapping):
        raise fault(path, f"{node!r} is no schema with a type", "write {'type': ...}")
    while "$ref" in node:
        ref = node["$ref"]
        if ref == "#" or ref in within:
            raise fault(
                path,
                "it contains itself, and the API takes no recursive schema",
                "unroll it to a fixed depth",
            )
        if ref not in defs:
            raise fault(path, f"$ref {ref!r} is not in the schema's own $defs", "put the definition there")
        within = (*within, ref)
        node = {**defs[ref], **{key: value for key, value in node.items() if key != "$ref"}}
    for key in ("allOf", "anyOf", "oneOf"):
        if len(node.get(key, ())) == 1:
            rest = {name: value for name, value in node.items() if name != key}
            return _inline({**node[key][0], **rest}, defs, path, within)
    tree: Json = dict(node)
    if isinstance(tree.get("properties"), Mapping):
        tree["properties"] = {
            name: _inline(child, defs, below(path, name), within) for name, child in tree["properties"].items()
        }
    if isinstance(tree.get("items"), Mapping):
        tree["items"] = _inline(tree["items"], defs, f"{path}[]", within)
    for key in ("anyOf", "oneOf"):
        if key in tree:
            tree[key] = [_inline(branch, defs, path, within) for branch in tree[key]]
    return tree


def below(path: str, name: str) -> str:
    """Return the path of the field `name` of the object at `path`."""
    return f"{path}.{name}" if path else name


def alternatives(node: Mapping[str, Any]) -> list[Json]:
    """Return the branches of a union, or the node alone where it is none."""
    for key in ("anyOf", "oneOf"):
        if node.get(key):
            return [leaf for branch in node[key] for leaf in alternatives(branch)]
    return [dict(node)]


def is_null(node: Mapping[str, Any]) -> bool:
    """Tell whether the node takes null and nothing else."""
    return node.get("type") == "null" or ("const" in node and node["const"] is None)


def labels(node: Mapping[str, Any]) -> list[Any] | None:
    """Return the values that ``enum`` or ``const`` list; None where the node lists none."""
    if "const" in node:
        return [node["const"]]
    return list(node["enum"]) if "enum" in node else None
