"""Variants of a map on one sample: prepared, run together, and what each answered and used, from the journal.

How well they did is judged in ``scores``; what is shown, in ``compare``.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pandas as pd

from ..bridge import Control
from ..engine.budget import Budget
from ..engine.group import SessionGroup
from ..engine.session import Session
from ..errors import InputError, nearest
from ..frames.frame_map import FrameMap
from ..frames.tasks import classification
from ..frames.votes import elect
from ..records import Outcome
from ..statistics.agreement import BoolArray
from ..store.gold_uses import GoldUses
from ..store.journal import Journal
from ..store.labels import row_key
from .used import Used, rows_reached, rows_used


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One way to ask: prompt and options, complete."""

    name: str
    prompt: Any
    options: Mapping[str, Any]

    def asks_the_same(self, other: Variant) -> bool:
        """Say whether both send the very same requests, as far as their options tell."""
        return (
            self.prompt == other.prompt
            and self.options.keys() == other.options.keys()
            and all(_is_same_option(value, other.options[name]) for name, value in self.options.items())
        )


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A variant over the rows of a sample, checked and ready.

    Attributes
    ----------
    variant : Variant
        How it asks.
    map : FrameMap
        Its map.
    place : int or None
        The field of the schema that is compared; None = the text.
    same_as : int
        Place of the first variant that asks the very same; its own where there is none before it.
    """

    variant: Variant
    map: FrameMap
    place: int | None
    same_as: int

    @property
    def dtype(self) -> str:
        """What the answers are: a pandas dtype, or ``"text"``."""
        schema = self.map.schema
        return "text" if self.place is None or schema is None else schema.fields[self.place].dtype

    @property
    def labels(self) -> list[Any]:
        """The labels that an answer may be; none where it may be anything."""
        schema = self.map.schema
        if self.place is None or schema is None:
            return []
        field = schema.fields[self.place]
        return [False, True] if field.dtype == "boolean" else [*field.categories]

    def elected(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return one outcome per row: of several draws the one that was voted for, or the first."""
        columns = self.map.columns
        return (
            elect(outcomes, columns.samples, self.map.schema)[0]
            if columns.has_vote
            else [*outcomes][:: columns.samples]
        )

    def answer(self, outcome: Outcome) -> Any:
        """Return the value to compare; None where there is none."""
        if outcome.kind is not None:
            return None
        if self.place is None:
            return outcome.text
        return None if outcome.values is None else outcome.values.columns[self.place]


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What became of a variant on the sample.

    Attributes
    ----------
    variant : Variant
        How it was asked.
    outcomes : tuple of Outcome
        One per row of the sample.
    answers : list
        The answers to compare; None where there is none.
    dtype : str
        What they are: a pandas dtype, or ``"text"``.
    used : list of Used or None
        What each row's answers took, whenever they were bought.
    reached : array of bool
        False for a row that the run did not come to, since it was stopped or its budget was used up.
    paid : Decimal
        US dollars that this comparison paid for it; what variants that ask the very same share counts for the first.
    run_id : str
        Its record.
    is_simulated : bool
        True where a simulator answered, so that the dollars are not real.
    """

    variant: Variant
    outcomes: tuple[Outcome, ...]
    answers: list[Any]
    dtype: str
    used: list[Used | None]
    reached: BoolArray
    paid: Decimal
    run_id: str
    is_simulated: bool = False

    @property
    def errors(self) -> dict[str, int]:
        """Rows without an answer, by kind."""
        kinds = [outcome.kind for outcome in self.outcomes if outcome.kind is not None]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def only(self, chosen: BoolArray) -> Tried:
        """Return what became of some of the rows; what was paid stays that of all."""
        places = [place for place, is_in in enumerate(chosen) if is_in]
        return replace(
            self,
            outcomes=tuple(self.outcomes[place] for place in places),
            answers=[self.answers[place] for place in places],
            used=[self.used[place] for place in places],
            reached=self.reached[chosen],
        )


def _is_same_option(one: Any, other: Any) -> bool:
    """Compare by value, never by text: two models of one name are two, and the text of a long frame is not all of it.

    What cannot be told (an array, a frame in a list) is taken for another, which is then asked, too.
    """
    if one is other:
        return True
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        return one.equals(other)
    try:
        return bool(one == other)
    except (TypeError, ValueError):
        return False


def make_variants(
    prompt: Any, variants: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any], labels: Sequence[str] | None
) -> list[Variant]:
    """Return the variants: what all share, and what each sets itself.

    Raises
    ------
    InputError
        For fewer than one variant, or one that is no mapping.
    """
    if not isinstance(variants, Mapping) or not variants:
        raise InputError('variants must be a mapping such as {"haiku": {}, "opus": {"model": "claude-opus-5-5"}}')
    found = []
    for name, own in variants.items():
        if not isinstance(own, Mapping):
            raise InputError(f"variant {name!r} must be a mapping of options, such as {{'prompt': ...}}, not {own!r}")
        every = {**options, **own}
        asked = every.pop("prompt", prompt)
        own_labels = every.pop("labels", labels)
        if own_labels is not None:
            every = classification(own_labels, every, multiple=False)
        found.append(Variant(str(name), asked, every))
    return found


def prepare(variants: Sequence[Variant], frame: Any, out: str, column: str | None = None) -> list[Prepared]:
    """Return the variants over some rows.

    Parameters
    ----------
    variants : sequence of Variant
        At least one.
    frame : DataFrame or Series
        The rows.
    out : str
        Names the answers.
    column : str, optional
        With a schema of several fields: the one that is compared.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """
    found = []
    for number, variant in enumerate(variants):
        map_ = FrameMap(frame, variant.prompt, out, variant.options)
        same_as = next(place for place in range(number + 1) if variants[place].asks_the_same(variant))
        found.append(Prepared(variant, map_, _place(map_, column), same_as))
    return found


class Trial:
    """Variants over the same rows, to be run as one run; variants that ask the very same are asked once.

    The first variant's budget, bar, bridge and journal count for all.

    Parameters
    ----------
    prepared : sequence of Prepared
        At least one.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.

    Attributes
    ----------
    control : Control
        The stop flags of all of them, and of whoever asks on about their answers.
    budget : Budget
        What all of them together may spend.
    """

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        self._prepared = tuple(prepared)
        self.control, self.budget = Control(), Budget(cap=prepared[0].map.settings.budget)
        own = {
            number: one.map.session(control=self.control, budget=self.budget.beside())
            for number, one in enumerate(prepared)
            if one.same_as == number
        }
        self._sessions = [*own.values()]
        self._session_of = [own[one.same_as] for one in prepared]

    def run(self) -> list[Tried]:
        """Run to the end, blocking, and return what became of each variant."""
        SessionGroup(self._sessions).run()
        return self._tried()

    async def arun(self) -> list[Tried]:
        """Run to the end on the caller's own event loop."""
        await SessionGroup(self._sessions).arun()
        return self._tried()

    def note_gold(self, gold: Sequence[Any]) -> int:
        """Keep in the journal that these gold rows have judged these variants; return how many each has judged so far.

        A run without a journal, or whose journal cannot be written, knows of this comparison only.
        """
        texts = self._prepared[0].map.rows.own_texts()
        rows = [row_key([repr(true), one.text]) for one, true in zip(texts, gold, strict=True)]
        uses = {
            (row, asked)
            for one, session in zip(self._prepared, self._session_of, strict=True)
            for row, asked, outcome in zip(rows, *_first_draws(session, one.map.columns.samples), strict=True)
            if asked is not None and outcome is not None and outcome.source != "none"
        }
        journal = self._sessions[0].journal
        if journal.path is not None:
            with suppress(sqlite3.Error), closing(Journal.open(journal.path)) as opened:  # the run has told of it
                book = GoldUses(opened)
                book.note(uses)
                return book.most(sorted({*rows}))
        return max(Counter(row for row, _asked in uses).values(), default=0)

    def _tried(self) -> list[Tried]:
        return [
            _tried(one, session, is_asked=one.same_as == number)
            for number, (one, session) in enumerate(zip(self._prepared, self._session_of, strict=True))
        ]


