"""The house: which room may import which, what rules must not touch, and how large their parts may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import claude_parallel as cp

PACKAGE = Path(cp.__file__).parent
ROOT = PACKAGE.parent

WORDS = {"errors", "given_numbers", "records", "retry", "text", "warning"}
"""Everyone may use the words."""

ARROWS: dict[str, str] = {
    "api": "",
    "attachments": "",
    "loop_thread": "worker_threads",
    "worker_threads": "",
    "garbage_collector": "",
    "bridge": "loop_thread",
    "limits": "progress",
    "pricing": "",
    "statistics": "",
    "simulation": "api batch config",
    "synonyms": "",
    "prompt": "attachments",
    "schema": "api prompt",
    "progress": "bridge",
    "options": "limits synonyms",
    "variables": "options",
    "signatures": "options",
    "config": "api options signatures variables",
    "store": "api config limits worker_threads",
    "engine": "api bridge config garbage_collector limits options pricing progress prompt schema store worker_threads",
    "batch": "api bridge config engine options pricing progress store worker_threads",
    "report": "config pricing progress store",
    "frames": "api attachments batch bridge config engine options progress prompt report schema statistics store",
    "forecast": "bridge config engine limits options pricing progress prompt report schema simulation store",
    "background": "api batch bridge config engine frames options pricing progress store worker_threads",
    "trust": "api bridge config engine forecast frames options progress prompt report signatures statistics store",
    "series": "background dask forecast frames options polars prompt report signatures tables trust",
    "accessor": "background forecast frames options prompt report series signatures trust",
    "cli": "background forecast frames pricing report simulation store tables",
    "__init__": "accessor bridge config dask limits polars report series simulation store",
    "tables": "attachments batch config engine frames options progress prompt report schema signatures store "
    "worker_threads",
    "polars": "background engine forecast frames options progress prompt report schema signatures tables trust",
    "dask": "background engine forecast frames options progress prompt report schema signatures tables trust",
    "__main__": "cli",
}
"""Room -> the rooms that it may import, beside the words. This table is the only one; docs/architecture.md shows it."""

JUDGED = {"limits", "engine", "store"}
"""Rooms that the simulator judges, so it shares no code with them."""

SDK_DOORS = {
    "api/account.py",
    "api/connections.py",
    "api/messages.py",
    "api/platforms.py",
    "api/template.py",
    "api/tokens.py",
    "api/wire.py",
    "batch/api.py",
}
"""The only modules that may import the SDK and its HTTP library."""

PURE_ROOMS = {"limits", "prompt", "schema", "statistics"}
PURE_MODULES = {
    "api/answers.py",
    "api/reading.py",
    "api/responses.py",
    "attachments/sniffing.py",
    "attachments/token_estimates.py",
    "batch/envelope.py",
    "batch/in_flight.py",
    "batch/responses.py",
    "engine/budget.py",
    "engine/cache_warmup.py",
    "engine/results.py",
    "errors.py",
    "options.py",
    "progress/stats.py",
    "progress/waits.py",
    "records.py",
    "report/svg.py",
    "retry.py",
}
"""Rules: no network, no disk, no clock, no frames. Time and chance are arguments."""

IMPURE = {
    "aiohttp",
    "anthropic",
    "asyncio",
    "httpx2",
    "logging",
    "os",
    "pandas",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "time",
    "urllib.request",
}

MOSTLY_DOCUMENTATION = {"accessor.py", "series.py"}
"""Modules above the house's measure, because users read three lines in four of them."""

MOST_MODULE_LINES = 350
MOST_FUNCTION_LINES = 50

MODULES = sorted(PACKAGE.rglob("*.py"))
RULES: list[Callable[[Path], None]] = []
"""What is asked of every module."""


def every_module(rule: Callable[[Path], None]) -> Callable[[Path], None]:
    """Ask this of every module."""
    RULES.append(rule)
    return rule


