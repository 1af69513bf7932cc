"""How far the answers of a mapped frame can be believed, measured against some gold rows.

Puts the statistics together and says in words what they mean. ``subjects`` knows what gold is; the formulas stand in
``statistics``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError
from ..frames.rows import column_names, python_values
from ..statistics.agreement import Confusion, accuracy_interval, confusion, sorted_classes
from ..statistics.intervals import FloatArray, Interval
from ..statistics.pairs import holm
from ..statistics.quantiles import normal_tail
from ..statistics.shares import FEWEST_GOLD_ROWS, Share, corrected_shares, rows_to_halve
from .page import interval_text, notes, page, share_text, table, wrapped
from .subjects import Gold, answer_column, classes_of, find_gold, fit_labels

_SUSPICION = 0.001
"""A gold sample this unlike the rest is not taken for random: one honest sample in a thousand is warned about."""

TOO_FEW = f"too few to tell (fewer than {FEWEST_GOLD_ROWS} gold rows)"
CANNOT_BE_CHECKED = (
    "Gold rows must be a random sample of the answered rows. Checked: their place in the frame, and their answers "
    "against all answers. Not checkable: whether rows were picked for what they say, and whether the gold is right."
)


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Accuracy, agreement, and the share of each class corrected for the model's errors.

    Attributes
    ----------
    column : str
        The audited column.
    rows, gold_rows : int
        Answered rows, and those of them whose truth is known.
    accuracy : Interval
        Share of right answers with its 95 % interval.
    table : Confusion
        Answers against the truth.
    estimates : dict
        Class -> corrected and plain share.
    warnings : tuple of str
        What speaks against believing the figures.
    unanswered : int
        Rows without an answer, of which no figure tells.
    """

    column: str
    rows: int
    gold_rows: int
    accuracy: Interval
    table: Confusion
    estimates: dict[Any, Share]
    warnings: tuple[str, ...] = ()
    unanswered: int = 0

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond chance, 1 at best."""
        return self.table.kappa

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' F1."""
        return self.table.macro_f1

    @property
    def confusion(self) -> pd.DataFrame:
        """Gold rows by answer (rows) and truth (columns)."""
        index = pd.Index(list(self.table.classes), name="answer")
        columns = pd.Index(list(self.table.classes), name="truth")
        return pd.DataFrame(self.table.rows.astype(int), index=index, columns=columns)

    @property
    def classes(self) -> pd.DataFrame:
        """Precision, recall and F1 of each class, its gold rows, and a note where they are too few for a number.

        Recall is told by the gold rows of the class, precision by those that were answered with it, F1 by both.
        """
        found = self.table
        has_truth, has_answers = self._tells(found.rows.sum(axis=0)), self._tells(found.rows.sum(axis=1))
        is_told = has_truth & has_answers
        columns = {
            "precision": np.where(has_answers, found.precision, np.nan),
            "recall": np.where(has_truth, found.recall, np.nan),
            "f1": np.where(is_told, found.f1, np.nan),
            "gold_rows": found.rows.sum(axis=0).astype(int),
            "note": [None if told else TOO_FEW for told in is_told],
        }
        return pd.DataFrame(columns, index=pd.Index(list(found.classes), name="class"))

    def _tells(self, gold_rows: FloatArray) -> npt.NDArray[np.bool_]:
        """Say where so many gold rows tell something; where every row is one, nothing is left to tell."""
        tells: npt.NDArray[np.bool_] = (gold_rows >= FEWEST_GOLD_ROWS) | (self.gold_rows >= self.rows)
        return tells

    @property
    def shares(self) -> pd.DataFrame:
        """Share of each class: corrected with its 95 % interval, plain, gold rows, and a note where it is unknown."""
        records = []
        for share in self.estimates.values():
            found = share.corrected if share.is_known else Interval(math.nan, math.nan, math.nan)
            records.append(
                {
                    "share": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "plain": share.plain,
                    "gold_rows": share.gold_rows,
                    "note": None if share.is_known else TOO_FEW,
                }
            )
        return pd.DataFrame(records, index=pd.Index(list(self.estimates), name="class"))

    @property
    def rows_to_halve(self) -> int:
        """How many more gold rows would halve the intervals."""
        return rows_to_halve(self.gold_rows, self.rows)

    def plot(self) -> Any:
        """Return the shares, corrected with intervals and plain, as a figure (extra ``[plot]``)."""
        from .figures import plot_shares

        return plot_shares(self)

    def __repr__(self) -> str:
        lines = [self._title(), f"  accuracy {interval_text(self.accuracy)}{self._agreement()}", "  share of all rows:"]
        width = max(len(str(label)) for label in self.estimates)
        lines += [
            f"    {label!s:<{width}}  {_words(share)}   (counted: {share_text(share.plain)})"
            for label, share in self.estimates.items()
        ]
        return "\n".join([*lines, *wrapped(self.warnings, "  ! "), *wrapped(self._notes(), "  ")])

    def _repr_html_(self) -> str:
        classes = self.classes
        rows = [
            (
                str(label),
                share.corrected if share.is_known else TOO_FEW,
                share_text(share.plain),
                f"{share.gold_rows:,}",
                share_text(float(classes["precision"].iloc[place])),
                share_text(float(classes["recall"].iloc[place])),
            )
            for place, (label, share) in enumerate(self.estimates.items())
        ]
        heads = ("class", "share, corrected (95 %)", "counted", "gold rows", "precision", "recall")
        marks = [share.plain for share in self.estimates.values()]
        summary = table(
            ("measure", "value"),
            [
                ("accuracy", self.accuracy),
                ("Cohen's kappa", _number(self.kappa)),
                ("macro F1", _number(self.macro_f1)),
            ],
        )
        return page(
            self._title(),
            notes(self.warnings, is_warning=True),
            summary,
            table(heads, rows, marks),
            notes(["Orange tick: the share as counted from the answers.", *self._notes()]),
        )

    def _title(self) -> str:
        left = f" answered; {self.unanswered:,} have no answer and do not count" if self.unanswered else ""
        return f"Audit of {self.column!r}: {self.gold_rows:,} gold rows of {self.rows:,}{left}"

    def _agreement(self) -> str:
        return f", kappa {_number(self.kappa)}, macro F1 {_number(self.macro_f1)}"

    def _notes(self) -> list[str]:
        more = self.rows_to_halve
        halve = f"{more:,} more gold rows would halve the intervals." if more else "Every row is a gold row."
        return [halve, CANNOT_BE_CHECKED] if more else [halve]