def _first_draws(session: Session, samples: int) -> tuple[list[bytes | None], list[Outcome | None]]:
    return session.results.fingerprints[::samples], session.results.outcomes[::samples]


def _place(prepared: FrameMap, column: str | None) -> int | None:
    """Return which field is compared; None = the text."""
    if prepared.schema is None:
        return None
    names = [field.column for field in prepared.schema.fields]
    if column is None and len(names) > 1:
        raise InputError(f"the schema has several fields; say which to compare with column=, one of {', '.join(names)}")
    if column is not None and column not in names:
        raise InputError(f"the schema has no field {column!r}; {nearest(column, names)}")
    return 0 if column is None else names.index(column)


def _tried(prepared: Prepared, session: Session, *, is_asked: bool) -> Tried:
    """Return what became of a variant; one that asks what another has asked already paid nothing."""
    rows = prepared.elected([outcome for outcome in session.results.outcomes if outcome is not None])
    return Tried(
        variant=prepared.variant,
        outcomes=tuple(rows),
        answers=[prepared.answer(outcome) for outcome in rows],
        dtype=prepared.dtype,
        used=rows_used(session, prepared.map.columns.samples),
        reached=rows_reached(session, prepared.map.columns.samples),
        paid=session.stats.cost if is_asked else Decimal(0),
        run_id=session.run_id,
        is_simulated=session.stats.is_simulated,
    )
