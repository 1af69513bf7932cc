"""A 200 without a Message: cut off on its way, or said by something that stands between here and the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import anthropic
import httpx2
import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.api.account import open_account
from claude_parallel.api.responses import is_foreign, read_response
from claude_parallel.batch.api import BatchApi, SdkBatchApi
from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchPage, BatchResult, BatchState
from claude_parallel.engine.interception import FOREIGN_IN_A_ROW, Interception
from claude_parallel.records import Failure, Reply
from claude_parallel.simulation.batch_transport import MemoryBatchApi

from ..batch_worlds import batch_world, frame_of
from .server import NastyServer, Saying, good, message, nasty_server

PAGE = Saying("<html><body>Welcome to the hotel: please sign in</body></html>", headers={"content-type": "text/html"})
CUT = Saying(json.dumps(message())[:60])
BROKEN = Saying(json.dumps(message()), fault="truncated")
MISLABELLED = Saying(json.dumps(message()), headers={"content-encoding": "gzip"})
GATEWAY = Saying('{"status": "ok"}')
GONE = Saying("<html>404 page not found</html>", status=404, headers={"content-type": "text/html"})
BLOCKED = Saying("<html>Sorry, you have been blocked</html>", status=403, headers={"content-type": "text/html"})
QUICK = cp.RetryPolicy(base_seconds=0.001, cap_seconds=0.001)


def ask(server: NastyServer, journal: Path, rows: list[str], **options: object) -> pd.DataFrame:
    """Map rows, retrying at once."""
    cp.configure(base_url=server.url, api_key="any", progress=False, retries=QUICK)
    return pd.DataFrame({"t": rows}, index=rows).claude.map("{t}", journal=journal, **options)


BREAKING = [
    (PAGE, "connection"),
    (CUT, "server"),
    (BROKEN, "server"),
    (MISLABELLED, "server"),
    (GATEWAY, "connection"),
    (BLOCKED, "connection"),
]


@pytest.mark.parametrize("way", ["wire", "sdk", "own client"])
@pytest.mark.parametrize(("said", "kind"), BREAKING)
def test_a_row_whose_answers_all_break_asks_three_times(said: Saying, kind: str, way: str, tmp_path: Path) -> None:
    """Each of them may have been paid; seven times is no patience but waste. Neighbours are right."""
    with nasty_server({"odd": said}) as server:
        ways: dict[str, dict[str, object]] = {
            "wire": {},
            "sdk": {"wire": "sdk"},
            "own client": {
                "client": lambda: anthropic.AsyncAnthropic(
                    api_key="any", base_url=server.url, http_client=httpx2.AsyncClient()
                )
            },
        }
        out = ask(server, tmp_path / "j.sqlite3", ["odd", "good"], **ways[way])
    assert server.asked == {"odd": 3, "good": 1}
    assert out["response"]["good"] == "fine"
    assert out["response_error"]["odd"].startswith(f"{kind}: ")


@pytest.mark.parametrize("said", [PAGE, CUT, BROKEN, GATEWAY, BLOCKED, GONE])
def test_one_broken_answer_costs_a_row_nothing(said: Saying, tmp_path: Path) -> None:
    """It asks again."""
    with nasty_server({"odd": [said, good()]}) as server:
        out = ask(server, tmp_path / "j.sqlite3", ["odd", "good"])
    assert out["response"].tolist() == ["fine", "fine"]
    assert server.asked["odd"] == 2


def test_a_refusal_that_cannot_be_unpacked_is_still_a_refusal(tmp_path: Path) -> None:
    """Its status says all: a limit is waited for, and nothing was paid; a wrong key stops the run."""
    packed = {"content-encoding": "gzip"}
    busy, locked = Saying("slow down", status=429, headers=packed), Saying("who is it?", status=401, headers=packed)
    with nasty_server({"odd": [busy, busy, busy, busy, good()], "locked": locked}) as server:
        out = ask(server, tmp_path / "j.sqlite3", ["odd"])
        with pytest.raises(cp.RunStopped, match=r"^auth: "):
            ask(server, tmp_path / "j.sqlite3", ["locked"])
    assert out["response"].tolist() == ["fine"]
    assert server.asked == {"odd": 5, "locked": 1}


@pytest.mark.parametrize("max_concurrency", [1, 20])
def test_a_run_that_nobody_but_a_portal_answers_stops_and_says_what_to_do(max_concurrency: int, tmp_path: Path) -> None:
    """One line for all rows, after a few calls and not seven of each."""
    rows = [f"row {number}" for number in range(200)]
    with nasty_server(dict.fromkeys(rows, PAGE)) as server:
        with pytest.raises(cp.RunStopped) as stopped:
            ask(server, tmp_path / "j.sqlite3", rows, max_concurrency=max_concurrency)
        assert sum(server.asked.values()) <= FOREIGN_IN_A_ROW + 2 * max_concurrency
    text = str(stopped.value)
    assert text.startswith("connection: a page came instead of an answer (HTTP status 200, text/html)")
    assert text.endswith("mend base_url or HTTPS_PROXY, then run the cell again")
    assert "check it, then retry" not in text


@pytest.mark.parametrize(
    ("said", "words"), [(BLOCKED, "status 403, text/html.*else ask whoever"), (GONE, "status 404, text/html.*base_url")]
)
def test_a_firewall_that_refuses_all_rows_stops_the_run(said: Saying, words: str, tmp_path: Path) -> None:
    """After a few calls; the words name neither the key nor one row. So does a base_url that leads nowhere."""
    rows = [f"row {number}" for number in range(200)]
    with nasty_server(dict.fromkeys(rows, said)) as server:
        with pytest.raises(cp.RunStopped, match=words):
            ask(server, tmp_path / "j.sqlite3", rows, max_concurrency=4)
        assert sum(server.asked.values()) <= FOREIGN_IN_A_ROW + 8


def test_a_firewall_that_refuses_some_rows_costs_the_others_nothing(tmp_path: Path) -> None:
    """The first of them stopped the whole run, and each later one at the same row."""
    rows = [f"row {number}" for number in range(60)]
    with nasty_server(dict.fromkeys(rows[::6], BLOCKED)) as server:
        out = ask(server, tmp_path / "j.sqlite3", rows, max_concurrency=3)
    assert out["response"].notna().sum() == 50
    assert out["response_error"].dropna().index.tolist() == rows[::6]


def test_a_portal_in_the_middle_of_a_run_keeps_what_was_answered(tmp_path: Path) -> None:
    """The rest is marked with the reason and with what to do; a later run asks only that."""
    rows = [f"row {number:03}" for number in range(60)]
    with nasty_server(dict.fromkeys(rows[20:], PAGE)) as server:
        with pytest.warns(UserWarning, match="the run stopped early .connection: a page came.*run the cell again"):
            out = ask(server, tmp_path / "j.sqlite3", rows, max_concurrency=1)
        errors = out["response_error"].dropna()
        assert out["response"].notna().sum() == 20
        assert (len(errors), errors.str.startswith("connection: ").sum()) == (40, 40)
        assert errors.iloc[-1].endswith("mend base_url or HTTPS_PROXY, then run the cell again")
        server.table = {}
        again = ask(server, tmp_path / "j.sqlite3", rows)
    assert again["response"].tolist() == ["fine"] * 60
    assert server.asked["row 000"] == 1


def page() -> Failure:
    """Return what a portal says."""
    failure = read_response(200, PAGE.headers, PAGE.raw)
    assert isinstance(failure, Failure)
    return failure


def test_pages_that_come_sooner_than_answers_stop_nothing() -> None:
    """Calls that were under way before the first of them may still be answered."""
    seen = Interception()
    for number in range(3 * FOREIGN_IN_A_ROW):
        assert not seen.is_certain(page(), {"slow call", number})
    assert seen.is_certain(page(), {99})


def test_an_answer_of_the_api_between_them_begins_the_count_anew() -> None:
    """So does an error of its own; a connection that failed says nothing either way."""
    other = Failure("overloaded", "busy", 529)
    for between in (lambda seen: seen.answered(), lambda seen: seen.is_certain(other, ())):
        seen = Interception()
        found = [seen.is_certain(page(), ()) for _ in range(FOREIGN_IN_A_ROW - 1)]
        between(seen)
        found += [seen.is_certain(page(), ()) for _ in range(FOREIGN_IN_A_ROW - 1)]
        assert not any(found)
        assert not seen.is_certain(Failure("connection", "reset"), ())
        assert seen.is_certain(page(), ())


class Portal(MemoryBatchApi):
    """Something that answers in the API's place, whatever is asked."""

    async def create(self, _envelope: Envelope) -> BatchState | Failure:
        """Show the page."""
        return page()

    async def list(self, limit: int = 1_000, after_id: str | None = None) -> BatchPage | Failure:
        """Show the page."""
        return page()


