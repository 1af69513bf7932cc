"""The exceptions, the kinds of row error, and what to do about each.

A row that fails is a value (a :data:`Kind` and a sentence in the error column); an exception is for the
caller's mistakes and for runs that cannot begin or must not go on::

    ClaudeParallelError
    ├── InputError            an argument or a frame that cannot work; found before the first paid call
    │   └── CredentialsError  no API key and no other way to sign in
    ├── RunStopped            the API refused the whole run before anything was answered
    ├── RowFailed             on_error="raise": the first row that finally failed
    └── JournalError          the journal cannot do what was asked of it
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

Kind = Literal[
    "skipped",
    "invalid",
    "too_large",
    "rate_limit",
    "overloaded",
    "server",
    "timeout",
    "connection",
    "refusal",
    "max_tokens",
    "context_window",
    "empty",
    "schema",
    "auth",
    "billing",
    "spend_limit",
    "not_found",
    "budget",
    "cancelled",
    "expired",
    "unknown",
]
"""Why a row has an error: a closed list, the text before the first colon of the error column."""

KINDS: tuple[Kind, ...] = get_args(Kind)

Fate = Literal["answered", "failed", "skipped", "cancelled"]
"""What a row came to: the four words of every count, in bar, panel, run, ``cp.runs()``, ``.claude.cost`` and report.

``skipped``: nothing was to be asked. ``cancelled``: the run did not come to it or did not let it finish, because it was
stopped, its budget was used up or its batch came to an end: running it again goes on. ``failed``: every other row with
an error. Only failed rows are "errors".
"""

_FATES: Mapping[str, Fate] = {
    "skipped": "skipped",
    "cancelled": "cancelled",
    "budget": "cancelled",
    "expired": "cancelled",
}
"""The kinds that are no failure; every other kind is one."""

HINTS: dict[Kind, str] = {
    "skipped": "a cell that the prompt uses is missing or empty; fill it and run the cell again, or leave the row out",
    "invalid": "mend what the message names, then retry()",
    "too_large": "the request is above the API's size limit (32 MB); send less in one row",
    "rate_limit": "the account's limit held for too long; retry(), or set a lower max_concurrency",
    "overloaded": "the API was overloaded; retry() in a few minutes",
    "server": "the API failed on its side; retry()",
    "timeout": "no answer in time; retry(), or raise timeout=",
    "connection": "the network failed; check it, then retry()",
    "refusal": "Claude declined; rephrase the prompt, or retry(model=...)",
    "max_tokens": "the answer was cut; retry(max_tokens=...) with a higher number",
    "context_window": "prompt and answer passed the model's context window; shorten the prompt",
    "empty": "Claude answered without any text; rephrase, or retry()",
    "schema": "the answer does not fit the schema; loosen it, or retry(model=...)",
    "auth": "the key is wrong or may not do this; check ANTHROPIC_API_KEY",
    "billing": "the account cannot pay; see Plans & Billing in the Claude Console",
    "spend_limit": "the account's spend limit is reached; raise it in the Claude Console",
    "not_found": "nothing of that name is there for this key; check model= and base_url=",
    "budget": "run the cell again with a higher budget=, or a lower max_tokens=",
    "cancelled": "not finished, the run was stopped; run the cell again to go on",
    "expired": "the batch ended before this row's turn; run the cell again to send it anew",
    "unknown": "the API answered in an unforeseen way; see the run's attempts()",
}
"""What the user can do about each kind; one clause, ready to stand behind a semicolon."""


def advice_of(kind: str) -> str:
    """Return what to do about a kind of error, also about one that another version of us wrote."""
    return HINTS.get(cast(Kind, kind), HINTS["unknown"])


def fate_of(kind: str | None) -> Fate:
    """Return what a row came to, from its kind of error (None = it has none)."""
    return "answered" if kind is None else _FATES.get(kind, "failed")


@dataclass(frozen=True, slots=True)
class FateCounts:
    """Rows by what they came to; see :data:`Fate`. Their sum is the number of rows."""

    answered: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0


def count_fates(kinds: Mapping[Kind, int] | Mapping[str, int], rows: int) -> FateCounts:
    """Count the fates of rows.

    Parameters
    ----------
    kinds : mapping of str to int
        Rows by kind of error.
    rows : int
        All rows that have an outcome; those without an error are answered.
    """
    counts: dict[Fate, int] = {"answered": max(0, rows - sum(kinds.values()))}
    for kind, count in kinds.items():
        fate = fate_of(kind)
        counts[fate] = counts.get(fate, 0) + count
    return FateCounts(**counts)


_KEY = re.compile(r"sk-ant-[\w-]{4,}|(?i:\bbearer\s+)[\w.~+/-]{8,}=*")
"""What an API key looks like, and a token in a header: "sk-ant-" stands before all keys and tokens of the API."""


def without_keys(text: str) -> str:
    """Return somebody else's words (of a server, a proxy, a prompt function) without the keys that they repeat."""
    return _KEY.sub("[a key]", text)


