"""Maps in real kernels: every kind of cell, the bar, where prints go, other event loops and patched ones."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import claude_parallel as cp
from claude_parallel.options import OPTION_NAMES

from .api import Api, ApiProcess
from .kernel import Cell, Kernel
from .world import clean_environment

pytestmark = pytest.mark.kernel

StartKernel = Callable[..., Kernel]

UVLOOP_LAUNCHER = (
    "-W",
    "ignore",
    "-c",
    "import asyncio, uvloop; asyncio.set_event_loop_policy(uvloop.EventLoopPolicy()); "
    "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()",
)

MAPS = {
    "a sync cell": "out = texts(40).claude.map('say {text}')",
    "a cell with await": "await asyncio.sleep(0)\nout = texts(40).claude.map('say {text}')",
    "a cell with await amap": "out = await texts(40).claude.amap('say {text}')",
}

every_kind_of_cell = pytest.mark.parametrize("code", MAPS.values(), ids=MAPS)


def point(kernel: Kernel, api: Api) -> None:
    """Send the kernel's calls to this API."""
    kernel.run(f"cp.configure(base_url={api.url!r}, api_key='simulator')")


def assert_complete(kernel: Kernel, api: Api, rows: int) -> None:
    """The frame `out` has the answer to every row, and each was asked for once."""
    facts = kernel.value("facts(out)")

    assert facts["kinds"] == {}
    assert facts["answers"] == [f"echo: say row {number}" for number in range(rows)]
    assert set(api.received().values()) == {1}


def assert_bar_belongs_to(cell: Cell, rows: int) -> None:
    """The cell shows one bar, which moved, and which ends as HTML with the final figures."""
    reached = [int(found[1]) for markup in cell.bars if (found := re.search(r"(\d+) of \d+ rows", markup))]

    assert cell.bars_shown == 1
    assert len(set(reached)) > 2
    assert reached == sorted(reached)
    assert f"{rows} of {rows} rows answered in " in cell.bars[-1]
    assert "width:100.0%" in cell.bars[-1]


@every_kind_of_cell
def test_map_works_in_every_kind_of_sync_and_await_cell(kernel: Kernel, api_process: ApiProcess, code: str) -> None:
    """Every row comes back once, with a full bar in the cell and nothing on stderr."""
    api = api_process.serve(latency_seconds=0.1)
    point(kernel, api)

    cell = kernel.run(code.replace("40", "60").replace("')", "', max_concurrency=10)"))

    assert_complete(kernel, api, 60)
    assert_bar_belongs_to(cell, 60)
    assert cell.stream("stderr") == ""


def test_the_bar_is_text_where_there_are_no_widgets(start_kernel: StartKernel, api_process: ApiProcess) -> None:
    """Without ipywidgets, tqdm's text bar goes to the cell's stderr and ends at 100 %."""
    api = api_process.serve(latency_seconds=0.1)
    kernel = start_kernel(prelude="import sys\nsys.modules['ipywidgets'] = None\n")
    point(kernel, api)

    cell = kernel.run("out = texts(60).claude.map('say {text}', max_concurrency=10)")

    assert_complete(kernel, api, 60)
    assert cell.bars_shown == 0
    assert "100%" in cell.stream("stderr")
    assert "60 of 60 rows answered" in cell.stream("stderr")


def test_cells_queued_behind_a_sync_map_run_after_it(kernel: Kernel, api_process: ApiProcess) -> None:
    """Run All: what the prompt prints lands in the mapping cell, and the cells behind it run in their turn."""
    api = api_process.serve(latency_seconds=0.05)
    point(kernel, api)

    cells = [
        kernel.start("out = texts(20).claude.map(lambda row: print('made', row.text) or f'say {row.text}')"),
        kernel.start("print('second', len(out))"),
        kernel.start("await asyncio.sleep(0)\nprint('third')"),
    ]
    outputs = [kernel.finish(cell).stream() for cell in cells]

    assert_complete(kernel, api, 20)
    assert all(f"made row {number}\n" in outputs[0] for number in range(20))
    assert outputs[1:] == ["second 20\n", "third\n"]


def test_a_run_that_outlives_its_cell_prints_and_paints_there(kernel: Kernel, api_process: ApiProcess) -> None:
    """An amap left running in the background keeps to the cell that started it, while another cell runs."""
    api = api_process.serve(latency_seconds=0.1)
    point(kernel, api)

    first = kernel.start(
        "task = asyncio.ensure_future(texts(30).claude.amap("
        "lambda row: print('made', row.text) or f'say {row.text}', max_concurrency=5))"
    )
    second = kernel.run("print('here')\nout = await task\nprint('done')")

    assert_complete(kernel, api, 30)
    assert second.stream() == "here\ndone\n"
    assert second.bars_shown == 0
    assert all(f"made row {number}\n" in first.stream() for number in range(30))
    assert_bar_belongs_to(first, 30)