def audit_frame(frame: pd.DataFrame, gold: Any, column: str | None = None, weights: Any = None) -> Audit:
    """Return the audit of a mapped frame; see ``ClaudeFrame.audit``."""
    label = answer_column(frame, column)
    answers = classes_of(frame[label])
    found = find_gold(frame, gold, weights)
    if all(answer is None for answer in answers):
        raise InputError("no row has an answer, so there is nothing to audit")
    kept = [place for place, position in enumerate(found.positions) if answers[position] is not None]
    if not kept:
        raise InputError("no gold row was answered, so there is nothing to compare")
    fitted, unknown = fit_labels([found.values[place] for place in kept], _labels_of(frame[label], answers))
    given = Gold(found.positions[kept], fitted, None if found.weights is None else found.weights[kept])
    ours = [answers[position] for position in given.positions]
    answered = [value for value in answers if value is not None]
    _check_classes(answered)
    classes = _classes(frame[label], answered, given.values)
    place_of = {one: place for place, one in enumerate(classes)}
    population = np.bincount([place_of[value] for value in answered], minlength=len(classes))
    codes = np.array([place_of[value] for value in ours])
    truth = np.array([place_of[value] for value in given.values])
    shares = corrected_shares(codes, truth, population, given.weights)
    return Audit(
        column=str(label),
        rows=len(answered),
        gold_rows=len(kept),
        accuracy=accuracy_interval((codes == truth).astype(float), given.weights, len(answered)),
        table=confusion(ours, given.values, classes, given.weights),
        estimates=dict(zip(classes, shares, strict=True)),
        warnings=(
            *found.doubts,
            *unknown,
            *_suspicions(given, codes, population, classes, answers),
            *_suspicious_agreement(frame, f"{label}_agreement", given, answers),
        ),
        unanswered=len(answers) - len(answered),
    )


