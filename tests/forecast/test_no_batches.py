"""Where a map cannot go as batches, an estimate advises none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anthropic
import pytest

from claude_parallel.config import resolve_settings
from claude_parallel.engine.environment import live_environment
from claude_parallel.forecast.estimate import Estimate, estimate_frame
from claude_parallel.frames.frame_map import FrameMap
from tests.worlds import frame_of, world

ROWS = 3_000
"""At 1,000 output tokens a row, half of the price is worth a day's wait."""


def estimated(*, has_batches: bool = True, **options: Any) -> Estimate:
    environment = replace(world().environment(), has_batches=has_batches)
    options = {"journal": False, "limits": "scale", "model": "claude-sonnet-4-6", **options}
    return estimate_frame(FrameMap(frame_of(ROWS), "Say {t}", "response", options, environment=environment), 1_000.0)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"has_batches": False}, "there are no message batches on this platform"),
        ({"request": {"speed": "fast"}}, "batches take no 'speed'"),
    ],
)
def test_what_the_map_would_refuse_has_no_price_and_is_not_advised(options: Any, why: str) -> None:
    """Half the price was promised for batches that nobody can send."""
    figures = estimated(**options)
    table = figures.to_frame()

    assert table.index[table["recommended"]].tolist() == ["live"]
    assert table.loc[["batch", "batch + caching"], ["usd_likely", "seconds"]].isna().all(axis=None)
    assert set(table.loc[["batch", "batch + caching"], "when"]) == {f"does not apply: {why}"}
    assert "Batches:" not in repr(figures)


def test_elsewhere_a_batch_is_advised() -> None:
    """The same map, where batches are."""
    table = estimated().to_frame()
    assert table.index[table["recommended"]].tolist() == ["batch"]


def test_the_platform_says_whether_it_has_batches() -> None:
    """Bedrock has none."""
    pytest.importorskip("boto3")  # who signs in with it
    bedrock = anthropic.AnthropicBedrock(aws_region="us-east-1", aws_access_key="a", aws_secret_key="b")
    assert not live_environment(resolve_settings({"client": bedrock})).has_batches
    assert live_environment(resolve_settings({"client": anthropic.Anthropic(api_key="k")})).has_batches
