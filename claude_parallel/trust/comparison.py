"""What a comparison came to: one line per variant, the pairs, and the rows on which they differ.

Shows and hands on; ``compare`` has the variants run and judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..text import elapsed
from ..warning import warn
from .judge import Judge, Judging
from .judged import Judged
from .page import Cell, notes, page, share_text, table, wrapped
from .scores import Kind, Pair, Score, hits_of, is_same, quality_text, score
from .variants import Trial, Tried, Variant, prepare


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Variants on one sample; made by ``df.claude.compare``.

    Attributes
    ----------
    sample : DataFrame or Series
        The rows that were asked.
    tried : tuple of Tried
        What each variant answered.
    scores : tuple of Score
        What it came to.
    pairs : tuple of Pair
        Variants two by two.
    gold : list or None
        The truth of each row of the sample.
    kind : str
        ``"labels"`` (of a schema), ``"classes"`` (text of few values), ``"numbers"`` or ``"text"``.
    measure : str
        What is counted against gold, such as ``"accuracy"``.
    warnings : tuple of str
        What speaks against choosing the first one.
    by : str or None
        The column whose values were drawn in equal parts; the figures are weighed back to all rows.
    """

    sample: Any
    tried: tuple[Tried, ...]
    scores: tuple[Score, ...]
    pairs: tuple[Pair, ...]
    gold: list[Any] | None
    kind: Kind
    measure: str
    warnings: tuple[str, ...]
    by: str | None = None
    _frame: Any = field(default=None, repr=False)
    _judge: Judge | None = field(default=None, repr=False)
    _held: Judged = field(default_factory=lambda: Judged([]), repr=False)
    _out: str = field(default="response", repr=False)
    _column: str | None = field(default=None, repr=False)

    @property
    def judge_usd(self) -> float:
        """US dollars that the judge cost; 0 without one."""
        return sum(one.judge_usd for one in self.scores) if self._judge is not None else 0.0

    @property
    def table(self) -> pd.DataFrame:
        """One row per variant: answered, errors, dollars, tokens, seconds, and with gold how well it did."""
        return pd.DataFrame([_record(one, self) for one in self.scores]).set_index("variant").dropna(axis=1, how="all")

    @property
    def pair_table(self) -> pd.DataFrame:
        """One row per pair: agreement, who is better, and the p-value of that (Holm)."""
        names = ["first", "second", "agreement", "better", "p_value"]
        return pd.DataFrame([{name: getattr(pair, name) for name in names} for pair in self.pairs], columns=names)

    @property
    def disagreements(self) -> pd.DataFrame:
        """The rows on which variants that were asked differ, or differ from gold: the row, gold, and each answer."""
        base = self.sample if isinstance(self.sample, pd.DataFrame) else self.sample.to_frame("value")
        columns: dict[str, list[Any]] = {} if self.gold is None else {"gold": self.gold}
        taken = {*map(str, base.columns), *columns}
        for one in self.tried:
            name = one.variant.name
            columns[f"{name} (answer)" if name in taken else name] = one.answers
        always = np.ones((len(columns) - len(self.tried), len(base)), dtype=bool)  # gold, where there is some
        asked = np.vstack([always, *(one.reached for one in self.tried)]).T
        rows = zip(zip(*columns.values(), strict=True), asked, strict=True)
        given = [[value for value, is_there in zip(values, there, strict=True) if is_there] for values, there in rows]
        differs = [any(not is_same(values[0], value, self.kind) for value in values[1:]) for values in given]
        found = base.copy()
        for name, values in columns.items():
            found[name] = pd.Series(values, index=base.index, dtype=object)
        return found[np.array(differs, dtype=bool)]

    def run(self, name: str, **options: Any) -> Any:
        """Map the whole frame as one variant; what the sample answered costs nothing.

        Parameters
        ----------
        name : str
            The variant.
        **options
            Options of ``df.claude.map`` that are to differ and change no answer, such as ``batch=True`` or ``budget=``.
        """
        variant = self._variant(name)
        return self._frame.claude.map(variant.prompt, out=self._out, **{**variant.options, **options})

    def confirm(self, name: str) -> Score:
        """Return how well a variant does on the rows that ``holdout=`` kept back: the figure to report.

        Raises
        ------
        InputError
            When nothing was held back.
        """
        if not self._held.gold:
            raise InputError("no row was held back: compare(..., gold=, holdout=0.5)")
        trial = Trial(prepare([self._variant(name)], self._held.rows, self._out, self._column))
        (tried,) = trial.run()
        if self.kind == "numbers":
            return score(tried, self._held, self.kind, None, measure=self.measure)
        hits = [hits_of(tried, self._held.gold, self.kind)]
        judge_usd = math.nan
        if self._judge is not None:
            judging = Judging(self._judge, [tried], self._held.gold, hits, trial.control, trial.budget)
            judging.run()
            judge_usd = judging.usd[0]
            for message in judging.warnings:
                warn(message)
        return replace(score(tried, self._held, self.kind, hits[0], measure=self.measure), judge_usd=judge_usd)

    def plot(self) -> Any:
        """Return quality against dollars, with intervals, as a figure (extra ``[plot]``)."""
        from .figures import plot_comparison

        return plot_comparison(self)

    def _variant(self, name: str) -> Variant:
        for one in self.tried:
            if one.variant.name == name:
                return one.variant
        raise InputError(f"there is no variant {name!r}; there is {', '.join(one.variant.name for one in self.tried)}")

    def __repr__(self) -> str:
        heads, rows = self._shown()
        lines = [[*heads], *([_as_text(cell, self.measure) for cell in row] for row in rows)]
        pairs = [["pair", "agree", "better"], *self._pair_rows()] if self.pairs else []
        return "\n".join(
            [self._title(), *_aligned(lines), *_aligned(pairs), *wrapped(self.warnings, "! "), *wrapped(self._notes())]
        )

    def _repr_html_(self) -> str:
        heads, rows = self._shown()
        drawn = [
            [cell if isinstance(cell, str) or self.kind != "numbers" else _as_text(cell, self.measure) for cell in row]
            for row in rows
        ]
        pairs = ""
        if self.pairs:
            pairs = table(("pair", "agree", "better"), self._pair_rows())
        return page(
            self._title(), notes(self.warnings, is_warning=True), table(heads, drawn), pairs, notes(self._notes())
        )

    def _pair_rows(self) -> list[list[str]]:
        return [[f"{pair.first} and {pair.second}", share_text(pair.agreement), _verdict(pair)] for pair in self.pairs]

    def _title(self) -> str:
        return f"{len(self.scores)} variant{'s' * (len(self.scores) != 1)} on {len(self.sample):,} rows"

    def _shown(self) -> tuple[list[str], list[list[Cell]]]:
        has_gold = self.gold is not None
        heads = [
            "variant",
            *([f"{self.measure} (95 %)"] if has_gold else []),
            "$ / 1,000 rows",
            "p50",
            "p95",
            "answered",
            "errors",
        ]
        rows: list[list[Cell]] = []
        for one in self.scores:
            quality: list[Cell] = [one.quality] if one.quality is not None else []
            errors = ", ".join(f"{kind} {count:,}" for kind, count in one.errors.items()) or "none"
            rows.append(
                [
                    one.name,
                    *quality,
                    "unknown" if math.isnan(one.usd_per_1000) else f"${one.usd_per_1000:,.3f}",
                    _seconds(one.p50_seconds),
                    _seconds(one.p95_seconds),
                    f"{one.answered:,} of {one.rows:,}",
                    errors,
                ]
            )
        return heads, rows

    def _notes(self) -> list[str]:
        paid = float(sum(one.paid for one in self.tried))
        kind = " simulated" if any(one.is_simulated for one in self.tried) else ""
        judge, dollars = self.judge_usd, f"${paid + self.judge_usd:,.4f}{kind}"
        if math.isnan(judge):
            dollars = f"${paid:,.4f}{kind}, and the judge, whose price is not known"
        elif self._judge is not None:
            dollars += f", ${judge:,.4f} of it to the judge"
        lines = [f"This comparison paid {dollars}; .run(name) pays only for the rest of the frame."]
        if self.by is not None:
            lines.append(f"Drawn in equal parts of {self.by!r}; every figure is weighed back to the parts' true sizes.")
        return lines


