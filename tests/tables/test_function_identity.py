"""Two prompt functions that ask the same are one job, and two that may not are two."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from claude_parallel.errors import InputError
from claude_parallel.tables.function_identity import identity_of

SOURCES = {
    "a value around it": "def make(value):\n    return lambda row: [value, row]\nask = make({0!r})",
    "a global": "VALUE = {0!r}\ndef ask(row):\n    return [VALUE, row]",
    "a global of a function inside": "VALUE = {0!r}\nask = lambda row: (lambda: [VALUE, row])()",
    "a constant": "def ask(row):\n    return [{0!r}, row]",
    "a default": "def ask(row, value={0!r}):\n    return [value, row]",
    "a default by name": "def ask(row, *, value={0!r}):\n    return [value, row]",
    "a partial": "import functools\ndef of(row, value):\n    return ''\nask = functools.partial(of, value={0!r})",
    "a helper": "def tell(row):\n    return {0!r}\ndef ask(row):\n    return tell(row)",
    "a helper of a helper": "def one():\n    return {0!r}\ndef two():\n    return one()\nask = lambda row: two()",
    "a cached helper": "import functools\n@functools.cache\ndef one():\n    return {0!r}\nask = lambda row: one()",
    "an attribute": "class Asks:\n    def ask(self, row):\n        return ''\n"
    "asks = Asks()\nasks.value = {0!r}\nask = asks.ask",
    "an object that is called": "class Asks:\n    def __call__(self, row):\n        return ''\n"
    "ask = Asks()\nask.value = {0!r}",
    "an attribute in a slot": "class Asks:\n    __slots__ = 'value'\n    def __call__(self, row):\n        return ''\n"
    "ask = Asks()\nask.value = {0!r}",
    "an attribute in a slot, beside a method": "class Asks:\n    __slots__ = ('__value',)\n"
    "    def __init__(self, value):\n        self.__value = value\n    def ask(self, row):\n        return ''\n"
    "ask = Asks({0!r}).ask",
    "an object of its module": "class Style:\n    pass\nSTYLE = Style()\nSTYLE.value = {0!r}\nask = lambda row: STYLE",
    "an object of values": "import types\nSTYLE = types.SimpleNamespace(value={0!r})\nask = lambda row: STYLE",
    "an object that knows itself": "class Style:\n    pass\nSTYLE = Style()\nSTYLE.it, STYLE.value = STYLE, {0!r}\n"
    "ask = lambda row: STYLE",
    "a method beside it": "class Asks:\n    def tell(self):\n        return {0!r}\n"
    "    def __call__(self, row):\n        return self.tell()\nask = Asks()",
    "a property beside it": "class Asks:\n    @property\n    def value(self):\n        return {0!r}\n"
    "    def ask(self, row):\n        return self.value\nask = Asks().ask",
    "an attribute of its class": "class Asks:\n    VALUE = {0!r}\n    @classmethod\n    def ask(cls, row):\n"
    "        return cls.VALUE\nask = Asks.ask",
    "a class above": "class Base:\n    VALUE = {0!r}\nclass Asks(Base):\n    def __call__(self, row):\n"
    "        return self.VALUE\nask = Asks()",
    "a method of a text": "ask = repr({0!r}).format",
    "a series": "import pandas as pd\nTABLE = pd.Series([{0!r}])\nask = lambda row: TABLE[0]",
    "a frame": "import pandas as pd\nTABLE = pd.DataFrame(dict(a=[{0!r}]))\nask = lambda row: TABLE.a[0]",
    "a frame of Polars": "import polars as pl\nTABLE = pl.DataFrame(dict(a=[repr({0!r})]))\nask = lambda row: TABLE",
    "an array": "import numpy as np\nTABLE = np.array(list(repr({0!r})))\nask = lambda row: TABLE",
    "a pattern": "import re\nPATTERN = re.compile(repr({0!r}))\nask = lambda row: PATTERN.sub('', row)",
}


def made(source: str, value: Any) -> Callable[..., Any]:
    """Return the function `ask` of a module with this source."""
    names: dict[str, Any] = {"__name__": "prompts"}
    exec(compile(source.format(value), "prompts", "exec", dont_inherit=True), names)
    function: Callable[..., Any] = names["ask"]
    return function


def text_of(function: Callable[..., Any]) -> str:
    """Return its identity as a job writes it."""
    return json.dumps(identity_of(function))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    ("one", "other"), [("French", "German"), (["a"], ["b"]), ({"a": 1}, {"a": 2}), ({"a", "b"}, {"a", "c"})]
)
def test_whatever_a_function_works_with_makes_it_another(source: str, one: Any, other: Any) -> None:
    """The target of the first was taken for the answers to the second, without a call or a word."""
    assert text_of(made(source, one)) == text_of(made(source, one))
    assert text_of(made(source, one)) != text_of(made(source, other))


def test_a_job_is_the_same_in_every_process(tmp_path: Path) -> None:
    """A set among the constants has another order in each: a killed run was taken for another job's."""
    (tmp_path / "prompts.py").write_text(
        "KINDS = {'x', 'y', 'z'}\n"
        "class Odd: pass\n"
        "ODD = Odd()\n"
        "def ask(row):\n"
        "    return str(ODD) + str(KINDS) if row['kind'] in {'one', 'two', 'three', 'four'} else ask\n"
    )
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import prompts; "
        "from claude_parallel.tables.function_identity import identity_of; print(json.dumps(identity_of(prompts.ask)))"
    )
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        found.add(subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], env=environment, text=True))
    assert len(found) == 1


