"""What Tab, Shift-Tab and ``?`` show: every option of every verb, and the public names of the package."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

import claude_parallel as cp
from claude_parallel.options import OPTION_NAMES

VERBS: list[tuple[Callable[..., Any], set[str]]] = [
    (cp.ClaudeFrame.map, {"prompt", "out"}),
    (cp.ClaudeFrame.amap, {"prompt", "out"}),
    (cp.ClaudeFrame.classify, {"prompt", "labels", "multiple", "out"}),
    (cp.ClaudeFrame.extract, {"prompt", "schema", "out"}),
    (cp.ClaudeFrame.estimate, {"prompt", "out", "likely_output_tokens"}),
    (cp.ClaudeFrame.submit, {"prompt", "out", "panel"}),
    (cp.ClaudeFrame.retry, {"where", "prompt"}),
    (cp.ClaudeFrame.apreview, {"prompt", "rows", "by", "seed", "out"}),
    (cp.ClaudeFrame.acompare, {"prompt", "variants", "rows", "by", "labels", "gold", "judge", "holdout", "out"}),
    (cp.ClaudeSeries.apreview, {"prompt", "rows", "seed", "out"}),
    (cp.ClaudeSeries.acompare, {"prompt", "variants", "rows", "labels", "gold", "judge", "holdout", "out"}),
    (cp.ClaudeSeries.map, {"prompt", "out"}),
    (cp.ClaudeSeries.amap, {"prompt", "out"}),
    (cp.ClaudeSeries.classify, {"labels", "prompt", "multiple", "out"}),
    (cp.ClaudeSeries.extract, {"schema", "prompt", "out"}),
    (cp.ClaudeSeries.estimate, {"prompt", "out", "likely_output_tokens"}),
    (cp.ClaudeSeries.submit, {"prompt", "out", "panel"}),
    (cp.map, {"items", "prompt", "out"}),
    (cp.map_file, {"source", "target", "prompt", "out", "columns", "limit", "overwrite"}),
    (cp.configure, {"api_key", "base_url"}),
]


@pytest.mark.parametrize(("verb", "own"), VERBS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_the_signature_of_a_verb_shows_every_option(verb: Callable[..., Any], own: set[str]) -> None:
    """As keywords, with None for the default of this process; nothing is hidden behind ``**options``."""
    parameters = inspect.signature(verb).parameters
    assert own | {*OPTION_NAMES} <= set(parameters)
    assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    assert all(parameters[name].default is None for name in OPTION_NAMES if name not in own)


@pytest.mark.parametrize("accessor", [cp.ClaudeFrame, cp.ClaudeSeries])
@pytest.mark.parametrize("verb", ["preview", "compare"])
def test_an_async_twin_shows_the_defaults_of_the_blocking_verb(accessor: type, verb: str) -> None:
    """All but ``estimate=``, which sends nothing."""
    shown = dict(inspect.signature(getattr(accessor, verb)).parameters)
    del shown["estimate"]
    assert dict(inspect.signature(getattr(accessor, f"a{verb}")).parameters) == shown


def test_every_option_is_explained_where_options_are() -> None:
    """Other verbs refer to ``map``."""
    text = inspect.getdoc(cp.ClaudeFrame.map) or ""
    explained = {name for names in re.findall(r"^(\w+(?:, \w+)*) : ", text, re.MULTILINE) for name in names.split(", ")}
    assert {*OPTION_NAMES} - explained == set()


def test_tab_behind_the_package_lists_its_public_names_and_nothing_else() -> None:
    """No modules, no helpers."""
    assert {name for name in dir(cp) if not name.startswith("_")} == set(cp.__all__)


def test_a_shell_completes_names_and_options() -> None:
    """IPython's own completer, as Jupyter uses it."""
    core = pytest.importorskip("IPython.core.completer")
    import pandas as pd

    frame = pd.DataFrame({"t": ["a"]})
    completer = core.IPCompleter(namespace={"cp": cp, "df": frame, "texts": frame["t"]}, use_jedi=False)
    completer.suppress_competing_matchers = True
    completer.disable_matchers = ["IPCompleter.magic_matcher", "IPCompleter.file_matcher"]

    def offered(text: str) -> set[str]:
        with core.provisionalcompleter():
            return {one.text.lstrip(".") for one in completer.completions(text, len(text))}

    assert {name for name in offered("cp.") if not name.startswith("_")} == set(cp.__all__)
    assert {"max_concurrency=", "max_tokens="} <= offered("df.claude.classify('{t}', ['a', 'b'], max_")
    assert "skip_missing=" in offered("texts.claude.map('{}', skip")
