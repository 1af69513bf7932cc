"""The simulated API as a whole: answers, faults, limits, and the books it keeps."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.digest import body_digest, chances
from claude_parallel.simulation.profile import Fault, Limits, Profile, tier_limits
from claude_parallel.simulation.tokens import count_tokens, text_tokens
from claude_parallel.simulation.wire import Response

HEADERS = {"authorization": "Bearer key", "anthropic-version": "2026-10-21"}
HELLO = ("Hel", "lo")


def body_of(content: Any = "Is this review kind?", **fields: Any) -> dict[str, Any]:
    """Return a good body."""
    return {
        "model": "claude-haiku-5-5",
        "max_tokens": 1_000,
        "messages": [{"role": "user", "content": content}],
        **fields,
    }


def formatted(schema: Any, **fields: Any) -> dict[str, Any]:
    """Return a body that asks for a JSON schema."""
    return body_of(output_config={"format": {"type": "json_schema", "schema": schema}}, **fields)


def ask(brain: Brain, body: Any, now: float = 0.0) -> Response:
    """Play one call to its end."""
    exchange = brain.open("POST", "/v1/messages", HEADERS, body, now)
    return brain.close(exchange, now + exchange.end_seconds)


def message(brain: Brain, body: Any, now: float = 0.0) -> dict[str, Any]:
    """Return the Message that answers a body."""
    response = ask(brain, body, now)
    assert response.status == 200, response
    assert isinstance(response.body, dict)
    return response.body


def get(brain: Brain, path: str, method: str = "GET", body: Any = None, key: str = "key") -> Response:
    """Play one call of another route."""
    headers = {**HEADERS, "authorization": f"Bearer {key}"}
    return brain.close(brain.open(method, path, headers, body, 0.0), 0.0)


def test_an_answer_says_that_it_is_simulated_and_counts_its_tokens() -> None:
    """Text, usage, ids and headers are those of a Message."""
    body = body_of()
    response = ask(Brain(), body)
    assert isinstance(response.body, dict)
    text = response.body["content"][0]["text"]
    assert text == "Simulated: Is this review kind?"
    assert response.body["stop_reason"] == "end_turn"
    assert response.body["usage"]["input_tokens"] == count_tokens(body)
    assert response.body["usage"]["output_tokens"] == text_tokens(text)
    assert response.body["usage"]["service_tier"] == "standard"
    assert {"request-id", "anthropic-organization-id", "anthropic-workspace-id"} <= response.headers.keys()


def test_equal_bodies_get_equal_answers_and_seeds_differ() -> None:
    """The answer hangs on body and seed, on nothing else."""
    texts = [message(Brain(seed=seed), formatted(PERSON))["content"] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("tokens", "allowed", "stop", "counted"),
    [(50, 1_000, "end_turn", 50), (50, 20, "max_tokens", 20), ((30, 40), 1_000, "end_turn", None)],
)
def test_length_follows_the_profile_up_to_max_tokens(tokens: Any, allowed: int, stop: str, counted: int | None) -> None:
    """A cut answer is marked, and its text is about as long as its tokens."""
    answer = message(Brain(Profile(output_tokens=tokens)), body_of(max_tokens=allowed))
    used = answer["usage"]["output_tokens"]
    assert answer["stop_reason"] == stop
    assert used == counted or (counted is None and 30 <= used <= 40)
    assert len(answer["content"][0]["text"]) == 4 * used


def test_the_callers_own_answers_go_first() -> None:
    """A profile may answer with any text, whatever the format."""
    profile = Profile(answer=lambda body: body["messages"][0]["content"].upper())
    assert message(Brain(profile), body_of("hello"))["content"][0]["text"] == "HELLO"
    assert message(Brain(profile), formatted({"type": "boolean"}))["content"][0]["text"].isupper()


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "score": {"type": "number"},
        "tone": {"enum": ["good", "bad"]},
        "kind": {"const": "review"},
        "seen": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}, "minItems": 1},
        "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
    "required": ["name", "age", "score", "tone", "kind", "seen", "tags", "maybe"],
    "additionalProperties": False,
    "$defs": {
        "Tag": {
            "type": "object",
            "properties": {"id": {"type": "integer"}},
            "required": ["id"],
            "additionalProperties": False,
        }
    },
}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_structured_answers_fit_their_schema(number: int) -> None:
    """Every field has its type, and enums and constants hold."""
    answer = message(Brain(), formatted(PERSON, system=f"row {number}"))
    value = json.loads(answer["content"][0]["text"])
    assert list(value) == PERSON["required"]
    assert isinstance(value["name"], str)
    assert isinstance(value["age"], int)
    assert isinstance(value["score"], float)
    assert value["tone"] in ("good", "bad")
    assert value["kind"] == "review"
    assert value["seen"].endswith("Z")
    assert value["tags"]
    assert all(isinstance(tag["id"], int) for tag in value["tags"])
    assert value["maybe"] in (True, False, None)


def test_a_structured_answer_is_cut_at_max_tokens() -> None:
    """The cut text is no JSON any more, and the stop reason says why."""
    answer = message(Brain(), formatted(PERSON, max_tokens=5))
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == 5
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer["content"][0]["text"])


@pytest.mark.parametrize(
    ("thinking", "model", "share", "types"),
    [
        (None, "claude-haiku-5-5", 0.0, ["text"]),
        (None, "claude-haiku-5-5", 1.0, ["thinking", "text"]),
        (None, "claude-opus-5", 1.0, ["text"]),
        ({"type": "adaptive"}, "claude-haiku-5-5", 0.0, ["thinking", "text"]),
        ({"type": "disabled"}, "claude-haiku-5-5", 1.0, ["text"]),
        ({"type": "between_tools"}, "claude-sonnet-5-5", 1.0, ["text"]),
    ],
)
def test_thinking_comes_first_where_it_is_on(thinking: Any, model: str, share: float, types: list[str]) -> None:
    """Asked for it always comes, unasked by share, switched off never."""
    body = body_of(model=model) if thinking is None else body_of(model=model, thinking=thinking)
    answer = message(Brain(Profile(thinking_share=share, thinking_tokens=70)), body)
    assert [block["type"] for block in answer["content"]] == types
    details = answer["usage"]["output_tokens_details"]
    assert details == ({"thinking_tokens": 70} if "thinking" in types else None)


def test_thinking_may_eat_all_of_max_tokens() -> None:
    """Then there is a thinking block only."""
    body = body_of(thinking={"type": "adaptive"}, max_tokens=50)
    answer = message(Brain(Profile(thinking_tokens=70)), body)
    assert [block["type"] for block in answer["content"]] == ["thinking"]
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == 50


def test_a_forced_tool_is_used() -> None:
    """The answer is a tool call that fits the tool's schema."""
    tool = {"name": "rate", "input_schema": PERSON}
    answer = message(Brain(), body_of(tools=[tool], tool_choice={"type": "tool", "name": "rate"}))
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"][0]["input"]["tone"] in ("good", "bad")


