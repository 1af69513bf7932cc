"""A law over every line that the results of a batch may hold, at any row, at any reading."""

from __future__ import annotations

import json
import warnings
from collections.abc import AsyncGenerator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.batch.api import BatchApi
from claude_parallel.batch.responses import BatchResult, BatchState, read_result
from claude_parallel.records import Failure
from claude_parallel.simulation.batch_transport import MemoryBatchApi

from ..batch_worlds import batch_world, frame_of
from ..nasty.test_laws import JSON

RESULTS = st.one_of(
    JSON,
    st.fixed_dictionaries({"type": st.just("succeeded"), "message": JSON}),
    st.fixed_dictionaries({"type": st.sampled_from(["errored", "canceled", "expired", "new"]), "error": JSON}),
)
WHOLE = RESULTS.map(lambda result: '{"custom_id": "%s", "result": ' + _json(result) + "}")
LINES = st.one_of(
    WHOLE,
    st.tuples(WHOLE, st.integers(0, 40)).map(lambda cut: cut[0][: len(cut[0]) - cut[1]]),
    st.sampled_from(["", "null", "[]", '"%s"', '{"custom_id": "%s"}', '{"custom_id": 5, "result": {}}', "\x00", "%s"]),
)
ROWS = 12


def _json(value: Any) -> str:
    return json.dumps(value).replace("%", "")


@settings(max_examples=60)
@given(
    lines=st.dictionaries(st.integers(0, ROWS - 1), LINES, min_size=1, max_size=4),
    readings=st.integers(1, 4),
    is_double=st.booleans(),
)
def test_any_line_at_any_row(lines: dict[int, str], readings: int, is_double: bool) -> None:
    """No exception, neighbours right, every row has its own fate, and what may have been paid is not paid again."""

    class Odd(MemoryBatchApi):
        read = 0

        async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
            Odd.read += 1
            number = 0
            async for item in super().results(batch):
                assert isinstance(item, BatchResult)
                line = lines.get(number) if Odd.read <= readings and batch.id == first[0] else None
                number += 1
                if line is None or is_double:
                    yield item
                if line is not None:
                    odd = read_result(line.replace("%s", item.custom_id).encode("utf-8", "surrogatepass"))
                    if odd is not None:
                        yield odd

        async def create(self, envelope: Any) -> BatchState | Failure:
            state = await super().create(envelope)
            assert isinstance(state, BatchState)
            first.append(state.id)
            return state

    def wrap(api: BatchApi) -> BatchApi:
        api.__class__ = Odd
        return api

    first: list[str] = []
    world = batch_world(wrap=wrap)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = world.map(frame_of(ROWS))

    failed = out["response_error"].notna()
    assert failed.sum() <= len(lines)
    assert (out["response"].notna() | failed).all()
    again = world.brain.ledger.batch_rows - ROWS
    told_unpaid = sum('"errored"' in line or '"expired"' in line for line in lines.values())
    assert again <= 2 * told_unpaid, "only what the API says it has not answered is asked again"
