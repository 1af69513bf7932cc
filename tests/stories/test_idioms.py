"""What analysts write first: it works, or it is refused before anything is paid for nonsense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from claude_parallel.errors import InputError, RunStopped
from claude_parallel.simulation.profile import Profile

from ..worlds import World, world

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\5\xfe\2\xfe"
    b"\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82"
)
MISSING = pd.DataFrame({"text": ["a", None, " ", "d"], "other": [None, "x", "y", None]})


def echo() -> World:
    """Return an account that answers with the text it was asked, and the number of blocks."""

    def answer(body: Any) -> str:
        content = body["messages"][-1]["content"]
        blocks = [{"text": content}] if isinstance(content, str) else content
        return f"{len(blocks)} {blocks[-1]['text']}"

    return world(Profile(answer=answer))


@pytest.mark.parametrize("option", ["images", "documents"])
def test_with_attachments_the_same_text_for_all_rows_is_natural(option: str, tmp_path: Path) -> None:
    """Each row brings its own file; a row without one is skipped."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.txt").write_text("some text")
    name = "a.png" if option == "images" else "a.txt"
    out = echo().map(pd.DataFrame({"file": [tmp_path / name, None]}), "Describe {{it}}", **{option: "file"})
    assert out["response"].tolist()[:1] == ["2 Describe {it}"]
    assert out["response_error"].iloc[1].startswith("skipped: column 'file' is missing")


USES = {
    "by name": lambda row: f"About {row['text']}",
    "as attribute": lambda row: f"About {row.text}",
    "get": lambda row: f"About {row.get('text')}",
    "loc": lambda row: f"About {row.loc['text']}",
    "at": lambda row: f"About {row.at['text']}",
    "iloc": lambda row: f"About {row.iloc[0]}",
    "several": lambda row: f"About {row[['text']].iloc[0]}",
    "a method of it": lambda row: f"About {row.text.strip()}",
}


@pytest.mark.parametrize("function", USES.values(), ids=USES)
def test_a_row_function_that_uses_a_missing_cell_skips_its_row(function: Any) -> None:
    """As a template does; cells that it does not look at may be missing."""
    account = echo()
    out = account.map(MISSING, function)
    assert out["response"].tolist()[::3] == ["1 About a", "1 About d"]
    assert out["response_error"].iloc[1].startswith("skipped: column 'text' is missing")
    assert out["response_error"].iloc[2].startswith("skipped: column 'text' is empty text")
    assert account.brain.ledger.requests == 2


def test_skip_missing_false_asks_about_missing_cells_too() -> None:
    """A function gets them as they are, a template shows nothing in their place."""
    function = echo().map(MISSING, lambda row: f"T {row.text if row.notna().text else '-'}", skip_missing=False)
    assert function["response"].tolist() == ["1 T a", "1 T -", "1 T  ", "1 T d"]
    template = echo().map(MISSING, "T {text} O {other:>3}", skip_missing=False)
    assert template["response"].tolist() == ["1 T a O ", "1 T  O   x", "1 T   O   y", "1 T d O "]


def test_a_row_is_a_series_in_every_other_way() -> None:
    """With all of pandas' methods; what is made of the whole row is the function's own business."""

    def prompt(row: pd.Series[Any]) -> str:
        assert isinstance(row, pd.Series)
        assert list(row.index) == ["text", "other"]
        return "; ".join(f"{name}={value}" for name, value in row.dropna().to_dict().items())

    assert echo().map(MISSING, prompt)["response"].tolist()[1] == "1 other=x"


def test_a_function_over_a_series_is_not_asked_about_missing_values() -> None:
    """Unless they are wanted; then it gets them as they are."""
    series = pd.Series(["a", None, ""])
    answers: Any = echo().map(series, lambda value: f"About {value}")
    assert answers.notna().tolist() == [True, False, False]
    wanted: Any = echo().map(series, lambda value: f"About {value!r}", skip_missing=False)
    assert wanted.notna().all()


def test_literal_braces_in_a_system_prompt_are_doubled() -> None:
    """It looks like a template to whoever reads it, so it is written like one, and sent with single braces."""
    seen: list[Any] = []

    def answer(body: Any) -> str:
        seen.append(body["system"])
        return "fine"

    world(Profile(answer=answer)).map(MISSING, "{text}", system='Answer {{"tone": "good"}}')
    assert '\'Answer {"tone": "good"}\'' in str(seen[0]) or 'Answer {"tone": "good"}' in str(seen[0])


