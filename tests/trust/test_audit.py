"""Audits: what they say about answers whose truth is known to the test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import claude_parallel as cp  # noqa: F401  (registers df.claude)
from claude_parallel.errors import InputError
from claude_parallel.trust.audit import TOO_FEW, Audit
from claude_parallel.trust.subjects import SAMPLE_ATTRIBUTE, find_gold


def leaning(rows: int = 3_000, gold: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return answers that call a tenth of the good ones bad, and the truth of some rows drawn at random."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(["good", "bad"], rows, p=[0.7, 0.3])
    wrong = (truth == "good") & (rng.random(rows) < 0.1)
    frame = pd.DataFrame({"label": np.where(wrong, "bad", truth), "truth": truth})
    known = np.zeros(rows, dtype=bool)
    known[rng.permutation(rows)[:gold]] = True
    frame["gold"] = frame["truth"].where(known)
    return frame


def audit_of(frame: pd.DataFrame, gold: Any = "gold", **options: Any) -> Audit:
    """Return the audit of the label column."""
    return frame.claude.audit(gold, column="label", **options)


def test_the_corrected_share_covers_the_truth_where_counting_does_not() -> None:
    """And all figures agree with the table they come from."""
    frame = leaning()
    found = audit_of(frame)
    share = found.shares.loc["good"]
    true = (frame["truth"] == "good").mean()
    counted = (frame["label"] == "good").mean()
    assert share["plain"] == pytest.approx(counted)
    assert share["low"] < true < share["high"] < 1
    assert counted < share["low"]
    assert found.shares["share"].sum() == pytest.approx(1.0)
    known = frame.dropna(subset=["gold"])
    assert found.accuracy.estimate == pytest.approx((known["label"] == known["gold"]).mean())
    assert found.confusion.loc["bad", "good"] == ((known["label"] == "bad") & (known["gold"] == "good")).sum()
    assert found.confusion.to_numpy().sum() == found.gold_rows == 300
    assert found.classes.loc["good", "precision"] == 1.0
    assert found.warnings == ()


def test_gold_may_be_a_column_a_series_or_a_few_rows() -> None:
    """By position where the index is the frame's, else by label."""
    frame = leaning(300, 60)
    frame.index = pd.Index([f"row {number}" for number in range(300)])
    by_column = audit_of(frame)
    some = frame["gold"].dropna()
    assert audit_of(frame, frame["gold"]).shares.equals(by_column.shares)
    assert audit_of(frame, some.sample(frac=1.0, random_state=1)).shares.equals(by_column.shares)
    frame.index = pd.Index(["same"] * 300)
    assert audit_of(frame, frame["gold"]).shares.equals(by_column.shares)
    with pytest.raises(InputError, match="twice"):
        audit_of(frame, frame["gold"].dropna())


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (pd.Series(["good"], index=["not there"]), "does not have"),
        (pd.Series([None, None], dtype=object), "no gold row"),
        (pd.Series(["yes", "no"]), "same labels"),
        ("golden", "golden"),
        (5, "int"),
    ],
)
def test_gold_that_cannot_be_used_says_why(gold: Any, message: str) -> None:
    """One clear line each."""
    with pytest.raises(InputError, match=message):
        audit_of(leaning(100, 20), gold)


def test_a_rare_class_has_no_number() -> None:
    """Fewer than five gold rows: too few to tell, in the table, the text and the page."""
    frame = leaning(400, 100)
    frame.loc[frame["gold"].notna().to_numpy().nonzero()[0][:3], "gold"] = "odd"
    found = audit_of(frame)
    assert np.isnan(found.shares.loc["odd", "share"])
    assert found.shares.loc["odd", "note"] == TOO_FEW
    assert TOO_FEW in repr(found)
    assert "too few to tell" in found._repr_html_()


