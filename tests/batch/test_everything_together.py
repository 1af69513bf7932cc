"""One batch with everything that a row may bring: pictures, documents, examples, a schema, repairs and samples."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from PIL import Image

from claude_parallel.simulation.profile import Profile

from ..batch_worlds import batch_world


def picture(colour: int) -> bytes:
    """Return a small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_a_batch_carries_everything_at_once() -> None:
    """Each sample is an answer of its own; what does not fit the schema is repaired in a second batch."""
    asked: list[Any] = []

    def answer(body: Any) -> str:
        asked.append(body)
        turns = body["messages"]
        is_repair = "does not fit" in str(turns[-1]["content"])
        return '{"count": 3}' if is_repair or len(asked) % 3 else '{"count": 300}'

    frame = pd.DataFrame(
        {
            "t": [f"row {number}" for number in range(6)],
            "photo": [picture(10 * number) for number in range(6)],
            "note": [f"A note about row {number}.".encode() for number in range(6)],
        }
    )
    schema = {
        "type": "object",
        "properties": {"count": {"type": "integer", "maximum": 100}},
        "required": ["count"],
    }
    world = batch_world(Profile(batch_seconds=60.0, answer=answer))
    out = world.map(
        frame,
        "How many in {t}?",
        images="photo",
        documents="note",
        examples=[("How many in none?", {"count": 0})],
        schema=schema,
        repair=1,
        sample=2,
    )

    assert out["response_error"].isna().all()
    assert out["response_2_error"].isna().all()
    assert out["count"].tolist() == out["count_2"].tolist() == [3] * 6
    first = asked[0]["messages"]
    assert [turn["role"] for turn in first] == ["user", "assistant", "user"]
    assert [block["type"] for block in first[-1]["content"]] == ["image", "document", "text"]
    assert len(world.brain.ledger.paid) > 12
    repaired = out[["response_cost", "response_2_cost"]].max(axis=None) / out["response_cost"].min()
    assert repaired > 1.5