def test_the_raw_json_is_no_column_unless_it_is_asked_for() -> None:
    """Typed answers first, and alone."""
    frame = pd.DataFrame({"t": ["a"]})
    answer = world(Profile(answer=lambda body: '{"tone": "good"}'))
    assert list(answer.map(frame, "{t}", schema={"tone": str}).columns) == [
        "t",
        "tone",
        "response_error",
        "response_cost",
    ]
    kept = answer.map(frame, "{t}", schema={"tone": str}, keep_text=True)
    assert list(kept.columns) == ["t", "tone", "response", "response_error", "response_cost"]
    assert kept["response"].tolist() == ['{"tone": "good"}']


def test_a_method_of_pandas_is_never_sent_as_the_text_of_a_column() -> None:
    """``row.product`` is a method, also where a column has that name; it can still be called."""
    frame = pd.DataFrame({"product": ["kettle", "lamp"], "count": [1, 2]})
    account = echo()
    with pytest.raises(InputError, match=r"row\.product is a method of pandas; write row\['product'\]"):
        account.map(frame, lambda row: f"About {row.product}")
    with pytest.raises(InputError, match=r"row\.count is a method"):
        account.map(frame, lambda row: "About " + str(row.count))
    for nonsense in (lambda row: row.product, lambda row: "About " + row.product, lambda row: row.product[:9]):
        with pytest.raises(InputError, match=r"row\.product is a method of pandas"):
            account.map(frame, nonsense)
    out = account.map(frame, lambda row: f"About {row['product']} of {row.count()} cells")
    assert out["response"].tolist() == ["1 About kettle of 2 cells", "1 About lamp of 2 cells"]


@pytest.mark.parametrize("prompt", ["Describe this", "Describe {}"])
def test_files_of_a_series_are_refused_in_the_words_that_help(prompt: str) -> None:
    """Whatever the prompt is: attachments are columns, so it takes a frame."""
    with pytest.raises(InputError, match=r"use series\.to_frame"):
        pd.Series(["a.png"], name="photo").claude.map(prompt, images="photo")


def test_a_constant_prompt_is_told_how_a_column_is_named() -> None:
    """In braces; a column that looks like the prompt first."""
    frame = pd.DataFrame({"review": ["a"], "stars": [1]})
    with pytest.raises(InputError, match=r"write a column in braces, such as \{review\}; there is 'review', 'stars'"):
        frame.claude.map("What is the meaning of life?")
    with pytest.raises(InputError, match="did you mean 'review'"):
        frame.claude.map("reviews")


def test_a_result_goes_through_csv_and_parquet_and_knows_its_errors_and_cost(tmp_path: Path) -> None:
    """Also where no row has an error, so that CSV has no text there, and with half a character in an answer."""
    answers = iter(["half \ud83d", "whole"])
    account = world(Profile(answer=lambda _body: next(answers)))
    out = account.map(pd.DataFrame({"text": ["a", "b"]}), "{text}", max_concurrency=1)
    assert sorted(out["response"]) == ["half \\ud83d", "whole"]
    out.to_csv(tmp_path / "out.csv", index=False)
    back = pd.read_csv(tmp_path / "out.csv")
    assert back["response"].tolist() == out["response"].tolist()
    assert back.claude.cost.loc["total", "answered"] == 2
    assert repr(back.claude.errors) == "No row failed."
    assert not back.claude.errors["advice"].str.contains("retry").any()  # text, also without rows
    pytest.importorskip("pyarrow")
    out.to_parquet(tmp_path / "out.parquet")
    pd.testing.assert_series_equal(pd.read_parquet(tmp_path / "out.parquet")["response"], out["response"])


def test_errors_of_this_package_are_one_line_in_a_notebook() -> None:
    """Whichever they are; IPython asks the exception itself how it is shown."""
    error = RunStopped("not_found", "model: gpt-4o")
    (line,) = error._render_traceback_(type(error), error, None)
    assert line.startswith("RunStopped: not_found: model: gpt-4o; nothing of that name")


def test_an_index_without_a_name_is_told_how_it_gets_one() -> None:
    """``{index}`` is what one writes first; named, it works."""
    frame = pd.DataFrame({"text": ["a"]}, index=[7])
    with pytest.raises(InputError, match=r"rename_axis\('id'\)"):
        frame.claude.map("{index}: {text}")
    assert echo().map(frame.rename_axis("index"), "{index}: {text}")["response"].tolist() == ["1 7: a"]