def test_a_warm_up_says_nothing_and_fills_the_cache() -> None:
    """``max_tokens: 0`` costs a write and no output; the next call reads."""
    brain = Brain()
    system = [{"type": "text", "text": "x" * 4_000, "cache_control": {"type": "ephemeral"}}]
    warm = message(brain, body_of(system=system, max_tokens=0))
    assert (warm["content"], warm["stop_reason"]) == ([], "max_tokens")
    assert warm["usage"]["output_tokens"] == 0
    assert warm["usage"]["cache_creation"]["ephemeral_5m_input_tokens"] == 1_008
    assert message(brain, body_of(system=system), 1.0)["usage"]["cache_read_input_tokens"] == 1_008


def test_cache_reads_do_not_count_against_the_input_limit() -> None:
    """On a limit of 1,500 tokens a minute, a prefix of 1,008 is written once and read often."""
    brain = Brain(Profile(limits=Limits(input_tokens_per_minute=1_500)))
    system = [{"type": "text", "text": "x" * 4_000, "cache_control": {"type": "ephemeral"}}]
    assert [ask(brain, body_of(system=system)).status for _ in range(10)] == [200] * 10
    plain = Brain(Profile(limits=Limits(input_tokens_per_minute=1_500)))
    assert [ask(plain, body_of(system="x" * 4_000)).status for _ in range(2)] == [200, 429]


