"""Simulated batches: accepted at once, judged row by row, told in any order at the end."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest

from claude_parallel.simulation.batches import EXPIRY_SECONDS, RESULTS_SECONDS
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.profile import Limits, Profile
from claude_parallel.simulation.wire import Response

HEADERS = {"authorization": "Bearer key", "anthropic-version": "2026-10-21"}
ROOT = "/v1/messages/batches"


def row(at: int, **fields: Any) -> dict[str, Any]:
    """Return one good request of a batch."""
    content = f"row {at}"
    params = {
        "model": "claude-haiku-5-5",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": content}],
    }
    return {"custom_id": f"row-{at}", "params": {**params, **fields}}


def call(brain: Brain, method: str, path: str, body: Any = None, now: float = 0.0, size: int = 0) -> Response:
    """Play one call to its end."""
    return brain.close(brain.open(method, path, HEADERS, body, now, size_bytes=size), now)


def created(brain: Brain, rows: list[Any], now: float = 0.0) -> str:
    """Create a batch and return its id."""
    response = call(brain, "POST", ROOT, {"requests": rows}, now)
    assert response.status == 200, response.body
    assert isinstance(response.body, dict)
    return str(response.body["id"])


def state(brain: Brain, batch_id: str, now: float) -> dict[str, Any]:
    """Return a batch as the API shows it."""
    response = call(brain, "GET", f"{ROOT}/{batch_id}", now=now)
    assert isinstance(response.body, dict)
    return response.body


def results(brain: Brain, batch_id: str, now: float) -> list[dict[str, Any]]:
    """Return the parsed lines of a batch's results."""
    response = call(brain, "GET", f"{ROOT}/{batch_id}/results", now=now)
    assert response.status == 200
    assert response.lines is not None
    lines = list(response.lines)
    assert all(line.endswith("\n") for line in lines)
    return [json.loads(line) for line in lines]


def test_counts_stand_still_until_the_whole_batch_has_ended() -> None:
    """All rows are processing, then all are told at once, with an absolute address."""
    brain = Brain(Profile(batch_seconds=100.0), base_url="http://127.0.0.1:1")
    batch_id = created(brain, [row(at) for at in range(10)])
    for now in (0.0, 50.0, 99.9):
        batch = state(brain, batch_id, now)
        assert batch["processing_status"] == "in_progress"
        assert batch["request_counts"]["processing"] == 10
        assert (batch["results_url"], batch["ended_at"]) == (None, None)
        assert call(brain, "GET", f"{ROOT}/{batch_id}/results", now=now).status == 400
    batch = state(brain, batch_id, 100.0)
    assert batch["processing_status"] == "ended"
    assert batch["request_counts"] == {
        "processing": 0, "succeeded": 10, "errored": 0, "canceled": 0, "expired": 0,
    }  # fmt: skip
    assert batch["results_url"] == f"http://127.0.0.1:1{ROOT}/{batch_id}/results"
    assert batch["created_at"] == "2026-11-23T00:00:00.000000Z"
    assert batch["expires_at"] == "2026-11-24T00:00:00.000000Z"
    assert batch["ended_at"] == "2026-11-23T00:01:40.000000Z"


def test_results_come_in_any_order_and_the_same_each_time() -> None:
    """Every row is told once, under its own id, with the batch tier in its usage, and billed once."""
    brain = Brain()
    batch_id = created(brain, [row(at) for at in range(50)])
    told = results(brain, batch_id, 60.0)
    assert told == results(brain, batch_id, 70.0)
    names = [line["custom_id"] for line in told]
    assert sorted(names) == sorted(f"row-{at}" for at in range(50))
    assert names != [f"row-{at}" for at in range(50)]
    for line in told:
        message = line["result"]["message"]
        assert line["custom_id"].replace("-", " ") in message["content"][0]["text"]
        assert message["usage"]["service_tier"] == "batch"
    assert len(brain.ledger.paid) == 50
    assert brain.ledger.paid_twice == 0
    assert brain.ledger.total("output_tokens") == sum(
        line["result"]["message"]["usage"]["output_tokens"] for line in told
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 1.0},
        {"stream": True},
        {"speed": "fast"},
        {"max_tokens": 0},
        {"max_tokens": None},
        {"model": "claude-2"},
        {"messages": []},
    ],
)
def test_rows_are_judged_later_and_a_bad_one_errs_alone(wrong: dict[str, Any]) -> None:
    """The batch is accepted; the bad row is ``errored`` and not billed, the others succeed."""
    brain = Brain()
    batch_id = created(brain, [row(0), row(1, **wrong), row(2)])
    told = {line["custom_id"]: line["result"] for line in results(brain, batch_id, 60.0)}
    assert told["row-0"]["type"] == told["row-2"]["type"] == "succeeded"
    assert told["row-1"]["type"] == "errored"
    assert told["row-1"]["error"]["type"] == "error"
    assert told["row-1"]["error"]["error"]["type"] in ("invalid_request_error", "not_found_error")
    assert state(brain, batch_id, 60.0)["request_counts"]["errored"] == 1
    assert len(brain.ledger.paid) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "requests"),
        ({"requests": []}, "at least 1"),
        ({"requests": [{"custom_id": "a"}]}, "params"),
        ({"requests": [{**row(0), "custom_id": "a.b"}]}, "custom_id"),
        ({"requests": [{**row(0), "custom_id": "a\n"}]}, "custom_id"),
        ({"requests": [{**row(0), "custom_id": "x" * 65}]}, "custom_id"),
        ({"requests": [row(0), row(0)]}, "not unique"),
        ({"requests": [row(0)] * 100_001}, "at most 100000"),
    ],
)
def test_what_is_wrong_with_the_batch_itself_is_refused_at_once(body: Any, words: str) -> None:
    """Ids and counts are looked at when the batch is created."""
    response = call(Brain(), "POST", ROOT, body)
    assert isinstance(response.body, dict)
    assert response.status == 400
    assert words in response.body["error"]["message"]