def test_an_attribute_is_no_global() -> None:
    """A function that reads ``row.text`` was another one once the notebook had a variable `text`."""
    source = "text = {0!r}\ndef ask(row):\n    return row.text"
    assert text_of(made(source, "one")) == text_of(made(source, "two"))


CACHES = {
    "a dict": "CACHE = dict()\ndef ask(row):\n    CACHE[row['text']] = 1\n    return row['text']",
    "a set around it": "def make():\n    seen = set()\n    def ask(row):\n        seen.add(row['text'])\n"
    "        return row['text']\n    return ask\nask = make()",
    "a counter": "class Asks:\n    def __init__(self):\n        self.count = 0\n    def __call__(self, row):\n"
    "        self.count += 1\n        return row['text']\nask = Asks()",
    "what it makes once": "TABLE = None\ndef ask(row):\n    global TABLE\n    TABLE = TABLE or dict(a=1)\n"
    "    return row['text']",
}


@pytest.mark.parametrize("source", CACHES.values(), ids=CACHES)
def test_what_a_function_changes_itself_makes_no_other_job(source: str, tmp_path: Path) -> None:
    """A run that was stopped was refused in the same notebook as another job's; a change from elsewhere is one."""
    import claude_parallel as cp

    def answer(prompt: str) -> str:
        if prompt == "row 2" and stops:
            cp.stop()
        return prompt

    pd.DataFrame({"text": [f"row {number}" for number in range(9)]}).to_parquet(tmp_path / "in.parquet")
    options: dict[str, Any] = {"progress": False, "journal": tmp_path / "journal.sqlite3", "max_concurrency": 1}

    def run(function: Callable[..., Any]) -> Any:
        return cp.map_file(tmp_path / "in.parquet", f"{tmp_path}/out/", function, chunk_rows=2, **options)

    function = made(source, None)
    stops = True
    with cp.simulator(answer=answer):
        assert not run(function).is_complete
        stops = False
        assert run(function).is_complete
        assert run(function).run_id is None
        assert run(made(source, None)).run_id is None  # as after a restart
        if source == CACHES["a dict"]:
            function.__globals__["CACHE"] = {"another": 1}
            with pytest.raises(InputError, match="another result"):
                run(function)


@pytest.mark.parametrize(
    "change", ["TABLE[len(TABLE)] = 1", "SEEN.add(len(SEEN))", "TAIL.append(1)", "setattr(IT, str(id({})), 1)"]
)
def test_what_is_changed_while_it_is_described_breaks_nothing(change: str) -> None:
    """By another thread: a background run would end with "dictionary changed size during iteration"."""
    source = (
        "from collections import deque\nfrom types import SimpleNamespace\n"
        "class Text(str):\n    def __repr__(self):\n        "
        + change.replace("{}", "object()")
        + "\n        return 'text'\n"
        "TABLE = dict(a=Text(), b=Text())\nSEEN = set(map(Text, 'ab'))\nTAIL = deque(TABLE.values())\n"
        "IT = SimpleNamespace(a=Text(), b=Text())\ndef ask(row):\n    return TABLE, SEEN, TAIL, IT"
    )
    assert text_of(made(source, None))


def test_what_refers_to_itself_ends() -> None:
    """Functions that call each other, and a list in itself; what is called in other modules counts by its code."""
    nodes = (
        "class Node:\n    pass\nNODES = [Node() for _ in range(40)]\nfor node in NODES:\n    node.near = NODES\n"
        "for one, two in zip([Node()] + NODES, NODES * 50):\n    one.next = two\ndef ask(row):\n    return NODES"
    )
    assert text_of(made(nodes, None)) == text_of(made(nodes, None))
    source = "LIST = []\nLIST.append(LIST)\ndef other(row):\n    return ask(row)\ndef ask(row):\n    return other(LIST)"
    assert text_of(made(source, None)) == text_of(made(source, None))
    assert text_of(functools.partial(pd.isna))
    assert text_of(str)


def test_a_target_of_another_function_is_left_alone(tmp_path: Path) -> None:
    """So is one whose rows with missing cells were skipped, where they are to be asked."""
    import claude_parallel as cp

    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pd.DataFrame({"text": ["a", None]}).to_parquet(source)

    def asks(language: str) -> Callable[[Any], str]:
        return lambda row: f"To {language}: {row['text']}"

    options: dict[str, Any] = {"progress": False, "journal": tmp_path / "journal.sqlite3"}
    with cp.simulator(answer=str):
        cp.map_file(source, target, asks("French"), **options)
        assert cp.map_file(source, target, asks("French"), **options).run_id is None
        with pytest.raises(InputError, match="is there already"):
            cp.map_file(source, target, asks("German"), **options)
        cp.map_file(source, target, "To {text}!", overwrite=True, **options)
        with pytest.raises(InputError, match="is there already"):
            cp.map_file(source, target, "To {text}!", skip_missing=False, **options)
