"""Numbers, times and foreign text, written for people.

Knows formats only; what is shown is decided by whoever shows it.
"""

from __future__ import annotations

import html
import math
import time
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

_REPLACED = frozenset({"Cc", "Cs"})
_UNITS: tuple[tuple[float, float, str], ...] = (
    (120.0, 1.0, "s"),
    (9_000.0, 60.0, "min"),
    (259_200.0, 3_600.0, "h"),
    (math.inf, 86_400.0, "d"),
)
"""Up to so many seconds: seconds per unit, and its name."""


SHORT_FLOATS = frozenset(("float16", "float32"))
"""Fractions of fewer bits than Python's own, by NumPy's names."""

_NANOSECONDS = frozenset(("datetime64[ns]", "timedelta64[ns]"))
"""Finer than Python's own times: NumPy makes integers of these, pandas has classes for them."""


def as_written(values: Any, kind: str) -> list[float]:
    """Return short fractions as those that people, and their frames, write for them: 0.1, not 0.10000000149011612.

    Parameters
    ----------
    values : array, Series or Index
        NaN where one is missing.
    kind : str
        One of :data:`SHORT_FLOATS`.
    """
    import numpy as np

    return cast("list[float]", np.asarray(values.astype(kind)).astype(str).astype(float).tolist())


def as_python(values: Any) -> Any:
    """Return an array, or a scalar of NumPy's, as values of Python's own: all of them, with every digit.

    ``str`` leaves out the middle of a long array and digits of its numbers, as a setting of NumPy's says.

    Parameters
    ----------
    values : array, Series, Index or NumPy scalar
        Anything with a ``tolist``.
    """
    kind = str(getattr(values, "dtype", ""))
    if kind in SHORT_FLOATS:
        return as_written(values, kind)
    if kind in _NANOSECONDS:
        import numpy as np
        import pandas as pd

        return [as_python(value) for value in np.asarray(values)] if values.ndim else pd.Series([values]).tolist()[0]
    return values.tolist()


def encodable(value: Any) -> Any:
    """Return text in which half characters (lone surrogates), which no file can hold, are written as their escapes.

    Lists and mappings are walked through; whatever else it is comes back as it is.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [encodable(item) for item in value]
    return {name: encodable(item) for name, item in value.items()} if type(value) is dict else value


def escaped(value: object, longest: int = 300) -> str:
    """Return a value as text that is safe inside HTML elements and quoted attributes, shortened when very long."""
    text = str(value)
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(letter) in _REPLACED else letter for letter in text)
    return html.escape(text)


def time_unit(span_seconds: float) -> tuple[float, str]:
    """Return the unit that suits an axis over so many seconds: its length in seconds, and its name."""
    return next((length, name) for longest, length, name in _UNITS if span_seconds <= longest)


def elapsed(seconds: float) -> str:
    """Return a duration for people: ``0.42 s``, ``12.3 s``, ``4 min 05 s``, ``3 h 20 min``."""
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 2_880:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1_440} d {minutes % 1_440 // 60} h"


def countdown(seconds: float) -> str:
    """Return the time left until something: ``8 s``, ``2 min 05 s``; never less than ``1 s``."""
    whole = max(1, math.ceil(seconds)) if math.isfinite(seconds) else 0
    return f"{whole} s" if 0 < whole < 60 else elapsed(float(whole)) if whole else "a long time"


def compact(number: float) -> str:
    """Return a number for an axis: ``0.25``, ``12``, ``1.2k``, ``2M``."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def figure(number: float) -> str:
    """Return a rate or a mean: whole from 100 on, else with three significant digits."""
    return f"{number:,.0f}" if abs(number) >= 99.5 or number == round(number) else f"{number:.3g}"


def percent(share: float) -> str:
    """Return a share as per cent: ``0.4 %``, ``12 %``."""
    return f"{share:.1%}".replace("%", " %") if 0 < share < 0.0995 else f"{share:.0%}".replace("%", " %")


def moment(epoch_seconds: float) -> str:
    """Return a time with its zone, such as ``2026-11-23 14:03:20 +0100``."""
    return datetime.fromtimestamp(epoch_seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def clock_time(epoch_seconds: float, now: float) -> str:
    """Return a time near `now` for people: ``14:03:20`` today, ``2026-11-27 14:03`` on another day.

    A server may name any number of seconds: what no calendar holds is "a time beyond the calendar".
    """
    try:
        then, today = (datetime.fromtimestamp(seconds).astimezone() for seconds in (epoch_seconds, now))
    except (OverflowError, ValueError, OSError):
        return "a time beyond the calendar"
    return then.strftime("%H:%M:%S" if then.date() == today.date() else "%Y-%m-%d %H:%M")


def short_id(identifier: str, longest: int = 16) -> str:
    """Return a long id with its middle left out: ``msgbatch_01…kqJ2``."""
    if len(identifier) <= longest:
        return identifier
    end = 4
    return f"{identifier[: longest - end - 1]}…{identifier[-end:]}"


def local_time(epoch_seconds: float) -> str:
    """Return the time of day, such as ``14:03:20``."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_seconds))


def format_usd(amount: Decimal) -> str:
    """Return dollars to the cent, and small sums to two significant digits."""
    if amount < 0:
        return f"-{format_usd(-amount)}"
    if amount == 0 or abs(amount) >= Decimal("0.1"):
        return f"${amount:,.2f}"
    digits = 2 - amount.adjusted() - 1
    return f"${amount:.{min(digits, 8)}f}"