def test_maps_run_in_threads_of_a_kernel(kernel: Kernel, api_process: ApiProcess) -> None:
    """Four threads that are not the main one map a frame each, at once, through one gate."""
    api = api_process.serve(latency_seconds=0.1)
    point(kernel, api)

    kernel.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "frames = [texts(40)[start::4] for start in range(4)]\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    parts = list(pool.map(lambda frame: frame.claude.map('say {text}', progress=False), frames))\n"
        "out = pd.concat(parts).sort_index()"
    )

    assert_complete(kernel, api, 40)


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_map_works_in_a_kernel_on_uvloop(start_kernel: StartKernel, api_process: ApiProcess) -> None:
    """A loop that cannot be patched makes no difference, in no kind of cell."""
    kernel = start_kernel(launcher=UVLOOP_LAUNCHER)
    kernel.run("await asyncio.sleep(0)\nloop = type(asyncio.get_running_loop()).__module__")

    assert kernel.value("loop").startswith("uvloop")
    for code in MAPS.values():
        api = api_process.serve(latency_seconds=0.05)
        point(kernel, api)
        kernel.run(code)
        assert_complete(kernel, api, 40)


def test_the_nested_bridge_serves_objects_bound_to_the_notebook_loop(
    start_kernel: StartKernel, api_process: ApiProcess
) -> None:
    """A sync map whose HTTP client lives on the kernel's own loop works with bridge="nested"."""
    api = api_process.serve(latency_seconds=0.05)
    kernel = start_kernel()
    point(kernel, api)
    kernel.run(
        "import anthropic\n"
        "loops = set()\n"
        "class Noting(type(anthropic.DefaultAioHttpClient())):\n"
        "    async def send(self, *args, **options):\n"
        "        loops.add(asyncio.get_running_loop())\n"
        "        return await super().send(*args, **options)\n"
        "bound = Noting()\n"
        f"client = anthropic.AsyncAnthropic(api_key='simulator', base_url={api.url!r}, http_client=bound)\n"
        "await client.messages.create(model='claude-haiku-5-5', max_tokens=9,\n"
        "                             messages=[{'role': 'user', 'content': 'say hello'}])"
    )

    cell = kernel.run(
        "await asyncio.sleep(0)\n"
        "def sync_function():\n"
        "    return texts(40).claude.map('say {text}', bridge='nested', client=lambda: client, max_concurrency=4)\n"
        "out = sync_function()\n"
        "is_own_loop = loops == {asyncio.get_running_loop()}"
    )

    assert_complete(kernel, api, 40)
    assert kernel.value("is_own_loop")
    assert_bar_belongs_to(cell, 40)


def test_nbclient_executes_a_notebook(tmp_path: Path, api_process: ApiProcess) -> None:
    """A notebook with a sync map and an awaited one runs from top to bottom, as in CI and papermill."""
    api = api_process.serve(latency_seconds=0.05)
    script = (
        "import nbclient, nbformat\n"
        "cells = ["
        "'import pandas as pd, claude_parallel as cp', "
        f'\'cp.configure(base_url="{api.url}", api_key="simulator")\\n'
        'df = pd.DataFrame({"text": [f"row {n}" for n in range(30)]})\', '
        "'df.claude.map(\"say {text}\").response.tolist()[-1]', "
        "'(await df.claude.amap(\"sing {text}\")).response.tolist()[-1]']\n"
        "notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])\n"
        "nbclient.NotebookClient(notebook, timeout=60, kernel_name='python3').execute()\n"
        "print([cell.outputs[-1].data['text/plain'] for cell in notebook.cells[2:]])\n"
    )

    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(["'echo: say row 29'", "'echo: sing row 29'"])
    assert sum(api.answered().values()) == 60


@pytest.mark.parametrize(
    "verb", ["frame.claude.classify", "frame.text.claude.map", "frame.claude.retry", "cp.map", "cp.configure"]
)
def test_tab_offers_every_option_of_a_verb(kernel: Kernel, verb: str) -> None:
    """As Jupyter asks for it, and behind the package its public names alone.

    Read from the signature, as IPython does by itself. Jedi, whom it asks first, now and then says nothing in a cold
    kernel.
    """
    kernel.run("frame = texts(2)\nget_ipython().Completer.use_jedi = False")
    assert {f"{name}=" for name in OPTION_NAMES} <= kernel.completions(f"{verb}(")
    assert {name.removeprefix(".") for name in kernel.completions("cp.")} == set(cp.__all__)
