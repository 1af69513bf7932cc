"""Numbers that a user gives: checked, and as Python has them.

Each refusal says what the user calls the number, and what it may be. What it is for is the caller's business.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from .errors import InputError


def positive(name: str, value: Any) -> float:
    """Return a number above 0 as Python has it: with a short float of NumPy, a time may not move on.

    Raises
    ------
    InputError
        For what is no such number; `name` is what the user calls it.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} must be a number above 0, not {value!r}")
    return float(value)


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least` as Python has it; one of NumPy is one as well.

    Raises
    ------
    InputError
        For what is no such number; `name` is what the user calls it.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)
