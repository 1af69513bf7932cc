"""A sample to label as a CSV file, as spreadsheets read and write it.

Knows files only: ``review`` decides which rows are in the sample, and what a label may be.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import pandas as pd
from pandas.errors import EmptyDataError, ParserError

from ..errors import InputError

ROW, ANSWER, GOLD, KEY = "row", "answer", "gold", "row_key"
_OURS = frozenset({ROW, ANSWER, GOLD, KEY})
_ENCODING = "utf-8-sig"
"""With a byte order mark: without one, Excel takes UTF-8 for the code page of the country."""
_KEY_DIGITS = 12
"""Of 64: among a million rows, the chance that any two are taken for one is one in 500."""
_SEPARATORS = ",;\t"
"""What spreadsheets write between cells, by country: where the comma is for decimals, it is a semicolon."""


def write_sample(path: Path, records: Iterable[tuple[int, Mapping[str, str], str | None, str, bytes]]) -> None:
    """Write one line per row: its place, its texts, the answer (None = not shown), the label so far, and its key.

    Formulas in texts and answers are disarmed by a leading apostrophe; columns that are called as ours are renamed.
    """
    lines = []
    for row, texts, answer, gold, key in records:
        named = {f"{name} (column)" if name in _OURS else name: _plain(text) for name, text in texts.items()}
        shown = {} if answer is None else {ANSWER: _plain(answer)}
        lines.append({ROW: row, **named, **shown, GOLD: gold, KEY: key_text(key)})
    pd.DataFrame(lines).to_csv(path, index=False, encoding=_ENCODING)


def key_text(key: bytes) -> str:
    """Return what stands in a file for what a row says; for its letter, no spreadsheet takes it for a number."""
    return f"k{key.hex()[:_KEY_DIGITS]}"


def read_labels(path: str | Path) -> list[tuple[str, str, str]]:
    """Return the rows that have a label: their place, what they say (empty in older files), and the label.

    Raises
    ------
    InputError
        For a file that is no UTF-8, or has not the columns that :func:`write_sample` wrote.
    """
    try:
        text = Path(path).expanduser().read_text(encoding=_ENCODING)  # as pandas does where it writes
    except UnicodeDecodeError as error:
        raise InputError(f'{path} is not UTF-8: save it as "CSV UTF-8" in the spreadsheet') from error
    for separator in _SEPARATORS:
        try:
            table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, usecols=_is_needed)
        except (EmptyDataError, ParserError):
            continue  # most often: not the separator of this file
        if {ROW, GOLD} <= {*table}:
            keys = table[KEY] if KEY in table else table[ROW].str.slice(stop=0)
            lines = zip(*(cells.str.strip() for cells in (table[ROW], keys, table[GOLD])), strict=True)
            return [(row, key, label) for row, key, label in lines if label]
    raise InputError(f"{path} has no columns 'row' and 'gold'; it must be a file that to_csv() wrote")


def _is_needed(column: Hashable) -> bool:
    return column in (ROW, GOLD, KEY)


def _plain(text: str) -> str:
    """Return text that no spreadsheet takes for a formula. Source: OWASP, CSV injection."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
