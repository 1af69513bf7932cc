"""Whatever judging one answer raises is that row's error: live, in a batch and from the journal alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from claude_parallel.bridge import Control
from claude_parallel.engine.accounting import Accounting
from claude_parallel.engine.budget import Budget
from claude_parallel.engine.pending import Pending
from claude_parallel.engine.tariff import FreeTariff
from claude_parallel.progress.stats import RunStats
from claude_parallel.records import Answer, Attempt, Load, Outcome, Reply, Request
from claude_parallel.store.journal import Journal

from ..nasty.server import message


class Surprise(Exception):
    """What nobody has thought of."""


def raising(*_: Any) -> Any:
    """Fail."""
    raise Surprise("the text of the answer, which is not repeated")


def too_deep(*_: Any) -> Any:
    """Fail as a parser does."""
    raise RecursionError


def accounting(read: Callable[..., Any], repair: Callable[..., Any], delivered: list[Outcome]) -> Accounting:
    """Return the accounts of a run that judges by these two."""
    return Accounting(
        run_id="r1",
        model="claude-haiku-5-5",
        source="api",
        tariff=FreeTariff(),
        budget=Budget(),
        journal=Journal.open(None),
        stats=RunStats(total=1),
        read=read,
        repair=repair,
        deliver=lambda _position, outcome: delivered.append(outcome),
        control=Control(),
    )


@pytest.mark.parametrize("is_recalled", [False, True])
@pytest.mark.parametrize(
    ("read", "repair", "name"),
    [
        (raising, lambda *_: None, "Surprise"),
        (too_deep, lambda *_: None, "RecursionError"),
        (lambda *_: Answer("x", kind="schema", what="no"), raising, "Surprise"),
    ],
)
def test_what_judging_raises_is_this_rows_error(is_recalled: bool, read: Any, repair: Any, name: str) -> None:
    """It names the exception and keeps the text; the exception's own words may hold data, and are left out."""
    delivered: list[Outcome] = []
    accounts = accounting(read, repair, delivered)
    pending = Pending.of(0, Request({"model": "m"}, bytes(32), Load(1.0)))
    reply = Reply(message("kept"), "req_1", {})
    if is_recalled:
        instead = accounts.recalled(pending, accounts.recollect(pending, reply))
    else:
        instead = accounts.answered(pending, accounts.record(0, Attempt(1, 0.0, 1.0, reply), reply))
    assert instead is None
    assert [(outcome.kind, outcome.text) for outcome in delivered] == [("unknown", "kept")]
    assert f"could not be judged ({name})" in str(delivered[0].error)
    assert "not repeated" not in str(delivered[0].error)
