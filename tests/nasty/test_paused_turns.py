"""Turns that the API pauses for its own tools: continued, each paid call kept and counted, and never without end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.engine.plan import MOST_PAUSES
from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage

from .server import NastyServer, Saying, good, message, nasty_server

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
FOUND = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tone"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
]


def paused(text: str, **changes: Any) -> Saying:
    """Return a turn that is paused after some words."""
    content = [*FOUND, {"type": "text", "text": text}]
    return Saying(json.dumps(message(content=content, stop_reason="pause_turn", **changes)))


def ask(api: NastyServer, batch: bool, journal: Path | bool, rows: list[str], **options: Any) -> pd.DataFrame:
    """Map the rows with a tool that the API runs."""
    cp.configure(base_url=api.url, api_key="any", progress=False)
    return pd.DataFrame({"t": rows}, index=rows).claude.map(
        "{t}", batch=batch, journal=journal, tools=[SEARCH], **options
    )


def price(answers: int, *, is_batch: bool) -> float:
    """Return what so many of the server's answers cost."""
    one = PriceList().cost("claude-haiku-5-5", Usage(10, 5), is_batch=is_batch)
    assert one is not None
    return float(one * answers)


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_a_paused_turn_is_continued_and_all_its_calls_are_paid_once(batch: bool, tmp_path: Path) -> None:
    """The answer is the whole of its turns, the cost their sum, and a second run asks for nothing."""
    table: dict[str, Saying | list[Saying]] = {
        "hard": paused("one, "),
        "one, ": paused("two, "),
        "two, ": good("three"),
    }
    with nasty_server(table) as api:
        out = ask(api, batch, tmp_path / "j.sqlite3", ["easy", "hard"])
        again = ask(api, not batch, tmp_path / "j.sqlite3", ["easy", "hard"])

    assert out["response"].to_dict() == {"easy": "fine", "hard": "one, two, three"}
    assert out["response_error"].isna().all()
    assert out["response_cost"]["hard"] == pytest.approx(price(3, is_batch=batch))
    assert again["response"].equals(out["response"])
    assert (again["response_cost"] == 0).all()
    assert api.asked == {"easy": 1, "hard": 1, "one, ": 1, "two, ": 1}


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_what_follows_an_answer_that_was_rejected_is_asked_anew(batch: bool, tmp_path: Path) -> None:
    """Its first call may say the very same once more; the rest of the turn is not the one that was rejected."""
    table: dict[str, Saying | list[Saying]] = {
        "hard": [paused("one, "), paused("one, ", id="msg_anew")],
        "one, ": [good("two"), Saying(json.dumps(message("three", id="msg_three")))],
    }
    with nasty_server(table) as api:
        out = ask(api, batch, tmp_path / "j.sqlite3", ["easy", "hard"])
        anew, once_more = (out.claude.retry(where=out.index == "hard") for _ in range(2))

    assert out["response"].to_dict() == {"easy": "fine", "hard": "one, two"}
    assert anew["response"].to_dict() == {"easy": "fine", "hard": "one, three"}
    assert anew["response_cost"]["hard"] == pytest.approx(price(4, is_batch=batch))
    assert once_more["response"].equals(anew["response"])
    assert api.asked == {"easy": 1, "hard": 2, "one, ": 2}


def test_what_follows_is_asked_anew_where_the_retry_was_stopped_before_it(tmp_path: Path) -> None:
    """The first call has its new answer; the rest of the turn that was rejected does not come back from the journal."""
    table: dict[str, Saying | list[Saying]] = {
        "hard": [paused("one, "), paused("one, ", id="msg_anew")],
        "one, ": [good("two"), Saying("{}", status=401), Saying(json.dumps(message("three", id="msg_three")))],
    }
    with nasty_server(table) as api:
        out = ask(api, False, tmp_path / "j.sqlite3", ["easy", "hard"])
        with pytest.raises(cp.RunStopped):
            out.claude.retry(where=out.index == "hard")
        anew, once_more = (out.claude.retry(where=out.index == "hard") for _ in range(2))

    assert anew["response"].to_dict() == {"easy": "fine", "hard": "one, three"}
    assert anew["response_cost"]["hard"] == pytest.approx(price(3, is_batch=False))
    assert once_more["response"].equals(anew["response"])
    assert api.asked["hard"] == 2


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_a_turn_that_pauses_for_ever_is_its_rows_error(batch: bool, tmp_path: Path) -> None:
    """After some continuations the row fails, keeps its text and its cost, and is not asked again silently."""
    with nasty_server({"endless": paused("more"), "more": paused("more")}) as api:
        outs = [ask(api, batch, tmp_path / "j.sqlite3", ["easy", "endless"]) for _ in range(2)]

    assert outs[0]["response_error"]["endless"].startswith("unknown: a server tool paused the turn (pause_turn)")
    assert outs[0]["response"]["endless"] == "more" * (MOST_PAUSES + 1)
    assert outs[0]["response_cost"]["endless"] == pytest.approx(price(MOST_PAUSES + 1, is_batch=batch))
    assert api.asked["endless"] + api.asked["more"] == MOST_PAUSES + 1
    assert outs[1]["response_error"].equals(outs[0]["response_error"])


