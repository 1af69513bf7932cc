"""Samples of one row that have to be mended: each asks for itself, and each answer is kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

import claude_parallel as cp

from ..nasty.server import Saying, message, nasty_server


def test_two_samples_with_the_same_misfit_are_mended_apart(tmp_path: Path) -> None:
    """Two draws, two repairs, four answers in the journal: a second run says the same for nothing."""
    numbers = iter(range(1, 10))

    def say(body: Mapping[str, Any]) -> Saying:
        is_repair = len(body["messages"]) > 1
        return Saying(json.dumps(message(json.dumps({"value": next(numbers) if is_repair else "many"}))))

    journal = tmp_path / "j.sqlite3"
    with nasty_server({}) as api:
        api.saying_to = say  # type: ignore[method-assign]
        cp.configure(base_url=api.url, api_key="any", progress=False, journal=journal)
        frame = pd.DataFrame({"t": ["a"]})
        first, again = (frame.claude.map("{t}", schema=int, sample=2, repair=1) for _ in range(2))

    assert {first["response"][0], first["response_2"][0]} == {1, 2}
    assert again[["response", "response_2"]].equals(first[["response", "response_2"]])
    with closing(sqlite3.connect(journal)) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (4,)