def row_error(kind: Kind, what: str, hint: str | None = None) -> str:
    """Return the text of the error column: ``"<kind>: <what happened>; <what to do>"``.

    Parameters
    ----------
    kind : str
        One of :data:`Kind`.
    what : str
        What happened.
    hint : str, optional
        What to do; default: the kind's own hint, less its beginning where `what` says that already.
    """
    what = " ".join(without_keys(what).split()).rstrip(".;")
    hint = hint or HINTS[kind]
    said, _, advice = hint.partition("; ")
    return f"{kind}: {what}; {advice if advice and what.startswith(said) else hint}"


def what_happened(kind: str, error: str) -> str:
    """Return what a text of :func:`row_error` says beside its kind and the kind's hint, whole or less its beginning."""
    text = error.removeprefix(f"{kind}: ")
    hint = advice_of(kind)
    for ending in (f"; {hint}", f"; {hint.partition('; ')[2]}"):
        if ending != "; " and text.endswith(ending):
            return text.removesuffix(ending)
    return text


class ClaudeParallelError(Exception):
    """Base of all exceptions of this package."""

    def _render_traceback_(self, *_details: object) -> list[str]:
        """Return what a notebook shows: the message, since the frames of this package help nobody mend a call."""
        return [f"{type(self).__name__}: {self}"]


class InputError(ClaudeParallelError, ValueError):
    """An argument or a frame that cannot work; raised before the first paid call."""


class CredentialsError(InputError):
    """No way to sign in to the API was found."""


class RunStopped(ClaudeParallelError):
    """The API refused the whole run, and nothing had been answered yet.

    Parameters
    ----------
    kind : str
        One of :data:`Kind`, such as ``"auth"`` or ``"spend_limit"``.
    what : str
        The API's own words.
    hint : str, optional
        What to do, in place of what the kind advises.
    """

    def __init__(self, kind: Kind, what: str, hint: str | None = None) -> None:
        super().__init__(row_error(kind, what, hint))
        self.kind: Kind = kind


class RowFailed(ClaudeParallelError):
    """A row failed for good and the caller asked to stop there (``on_error="raise"``).

    Parameters
    ----------
    position : int
        The row's position in the frame, counted from 0.
    error : str
        The text that the error column would hold.
    request_id : str or None
        The API's id of the last attempt, for a support request.
    """

    def __init__(self, position: int, error: str, request_id: str | None) -> None:
        suffix = f" (request id {request_id})" if request_id else ""
        super().__init__(f"row {position}: {error}{suffix}")
        self.position = position
        self.error = error
        self.request_id = request_id


class JournalError(ClaudeParallelError):
    """The journal cannot do what was asked; a run never fails on this, only explicit calls do."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a clause that offers the names most like `name`, or all of them when none is near."""
    known = [str(choice) for choice in choices]
    folded = {choice.casefold(): choice for choice in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(folded[match]) for match in close) + "?"
    shown = ", ".join(repr(choice) for choice in known[:10])
    return f"there is {shown}{', ...' if len(known) > 10 else ''}" if known else "there is none"