def test_a_continuation_that_fails_costs_no_paid_turn(tmp_path: Path) -> None:
    """The paused turn is on disk before it is continued: the next run goes on from there."""
    refused = Saying('{"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}', status=400)
    table: dict[str, Saying | list[Saying]] = {"hard": paused("one, "), "one, ": [refused, good("two")]}
    with nasty_server(table) as api:
        out = ask(api, False, tmp_path / "j.sqlite3", ["easy", "hard"])
        again = ask(api, False, tmp_path / "j.sqlite3", ["easy", "hard"])

    assert out["response_error"]["hard"].startswith("invalid: ")
    assert out["response"]["hard"] == "one, "  # paid, so it is shown
    assert out["response_cost"]["hard"] == pytest.approx(price(1, is_batch=False))
    assert again["response"]["hard"] == "one, two"
    assert again["response_cost"]["hard"] == pytest.approx(price(1, is_batch=False))
    assert api.asked["hard"] == 1


def test_what_was_paused_goes_back_as_it_came_with_its_container(tmp_path: Path) -> None:
    """An assistant turn of the very blocks, after the row's own, in the same container."""
    heard: list[dict[str, Any]] = []

    def keep(server: NastyServer) -> None:
        say = server.saying_to

        def saying_to(body: Any) -> Saying:
            heard.append(body)
            return say(body)

        server.saying_to = saying_to  # type: ignore[method-assign]

    with nasty_server({"hard": paused("one, ", container={"id": "container_1"})}) as api:
        keep(api)
        ask(api, False, tmp_path / "j.sqlite3", ["hard"], system="Be brief.", examples=[("a", "b")])

    first, second = heard
    assert second["messages"][:-1] == first["messages"]
    assert second["messages"][-1] == {
        "role": "assistant",
        "content": [*FOUND, {"type": "text", "text": "one, "}],
    }
    assert second["container"] == "container_1"
    assert second == {**first, "messages": second["messages"], "container": "container_1"}


def test_an_odd_paused_turn_is_not_sent_back() -> None:
    """What is not as the API promises cannot be continued; it is an odd answer of its row."""
    odd = Saying(json.dumps(message(content=["hi"], stop_reason="pause_turn")))
    with nasty_server({"hard": odd}) as api:
        out = ask(api, False, False, ["easy", "hard"])
    assert out["response_error"]["hard"].startswith("unknown: the answer is not a Message")
    assert api.asked["hard"] == 1


def test_a_paused_turn_and_a_schema(tmp_path: Path) -> None:
    """The value is read from the whole answer."""
    table = {"hard": paused('{"value": '), '{"value": ': good("true}"), "easy": good('{"value": true}')}
    with nasty_server(table) as api:
        out = ask(api, False, tmp_path / "j.sqlite3", ["easy", "hard"], schema=bool)
    assert out["response"].tolist() == [True, True]


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_an_odd_last_turn_costs_no_text_of_the_earlier_ones(batch: bool, tmp_path: Path) -> None:
    """They were paid as well; read back from the journal, the row says the same."""
    odd = Saying(json.dumps(message("two", content="two")))
    with nasty_server({"hard": paused("one, "), "one, ": odd}) as api:
        outs = [ask(api, batch, tmp_path / "j.sqlite3", ["hard"]) for _ in range(2)]

    for out in outs:
        assert out["response"]["hard"] == "one, "
        assert out["response_error"]["hard"].startswith("unknown: the answer is not a Message")
    assert api.asked == {"hard": 1, "one, ": 1}


