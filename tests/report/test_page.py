"""The report: one file, whole and valid, that nobody's text can break and that asks the network for nothing."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import InputError
from claude_parallel.report.page import run_html, run_text, write_report
from claude_parallel.report.record import RunData
from claude_parallel.report.run import find_run
from claude_parallel.report.svg import nice_ticks
from claude_parallel.simulation.profile import Profile, tier_limits
from claude_parallel.text import compact, elapsed, escaped, figure, local_time, percent

from ..run_records import ATTEMPT, BEGAN, answered, busy_record, failed, record
from ..worlds import frame_of, world

VOID = {"meta", "br", "img", "input", "hr", "link"}
HOSTILE = "\"'><script>alert(1)</script><img src=http://evil/x onerror=y> $title ${tiles} &amp; \x00\x1b \u202e"


class Balance(HTMLParser):
    """Checks that every element is closed in order, and keeps names, attributes and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(data: RunData, folder: Path) -> str:
    """Return the report's markup, checked for balance and for everything that could leave the file."""
    markup = write_report(data, folder / "run.html").read_text("utf-8")
    parsed = Balance(markup)
    assert not parsed.names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for name, value in parsed.attributes:
        assert name not in ("src", "href", "xlink:href", "srcset", "action", "background"), (name, value)
        assert not name.startswith("on"), (name, value)
        assert "//" not in (value or "") or name == "aria-label", (name, value)
    style = markup[markup.index("<style>") : markup.index("</style>")]
    assert "@import" not in markup
    assert set(re.findall(r"url\(([^)]*)\)", style)) == {"#hatch"}
    assert not re.search(r"https?:", style)
    return markup


EDGES: list[tuple[str, RunData]] = [
    ("nothing at all", record(ended=None, settings={})),
    ("no call", record(rows=[{"source": "journal"}], totals={"rows": 1, "cost_usd": "0", "from_journal": 1})),
    ("one call", record([answered(0, 0.0)], [{}])),
    ("one call that took no time", record([answered(0, 0.0, 0.0)], [{}], ended=0.0)),
    (
        "one call that failed",
        record([failed(0, 0.0, "auth")], [{"kind": "auth", "error": "auth: no", "source": "none"}]),
    ),
    ("calls before the start", record([answered(0, -5.0)], [{}])),
    ("a killed run", record([answered(n, n * 0.3) for n in range(50)], ended=None)),
    ("a long run", record([answered(n, n * 3_600.0) for n in range(80)], ended=3e5)),
    ("an unknown kind", record([failed(0, 0.0, "new_kind")], [{"kind": "new_kind", "error": None}])),
    ("limits of nothing", record([answered(0, 0.0)], totals={"limits": {"requests": 0.0, "input": float("inf")}})),
    ("a batch", record([], [{"source": "batch"}], totals={"rows": 1, "cost_usd": "0.01", "errors": {}})),
    ("everything", busy_record()),
]


@pytest.mark.parametrize(("name", "data"), EDGES, ids=[name for name, _ in EDGES])
def test_every_kind_of_run_has_a_report(name: str, data: RunData, tmp_path: Path) -> None:
    """Whatever a run was like, page, short form and text are there, without nonsense numbers."""
    markup = page(data, tmp_path)
    Balance(run_html(data))

    for text in (Balance(markup).text, Balance(run_html(data)).text, run_text(data)):
        assert data.run_id in text
        assert not re.search(r"\bnan\b|\binf\b|None|Traceback", text)
    assert not re.search(r'[dxy]="[^"]*(nan|inf)', markup)


def test_the_report_holds_what_was_promised(tmp_path: Path) -> None:
    """Totals, tokens, limits, flight, waits, errors, latency, slowest rows, cache and settings."""
    text = Balance(page(busy_record(), tmp_path)).text

    for words in (
        "Answers per second",
        "Calls in flight",
        "Requests in the last minute",
        "Input tokens in the last minute",
        "Output tokens in the last minute",
        "limit 1k",
        "Seconds per answered call",
        "p99",
        "What it waited for",
        "an even pace",
        "Retries and errors",
        "overloaded happened",
        "rephrase the prompt",
        "Cost by kind of token",
        "cache read",
        "Slowest rows",
        "Prompt cache",
        "saved by the journal",
        "Settings",
        "claude-sonnet-4-6",
        "$1.25",
    ):
        assert words in text, words


