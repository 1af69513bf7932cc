"""Labelling by hand: a random sample of rows, one after the other, each label kept as soon as it is given.

The state and its rules; ``panel`` shows it, ``drawing`` chooses the sample.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..bridge import is_interactive
from ..config import journal_path, looked_into
from ..errors import InputError, nearest
from ..frames.calls import call_of, maps_of
from ..frames.rows import column_names, python_values
from ..given_numbers import whole_number
from ..prompt.template import cell_text, compile_prompt
from ..report.recent_runs import RUN_ATTRIBUTE
from ..store.journal import Journal
from ..store.labels import LabelBook, row_key
from .drawing import Take, answer_groups, draw_groups
from .spreadsheet import key_text, read_labels, write_sample
from .subjects import (
    SAMPLE_ATTRIBUTE,
    answer_column,
    classes_of,
    labelled_column,
    labels_meant,
    names_of,
)

MOST_CHOICES = 30
"""More labels than this are typed, not clicked."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row to label: its place, what it says by column, the answer, and its group in the sample."""

    position: int
    texts: tuple[tuple[str, str], ...]
    answer: Any
    group: Hashable

    @property
    def key(self) -> bytes:
        """What the label belongs to."""
        return row_key([text for _name, text in self.texts])


class Review:
    """A sample of rows to label by hand; made by ``out.claude.review()``.

    In a notebook with ipywidgets it is shown as a panel. Without, label by code (``give``) or in a spreadsheet
    (``to_csv``, ``read_csv``).

    Parameters
    ----------
    items : sequence of Item
        The sample, in the order of showing.
    index : pandas.Index
        Of the frame.
    book : LabelBook
        Keeps the labels.
    choices : sequence
        Labels to choose from; empty = any text.
    sizes : mapping
        Rows of each group in the whole frame.
    is_blind : bool
        Hide the answers.
    """

    def __init__(
        self,
        items: Sequence[Item],
        index: pd.Index[Any],
        book: LabelBook,
        *,
        choices: Sequence[Any] = (),
        sizes: dict[Hashable, int] | None = None,
        is_blind: bool = False,
    ) -> None:
        self.items = tuple(items)
        self.choices = tuple(choices)
        self.is_blind = is_blind
        self._index = index
        self._book = book
        self._sizes = sizes or {}
        self._watchers: list[Callable[[], None]] = []
        known = book.read([item.key for item in self.items], self._is_label)
        self._labels = {item.position: known[item.key] for item in self.items if item.key in known}
        self.place = self._next_open(0)

    def __repr__(self) -> str:
        done = f"{len(self._labels):,} of {len(self.items):,} rows labelled"
        return f"<review: {done}; .show() for the panel, .labels for the labels, .to_csv(path) for a spreadsheet>"

    # -- labelling -----------------------------------------------------------------------------------------------

    @property
    def current(self) -> Item | None:
        """The row that is shown; None at the end."""
        return self.items[self.place] if self.place < len(self.items) else None

    @property
    def labelled(self) -> int:
        """Rows with a label."""
        return len(self._labels)

    @property
    def is_done(self) -> bool:
        """True once every row of the sample has a label."""
        return self.labelled == len(self.items)

    def label_of(self, item: Item) -> Any:
        """Return the label that was given to a row; None where there is none."""
        return self._labels.get(item.position)

    def give(self, label: Any) -> None:
        """Keep a label for the row that is shown, and go to the next one without a label.

        Raises
        ------
        InputError
            For a label that is none of the choices, or when there is no row left.
        """
        item = self.current
        if item is None:
            raise InputError("every row of the sample has been shown")
        label = self._checked(label)
        self._book.give(item.key, label, time.time())
        self._labels[item.position] = label
        self.place = self._next_open(self.place + 1)
        self._tell()

    def confirm(self) -> None:
        """Say that the answer of the row that is shown is right."""
        item = self.current
        if item is not None and item.answer is not None and not self.is_blind:
            self.give(item.answer)

    def reject(self) -> None:
        """Say that the answer of the row that is shown is wrong: of two labels the other one is right.

        Raises
        ------
        InputError
            Where there are more: then the right one has to be given.
        """
        item = self.current
        if item is None or item.answer is None or self.is_blind:
            return
        others = [choice for choice in self.choices if choice != item.answer]
        if len(others) != 1:
            raise InputError(f"wrong: which label instead of {str(item.answer)!r}?")
        self.give(others[0])

    def skip(self) -> None:
        """Go on without a label."""
        self.place = min(self.place + 1, len(self.items))

    def back(self) -> None:
        """Go back to the row before, to label it anew."""
        self.place = max(self.place - 1, 0)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call a function after each label, whether a click, a spreadsheet or the user's own code gave it."""
        self._watchers.append(watcher)

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _next_open(self, start: int) -> int:
        places = range(start, len(self.items))
        return next((place for place in places if self.items[place].position not in self._labels), len(self.items))

    def _is_label(self, label: Any) -> bool:
        return not self.choices or len(labels_meant(label, self.choices)) == 1

    def _checked(self, label: Any) -> Any:
        if isinstance(label, str):
            label = label.strip()
        if label is None or label == "":
            raise InputError("a label must not be empty; skip() leaves the row out")
        meant = labels_meant(label, self.choices) if self.choices else [label]
        if len(meant) != 1:
            raise InputError(f"{label!r} is none of the labels; {nearest(str(label), [*map(str, self.choices)])}")
        return meant[0]

    # -- what comes of it ----------------------------------------------------------------------------------------

    @property
    def labels(self) -> pd.Series[Any]:
        """The labels on the frame's own index, missing where there is none; for ``audit`` and ``compare``.

        Its ``attrs`` know how the sample was drawn, so that ``audit`` can weigh the rows.
        """
        values: list[Any] = [None] * len(self._index)
        for position, label in self._labels.items():
            values[position] = label
        found = pd.Series(values, index=self._index, dtype=object, name="gold")
        if len(self._sizes) > 1:
            names = names_of(self._index)
            groups = {names[item.position]: item.group for item in self.items if item.position in self._labels}
            found.attrs[SAMPLE_ATTRIBUTE] = {"sizes": dict(self._sizes), "groups": groups}
        return found

    def to_csv(self, path: str | Path) -> Path:
        """Write the sample for a spreadsheet: fill the column ``gold``, save, and :meth:`read_csv` it.

        Formulas in the texts are disarmed by a leading apostrophe.
        """
        target = Path(path)
        write_sample(
            target,
            (
                (
                    item.position,
                    dict(item.texts),
                    self._shown_answer(item),
                    str(self._labels.get(item.position, "")),
                    item.key,
                )
                for item in self.items
            ),
        )
        return target

    def _shown_answer(self, item: Item) -> str | None:
        if self.is_blind:
            return None
        return "" if item.answer is None else str(item.answer)

    def read_csv(self, path: str | Path) -> int:
        """Take the labels of a file that :meth:`to_csv` wrote, and return how many there are.

        A label goes to the row that says what the labelled one said, also where the frame was sorted since.

        Raises
        ------
        InputError
            For a file without its columns, rows of another sample, or labels that are none of the choices.
        """
        by_row = {str(item.position): item for item in self.items}
        by_key = {key_text(item.key): item for item in self.items}
        checked = []
        for row, key, label in read_labels(path):
            item = by_row.get(row)
            if item is not None and key and key != key_text(item.key):
                item = by_key.get(key)
            if item is None:
                raise InputError(
                    f"row {row} of {path} is not in this sample; use the same frame, rows=, seed= and show="
                )
            checked.append((item, self._checked(label)))
        self._book.give_all([(item.key, label) for item, label in checked], time.time())
        self._labels.update({item.position: label for item, label in checked})
        self.place = self._next_open(0)
        self._tell()
        return len(checked)

    def show(self) -> None:
        """Show the panel in the running cell (needs the extra ``[notebook]``), also where every row has a label."""
        from .panel import show_review

        show_review(self, reopens=True)