def _record(one: Score, comparison: Comparison) -> dict[str, Any]:
    name = comparison.measure.replace(" ", "_")
    found = one.quality
    quality = {} if found is None else {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
    others = {"exact": one.exact, "macro_f1": one.macro_f1, "kappa": one.kappa}
    return {
        "variant": one.name,
        "answered": one.answered,
        "errors": sum(one.errors.values()),
        **{f"errors_{kind}": count for kind, count in one.errors.items()},
        "paid_usd": one.paid_usd,
        "judge_usd": one.judge_usd,
        "usd_per_1000": one.usd_per_1000,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "p50_seconds": one.p50_seconds,
        "p95_seconds": one.p95_seconds,
        **quality,
        **(others if found is not None else {}),
    }


def _aligned(lines: list[list[str]]) -> list[str]:
    """Return the lines of a table, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _as_text(cell: Cell, measure: str) -> str:
    return cell if isinstance(cell, str) else quality_text(cell, measure)


def _seconds(value: float) -> str:
    return "–" if math.isnan(value) else elapsed(value)


def _verdict(pair: Pair) -> str:
    if pair.better is None or math.isnan(pair.p_value):
        return "–"
    return (
        f"{pair.better} (p = {pair.p_value:.3f})"
        if pair.is_beyond_chance
        else f"within chance (p = {pair.p_value:.2f})"
    )
