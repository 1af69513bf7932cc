"""Schemas that ask for evidence: for each field also the words of the text that support it.

Only what is asked for; whether the words stand in the text, ``frames.quotes`` checks.
"""

from __future__ import annotations

from dataclasses import replace

from .json_schema import Json, fault
from .schema import Schema

_QUOTE = "_quote"


def with_quotes(schema: Schema) -> Schema:
    """Return a schema that asks for a quote before each field: who has to quote first reads first.

    A quote is plain text, empty where nothing supports the field: an optional or nullable one would count against the
    API's limits of 24 optional and 16 union-typed parameters.

    Raises
    ------
    InputError
        Where a field has the name that a quote would get.
    """
    wire = schema.format["schema"]
    properties: Json = {}
    for name, node in wire["properties"].items():
        quote = f"{name}{_QUOTE}"
        if quote in wire["properties"]:
            raise fault(quote, f"quotes=True gives the quote for {name!r} this very name", "rename the field")
        properties[quote] = {"type": "string", "description": _description(name, is_bare=schema.wrapped)}
        properties[name] = node
    quoted = tuple(f"{name}{_QUOTE}" for name in wire["properties"])
    required = [name for name in properties if name in wire["required"] or name in quoted]
    extended = {**wire, "properties": properties, "required": required}
    return replace(schema, format={**schema.format, "schema": extended}, quoted=quoted)


def _description(name: str, *, is_bare: bool) -> str:
    what = "the answer" if is_bare else repr(name)
    return (
        f"The words of the text that support {what}, copied exactly, character by character, as short as possible. "
        "Empty if the text has none."
    )