def test_whoever_asks_a_row_first_also_continues_it(tmp_path: Path) -> None:
    """Another run that finds the paused turn in the journal waits for its end, and pays nothing."""
    is_first, may_end = threading.Event(), threading.Event()
    with nasty_server({"hard": paused("one, "), "one, ": good("two")}) as api:
        say = api.saying_to

        def slow(body: Mapping[str, Any]) -> Saying:
            said = say(body)
            if api.asked["one, "] == 1:
                is_first.set()
                may_end.wait(10)
            return said

        api.saying_to = slow  # type: ignore[method-assign]
        cp.configure(base_url=api.url, api_key="any", progress=False)
        frame = pd.DataFrame({"t": ["hard"]})
        options: dict[str, Any] = {"journal": tmp_path / "j.sqlite3", "tools": [SEARCH]}
        jobs = [frame.claude.submit("{t}", panel=False, **options)]
        assert is_first.wait(10)
        jobs.append(frame.copy().claude.submit("{t}", panel=False, **options))
        time.sleep(1.0)  # real time: the second run has read the journal by then
        may_end.set()
        outs = [job.result() for job in jobs]

    assert [out["response"][0] for out in outs] == ["one, two"] * 2
    assert api.asked == {"hard": 1, "one, ": 1}
    assert [bool(out["response_cost"][0]) for out in outs] == [True, False]


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_all_messages_of_a_row_are_shown_in_order_and_cleared_together(batch: bool, tmp_path: Path) -> None:
    """What was paid for a row that was continued, and for one that asks the same; also where the journal answers."""
    path = tmp_path / "j.sqlite3"
    table: dict[str, Saying | list[Saying]] = {
        "hard": paused("one, "),
        "one, ": paused("two, "),
        "two, ": good("three"),
    }
    with nasty_server(table) as api:
        outs = [ask(api, batch, path, ["easy", "hard", "hard"]) for _ in range(2)]

    for out in outs:
        messages = out.claude.run.messages()
        texts = [blocks[-1]["text"] for blocks in messages["content"]]
        assert messages.index.tolist() == [0, 1, 1, 1, 2, 2, 2]
        assert messages["number"].tolist() == [1, 1, 2, 3, 1, 2, 3]
        assert texts == ["fine", *["one, ", "two, ", "three"] * 2]
    assert cp.journal(path).clear(run=outs[0].claude.run.id) == 4
    assert cp.journal(path).answers == 0


def test_messages_before_a_continuation_that_failed_are_shown(tmp_path: Path) -> None:
    """The row has no answer, but what it paid for is there."""
    refused = Saying('{"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}', status=400)
    with nasty_server({"hard": paused("one, "), "one, ": refused}) as api:
        out = ask(api, False, tmp_path / "j.sqlite3", ["easy", "hard"])
    messages = out.claude.run.messages()
    assert messages.index.tolist() == [0, 1]
    assert messages["stop_reason"].tolist() == ["end_turn", "pause_turn"]


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_messages_of_a_repaired_row_are_shown_in_order(batch: bool, tmp_path: Path) -> None:
    """The answer that did not fit, and the one that does."""
    misfit = Saying(json.dumps(message('{"value": 3}')))
    with nasty_server({"hard": misfit}) as api:
        say = api.saying_to
        api.saying_to = lambda body: say(body) if len(body["messages"]) == 1 else good('{"value": true}')  # type: ignore[method-assign]
        out = ask(api, batch, tmp_path / "j.sqlite3", ["hard"], schema=bool, repair=1)
    assert out["response"].tolist() == [True]
    contents = out.claude.run.messages()["content"]
    assert [blocks[0]["text"] for blocks in contents] == ['{"value": 3}', '{"value": true}']


def test_a_repair_that_fails_shows_what_was_paid_before(tmp_path: Path) -> None:
    """With the raw text asked for, the answer that did not fit stands in it."""
    refused = Saying('{"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}', status=400)
    with nasty_server({"hard": good('{"value": 3}')}) as api:
        say = api.saying_to
        api.saying_to = lambda body: say(body) if len(body["messages"]) == 1 else refused  # type: ignore[method-assign]
        out = ask(api, False, tmp_path / "j.sqlite3", ["hard"], schema={"value": bool}, repair=1, keep_text=True)
    assert out["response_error"].iloc[0].startswith("invalid: ")
    assert out["response"].iloc[0] == '{"value": 3}'