def portal(api: BatchApi) -> BatchApi:
    """Put a portal before an API."""
    assert isinstance(api, MemoryBatchApi)
    api.__class__ = Portal
    return api


def test_a_portal_before_a_batch_ends_the_run_and_says_so(tmp_path: Path) -> None:
    """It is not known whether a batch was created, so the next run finds out before it sends one."""
    world, path = batch_world(), tmp_path / "j.sqlite3"
    world.wrap = portal
    with pytest.raises(cp.RunStopped, match=r"connection: a page came instead of an answer.*HTTPS_PROXY"):
        world.map(frame_of(5), journal=path)
    assert world.clock() < 60
    world.wrap = lambda api: api
    assert world.map(frame_of(5), journal=path)["response_error"].isna().all()
    assert world.brain.ledger.batch_rows == 5


@pytest.mark.parametrize("said", [PAGE, GATEWAY, Saying("<html>\n<body>\n</html>\n")])
def test_results_that_are_not_the_apis_are_told_from_results_with_damaged_lines(said: Saying) -> None:
    """Not one line names a request: nothing is lost, and there is something to wait for."""
    with nasty_server({"a": good()}) as server:
        server.results = lambda _batch_id: said.raw  # type: ignore[method-assign]
        account = open_account(None, api_key="any", base_url=server.url)

        async def read() -> list[BatchResult | Failure]:
            api = SdkBatchApi(account, 5.0)
            state = BatchState("msgbatch_1", "ended", {"succeeded": 1}, 0.0)
            try:
                return [item async for item in api.results(state)]
            finally:
                await api.aclose()

        found = asyncio.run(read())
    assert isinstance(found[-1], Failure)
    assert is_foreign(found[-1])


class LatePortal(MemoryBatchApi):
    """Stands before the results alone."""

    readings = 0

    async def results(self, batch: BatchState) -> AsyncGenerator[BatchResult | Failure, None]:
        """Show the page five times, as the door reads it."""
        type(self).readings += 1
        if self.readings <= 5:
            yield BatchResult("", Reply({}, None, {}), is_damaged=True)
            yield page()
            return
        async for item in super().results(batch):
            yield item


def test_a_portal_before_the_results_of_a_batch_is_waited_for() -> None:
    """They lie at the API for weeks; asked anew, each row would be paid twice."""
    world = batch_world()

    def wrap(api: BatchApi) -> BatchApi:
        api.__class__ = LatePortal
        return api

    world.wrap = wrap
    out = world.map(frame_of(5))
    assert out["response_error"].isna().all()
    assert (world.brain.ledger.batch_rows, LatePortal.readings) == (5, 6)