def test_batches_above_256_megabytes_are_413() -> None:
    """The limit is larger than for single messages."""
    body = {"requests": [row(0)]}
    assert call(Brain(), "POST", ROOT, body, size=256_000_000).status == 200
    assert call(Brain(), "POST", ROOT, body, size=256_000_001).status == 413


def test_cancelling_keeps_what_is_done() -> None:
    """Half-way through, half the rows are kept; ``canceling`` comes before ``ended``."""
    brain = Brain(Profile(batch_seconds=100.0))
    batch_id = created(brain, [row(at) for at in range(20)])
    cancelled = call(brain, "POST", f"{ROOT}/{batch_id}/cancel", now=50.0)
    assert isinstance(cancelled.body, dict)
    assert cancelled.body["processing_status"] == "canceling"
    assert cancelled.body["cancel_initiated_at"] == "2026-11-23T00:00:50.000000Z"
    batch = state(brain, batch_id, 55.0)
    assert batch["processing_status"] == "ended"
    assert (batch["request_counts"]["succeeded"], batch["request_counts"]["canceled"]) == (10, 10)
    kinds = [line["result"]["type"] for line in results(brain, batch_id, 55.0)]
    assert sorted(set(kinds)) == ["canceled", "succeeded"]
    assert len(brain.ledger.paid) == 10
    assert call(brain, "POST", f"{ROOT}/{batch_id}/cancel", now=60.0).status == 400


def test_nothing_of_a_batch_that_was_cancelled_expires() -> None:
    """Not even where it would have ended within the moment that cancelling takes."""
    brain = Brain(Profile(batch_seconds=100.0))
    batch_id = created(brain, [row(at) for at in range(20)])
    call(brain, "POST", f"{ROOT}/{batch_id}/cancel", now=99.5)
    counts = state(brain, batch_id, 101.0)["request_counts"]
    assert (counts["succeeded"], counts["canceled"], counts["expired"]) == (19, 1, 0)


def test_an_own_answer_is_given_once() -> None:
    """A function may say something else each time: what is billed is what is told, however often results are read."""
    numbers = itertools.count()
    brain = Brain(Profile(batch_seconds=1.0, answer=lambda _body: "x" * 40 * next(numbers)))
    batch_id = created(brain, [row(at) for at in range(5)])
    first, second = results(brain, batch_id, 2.0), results(brain, batch_id, 2.0)
    assert first == second
    assert next(numbers) == 5
    told = [line["result"]["message"]["usage"]["output_tokens"] for line in first]
    assert told == [paid.output_tokens for paid in brain.ledger.paid]


def test_a_batch_ends_after_a_day_and_the_rest_expires() -> None:
    """What is not done by then is ``expired`` and not billed."""
    brain = Brain(Profile(batch_seconds=2 * EXPIRY_SECONDS))
    batch_id = created(brain, [row(at) for at in range(10)])
    counts = state(brain, batch_id, EXPIRY_SECONDS)["request_counts"]
    assert (counts["succeeded"], counts["expired"], counts["processing"]) == (5, 5, 0)
    assert len(brain.ledger.paid) == 5


def test_results_are_archived_after_29_days() -> None:
    """The batch is still known, its results are not."""
    brain = Brain()
    batch_id = created(brain, [row(0)])
    assert state(brain, batch_id, RESULTS_SECONDS - 1)["results_url"] is not None
    batch = state(brain, batch_id, RESULTS_SECONDS)
    assert batch["results_url"] is None
    assert batch["archived_at"] == "2026-12-22T00:00:00.000000Z"
    assert call(brain, "GET", f"{ROOT}/{batch_id}/results", now=RESULTS_SECONDS).status == 404


