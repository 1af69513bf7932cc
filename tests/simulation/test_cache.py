"""The simulated prompt cache: who pays, who reads, from when and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.simulation.cache import PromptCache, positions
from claude_parallel.simulation.tokens import count_tokens

LONG = "x" * 4_000
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def body_of(question: str = "why?", system: str = LONG, control: Any = MARK, **fields: Any) -> dict[str, Any]:
    """Return a body whose system prompt of about 1,000 tokens is marked."""
    block = {"type": "text", "text": system, "cache_control": control}
    return {
        "model": "claude-haiku-5-5",
        "max_tokens": 10,
        "system": [block],
        "messages": [{"role": "user", "content": question}],
        **fields,
    }


def usage(cache: PromptCache, body: dict[str, Any], now: float, minimum: int = 512) -> tuple[int, int, int]:
    """Play one call that begins and ends at `now`; return tokens read, written for 5 minutes, for 1 hour."""
    split = cache.split(body, minimum, now)
    cache.begun(cache.commit(split, now, now))
    assert split.plain + split.read + split.written_5m + split.written_1h == count_tokens(body)
    assert split.charged == count_tokens(body) - split.read
    return split.read, split.written_5m, split.written_1h


def test_the_first_writes_and_the_next_reads_the_same_prefix() -> None:
    """Another question after the same prefix reads what the first call wrote."""
    cache = PromptCache()
    assert usage(cache, body_of("one"), 0.0) == (0, 1_008, 0)
    assert usage(cache, body_of("two"), 1.0) == (1_008, 0, 0)


def test_an_entry_is_readable_only_once_its_writer_has_begun_to_answer() -> None:
    """Parallel first calls all write; after the first has begun, others read."""
    cache = PromptCache()
    first = cache.split(body_of("one"), 512, 0.0)
    keys = cache.commit(first, 0.0, 2.0)
    assert cache.split(body_of("two"), 512, 1.0).written_5m == 1_008
    assert cache.split(body_of("two"), 512, 2.0).written_5m == 1_008
    assert cache.split(body_of("two"), 512, 2.1).read == 1_008
    cache.begun(keys)
    assert cache.split(body_of("two"), 512, 1.0).read == 1_008


@pytest.mark.parametrize(("control", "seconds"), [(MARK, 300.0), (HOUR, 3_600.0)])
def test_entries_live_from_the_start_of_the_last_use(control: dict[str, str], seconds: float) -> None:
    """Lifetime counts from the writer's start, and each read renews it."""
    cache = PromptCache()
    usage(cache, body_of(control=control), 0.0)
    assert usage(cache, body_of(control=control), seconds - 1)[0] == 1_008
    assert usage(cache, body_of(control=control), 2 * seconds - 2)[0] == 1_008
    assert usage(cache, body_of(control=control), 3 * seconds)[0] == 0


@pytest.mark.parametrize(
    "changed",
    [
        body_of(system=LONG + "."),
        body_of(model="claude-sonnet-5-5"),
        body_of(output_config={"effort": "low"}),
        body_of(output_config={"format": {"type": "json_schema", "schema": {"type": "boolean"}}}),
        body_of(thinking={"type": "disabled"}),
        body_of(tools=[{"name": "look", "input_schema": {"type": "object"}}]),
    ],
)
def test_whatever_stands_before_the_mark_makes_another_entry(changed: dict[str, Any]) -> None:
    """Text, model, effort, format, thinking and tools are all part of the prefix."""
    cache = PromptCache()
    usage(cache, body_of(), 0.0)
    read, written, _ = usage(cache, changed, 1.0)
    assert read == 0
    assert written > 0


@pytest.mark.parametrize(("minimum", "written"), [(1_008, 1_008), (1_009, 0)])
def test_a_prefix_below_the_models_minimum_is_silently_not_cached(minimum: int, written: int) -> None:
    """Both cache fields stay 0, and nothing is refused."""
    assert usage(PromptCache(), body_of(), 0.0, minimum) == (0, written, 0)


def test_the_automatic_mark_writes_every_time_when_rows_differ() -> None:
    """A breakpoint at the top stands for the last block, which is never the same."""
    cache = PromptCache()
    bodies = [body_of(f"question {at} " + LONG, control=None, cache_control=MARK) for at in range(3)]
    for body in bodies:
        body["system"] = LONG
        read, written, _ = usage(cache, body, 0.0)
        assert (read, written) == (0, count_tokens(body))


def test_two_marks_split_the_writes_by_lifetime() -> None:
    """An hour for the system prompt, five minutes for the example after it; later only the system is read."""
    cache = PromptCache()
    example = {"type": "text", "text": LONG, "cache_control": MARK}
    body = body_of(control=HOUR, messages=[{"role": "user", "content": [example]}])
    assert usage(cache, body, 0.0) == (0, 1_004, 1_008)
    assert usage(cache, body_of("other", control=HOUR), 1.0) == (1_008, 0, 0)
    assert usage(cache, body, 2.0) == (2_012, 0, 0)


@pytest.mark.parametrize(("blocks", "found"), [(20, True), (21, False)])
def test_twenty_positions_before_a_mark_are_searched(blocks: int, found: bool) -> None:
    """An entry that lies further back is not found by that breakpoint."""
    cache = PromptCache()
    usage(cache, body_of(), 0.0)
    added = [{"type": "text", "text": f"block {at}"} for at in range(blocks)]
    added[-1]["cache_control"] = MARK  # type: ignore[assignment]
    body = body_of(control=None, messages=[{"role": "user", "content": added}])
    assert (usage(cache, body, 1.0)[0] > 0) is found


texts = st.text(min_size=1, max_size=40).filter(str.strip)
contents = st.one_of(texts, st.lists(texts.map(lambda text: {"type": "text", "text": text}), min_size=1))


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.none(), contents), st.lists(contents, min_size=1, max_size=4), st.booleans())
def test_the_last_position_holds_all_tokens(system: Any, turns: list[Any], tools: bool) -> None:
    """Counting a body at once and counting it block by block give the same number."""
    body: dict[str, Any] = {
        "model": "claude-haiku-5-5",
        "messages": [{"role": "user", "content": turn} for turn in turns],
    }
    if system is not None:
        body["system"] = system
    if tools:
        body["tools"] = [{"name": "look", "input_schema": {"type": "object"}, "cache_control": MARK}]
    assert positions(body)[-1].tokens == count_tokens(body)
