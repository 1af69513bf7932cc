"""A prompt and the values of a row become the text that is sent.

Knows templates and column names, and finds a wrong name before the first row. What a prompt function may give is
checked in ``content``; how rows come out of a frame is the business of ``frames``; what a request looks like on the
wire, of ``request``.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError, nearest
from ..text import as_python

Content = str | list[Any]
"""Text, a list of content blocks, or a list of messages (mappings with a ``role``)."""

PromptFunction = Callable[[Any], Any]

HALF_A_CHARACTER = "holds half a character (a lone surrogate), which cannot be encoded"

LITERAL_BRACES = "write {{ and }} for literal braces"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is not sent, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be sent as it is, and why."""

    message: str


_SETS = (set, frozenset)
_CONTAINERS = frozenset((list, tuple, dict))
"""What may hold sets or arrays, and writes its parts as ``repr`` does; classes of its kind may write what they like."""


def _literal(value: Any) -> str:
    """Return what ``repr`` writes, but sets in order, and arrays as lists of all that they hold.

    The order of a set changes from process to process, and the text of an array with the settings of NumPy: the row
    would be another question then, and be paid again.
    """
    match value:
        case set() | frozenset() if value:
            return f"{{{', '.join(sorted(map(_literal, value)))}}}"
        case list() if type(value) is list:
            return f"[{', '.join(map(_literal, value))}]"
        case tuple() if type(value) is tuple:
            return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
        case dict() if type(value) is dict:
            return f"{{{', '.join(f'{_literal(name)}: {_literal(part)}' for name, part in value.items())}}}"
    plain = as_python(value) if hasattr(value, "tolist") else value
    return repr(plain) if plain is value or hasattr(plain, "tolist") else _literal(plain)


def _is_container(value: Any) -> bool:
    """Say whether a value is a set or an array, or may hold some; a scalar of NumPy is none."""
    if isinstance(value, _SETS) or type(value) in _CONTAINERS:
        return True
    return hasattr(value, "tolist") and hasattr(value, "__len__") and not isinstance(value, str | bytes)


def cell_text(value: Any) -> str:
    """Return a value as a placeholder without a format writes it, the same in every process; None as empty text."""
    if value is None:
        return ""
    return _literal(value) if _is_container(value) else str(value)


@dataclass(frozen=True, slots=True)
class Slot:
    """One placeholder of a template.

    Attributes
    ----------
    place : int
        Index of its value.
    conversion : str or None
        ``"r"``, ``"s"`` or ``"a"``, as in ``{name!r}``.
    spec : str
        A format such as ``".2f"`` or ``"%Y-%m-%d"``; empty = as ``str`` writes it.
    """

    place: int
    conversion: str | None = None
    spec: str = ""

    def write(self, value: Any) -> str:
        """Return the value as text; a missing one (None) is empty text. Raises what the format raises."""
        if value is None:
            return ""
        if type(value) is str and not self.spec and self.conversion is None:
            return value  # nearly every cell
        if not self.spec and (self.conversion is None or (self.conversion != "a" and _is_container(value))):
            return cell_text(value)
        return format(string.Formatter().convert_field(value, self.conversion), self.spec)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked prompt.

    Attributes
    ----------
    columns : tuple of str
        The columns (and index levels) that it reads, each once; all of them for a callable.
    pieces : tuple of str or Slot
        Literal text and placeholders in their order; empty for a callable.
    function : callable or None
        ``row -> str | list of content blocks | list of messages``.
    is_column : bool
        True when the prompt is the name of a column, whose cells must be text.
    skips_missing : bool
        True = a row in which a used value is missing is not asked.
    """

    columns: tuple[str, ...]
    pieces: tuple[str | Slot, ...] = ()
    function: PromptFunction | None = None
    is_column: bool = False
    skips_missing: bool = True

    @property
    def static_text(self) -> str:
        """The text before the first placeholder: the same for every row."""
        return self.pieces[0] if self.pieces and isinstance(self.pieces[0], str) else ""

    @property
    def has_formats(self) -> bool:
        """True where a placeholder has a format, such as ``{price:.2f}``, that might not fit its values."""
        return any(isinstance(piece, Slot) and bool(piece.spec) for piece in self.pieces)

    def fill(self, values: Sequence[Any]) -> str | Skipped | RowProblem:
        """Return the text for one row of a template or column prompt.

        Parameters
        ----------
        values : sequence
            The cells of `columns`, missing ones as None. Braces in cells are data.
        """
        if self.skips_missing:
            for name, value in zip(self.columns, values, strict=True):
                if (lacks := lack_of(value)) is not None:
                    return Skipped(f"column {name!r} {lacks}")
        parts: list[str] = []
        for piece in self.pieces:
            try:
                parts.append(piece if isinstance(piece, str) else piece.write(values[piece.place]))
            except Exception as error:  # a format that does not fit, or a cell whose own code raises
                name, cell = (self.columns[piece.place], values[piece.place]) if isinstance(piece, Slot) else ("", None)
                hint = (
                    "; its cell is text: convert the column (of a CSV file with dtype=)"
                    if isinstance(cell, str)
                    else ""
                )
                return RowProblem(f"column {name!r} cannot be filled in: {type(error).__name__}: {error}{hint}")
        text = "".join(parts)
        if not text.strip():
            return Skipped("the prompt is empty text")
        return text if is_unicode(text) else RowProblem(f"the prompt {HALF_A_CHARACTER}")


def is_missing(value: Any) -> bool:
    """Say whether a value is None, NaN, NA or NaT; a list or an array is not, whatever it holds."""
    if value is None:
        return True
    if hasattr(value, "__len__"):
        return False
    try:
        return bool(value != value)  # none of them equals itself
    except TypeError:  # of NA nobody can say whether it does
        return True


def lack_of(value: Any) -> str | None:
    """Say what a value lacks to be asked about; None when it lacks nothing."""
    if value is None:
        return "is missing"
    return "is empty text" if isinstance(value, str) and not value.strip() else None


def compile_prompt(
    prompt: str | PromptFunction,
    columns: Sequence[str],
    *,
    is_series: bool = False,
    may_be_constant: bool = False,
    skips_missing: bool = True,
) -> Prompt:
    """Check a prompt against the columns there are.

    Parameters
    ----------
    prompt : str or callable
        A column name, a template such as ``"Translate: {text}"`` (``{{`` and ``}}`` for literal braces, formats as in
        ``{price:.2f}``), or a callable that gets the row.
    columns : sequence of str
        The names that may stand in a placeholder.
    is_series : bool, default False
        True for a series: ``{}`` stands for its value, the first of `columns`.
    may_be_constant : bool, default False
        True where each row brings a file, so that the same text for all of them makes sense.
    skips_missing : bool, default True
        False = rows with missing values are asked, too; a template shows empty text in their place.

    Raises
    ------
    InputError
        For an unknown column, an attribute or index access, or a text that is the same for every row.
    """
    if callable(prompt):
        return Prompt(columns=tuple(columns), function=prompt, skips_missing=skips_missing)
    if not isinstance(prompt, str):
        hint = "to ask values as they are, write series.claude.map('{}') or claude_parallel.map(list)"
        if not is_series and str(prompt) in columns:
            hint = f'for the column {prompt!r} write "{{{prompt}}}"'
        raise InputError(f"prompt must be a column name, a template or a callable, not {type(prompt).__name__}; {hint}")
    if not is_series and prompt in columns:
        return Prompt(columns=(prompt,), pieces=(Slot(0),), is_column=True, skips_missing=skips_missing)
    compiled = _compile_template(prompt, columns, is_series)
    if not compiled.columns and not (may_be_constant and prompt.strip()):
        hint = "write {} where the value goes" if is_series else _columns_in_braces(prompt, columns)
        raise InputError(
            f"the prompt {_shorten(prompt)!r} is neither a column nor a template with a placeholder, "
            f"so every row would ask the same; {hint}"
        )
    return replace(compiled, skips_missing=skips_missing)


def _compile_template(template: str, columns: Sequence[str], is_series: bool) -> Prompt:
    used: list[str] = []
    pieces: list[str | Slot] = []
    for part in _split(template):
        if isinstance(part, str):
            pieces.append(part)
            continue
        name, conversion, spec = _resolve(part, columns, is_series)
        if name not in used:
            used.append(name)
        pieces.append(Slot(used.index(name), conversion, spec))
    return Prompt(columns=tuple(used), pieces=tuple(pieces))


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """What stands between a pair of braces, taken apart as Python's formats are."""

    name: str
    conversion: str | None
    spec: str

    @property
    def text(self) -> str:
        """All of it: a column may be named ``a:b``."""
        conversion = f"!{self.conversion}" if self.conversion else ""
        return f"{self.name}{conversion}{':' + self.spec if self.spec else ''}"