def test_only_ended_batches_can_be_deleted() -> None:
    """Then they are gone."""
    brain = Brain()
    batch_id = created(brain, [row(0)])
    assert call(brain, "DELETE", f"{ROOT}/{batch_id}", now=1.0).status == 400
    deleted = call(brain, "DELETE", f"{ROOT}/{batch_id}", now=60.0)
    assert deleted.body == {"id": batch_id, "type": "message_batch_deleted"}
    assert call(brain, "GET", f"{ROOT}/{batch_id}", now=61.0).status == 404


def test_the_list_is_newest_first_and_comes_in_pages() -> None:
    """``after_id`` goes on to older batches, ``before_id`` back to newer ones."""
    brain = Brain()
    ids = [created(brain, [row(0)], now=float(at)) for at in range(5)][::-1]

    def page(query: str) -> tuple[list[str], bool]:
        response = call(brain, "GET", f"{ROOT}?{query}", now=10.0)
        assert isinstance(response.body, dict)
        return [batch["id"] for batch in response.body["data"]], response.body["has_more"]

    assert page("limit=2") == (ids[:2], True)
    assert page(f"limit=2&after_id={ids[1]}") == (ids[2:4], True)
    assert page(f"limit=2&after_id={ids[3]}") == (ids[4:], False)
    assert page(f"limit=2&before_id={ids[4]}") == (ids[2:4], True)
    assert page("limit=20") == (ids, False)
    assert call(brain, "GET", f"{ROOT}?limit=0").status == 400


def test_the_queue_has_a_limit_and_messages_do_not_feel_batches() -> None:
    """What waits in all batches counts together; done rows free the queue."""
    limits = Limits(requests_per_minute=1, batch_queue=15)
    brain = Brain(Profile(limits=limits, batch_seconds=100.0))
    created(brain, [row(at) for at in range(10)])
    assert call(brain, "POST", ROOT, {"requests": [row(at) for at in range(10)]}).status == 429
    assert call(brain, "POST", "/v1/messages", row(0)["params"]).status == 200
    created(brain, [row(at) for at in range(10)], now=50.0)


def test_faults_strike_rows_of_batches_by_share() -> None:
    """Server errors and early expiry are told as such and are not billed."""
    brain = Brain(Profile(batch_faults={"errored": 0.2, "expired": 0.2}), seed=3)
    batch_id = created(brain, [row(at) for at in range(300)])
    counts = state(brain, batch_id, 60.0)["request_counts"]
    assert 30 < counts["errored"] < 90
    assert 30 < counts["expired"] < 90
    assert counts["succeeded"] == len(brain.ledger.paid) == 300 - counts["errored"] - counts["expired"]
    errors = [
        line["result"]["error"]["error"]["type"]
        for line in results(brain, batch_id, 60.0)
        if line["result"]["type"] == "errored"
    ]
    assert set(errors) == {"api_error"}


def test_a_scripted_fault_may_lose_the_answer_to_a_batch_that_was_created() -> None:
    """After a reset the batch is there all the same; after silence it is not; a refusal is plain."""
    brain = Brain(Profile(batch_script={1: "reset", 2: "hang", 3: "overloaded"}))
    answers = [call(brain, "POST", ROOT, {"requests": [row(0)]}) for _ in range(4)]
    assert [answer.cut for answer in answers] == ["reset", "reset", None, None]
    assert [answer.status for answer in answers[2:]] == [529, 200]
    listing = call(brain, "GET", ROOT).body
    assert isinstance(listing, dict)
    assert len(listing["data"]) == 2


def test_rows_of_batches_share_the_prompt_cache_at_best_effort() -> None:
    """One row warms the cache for the batch after it; most of that batch's rows read."""
    brain = Brain(Profile(batch_cache_hits=0.9))
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "x" * 4_000, "cache_control": mark}]
    results(brain, created(brain, [row(0, system=system)]), 60.0)
    batch_id = created(brain, [row(at, system=system) for at in range(200)], now=60.0)
    usages = [line["result"]["message"]["usage"] for line in results(brain, batch_id, 120.0)]
    hits = sum(1 for usage in usages if usage["cache_read_input_tokens"])
    assert 150 < hits < 200
    assert all(
        usage["cache_read_input_tokens"] + usage["cache_creation"]["ephemeral_1h_input_tokens"] == 1_008
        for usage in usages
    )


def test_five_thousand_rows_take_seconds() -> None:
    """Creating, working off and reading a large batch costs well below a millisecond of the processor a row."""
    brain = Brain()
    rows = [row(at) for at in range(5_000)]
    before = time.process_time()
    batch_id = created(brain, rows)
    assert len(results(brain, batch_id, 60.0)) == 5_000
    assert time.process_time() - before < 4.0
