"""A law over answers: whatever text comes back, the frame comes back, and the text is in it."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.frames.outputs import text_array, text_dtype
from claude_parallel.frames.retry import _replaced
from claude_parallel.simulation.profile import Profile
from claude_parallel.text import encodable

from ..worlds import frame_of, world

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.characters(categories=["Cs"]), min_size=1).filter(
    str.strip
)
"""Lone surrogates included: JSON can say them, Arrow and UTF-8 cannot."""


def mapped(texts: list[str], **options: Any) -> pd.DataFrame:
    """Map as many rows as there are texts, each answered with one of them."""
    frame = frame_of(len(texts))
    answers = dict(zip(frame["t"], texts, strict=True))
    account = world(Profile(answer=lambda body: answers[body["messages"][-1]["content"]]))
    return account.map(frame, "{t}", **options)


@given(st.lists(TEXTS, min_size=1, max_size=5))
@settings(max_examples=40)
def test_every_answer_stands_in_the_frame_as_it_came(texts: list[str]) -> None:
    """One odd character costs neither its own answer nor those of the others."""
    out = mapped(texts)
    assert out["response"].tolist() == [encodable(text) for text in texts]
    assert out["response"].dtype == text_dtype()
    assert out["response_error"].isna().all()


@given(st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=20)
def test_every_typed_text_stands_in_its_column(texts: list[str]) -> None:
    """The same for a schema's fields, and for the raw JSON beside them."""
    out = mapped([json.dumps({"word": text}) for text in texts], schema={"word": str}, keep_text=True)
    failed = out["response_error"].notna()
    assert [word for word, bad in zip(out["word"], failed, strict=True) if not bad] == [
        encodable(text) for text, bad in zip(texts, failed, strict=True) if not bad
    ]
    assert out["response"].tolist() == [json.dumps({"word": text}) for text in texts]


@pytest.mark.parametrize("odd", ["half \ud83d", "\udcff", "nul \0", "x\u2028", "e\u0301", "\U0001f469\u200d\U0001f467"])
def test_known_troublemakers(odd: str) -> None:
    """Alone, beside others, in a series, and asked for again."""
    shown = encodable(odd)
    assert mapped([odd, "fine"])["response"].tolist() == [shown, "fine"]
    account = world(Profile(answer=lambda body: odd))
    answers: Any = account.map(pd.Series(["a", "b"]), "Say {}")
    assert answers.tolist() == answers.claude.details()["response"].tolist() == [shown, shown]


def test_an_odd_answer_among_many_is_put_into_a_column_of_text_by_retry() -> None:
    """And stays a column of text."""
    account = world(Profile(script={2: "refusal"}, answer=lambda body: "fine"))
    out = account.map(frame_of(3), "Say {t}", max_concurrency=1)
    values = _replaced(
        out["response"].array, text_array(["half \ud83d"]), out["response_error"].notna().to_numpy(), [True]
    )
    assert list(values) == ["fine", "half \\ud83d", "fine"]
    assert values.dtype == out["response"].dtype
