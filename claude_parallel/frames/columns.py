"""The names of the columns that a map makes, and what each of them holds.

The one place that knows them: frames, ``retry()``, totals, tasks, background jobs and files ask here, so that no name
is ever taken apart to guess what it means. What stands in the columns is the business of ``outputs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..prompt.template import is_unicode

OTHER_COLUMNS = "retry() cannot change schema= or sample=, which make the columns; run the map again instead"
"""Said where an option of ``retry()`` would make other columns than those that hold the old answers."""


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """The columns of one answer per row.

    Attributes
    ----------
    text : str or None
        Holds the answer's text; None where typed columns stand for it.
    error : str
        Holds what went wrong; missing where nothing did.
    cost : str
        Holds US dollars.
    fields : tuple of str
        Hold the typed values, in the order of the schema's fields.
    agreements : tuple of str
        Hold the share of draws that agree, for each field and for the whole answer; only where draws were voted on.
    quotes : tuple of (str, str)
        For each field: what holds the quoted words, and what says whether they stand in the row's text.
    """

    text: str | None
    error: str
    cost: str
    fields: tuple[str, ...] = ()
    agreements: tuple[str, ...] = ()
    quotes: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them in the order in which they stand in the frame: what one reads comes first."""
        text = (self.text,) if self.text is not None else ()
        about = (*self.agreements, *(name for pair in self.quotes for name in pair))
        return (*self.fields, *text, *about, self.error, self.cost)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a map.

    Attributes
    ----------
    out : str
        The name that the user gave.
    answers : tuple of AnswerColumns
        One for each sample, or one for all of them where they are voted on.
    samples : int
        Answers asked for per row.
    """

    out: str
    answers: tuple[AnswerColumns, ...]
    samples: int = 1

    @property
    def has_vote(self) -> bool:
        """True where the samples of a row become one answer."""
        return bool(self.answers[0].agreements)

    @property
    def is_one_answer(self) -> bool:
        """True where one column holds all that was answered: text, or the values of a bare type."""
        return len(self.answers) == 1 and self.answers[0].names[:-2] == (self.out,)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which they stand in the frame."""
        return tuple(name for answer in self.answers for name in answer.names)


def plan_columns(
    out: str,
    samples: int = 1,
    fields: Sequence[str] = (),
    *,
    keep_text: bool = False,
    vote: bool = False,
    quotes: bool = False,
) -> Columns:
    """Return the columns of a map.

    Parameters
    ----------
    out : str
        Name of the first answer's column. Sample 2 and later get ``<name>_2`` and so on, whatever the column holds.
    samples : int, default 1
        Answers per row.
    fields : sequence of str
        Columns of a schema's fields; ``(out,)`` for a bare type, whose values stand where the text would.
    keep_text : bool, default False
        With a schema: keep the raw JSON, too, as ``out``, or as ``<out>_text`` where values stand in ``out``.
    vote : bool, default False
        One answer for all samples of a row, and ``<name>_agreement`` beside it.
    quotes : bool, default False
        ``<field>_quote`` and ``<field>_found`` for each field.

    Raises
    ------
    InputError
        When two columns would have one name.
    """
    text: str | None = out
    if fields:
        text = None if not keep_text else f"{out}_text" if out in fields else out
    agreements = [f"{name}_agreement" for name in dict.fromkeys((*fields, out))] if vote else []
    pairs = [(f"{name}_quote", f"{name}_found") for name in fields] if quotes else []
    first = AnswerColumns(text, error_name(out), cost_name(out), tuple(fields), tuple(agreements), tuple(pairs))
    shown = 1 if vote else samples
    columns = Columns(out, tuple(_of_sample(first, out, sample) for sample in range(shown)), samples)
    twice = [name for name, count in Counter(columns.names).items() if count > 1]
    if twice:
        raise InputError(f"two columns would be named {twice[0]!r}; rename the schema's field, or choose another out=")
    return columns


def check_name(out: Any) -> None:
    """Refuse an ``out=`` that cannot name a column, wherever the frame goes.

    Raises
    ------
    InputError
        For anything but text that is not empty.
    """
    if not isinstance(out, str) or not out or not is_unicode(out):
        raise InputError(f"out must be the name of a column, not {out!r}")


def error_name(out: str) -> str:
    """Return the name of the error column beside `out`."""
    return f"{out}_error"


def asked_name(asked: object, answers: object) -> str:
    """Return what the values of a mapped series are called in a frame, beside a column `answers`."""
    name = "value" if asked in (None, "") else str(asked)
    return f"{name}_asked" if name == str(answers) else name


def cost_name(out: str) -> str:
    """Return the name of the cost column beside `out`."""
    return f"{out}_cost"


def _of_sample(first: AnswerColumns, out: str, sample: int) -> AnswerColumns:
    """Return the columns of one sample, counted from 0; error and cost are named after its text column."""
    if sample == 0:
        return first
    return AnswerColumns(
        None if first.text is None else _numbered(first.text, sample),
        error_name(_numbered(out, sample)),
        cost_name(_numbered(out, sample)),
        tuple(_numbered(name, sample) for name in first.fields),
        quotes=tuple((_numbered(quote, sample), _numbered(found, sample)) for quote, found in first.quotes),
    )


def _numbered(name: str, sample: int) -> str:
    return f"{name}_{sample + 1}"