def _split(template: str) -> Iterator[str | _Placeholder]:
    """Yield the literal texts of a template, neighbours joined, and its placeholders."""
    literal = ""
    try:
        for text, name, spec, conversion in string.Formatter().parse(template):
            literal += text
            if name is not None:
                if literal:
                    yield literal
                literal = ""
                yield _Placeholder(name, conversion, spec or "")
    except ValueError as error:
        raise InputError(
            f"the template {_shorten(template)!r} has an unpaired brace ({error}); {LITERAL_BRACES}"
        ) from None
    if literal:
        yield literal


def _resolve(part: _Placeholder, columns: Sequence[str], is_series: bool) -> tuple[str, str | None, str]:
    """Return the column that a placeholder names, its conversion and its format."""
    if part.text in columns:
        return part.text, None, ""
    if part.name in columns or (is_series and not part.name):
        _check_format(part)
        return part.name or columns[0], part.conversion, part.spec
    shown = f"{{{_shorten(part.text)}}}"
    if any(mark in part.text for mark in "\"'\n"):
        raise InputError(f"{shown} is no placeholder: only the name of a column can stand there; {LITERAL_BRACES}")
    if not part.name:
        raise InputError(
            "the placeholder {} is for series; name a column, as in {" + (columns[0] if columns else "") + "}"
        )
    if any(mark in part.name for mark in ".["):
        raise InputError(
            f"the placeholder {shown} reaches into a value; only a plain column name may stand there. "
            "Make a column of it first, with assign()"
        )
    hint = nearest(part.name, columns)
    if part.name == "index":
        hint = "a level of the index stands there by its own name: df.rename_axis('id') gives it one"
    raise InputError(f"the prompt names the column {part.name!r}, which does not exist; {hint} ({LITERAL_BRACES})")


def _check_format(part: _Placeholder) -> None:
    """Refuse what no value could be written with; whether a format suits the values is seen on the first row."""
    if part.conversion not in (None, "r", "s", "a"):
        raise InputError(f"the placeholder {{{part.text}}} has the conversion !{part.conversion}; there is !r, !s, !a")
    if "{" in part.spec:
        raise InputError(f"the placeholder {{{part.text}}} has a placeholder in its format; write the format out")


def _columns_in_braces(prompt: str, columns: Sequence[str]) -> str:
    """Return what to write instead of a prompt without a placeholder: a column like it, or any in braces."""
    found = nearest(prompt, columns)
    braced = f", such as {{{columns[0]}}}" if columns else ""
    return found if found.startswith("did you mean") else f"write a column in braces{braced}; {found}"


def is_unicode(text: str) -> bool:
    """Say whether text can be encoded; half a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