def room_of(path: Path) -> str:
    """Return the room that a module stands in: a folder of the package, or the module itself."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def tree(path: Path) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes(path: Path) -> Iterator[ast.AST]:
    """Yield what a module runs; what stands below ``if TYPE_CHECKING`` is for the type checker alone."""
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        yield node
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        waiting.extend(node.orelse if is_for_types and isinstance(node, ast.If) else ast.iter_child_nodes(node))


def own_imports(path: Path) -> set[str]:
    """Return the rooms of this package that a module imports, at its top or inside a function."""
    found: set[str] = set()
    folders = path.relative_to(PACKAGE).parts[:-1]
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folders[: len(folders) - node.level + 1]
            target = (*base, *(node.module.split(".") if node.module else ()))
            found |= {target[0]} if target else {alias.name for alias in node.names}
    return found


def foreign_imports(path: Path) -> set[str]:
    """Return the modules that a module imports from elsewhere."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module)
    return found | {name.split(".")[0] for name in found}


def arrows() -> dict[str, set[str]]:
    """Return the arrows that the code draws."""
    drawn: dict[str, set[str]] = {room_of(path): set() for path in MODULES}
    for path in MODULES:
        drawn[room_of(path)] |= own_imports(path) - WORDS - {room_of(path), "__init__"}
    return drawn


@cache
def module_names() -> set[str]:
    """Return what modules are called, alone and with their rooms."""
    names = [path.relative_to(PACKAGE).with_suffix("").parts for path in MODULES]
    return {".".join(parts) for parts in names} | {part for parts in names for part in parts}


@cache
def words_in_code() -> set[str]:
    """Return every word of the code that is not documentation, and the names of packages."""
    found = {"claude_parallel", "cp", "df", "lf", "transform_schema"}  # and a function of the SDK
    for path in MODULES:
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Name | ast.Attribute | ast.arg | ast.keyword | ast.ClassDef | ast.FunctionDef):
                found |= {str(value) for name in ("id", "attr", "arg", "name") if (value := getattr(node, name, ""))}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                found |= set(re.findall(r"[a-z_]+", node.value))
    return found


def test_every_room_stands_in_the_table() -> None:
    """A new room is given its arrows with thought."""
    assert {room_of(path) for path in MODULES} - WORDS == set(ARROWS)


@every_module
def imports_allowed_rooms_only(path: Path) -> None:
    """The table says which."""
    room = room_of(path)
    allowed = WORDS | {room} | set(ARROWS.get(room, "").split())
    assert own_imports(path) <= allowed, f"{room} may not import {sorted(own_imports(path) - allowed)}"


def test_the_table_allows_no_more_than_there_is() -> None:
    """A permission that nobody needs any more is taken back."""
    drawn = arrows()
    unused = {
        f"{room} -> {other}" for room, others in ARROWS.items() for other in others.split() if other not in drawn[room]
    }
    assert unused == set()


def test_rooms_do_not_know_each_other_in_a_circle() -> None:
    """One of two rooms can always be read without the other."""
    left = {room: set(others.split()) for room, others in ARROWS.items()}
    while free := [room for room, others in left.items() if not others & set(left)]:
        for room in free:
            del left[room]
    assert left == {}


def test_the_architecture_page_shows_the_table() -> None:
    """Word for word."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room, others in ARROWS.items():
        shown = ", ".join(f"`{other}`" for other in others.split()) or "words only"
        assert f"| `{room}` | {shown} |" in page


TOP = {
    *("claude_parallel", "tests", "notebooks", "benchmarks", "docs", ".ci"),
    *("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"),
}
"""Who opens the repository sees these and nothing else."""


def test_nothing_strange_is_kept_at_the_top() -> None:
    """A file that a trial run left behind is not added by mistake."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git cannot tell what is kept here: {listed.stderr.strip()}")
    assert {name.split("/")[0] for name in listed.stdout.split("\0") if name} == TOP


