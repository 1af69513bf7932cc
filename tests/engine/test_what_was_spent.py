"""What an answer cost is on disk when the answer is: a kill at any moment leaves no paid answer without its dollars."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage

from ..batch.test_batch_crashes import Lives
from ..batch_worlds import batch_world, frame_of
from ..worlds import world


def on_disk(journal: Path) -> tuple[int, int]:
    """Return how many answers the file holds, and how many calls that were paid."""
    with closing(sqlite3.connect(journal)) as file:
        (answers,) = file.execute("SELECT count(*) FROM answers").fetchone()
        (paid,) = file.execute("SELECT count(*) FROM attempts WHERE cost IS NOT NULL").fetchone()
    return answers, paid


@pytest.mark.parametrize("is_batch", [False, True])
def test_whoever_looks_at_an_answer_finds_its_dollars_beside_it(is_batch: bool, tmp_path: Path) -> None:
    """A validator is the first that sees an answer, and sees the file as a kill would leave it."""
    journal = tmp_path / "j.sqlite3"
    seen: list[tuple[int, int]] = []

    def look(text: str) -> str:
        seen.append(on_disk(journal))
        return text

    schema: Any = {"word": Annotated[str, AfterValidator(look)]}
    if is_batch:
        batch_world().map(frame_of(40), journal=journal, schema=schema)
    else:
        world().map(frame_of(40), "Say {t}", journal=journal, schema=schema)

    assert len(seen) == 40
    assert all(0 < answers <= paid for answers, paid in seen)


def test_a_batch_of_a_dead_run_is_counted_whole_whoever_adopts_it(tmp_path: Path) -> None:
    """Rows that the next run does not ask were paid all the same."""
    lives = Lives(batch_world(), tmp_path)
    lives.run_and_die(frame_of(30), "retrieve")
    lives.run(frame_of(10))
    lives.run(frame_of(30))

    with closing(sqlite3.connect(lives.journal)) as file:
        costs = [Decimal(cost) for (cost,) in file.execute("SELECT cost FROM attempts WHERE cost IS NOT NULL")]
    billed = [
        PriceList().cost(paid.model, Usage(paid.input_tokens, paid.output_tokens), is_batch=True)
        for paid in lives.world.brain.ledger.paid
    ]
    assert len(costs) == 30
    assert sorted(costs) == sorted(filter(None, billed))


def test_answers_of_a_batch_whose_price_cannot_be_told_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A list of prices that breaks ends the run; what was paid by then is on disk."""

    def broken(*_args: object, **_options: object) -> Decimal:
        raise ArithmeticError("no price")

    monkeypatch.setattr(PriceList, "cost", broken)
    with pytest.raises(ArithmeticError):
        batch_world().map(frame_of(40), journal=tmp_path / "j.sqlite3")

    assert on_disk(tmp_path / "j.sqlite3")[0] == 40