def test_max_tokens_does_not_count_against_the_output_limit() -> None:
    """Only what was generated counts, once it is."""
    brain = Brain(Profile(limits=Limits(output_tokens_per_minute=1_000), output_tokens=100))
    statuses = [ask(brain, body_of(max_tokens=100_000)).status for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_model_groups_have_limits_of_their_own() -> None:
    """One group's full account does not stop another's; ids of one group share it."""
    brain = Brain(Profile(limits=Limits(requests_per_minute=1)))
    models = ["claude-opus-4-8", "claude-opus-4-7", "claude-sonnet-5"]
    assert [ask(brain, body_of(model=model)).status for model in models] == [200, 429, 200]


def test_a_429_tells_when_to_come_again_and_a_200_tells_the_limits() -> None:
    """Both carry the limit headers; only the refusal has ``retry-after``, and it suffices."""
    brain = Brain(Profile(limits=tier_limits("tier-1"), burst_seconds=1.0))
    first, second = ask(brain, body_of()), ask(brain, body_of("another"))
    assert (first.status, second.status) == (200, 429)
    for response in (first, second):
        assert sum(name.startswith("anthropic-ratelimit-") for name in response.headers) == 12
    assert "retry-after" not in first.headers
    seconds = float(second.headers["retry-after"])
    assert ask(brain, body_of("another"), seconds).status == 200


FAULTS: dict[Fault, tuple[int, str]] = {
    "overloaded": (529, "overloaded_error"),
    "server": (500, "api_error"),
    "gateway_timeout": (504, "timeout_error"),
    "rate_limit": (429, "rate_limit_error"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_refusing_faults_cost_nothing(fault: Fault) -> None:
    """The status and type are the API's, and nothing is billed."""
    brain = Brain(Profile(script={1: fault}))
    response = ask(brain, body_of())
    assert isinstance(response.body, dict)
    assert (response.status, response.body["error"]["type"]) == FAULTS[fault]
    assert brain.ledger.paid == []
    assert ask(brain, body_of()).status == 200


def test_a_proxys_page_is_html_without_a_request_id() -> None:
    """The 502 comes from before the API."""
    response = ask(Brain(Profile(script={1: "html_502"})), body_of())
    assert response.status == 502
    assert isinstance(response.body, str)
    assert response.body.startswith("<html>")
    assert "request-id" not in response.headers


@pytest.mark.parametrize(("fault", "cut"), [("reset", "reset"), ("truncated", "truncated"), ("not_json", None)])
def test_losing_faults_bill_an_answer_that_nobody_sees(fault: Fault, cut: str | None) -> None:
    """The work was done: it is billed, and counted as lost; asked again, the body is not paid twice."""
    brain = Brain(Profile(script={1: fault}))
    response = ask(brain, body_of())
    assert response.cut == cut
    assert cut is not None or response.body == str(response.body)
    ledger = brain.ledger
    assert (ledger.billed_but_lost, ledger.answered, ledger.paid[0].lost) == (1, 0, True)
    ask(brain, body_of())
    assert (ledger.answered, len(ledger.paid), ledger.paid_twice) == (1, 2, 0)


@pytest.mark.parametrize(
    ("fault", "stop", "types", "billed"),
    [
        ("refusal", "refusal", [], 0),
        ("empty", "end_turn", [], 1),
        ("unknown_block", "end_turn", ["simulated_widget", "text"], 1),
    ],
)
def test_odd_answers_are_answers(fault: Fault, stop: str, types: list[str], billed: int) -> None:
    """Status 200 is no promise; a refusal before any output is not billed."""
    brain = Brain(Profile(script={1: fault}))
    answer = message(brain, body_of())
    assert answer["stop_reason"] == stop
    assert [block["type"] for block in answer["content"]] == types
    assert (answer["stop_details"] is not None) is (fault == "refusal")
    assert len(brain.ledger.paid) == billed


def test_latency_grows_with_the_answer_and_slow_calls_are_slower() -> None:
    """Begin and end are told apart; jitter stays around the median."""
    profile = Profile(latency_seconds=1.0, seconds_per_output_token=0.01, output_tokens=100, script={2: "slow"})
    brain = Brain(profile)
    first = brain.open("POST", "/v1/messages", HEADERS, body_of(), 0.0)
    second = brain.open("POST", "/v1/messages", HEADERS, body_of(), 0.0)
    assert (first.begin_seconds, first.end_seconds) == (1.0, 2.0)
    assert (second.begin_seconds, second.end_seconds) == (10.0, 20.0)
    jittered = Brain(Profile(latency_seconds=1.0, jitter_sigma=0.3))
    ends = sorted(
        jittered.open("POST", "/v1/messages", HEADERS, body_of(str(at)), 0.0).end_seconds for at in range(300)
    )
    assert 0.9 < ends[150] < 1.1
    assert ends[0] < 0.7
    assert ends[-1] > 1.5


def test_a_hanging_call_ends_in_a_broken_connection_and_is_not_billed() -> None:
    """Silence for as long as the profile says."""
    brain = Brain(Profile(script={1: "hang"}, hang_seconds=900.0))
    exchange = brain.open("POST", "/v1/messages", HEADERS, body_of(), 0.0)
    assert exchange.end_seconds == 900.0
    assert brain.close(exchange, 900.0).cut == "reset"
    assert (brain.ledger.paid, brain.ledger.in_flight) == ([], 0)


def test_shares_of_faults_hold_and_do_not_hang_on_order() -> None:
    """About a tenth is overloaded, the same bodies in whatever order; a second try has a new chance."""
    bodies = [body_of(f"row {at}") for at in range(1_000)]

    def struck(order: list[dict[str, Any]]) -> set[bytes]:
        brain = Brain(Profile(faults={"overloaded": 0.1}), seed=4)
        return {body_digest(body) for body in order if ask(brain, body).status == 529}

    first = struck(bodies)
    assert 60 < len(first) < 140
    assert struck(bodies[::-1]) == first
    brain = Brain(Profile(faults={"overloaded": 0.5}))
    assert {ask(brain, bodies[0]).status for _ in range(30)} == {200, 529}


@pytest.mark.parametrize(
    ("profile", "status", "code", "words"),
    [
        (Profile(spend_limit_after=2), 429, "enforced_spend_limit_reached", "monthly"),
        (Profile(credit_after=2), 400, None, "Your credit balance is too low"),
    ],
)
def test_when_the_money_is_gone_everything_is_refused(
    profile: Profile, status: int, code: str | None, words: str
) -> None:
    """The spend limit has a code and no ``retry-after``; used-up credit is known by its words only."""
    brain = Brain(profile)
    assert [ask(brain, body_of(str(at))).status for at in range(4)] == [200, 200, status, status]
    response = ask(brain, body_of())
    assert isinstance(response.body, dict)
    assert words in response.body["error"]["message"]
    assert response.body["error"].get("details", {}).get("error_code") == code
    assert "retry-after" not in response.headers


def test_growing_too_fast_is_a_429_with_a_code() -> None:
    """The acceleration limit says when to come again."""
    brain = Brain(Profile(ramp_floor=5))
    responses = [ask(brain, body_of(str(at))) for at in range(6)]
    last = responses[-1]
    assert isinstance(last.body, dict)
    assert last.body["error"]["details"] == {"error_code": "ramp_limit_exceeded"}
    assert float(last.headers["retry-after"]) == pytest.approx(10.0, abs=0.01)


def test_the_retry_header_comes_only_when_asked_for() -> None:
    """``x-should-retry`` is an option, and says what the status says."""
    for on, expected in ((False, [None, None]), (True, ["true", "false"])):
        brain = Brain(Profile(x_should_retry=on, script={1: "overloaded"}))
        responses = [ask(brain, body_of()), ask(brain, body_of(temperature=1))]
        assert [response.headers.get("x-should-retry") for response in responses] == expected


def test_the_ledger_counts_what_was_in_flight_and_what_was_abandoned() -> None:
    """An abandoned call is done and billed all the same."""
    brain = Brain(Profile(latency_seconds=1.0))
    calls = [brain.open("POST", "/v1/messages", HEADERS, body_of(str(at)), 0.0) for at in range(5)]
    assert (brain.ledger.in_flight, brain.ledger.max_in_flight) == (5, 5)
    brain.abandon(calls[0], 0.5)
    for call in calls[1:]:
        brain.close(call, 1.0)
    ledger = brain.ledger
    assert (ledger.in_flight, ledger.answered, ledger.billed_but_lost, len(ledger.paid)) == (0, 4, 1, 5)
    assert ledger.total("input_tokens") == 5 * count_tokens(body_of("0"))
    message(brain, body_of("4"))
    assert ledger.paid_twice == 1


@pytest.mark.parametrize(
    "same",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": part} for part in HELLO]}]},
        {"cache_control": {"type": "ephemeral"}},
        {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
    ],
)  # fmt: skip
def test_a_body_is_the_same_whatever_its_cache_marks(same: dict[str, Any]) -> None:
    """Marks, key order and split texts make no other request; another text does."""
    body = body_of("Hello", system="s")
    marked = dict(reversed(list({**body, **same}.items())))
    assert body_digest(marked) == body_digest(body)
    assert body_digest(body_of("Hello!", system="s")) != body_digest(body)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.binary(max_size=16), st.integers(-5, 5))
def test_chance_is_fixed_and_below_one(seed: int, digest: bytes, occurrence: int) -> None:
    """The same arguments give the same eight numbers in [0, 1)."""
    numbers = list(chances(seed, digest, occurrence))
    assert numbers == list(chances(seed, digest, occurrence))
    assert len(numbers) == 8
    assert all(0 <= number < 1 for number in numbers)


def test_tokens_are_counted_for_free_with_a_pool_of_their_own() -> None:
    """Counting gives what an answer's usage says, and does not touch the Messages limits."""
    brain = Brain(Profile(limits=Limits(requests_per_minute=1, count_requests_per_minute=2)))
    body = body_of()
    counted = {name: value for name, value in body.items() if name != "max_tokens"}
    responses = [get(brain, "/v1/messages/count_tokens", "POST", counted) for _ in range(3)]
    assert [response.status for response in responses] == [200, 200, 429]
    assert responses[0].body == {"input_tokens": message(brain, body)["usage"]["input_tokens"]}
    assert get(brain, "/v1/messages/count_tokens", "POST", body).status == 400


def test_models_can_be_listed_and_asked_for() -> None:
    """Newest first, with limits and capabilities; unknown ids are 404."""
    brain = Brain()
    listing = get(brain, "/v1/models?limit=3").body
    assert isinstance(listing, dict)
    assert [model["id"] for model in listing["data"]][-1] == "claude-haiku-5-5"
    assert listing["has_more"] is True
    model = get(brain, "/v1/models/claude-haiku-5-5").body
    assert isinstance(model, dict)
    assert (model["max_tokens"], model["lifecycle"]) == (128_000, "active")
    assert model["capabilities"]["thinking"]["types"]["enabled"] == {"supported": False}
    assert get(brain, "/v1/models/claude-2").status == 404


def test_limits_can_be_read_with_an_admin_key() -> None:
    """Groups come in the new shape; other keys are refused; one model gives one group."""
    brain = Brain(Profile(limits=tier_limits("build")))
    path = "/v1/organizations/rate_limits"
    assert get(brain, path).status == 403
    listing = get(brain, f"{path}?model=claude-haiku-5-5", key="sk-ant-admin-1").body
    assert isinstance(listing, dict)
    (entry,) = listing["data"]
    assert entry["group"]["type"] == "model_group"
    assert {"type": "requests_per_minute", "value": 5_000} in entry["limits"]
    assert get(brain, f"{path}?model=nothing", key="sk-ant-admin-1").status == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/messages"), ("POST", "/v2/x"), ("GET", "/")])
def test_other_addresses_are_not_found(method: str, path: str) -> None:
    """Unknown routes are 404 with the API's error body."""
    response = get(Brain(), path, method)
    assert isinstance(response.body, dict)
    assert (response.status, response.body["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        ("iVBORw0KGgoAAAANSUhEUgAAAZAAAAEsCAYAAAA=", 400 * 300 // 750),
        ("R0lGODlhkAEsAQ==", 400 * 300 // 750),
        ("AAAA", 1_500),
        ("not base64!", 1_500),
    ],
)
def test_pictures_weigh_by_their_area(data: str, tokens: int) -> None:
    """A picture of 400 by 300 weighs 160 tokens; an unreadable one a flat 1,500."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    text = {"type": "text", "text": "what?"}
    assert count_tokens(body_of([image, text])) - count_tokens(body_of([text])) == tokens


def test_profiles_refuse_what_cannot_be() -> None:
    """Unknown faults, probabilities above 1 and empty ramps are errors at once."""
    for wrong in (
        {"faults": {"meteor": 0.1}},
        {"script": {1: "meteor"}},
        {"faults": {"reset": 0.6, "server": 0.6}},
        {"ramp_floor": 0},
    ):
        with pytest.raises(ValueError):
            Profile(**wrong)


def test_five_thousand_calls_take_seconds() -> None:
    """Opening and closing a small call costs well below a millisecond; seconds of the processor."""
    brain = Brain(Profile(limits=tier_limits("scale"), jitter_sigma=0.3, latency_seconds=0.5))
    before = time.process_time()
    for at in range(5_000):
        ask(brain, body_of(f"Classify the tone of review {at}"), at * 0.01)
    assert time.process_time() - before < 4.0
    assert brain.ledger.answered == 5_000
