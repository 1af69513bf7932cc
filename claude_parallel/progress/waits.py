"""The reasons to wait: a closed list, each with its short text and with what it means for the reader of a report.

Whoever waits names a member; bar, panel, log line and report take their words from here. When to wait is decided by
the gate, the dispatcher and the batches.
"""

from __future__ import annotations

from enum import StrEnum

from ..errors import Kind
from ..records import Dimension
from ..text import clock_time, countdown


class WaitReason(StrEnum):
    """Why the next call is held back; a member is its own short text, which is also what the journal keeps."""

    meaning: str
    """What it means for the reader of a report, and what helps."""

    def __new__(cls, text: str, meaning: str) -> WaitReason:
        """Return the member of a short text."""
        member = str.__new__(cls, text)
        member._value_ = text
        member.meaning = meaning
        return member

    REQUESTS = (
        "requests per minute",
        "the account's limit; a higher tier lifts it, batches have limits of their own",
    )
    INPUT_TOKENS = (
        "input tokens per minute",
        "the account's limit; shorter prompts or prompt caching help (cache reads do not count)",
    )
    OUTPUT_TOKENS = ("output tokens per minute", "the account's limit; shorter answers help")
    RATE_LIMIT = ("the account's rate limit", "a refusal (429) that did not say which limit")
    GROWTH = ("the account's growth limit", "the API wants traffic to grow more slowly")
    # journals of earlier versions hold it; no run waits for it any more
    PACE = ("an even pace", "calls are spread evenly below the limits, so that no burst is refused")
    FIRST_ANSWERS = (
        "the first answers",
        "the limits are not known before the first answer; sending begins gently",
    )
    ANSWERS = (
        "answers",
        "as many calls were under way as may be; a higher max_concurrency helps where it is set",
    )
    CACHE_WARMUP = (
        "the first answer, which fills the prompt cache",
        "the others then read the shared prefix from it, far cheaper",
    )
    BUDGET = (
        "budget",
        "what is in flight could use up the rest of the budget; its answers free what they did not cost",
    )
    ROWS = (
        "the next rows",
        "prompt functions, files or the journal were slower than the API; cheaper prompt functions help",
    )
    RETRY = ("the next retry", "every row left has failed before; each is asked again after a growing pause")
    OVERLOADED = (
        "API overloaded",
        "the API refused all calls (529); one call at a time tried again, no row lost a try",
    )
    SERVER_ERRORS = (
        "API failing",
        "the API answered with errors only; one call at a time tried again, no row lost a try",
    )
    UNREACHABLE = ("API unreachable", "no call came through; one at a time tried again, no row lost a try")
    CLAIMED = (
        "another run's answers",
        "another run or process has the same requests on their way; its answers are used, so nothing is paid twice",
    )
    BATCH_PROCESSING = (
        "batches that are processing",
        "the API works on them at half price, mostly within an hour, at most 24 hours",
    )
    BATCH_QUEUE = (
        "room in the batch queue",
        "the account may queue only so many requests in batches; more are sent as batches end",
    )
    BATCH_LOOKUP = (
        "a batch of an interrupted run",
        "it may or may not have been created; the API's list of batches is read before anything is sent again",
    )
    BATCH_RESULTS = ("the results of a batch", "it has ended, and its answers are being read into the journal")


LIMITS: dict[Dimension, WaitReason] = {
    "requests": WaitReason.REQUESTS,
    "input": WaitReason.INPUT_TOKENS,
    "output": WaitReason.OUTPUT_TOKENS,
}
"""What is waited for, by the limit that is used up."""

OUTAGES: dict[Kind, WaitReason] = {
    "overloaded": WaitReason.OVERLOADED,
    "server": WaitReason.SERVER_ERRORS,
    "connection": WaitReason.UNREACHABLE,
    "timeout": WaitReason.UNREACHABLE,
}
"""What an outage is called, by the kind of the failure that began it."""


def outage_words(reason: str, since: float, retry_at: float | None, now: float) -> str:
    """Return what is said in an outage: ``API overloaded since 14:03:20, next try in 8 s``.

    Parameters
    ----------
    reason : str
        What the outage is called.
    since, now : float
        When it began, and the present; seconds since the epoch, shown in local time.
    retry_at : float or None
        When the next call tries; None while one does.
    """
    then = "trying now" if retry_at is None or retry_at <= now else f"next try in {countdown(retry_at - now)}"
    return f"{reason} since {clock_time(since, now)}, {then}"


_FORMER: dict[str, WaitReason] = {"batch": WaitReason.BATCH_PROCESSING}
"""What journals of earlier versions call a reason that has another text by now."""


def reason_of(text: str) -> WaitReason | None:
    """Return the reason that a journal names; None for one that only another version knows."""
    return _FORMER.get(text) or next((reason for reason in WaitReason if reason == text), None)


def meaning_of(text: str) -> str:
    """Return what a reason in a journal means for the reader; empty for one that only another version knows."""
    reason = reason_of(text)
    return reason.meaning if reason is not None else ""