def test_no_room_bears_a_public_name() -> None:
    """Importing a submodule binds its name in the package, and would hide the public one."""
    rooms = {room_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert rooms & set(cp.__all__) == set()


def test_the_simulator_shares_no_code_with_what_it_judges() -> None:
    """Only the values that travel through the doors."""
    assert arrows()["simulation"] & JUDGED == set()


@every_module
def is_pure_where_it_decides(path: Path) -> None:
    """No network, no disk, no clock, no frames: time and chance are arguments."""
    if room_of(path) in PURE_ROOMS or str(path.relative_to(PACKAGE)) in PURE_MODULES:
        assert foreign_imports(path) & IMPURE == set()


def test_the_list_of_rules_names_modules_that_exist() -> None:
    """A moved rule takes its promise along."""
    assert {name for name in PURE_MODULES if not (PACKAGE / name).is_file()} == set()


@every_module
def knows_the_sdk_as_a_door_only(path: Path) -> None:
    """Vendor names stop there."""
    if str(path.relative_to(PACKAGE)) not in SDK_DOORS:
        assert foreign_imports(path) & {"anthropic", "httpx2"} == set()


@every_module
def imports_known_packages_only(path: Path) -> None:
    """A new dependency is a decision, not an accident."""
    known = {"aiohttp", "anthropic", "genai_prices", "httpx2", "numpy", "pandas", "platformdirs", "pydantic", "tqdm"}
    known |= {"pydantic_core", "typer", "typing_extensions"}
    optional = {
        "IPython",
        "PIL",
        "cloudpickle",
        "dask",
        "distributed",
        "fsspec",
        "ipywidgets",
        "matplotlib",
        "nest_asyncio2",
        "polars",
    }
    optional |= {"pyarrow", "rapidfuzz"}
    tops = {name.split(".")[0] for name in foreign_imports(path)}
    assert tops <= known | optional | set(sys.stdlib_module_names)


@every_module
def is_not_too_long(path: Path) -> None:
    """One noun each."""
    if str(path.relative_to(PACKAGE)) not in MOSTLY_DOCUMENTATION:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_MODULE_LINES


@every_module
def has_no_function_that_is_too_long(path: Path) -> None:
    """What it says about itself does not count."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_words = ast.get_docstring(node) is not None
            words = (first.end_lineno or first.lineno) - first.lineno + 1 if has_words else 0
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - words
            assert length <= MOST_FUNCTION_LINES, f"{node.name} has {length} lines"


def is_number(node: ast.expr | None) -> bool:
    """Say whether an expression is a number, or computed from numbers alone."""
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


@every_module
def says_why_its_numbers_are_what_they_are(path: Path) -> None:
    """A sentence below a constant, or below the last of several that it speaks of, or a comment beside it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    unexplained: list[str] = []
    for node, after in pairwise([*tree(path).body, ast.Pass()]):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id.isupper() and is_number(getattr(node, "value", None)):
            is_told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            has_comment = "#" in lines[node.lineno - 1] or lines[node.lineno - 2].startswith("#")
            unexplained = [] if is_told or has_comment else [*unexplained, target.id]
        elif not isinstance(node, ast.Expr):
            assert unexplained == []


@every_module
def names_others_by_their_names_of_today(path: Path) -> None:
    """A word in double backticks at the head of a module is a module, or stands somewhere in the code."""
    head = ast.get_docstring(tree(path)) or ""
    named = set(re.findall(r"``([a-z_]+(?:\.[a-z_]+)?)``", head))
    assert {
        name for name in named if name not in module_names() and not set(name.split(".")) <= words_in_code()
    } == set()


@every_module
def says_what_it_knows(path: Path) -> None:
    """A docstring of at least a sentence."""
    words = ast.get_docstring(tree(path)) or ""
    assert "." in words or path.stem == "__main__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_the_rules_of_the_house(path: Path) -> None:
    """All of them; the one that it breaks stands in the traceback."""
    for rule in RULES:
        rule(path)