def test_a_class_with_few_gold_rows_has_no_figure_at_all() -> None:
    """Two of two found is no recall of 100 %; whether answers or gold know the class, and in words on the page."""
    labels = pd.Categorical(["a"] * 55 + ["b"] * 40 + ["rare"] * 5, ["a", "b", "rare", "unused"])
    gold = ["a"] * 20 + [None] * 35 + ["b"] * 18 + ["gold only"] * 2 + [None] * 20 + ["rare"] * 2 + [None] * 3
    audit = pd.DataFrame({"label": labels, "gold": gold}).claude.audit("gold", column="label")
    table = audit.classes
    few = ["rare", "unused", "gold only"]
    assert table.loc[few, ["precision", "recall", "f1"]].isna().all(axis=None)
    assert table.loc[few, "note"].str.startswith("too few to tell").all()
    assert audit.shares.loc[few, "note"].str.startswith("too few to tell").all()
    assert table.loc[["a", "b"], ["precision", "recall", "f1"]].notna().all(axis=None)
    assert audit._repr_html_().count("too few to tell") == 3
    assert "random sample" in repr(audit)
    every = pd.DataFrame({"label": labels, "gold": labels.astype(str)}).claude.audit("gold", column="label")
    assert every.classes.loc["rare", "recall"] == 1.0
    assert "random sample" not in repr(every)  # where every row is gold, nothing was drawn


def test_gold_from_the_beginning_is_not_a_random_sample() -> None:
    """Neither is gold that holds one answer only; both are said, and a random sample raises no suspicion."""
    frame = leaning(3_000, 3_000)
    first = audit_of(frame, frame["truth"].iloc[:200])
    assert any("the beginning" in line for line in first.warnings)
    picked = audit_of(frame, frame.loc[frame["label"] == "bad", "truth"].sample(150, random_state=1))
    assert any("'bad'" in line for line in picked.warnings)
    suspicious = sum(bool(audit_of(leaning(seed=seed)).warnings) for seed in range(30))
    assert suspicious <= 1


def test_a_sample_in_equal_parts_is_weighed() -> None:
    """Weights, given or known from the review, put the favoured class back to its size."""
    frame = leaning(4_000, 4_000)
    half = [frame[frame["label"] == label].sample(150, random_state=2)["truth"] for label in ("good", "bad")]
    gold = pd.concat(half)
    sizes = frame["label"].value_counts()
    weights = frame.loc[gold.index, "label"].map(sizes / 150)
    weighed = audit_of(frame, gold, weights=weights)
    true = (frame["truth"] == "good").mean()
    assert weighed.accuracy.low < (frame["label"] == frame["truth"]).mean() < weighed.accuracy.high
    assert weighed.shares.loc["good", "low"] < true < weighed.shares.loc["good", "high"]
    assert weighed.warnings == ()
    gold.attrs[SAMPLE_ATTRIBUTE] = {
        "sizes": sizes.to_dict(),
        "groups": {repr(place): frame["label"].iloc[place] for place in gold.index.tolist()},
    }
    assert find_gold(frame, gold).weights == pytest.approx(weights.to_numpy())
    with pytest.raises(InputError, match="above 0"):
        audit_of(frame, gold, weights=[1.0])


def test_failed_rows_are_left_out() -> None:
    """They have no answer that could be right or wrong."""
    frame = leaning(300, 100)
    frame.loc[frame.index[:50], "label"] = None
    audit = audit_of(frame)
    assert audit.rows == 250
    assert "of 250 answered; 50 have no answer and do not count" in repr(audit)


def test_text_and_lists_are_no_classes() -> None:
    """Told by what they are."""
    frame = pd.DataFrame({"label": [["a"], ["b"]], "gold": ["a", "b"]})
    with pytest.raises(InputError, match="list"):
        audit_of(frame)
    frame = pd.DataFrame({"label": [f"text {n}" for n in range(300)]})
    with pytest.raises(InputError, match="compare"):
        audit_of(frame, frame["label"].rename("gold"))


def test_the_page_is_left_alone_by_mathjax_and_escapes_what_it_shows() -> None:
    """A label is data."""
    frame = leaning(200, 100).replace("bad", "<b>bad</b>")
    html = audit_of(frame)._repr_html_()
    assert 'class="tex2jax_ignore mathjax_ignore"' in html
    assert "<b>bad" not in html
    assert "&lt;b&gt;bad" in html
    assert "<svg" in html


def test_more_gold_rows_halve_the_interval() -> None:
    """As many as it says, within what chance leaves."""
    small = audit_of(leaning(100_000, 200))
    large = audit_of(leaning(100_000, 200 + small.rows_to_halve))
    ratio = (large.shares["high"] - large.shares["low"])["good"] / (small.shares["high"] - small.shares["low"])["good"]
    assert ratio == pytest.approx(0.5, abs=0.12)


def test_the_figure_shows_each_known_class() -> None:
    """One dot with its interval, one tick."""
    pytest.importorskip("matplotlib").use("agg")
    figure = audit_of(leaning(400, 100)).plot()
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["bad", "good"]