def hostile_record() -> RunData:
    """Return a run with hostile text wherever a text can stand."""
    attempts = [
        failed(0, 0.0, "invalid", detail=HOSTILE, request_id=HOSTILE),
        failed(0, 0.5, HOSTILE, detail=HOSTILE),
        answered(0, 1.0, request_id=HOSTILE, model=HOSTILE),
    ]
    rows = [{"kind": HOSTILE, "error": HOSTILE, "source": HOSTILE}]
    totals = {
        "rows": 1,
        "errors": {HOSTILE: 1},
        "waited_seconds": {HOSTILE: 1.0},
        "limits": {HOSTILE: 1.0, "requests": 5.0},
    }
    settings = {"model": HOSTILE, HOSTILE: HOSTILE, "list": [HOSTILE], "surrogate": "\ud800"}
    return record(attempts, rows, [(1.0, 2.0, HOSTILE)], totals=totals, settings=settings, run=HOSTILE)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """Markup, quotes, placeholders and control characters in any field are shown, never obeyed."""
    data = hostile_record()
    markup = page(data, tmp_path)

    assert "<script" not in markup
    assert "onerror=y>" not in markup
    assert "\x00" not in markup
    assert "${tiles}" in Balance(markup).text
    assert "<script" not in run_html(data)
    assert Balance(run_html(data)).names <= {"div", "strong", "table", "tbody", "tr", "th", "td", "svg", "polyline"}


@given(st.text())
def test_escaped_text_never_opens_or_closes_anything(text: str) -> None:
    """No markup character survives, and what survives can be written as UTF-8."""
    found = escaped(text)

    assert not set("<>\"'") & set(found)
    found.encode("utf-8")


def test_a_hundred_thousand_calls_make_a_small_page_quickly(tmp_path: Path) -> None:
    """The page stays below 1 MB, and takes seconds to make."""
    count = 100_000
    attempts = [
        {**ATTEMPT, "position": n, "started": BEGAN + n * 0.06, "ended": BEGAN + n * 0.06 + 2.0, "detail": "x" * 300}
        for n in range(count)
    ]
    for one in attempts[::50]:
        one["kind"] = "overloaded"
    waits = [(n * 0.3, n * 0.3 + 0.01, "requests per minute") for n in range(count // 5)]
    data = record(attempts, waits=waits, ended=6_003.0, run="r-big")

    began = time.process_time()
    written = write_report(data, tmp_path / "run.html")
    assert time.process_time() - began < 10.0  # about 1.5 s alone on a laptop
    assert written.stat().st_size < 1_000_000


def test_a_real_run_tells_the_same_everywhere(tmp_path: Path) -> None:
    """A run through the engine on virtual time: page, short form and text show its rows and its limits."""
    account = world(Profile(limits=tier_limits("tier-1"), latency_seconds=1.0, jitter_sigma=0.3))
    account.map(frame_of(120), "Say: {t}")
    assert account.session is not None
    run = find_run(account.session.run_id)

    text = Balance(page(run.data(), tmp_path)).text
    assert "requests per minute" in text
    assert "limit 50" in text
    assert "120 of 120 rows answered" in run_text(run.data())
    assert "120 of 120 answered" in run_html(run.data())


def test_a_missing_folder_is_the_callers_mistake(tmp_path: Path) -> None:
    """The report makes no folders of its own."""
    with pytest.raises(InputError, match="no folder"):
        write_report(record(), tmp_path / "no" / "run.html")


def test_a_report_is_replaced_and_its_path_returned(tmp_path: Path) -> None:
    """Text paths work; a second report takes the first one's place."""
    path = tmp_path / "run.html"
    path.write_text("old")

    assert write_report(record(), str(path)) == path
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (elapsed(0.0421), "0.042 s"),
        (elapsed(12.34), "12.3 s"),
        (elapsed(59.97), "1 min 00 s"),
        (elapsed(227), "3 min 47 s"),
        (elapsed(7_260), "2 h 01 min"),
        (elapsed(200_000), "2 d 7 h"),
        (compact(0), "0"),
        (compact(1_250), "1.25k"),
        (compact(2e6), "2M"),
        (figure(17.23), "17.2"),
        (figure(1234.5), "1,234"),
        (percent(0.004), "0.4 %"),
        (percent(0.5), "50 %"),
        (percent(1.0), "100 %"),
    ],
)
def test_numbers_are_written_for_people(found: str, wanted: str) -> None:
    """Durations, rates and shares are short and carry their unit."""
    assert found == wanted


@given(st.floats(1e-6, 1e12))
def test_ticks_are_few_round_and_reach_the_top(top: float) -> None:
    """At most a handful of equal steps from 0, the last at or above the highest value, and not far above."""
    ticks = nice_ticks(top)

    assert ticks[0] == 0
    assert top * (1 - 1e-6) <= ticks[-1] <= top * 2.5 + 1e-11
    assert 2 <= len(ticks) <= 5


@pytest.mark.parametrize("top", [0.0, -1.0, float("nan"), float("inf")])
def test_odd_tops_still_have_ticks(top: Any) -> None:
    """An empty chart has an axis from 0 to 1."""
    assert nice_ticks(top) == [0.0, 1.0]


def test_an_outage_names_its_time_of_day(tmp_path: Path) -> None:
    """So that it is found again on the status page of the API; a limit needs none."""
    waits = [(5.0, 20.0, "API overloaded"), (40.0, 44.0, "requests per minute")]
    text = Balance(page(record([answered(0, 0, 50.0)], waits=waits, ended=50.0), tmp_path)).text
    assert f"API overloaded since {local_time(BEGAN + 5.0)}" in text
    assert "requests per minute since" not in text
