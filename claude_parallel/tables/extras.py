"""Packages that only some users need: asked for by name when the time comes."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import InputError


def need(package: str, purpose: str, extra: str) -> Any:
    """Return an optional package.

    Parameters
    ----------
    package : str
        Name to import.
    purpose : str
        What it is needed for, as in ``"{purpose} need it"``.
    extra : str
        The extra of this package that brings it.

    Raises
    ------
    InputError
        When it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise InputError(f'{purpose} need {package}: pip install "claude-parallel[{extra}]"') from None
