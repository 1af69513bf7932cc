"""The reasons to wait: a closed list, each with words for the bar and a meaning for the report."""

from __future__ import annotations

import pytest

from claude_parallel.errors import KINDS
from claude_parallel.progress.waits import OUTAGES, WaitReason, meaning_of, reason_of

every_reason = pytest.mark.parametrize("reason", WaitReason, ids=lambda reason: reason.name)


@every_reason
def test_every_reason_has_a_text_and_a_meaning(reason: WaitReason) -> None:
    """Short words beside the bar, and at least a clause for the report; neither ends in a full stop."""
    assert 3 <= len(reason) <= 50
    assert len(reason.meaning.split()) >= 4
    assert not reason.endswith(".")
    assert not reason.meaning.endswith(".")
    assert "\n" not in reason + reason.meaning


def test_no_two_reasons_share_their_words() -> None:
    """Else they were one in the journal."""
    assert len({str(reason) for reason in WaitReason}) == len({reason.meaning for reason in WaitReason})
    assert len(WaitReason) == len(WaitReason.__members__)


@every_reason
def test_the_journal_gives_back_what_it_was_told(reason: WaitReason) -> None:
    """A text names its reason."""
    assert reason_of(str(reason)) is reason
    assert meaning_of(str(reason)) == reason.meaning


@pytest.mark.parametrize(
    ("former", "reason"),
    [
        ("batch", WaitReason.BATCH_PROCESSING),
        ("an even pace", WaitReason.PACE),
        ("the first answer, which fills the prompt cache", WaitReason.CACHE_WARMUP),
    ],
)
def test_journals_of_earlier_versions_are_understood(former: str, reason: WaitReason) -> None:
    """What they call a reason still has its meaning."""
    assert reason_of(former) is reason


def test_a_reason_of_another_version_has_no_meaning_and_is_no_error() -> None:
    """A journal may have been written by a later version."""
    assert reason_of("the moon") is None
    assert meaning_of("the moon") == ""


def test_outages_are_named_by_their_first_failure() -> None:
    """The kinds that say nothing about the request, only about the API."""
    assert set(OUTAGES) <= set(KINDS)
    assert {"overloaded", "server", "connection", "timeout"} == set(OUTAGES)