def _labels_of(values: pd.Series[Any], answers: list[Any]) -> list[Any]:
    """Return the labels that gold may have: those of the schema, else those that were answered."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [*values.dtype.categories]
    if str(values.dtype) in ("boolean", "bool"):
        return [False, True]
    return sorted_classes([answer for answer in answers if answer is not None])


def _check_classes(answered: list[Any]) -> None:
    if len(set(answered)) > 100 and len(set(answered)) > len(answered) / 2:
        raise InputError("nearly every answer is different: audit() is for classes; for text and numbers use compare()")


def _classes(values: pd.Series[Any], answered: list[Any], truth: list[Any]) -> list[Any]:
    """Return the classes in the order of the schema's labels, else sorted; with those that only gold knows."""
    dtype = values.dtype
    known = list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else []
    return list(dict.fromkeys([*known, *sorted_classes(answered, truth)]))


def _suspicions(gold: Gold, codes: Any, population: Any, classes: list[Any], answers: list[Any]) -> list[str]:
    """Say what shows that the gold rows were not drawn at random; a design with known probabilities may differ."""
    size, total = len(codes), int(population.sum())
    if gold.weights is not None or size < FEWEST_GOLD_ROWS or size >= total:
        return []
    left = (total - size) / (total - 1)
    shares, seen = population / total, np.bincount(codes, minlength=len(classes)) / size
    errors = np.sqrt(np.maximum(shares * (1 - shares) / size * left, 1e-12))
    corrected = holm([2 * normal_tail(abs(float(z))) for z in (seen - shares) / errors])
    found = [
        f"These gold rows do not look like a random sample: {classes[place]!r} is the answer of "
        f"{share_text(seen[place])} of them, but of {share_text(shares[place])} of all rows."
        for place, p_value in enumerate(corrected)
        if p_value < _SUSPICION and size * shares[place] >= 1
    ]
    order = np.cumsum([value is not None for value in answers]) - 1
    middle = float(order[gold.positions].mean())
    spread = math.sqrt((total * total - 1) / 12 / size * left)
    if 2 * normal_tail(abs(middle - (total - 1) / 2) / spread) < _SUSPICION:
        where = "the beginning" if middle < total / 2 else "the end"
        found.append(f"These gold rows do not look like a random sample: most are from {where} of the frame.")
    return found


def _suspicious_agreement(frame: pd.DataFrame, name: str, gold: Gold, answers: list[Any]) -> list[str]:
    """Say whether the gold rows were picked by how far the draws of a vote agree, which tells where the errors are."""
    names = column_names(frame)
    if gold.weights is not None or name not in names:
        return []
    shares = python_values(frame.iloc[:, names.index(name)])
    agreed = np.array([value is not None and math.isclose(value, 1.0) for value in shares])
    asked = np.array([answer is not None for answer in answers])
    share, seen, size, total = agreed[asked].mean(), agreed[gold.positions].mean(), len(gold.positions), asked.sum()
    if size < FEWEST_GOLD_ROWS or size >= total:
        return []
    error = math.sqrt(max(share * (1 - share) / size * (total - size) / (total - 1), 1e-12))
    if 2 * normal_tail(abs(float(seen - share)) / error) >= _SUSPICION:
        return []
    return [
        f"These gold rows do not look like a random sample: all draws agree on {share_text(float(seen))} of them, but "
        f"on {share_text(float(share))} of all rows. If review(by='agreement') drew them, audit its labels as they are."
    ]


def _words(share: Share) -> str:
    return interval_text(share.corrected) if share.is_known else TOO_FEW


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
