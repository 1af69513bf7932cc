"""Typed columns: what a `schema=` sends, which columns it becomes, and how an answer is read into them.

The wire's own limits are in ``wire``, answers are read in ``reader``, and pandas columns are built in
``frames.typed_columns``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from .json_schema import Json, alternatives, fault, inline, is_null, labels
from .types import is_json_schema, type_of_json, type_of_mapping, typed_dict
from .validation import explain, normalize_case, parse, plain
from .wire import to_wire

_WRAPPER = "value"
"""The one field around a bare type; not the column's name, so that another out= still finds the journal."""

_DTYPES = {"boolean": "boolean", "integer": "Int64", "number": "Float64"}
_STRING_DTYPES = {
    "date-time": "datetime64[ns, UTC]",
    "date": "datetime64[ns]",
    "time": "object",
    "duration": "object",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column that a schema fills.

    Attributes
    ----------
    name : str
        The field's name in the schema; ``"value"`` for a bare type.
    column : str
        The column's name in the result.
    dtype : str
        ``category``, ``boolean``, ``Int64``, ``Float64``, ``string``, ``datetime64[ns, UTC]`` (date-times;
        without a zone they are taken as UTC), ``datetime64[ns]`` (dates, at midnight) or ``object`` (lists,
        nested models as dicts, times, durations, unions).
    categories : tuple
        The labels in the schema's order where `dtype` is ``category``, else empty.
    """

    name: str
    column: str
    dtype: str
    categories: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Values:
    """An answer that fits its schema.

    Attributes
    ----------
    columns : tuple
        One plain Python value for each field, in the order of ``Schema.fields``; None where there is none. The
        validated object is made of them again where it is asked for (see :meth:`Schema.rebuild`).
    quotes : tuple of str or None
        The words that are said to support each field, where quotes were asked for.
    """

    columns: tuple[Any, ...]
    quotes: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an answer does not fit its schema.

    Attributes
    ----------
    message : str
        One sentence that names the field, ready for the error column and for asking again.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled `schema=`; see :func:`compile_schema`.

    Attributes
    ----------
    format : dict
        The value of ``output_config.format`` in the wire body.
    fields : tuple of Field
        The columns, in the schema's order.
    wrapped : bool
        True for a bare type, which travels as the one field of an object.
    adapter : Any
        pydantic's ``TypeAdapter`` for the answer's JSON.
    kind : type
        What the adapter makes.
    quoted : tuple of str
        Names in the answer's JSON that hold the quote for each field, in the order of `fields`; see ``quotes``.
    """

    format: Json
    fields: tuple[Field, ...]
    wrapped: bool
    adapter: Any = dataclasses.field(repr=False, compare=False)
    kind: Any = dataclasses.field(default=dict, repr=False, compare=False)
    quoted: tuple[str, ...] = ()

    def read(self, text: str) -> Values | Problem:
        """Read one answer: all of its values, or the reason why there are none."""
        try:
            value = parse(text)
            normalized = normalize_case(self.format["schema"], value)
            quotes = _take_quotes(normalized, self.quoted)
            found = self.adapter.validate_json(text if normalized == value else json.dumps(normalized))
            return Values(self._cells(found), quotes)
        except Exception as error:  # a validator of the user may raise anything; a row never raises
            return Problem(_why(error, self.format["schema"], self.wrapped))

    def rebuild(self, cells: Sequence[Any]) -> Any:
        """Return the object behind one row's cells, in the order of `fields`; None where all of them are missing.

        Validated once more where that is possible; a validator that changes its value cannot take its own result. A
        bare text, number or truth value is its cell.
        """
        if all(cell is None for cell in cells):
            return None
        values = {field.name: cell for field, cell in zip(self.fields, cells, strict=True)}
        try:
            found = self.adapter.validate_python(values, by_name=True)
        except Exception:  # a validator of the user may raise anything
            build = dict if self.wrapped else getattr(self.kind, "model_construct", dict)
            found = build(**values)
        if not self.wrapped:
            return found
        value = found[_WRAPPER]
        return cells[0] if type(value) in (str, int, float, bool) else value

    def _cells(self, found: Any) -> tuple[Any, ...]:
        """Return the fields of a validated object as plain Python values."""
        cells = []
        for one in self.fields:
            value = found.get(one.name) if isinstance(found, Mapping) else getattr(found, one.name)
            cell = plain(value)
            # URLs, UUIDs and the like: text to a table, whatever class they are.
            cells.append(str(cell) if one.dtype == "string" and cell is not None else cell)
        return tuple(cells)


def _take_quotes(answer: Any, quoted: Sequence[str]) -> tuple[str | None, ...]:
    """Take the quotes out of an answer, so that what is left fits the schema without them."""
    found = [answer.pop(name, None) for name in quoted] if isinstance(answer, dict) else []
    return tuple(quote if isinstance(quote, str) and quote.strip() else None for quote in found)


def _why(error: Exception, wire: Json, wrapped: bool) -> str:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return explain(error.errors(include_url=False, include_context=False), wire, wrapped)
    if isinstance(error, ValueError):
        return str(error)
    return f"a validator of the schema failed ({type(error).__name__}: {error})"


def compile_schema(spec: Any, out: str, taken: Collection[str] = ()) -> Schema:
    """Compile what the user gave as `schema=`.

    Parameters
    ----------
    spec : type or mapping
        A pydantic model (or dataclass or TypedDict), a JSON schema, a mapping of field to type, or a bare
        type such as ``bool``, ``Literal["good", "bad"]``, ``list[str]`` or ``date``.
    out : str
        The name of the response column. A bare type types that column; fields get columns of their own name.
    taken : collection of str
        Names that other columns have. A field with such a name, or that of the response column, becomes
        ``f"{out}_{field}"``.

    Returns
    -------
    Schema
        What to send and how to read the answers. Ranges, lengths and patterns, which the API cannot hold, are
        told to the model in the descriptions; they and validators are checked on each answer.

    Raises
    ------
    InputError
        For what the API refuses or silently empties, and for names that cannot be columns; before any call.
    """
    try:
        return _compile(spec, out, taken)
    except RecursionError:
        raise InputError("the schema is nested more deeply than can be read; flatten it") from None


def _compile(spec: Any, out: str, taken: Collection[str]) -> Schema:
    kind = _kind(spec)
    adapter, full = _adapt(kind)
    if isinstance(spec, Mapping) and "title" not in spec:
        full.pop("title", None)
    wire = to_wire(full)
    if full.get("type") == "object":
        names = _names(kind, full)
        columns = _columns(names, out, taken)
        nodes = full["properties"].values()
        fields = tuple(Field(name, columns[name], *_column_type(node)) for name, node in zip(names, nodes, strict=True))
        return Schema({"type": "json_schema", "schema": wire}, fields, False, adapter, kind)
    return _wrap(kind, full, wire, out)


def _wrap(kind: Any, full: Json, wire: Json, out: str) -> Schema:
    """Return the schema for a bare type: an object with one field, since an answer is an object."""
    adapter, _ = _adapt(typed_dict("Answer", {_WRAPPER: kind}))
    envelope = {
        "type": "object",
        "properties": {_WRAPPER: wire},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }
    field = Field(_WRAPPER, out, *_column_type(full))
    return Schema({"type": "json_schema", "schema": envelope}, (field,), True, adapter)


def _kind(spec: Any) -> Any:
    if isinstance(spec, Mapping):
        return type_of_json(spec) if is_json_schema(spec) else type_of_mapping(spec)
    if spec is None or isinstance(spec, str | bytes | int | float | list | tuple | set):
        hint = "use a pydantic model, a JSON schema, {'field': type} or a bare type"
        if isinstance(spec, list | tuple | set):
            hint = "for labels write Literal['a', 'b'], or classify(labels=[...])"
        raise fault("", f"{spec!r} is no type", hint)
    if hasattr(type(spec), "model_fields"):
        raise fault("", f"it is an instance of {type(spec).__name__}", "give the class itself")
    return spec


def _adapt(kind: Any) -> tuple[Any, Json]:
    """Return pydantic's adapter for `kind` and its JSON schema without references."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    try:
        adapter = TypeAdapter(kind)
        schema = adapter.json_schema(mode="validation")
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        name = _culprit(kind)
        what = str(error).splitlines()[0].rstrip(".")
        at = f"schema field {name!r}" if name else "schema"
        raise InputError(f"{at}: it has no JSON form ({what}); use str, numbers, dates, lists or models") from error
    return adapter, inline(schema)


def _culprit(kind: Any) -> str | None:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    for name, part in getattr(kind, "__annotations__", {}).items():
        try:
            TypeAdapter(part).json_schema()
        except (PydanticUserError, PydanticUndefinedAnnotation):
            return str(name)
    return None


def _names(kind: Any, full: Json) -> list[str]:
    """Return the fields' own names in the order of the schema's properties, which carry the aliases."""
    properties = list(full["properties"])
    own = getattr(kind, "model_fields", None)
    if own is None:
        return properties
    aliases = {}
    for name, info in own.items():
        alias = info.validation_alias or info.alias
        alias = getattr(alias, "choices", [alias])[0]
        aliases[alias if isinstance(alias, str) else name] = name
    return [aliases.get(name, name) for name in properties]


def _columns(names: list[str], out: str, taken: Collection[str]) -> dict[str, str]:
    used = {*taken, out}
    columns = {name: f"{out}_{name}" if name in used else name for name in names}
    for name, column in columns.items():
        if column in used or list(columns.values()).count(column) > 1:
            raise InputError(
                f"schema field {name!r}: both {name!r} and {column!r} are columns already; "
                "rename the field, or choose another out="
            )
    return columns


def _column_type(node: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    parts = [part for part in alternatives(node) if not is_null(part)]
    listed = [labels(part) for part in parts]
    if parts and all(one is not None for one in listed):
        every = (label for one in listed for label in one or () if label is not None)
        return "category", tuple(dict.fromkeys(every))
    found = {_dtype(part) for part in parts}
    if found == {"Int64", "Float64"}:
        return "Float64", ()
    return (found.pop() if len(found) == 1 else "object"), ()


def _dtype(node: Mapping[str, Any]) -> str:
    if node.get("type") == "string":
        return _STRING_DTYPES.get(node.get("format", ""), "string")
    return _DTYPES.get(node.get("type", ""), "object")