_PUT_IT_THERE = "put what was asked into the frame, such as out.insert(0, 'prompt', prompts), and review that"


def review_frame(
    frame: pd.DataFrame,
    rows: int = 100,
    *,
    column: str | None = None,
    by: str | None = None,
    show: Sequence[str] | str | None = None,
    blind: bool = False,
    seed: int = 0,
    journal: bool | str | Path = True,
    take: Take | None = None,
) -> Review:
    """Return a review of a mapped frame; see ``ClaudeFrame.review``.

    `take` gives the rows that were drawn, where `frame` has no more than the columns to draw by.
    """
    rows, seed = whole_number("rows", rows), whole_number("seed", seed, 0)
    label = answer_column(frame, column)
    answers = classes_of(frame[label])
    answered = [position for position, value in enumerate(answers) if value is not None]
    if not answered:
        raise InputError("no row has an answer, so there is nothing to review")
    groups, order = answer_groups(frame, by, label, answers, answered)
    drawn, sizes = draw_groups(groups, order, answered, rows, seed)
    positions = [position for position, _group in drawn]
    sample = frame.iloc[positions] if take is None else take(positions)
    names = _shown_columns(sample, show, label)
    if not names:  # a label is kept by what its row says: one would count for all of these
        raise InputError(f"there is nothing to read beside the answers; {_PUT_IT_THERE}")
    texts = {name: python_values(sample[labelled_column(sample, name)]) for name in names}
    items = [
        Item(
            position,
            tuple((name, cell_text(cells[place])) for name, cells in texts.items()),
            answers[position],
            group,
        )
        for place, (position, group) in enumerate(drawn)
    ]
    dtype = frame[label].dtype
    choices = list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else []
    choices = [True, False] if str(dtype) == "boolean" else choices
    shown = choices if len(choices) <= MOST_CHOICES else []
    journal = looked_into(journal)
    place = Journal.open(journal_path(journal), is_explicit=not isinstance(journal, bool))
    book = LabelBook(place, str(label), shown)
    review = Review(items, frame.index, book, choices=shown, sizes=sizes, is_blind=blind)
    if is_interactive():
        from .panel import show_review

        show_review(review)
    return review


def _shown_columns(frame: pd.DataFrame, show: Sequence[str] | str | None, label: Hashable) -> list[str]:
    """Return the columns to read: those asked for, else those that the prompt reads, else all but the answers."""
    names = column_names(frame)
    if show is not None:
        wanted = [show] if isinstance(show, str) else list(show)
        for name in wanted:
            answer_column(frame, name)
        return wanted
    call = call_of(str(frame.attrs.get(RUN_ATTRIBUTE)))
    made = {str(label)}
    with contextlib.suppress(InputError):  # a frame with an answer column of the analyst's own
        made |= {name for one in maps_of(frame) for name in one.columns.names}
    others = [name for name in names if name not in made]
    if call is not None and isinstance(call.prompt, str):
        with contextlib.suppress(InputError):  # columns were renamed since
            return list(compile_prompt(call.prompt, names).columns)
    return others
