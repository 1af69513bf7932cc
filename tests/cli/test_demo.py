"""``claude-parallel demo``: what it prints is what it runs, and fits a terminal."""

from __future__ import annotations

import socket
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import claude_parallel as cp
from claude_parallel.cli import demo
from claude_parallel.cli.main import app, main


def test_the_demo_shows_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """Code, eight rows, chart, time, dollars, accuracy; nothing wider than a terminal."""
    demo.run_demo(40)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= demo.WIDTH
    start = next(at for at, line in enumerate(lines) if line.startswith("ticket"))
    assert [line.split()[0] for line in lines[start + 1 : start + 9]] == [str(number) for number in range(1001, 1009)]
    assert "run again: $0.00, 40 rows from the journal" in shown
    assert "one after the other this takes" in shown
    for model in demo.MODELS:
        assert model in shown
    right = [int(line.split("topic ")[1].split("%")[0]) for line in lines if line.strip().startswith("claude-")]
    assert right[0] < right[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--rows", "0"],
        ["demo", "--rows", "201"],
        ["runs", "--limit", "0"],
        ["jobs", "--limit", "1001"],
        ["simulate", "--port", "65536"],
    ],
)
def test_a_number_that_cannot_be_is_refused_by_its_option(arguments: list[str]) -> None:
    """Not by whatever it would have led to."""
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert f"Invalid value for '{arguments[1]}'" in refused.output


def test_a_port_that_is_taken_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as that of another simulator."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit):
        main(["simulate", "--port", str(taken.getsockname()[1])])
    assert "cannot be used" in (said := capsys.readouterr().err)
    assert said.count("\n") == 1


def test_the_printed_code_is_what_is_run() -> None:
    """Executed as it stands, it gives the same frame."""
    names: dict[str, Any] = {}
    with cp.simulator(None, latency_seconds=0):
        exec(demo.CODE, names)
        out = cp.demo_tickets().claude.map(demo.PROMPT, schema=demo.FIELDS, progress=False)
    assert isinstance(names["out"], pd.DataFrame)
    assert names["out"]["topic"].tolist() == out["topic"].tolist()
    assert (out["response_cost"] == 0).all()


def test_a_chart_counts_rows_and_urgent_ones() -> None:
    """A line per label, the most frequent first."""
    frame = pd.DataFrame({"topic": ["a", "b", "a"], "urgency": ["high", "low", "low"]})
    _head, first, second = demo.chart(frame).splitlines()
    assert first.split()[0] == "a"
    assert first.split()[-2:] == ["2", "1"]
    assert first.count("█") == demo.BAR_WIDTH // 2
    assert second.count("█") == 0
