"""Variants of a map on one sample: prepared, run together, and what each answered and used, from the journal.

How well they did is judged in ``scores``; what is shown, in ``compare``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..bridge import Control
from ..engine.budget import Budget
from ..engine.group import SessionGroup
from ..engine.session import Session
from ..errors import InputError, nearest
from ..frames.frame_map import FrameMap
from ..frames.tasks import classification
from ..frames.votes import elect
from ..records import Outcome
from ..store.gold_uses import GoldUses
from ..store.journal import Journal
from ..store.labels import row_key
from .used import Used, rows_used


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One way to ask: prompt and options, complete."""

    name: str
    prompt: Any
    options: Mapping[str, Any]

    def prepare(self, frame: Any, out: str) -> FrameMap:
        """Return this variant's map over some rows."""
        return FrameMap(frame, self.prompt, out, self.options)


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
    paid : Decimal
        US dollars that this comparison paid for it.
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
    paid: Decimal
    run_id: str
    is_simulated: bool = False

    @property
    def errors(self) -> dict[str, int]:
        """Rows without an answer, by kind."""
        kinds = [outcome.kind for outcome in self.outcomes if outcome.kind is not None]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


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
            raise InputError(f"variant {name!r} must be a mapping of options, not {own!r}")
        every = {**options, **own}
        asked = every.pop("prompt", prompt)
        own_labels = every.pop("labels", labels)
        if own_labels is not None:
            every = classification(own_labels, every, multiple=False)
        found.append(Variant(str(name), asked, every))
    return found


class Trial:
    """Variants over the same rows, to be run as one run; variants that ask the very same are asked once.

    The first variant's budget, bar, bridge and journal count for all.

    Parameters
    ----------
    frame : DataFrame or Series
        The rows.
    variants : sequence of Variant
        At least one.
    out : str
        Names the answers.
    column : str, optional
        With a schema of several fields: the one that is compared.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.

    Attributes
    ----------
    budget : Budget
        What all of them together may spend.
    """

    def __init__(self, frame: Any, variants: Sequence[Variant], *, out: str, column: str | None = None) -> None:
        self._variants = tuple(variants)
        self._prepared = [variant.prepare(frame, out) for variant in variants]
        self._places = [_place(one, column) for one in self._prepared]
        control, self.budget = Control(), Budget(cap=self._prepared[0].settings.budget)
        self._sessions: list[Session] = []
        self._session_of: list[int] = []
        for number, variant in enumerate(variants):
            same = next((n for n in range(number) if _asks_the_same(variants[n], variant)), None)
            if same is None:
                self._session_of.append(len(self._sessions))
                self._sessions.append(self._prepared[number].session(control=control, budget=self.budget))
            else:
                self._session_of.append(self._session_of[same])

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

        A run without a journal knows of this comparison only.
        """
        texts = self._prepared[0].rows.own_texts()
        rows = [row_key([repr(true), one.text]) for one, true in zip(texts, gold, strict=True)]
        samples = [self._prepared[number].columns.samples for number in range(len(self._prepared))]
        uses = {
            (row, asked)
            for number, session in enumerate(self._session_of)
            for row, asked in zip(rows, self._sessions[session].results.fingerprints[:: samples[number]], strict=True)
            if asked is not None
        }
        journal = self._sessions[0].journal
        if journal.path is None:
            return max((sum(1 for known, _asked in uses if known == row) for row in {*rows}), default=0)
        with closing(Journal.open(journal.path)) as opened:
            book = GoldUses(opened)
            book.note(uses)
            return book.most(sorted({*rows}))

    def _tried(self) -> list[Tried]:
        return [
            _tried(variant, one, self._sessions[session], place)
            for variant, one, session, place in zip(
                self._variants, self._prepared, self._session_of, self._places, strict=True
            )
        ]


def _asks_the_same(one: Variant, other: Variant) -> bool:
    # By repr, since options may hold types and frames, which cannot be compared.
    return one.prompt == other.prompt and repr(sorted(one.options.items())) == repr(sorted(other.options.items()))


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


def _tried(variant: Variant, prepared: FrameMap, session: Session, place: int | None) -> Tried:
    every = [outcome for outcome in session.results.outcomes if outcome is not None]
    samples = prepared.columns.samples
    rows = elect(every, samples, prepared.schema)[0] if prepared.columns.has_vote else every[::samples]
    answers = [_answer(outcome, place) for outcome in rows]
    return Tried(
        variant=variant,
        outcomes=tuple(rows),
        answers=answers,
        dtype="text" if place is None or prepared.schema is None else prepared.schema.fields[place].dtype,
        used=rows_used(session, samples),
        paid=session.stats.cost,
        run_id=session.run_id,
        is_simulated=session.stats.is_simulated,
    )


def _answer(outcome: Outcome, place: int | None) -> Any:
    if outcome.kind is not None:
        return None
    if place is None:
        return outcome.text
    return None if outcome.values is None else outcome.values.columns[place]
