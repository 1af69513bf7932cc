"""Batches by their id, whoever submitted them: looked at, waited for, read into the journal, cancelled.

The custom ids of our batches carry the keys of the journal, so a batch submitted on another machine can be collected
here, and the cell that asked for it then costs nothing. Other batches are readable as well: id, text, error, cost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from .. import bridge
from ..api.answers import read_answer
from ..api.reading import model_of, usage_of
from ..batch.api import BatchApi
from ..batch.carrier import BatchEnvironment, batch_environment
from ..batch.collector import GROUP_RESULTS, is_same_answer
from ..batch.envelope import read_custom_id
from ..batch.policy import is_unknown, judge_call, poll_after
from ..batch.records import EnvelopeBook, EnvelopeRecord
from ..batch.responses import RESULTS_SECONDS, BatchPage, BatchResult, BatchState
from ..config import is_simulating, journal_path, resolve_settings
from ..errors import ClaudeParallelError, InputError, Kind, row_error
from ..frames.columns import plan_columns
from ..frames.outputs import text_array
from ..given_numbers import whole_number
from ..options import Settings
from ..pricing import PriceList
from ..records import Attempt, Failure, Reply
from ..retry import Again
from ..store.journal import Journal
from ..warning import warn
from ..worker_threads import finish_off_loop

T = TypeVar("T")

MOST_LISTED = 1_000
"""Source: API reference, List Message Batches."""

_COUNTS = ("succeeded", "errored", "canceled", "expired")

_ResultRow = tuple[str, str | None, str | None, float | None]
"""Of one result: custom id, text, error, US dollars."""


@dataclass(frozen=True, slots=True)
class _Access:
    """Where batches are asked for, and where their answers go."""

    settings: Settings
    environment: BatchEnvironment

    @property
    def owner(self) -> str:
        """Who asks; see ``Account``."""
        return self.call(_owner)

    def journal(self) -> closing[Journal]:
        """Return the journal, open for the length of a block."""
        explicit = not isinstance(self.settings.journal, bool)
        return closing(Journal.open(journal_path(self.settings.journal, self.settings.client), is_explicit=explicit))

    def call(self, act: Callable[[BatchApi], Awaitable[T]]) -> T:
        """Run calls over connections of their own, blocking; an interrupt in their course is raised after them."""
        control = bridge.Control()

        async def work() -> T:
            api = self.environment.open_api(self.settings.timeout)
            try:
                return await act(api)
            finally:
                await api.aclose()

        result = bridge.run_blocking(work, control, lambda: None)
        if control.interrupts:
            raise KeyboardInterrupt
        return result


async def _owner(api: BatchApi) -> str:
    return api.owner


class AdoptedBatch:
    """One batch at the API, known by its id; made by ``Job.adopt``. Its results can be read for 29 days.

    Parameters
    ----------
    id : str
        The batch's id, or that of an envelope in the journal.
    access : object
        Where to ask.
    """

    def __init__(self, id: str, access: _Access) -> None:
        self.id = id
        self._access = access

    def __repr__(self) -> str:
        return f"<batch {self.id}: .status(), .wait(), .result(), .cancel()>"

    def status(self) -> BatchState:
        """Return the batch as the API shows it now."""
        return self._found(self._retrieve())

    def wait(self, timeout: float | None = None) -> BatchState:
        """Wait until the batch has ended, or for `timeout` seconds, and return its state.

        A call that fails in passing after the first does not end the wait: the batch goes on meanwhile.
        """
        began, rng = time.monotonic(), random.Random()
        failures: tuple[Kind, ...] = ()
        last, at_least = self.status(), 0.0
        while not last.has_ended:
            waited = time.monotonic() - began
            seconds = max(poll_after(waited), at_least)
            seconds = seconds if timeout is None else min(seconds, timeout - waited)
            if seconds <= 0:
                break
            time.sleep(seconds)
            found = self._retrieve()
            verdict = judge_call(found, failures, rng, is_first=False) if isinstance(found, Failure) else None
            if isinstance(found, Failure) and isinstance(verdict, Again):
                failures, at_least = (*failures, found.kind), verdict.wait_seconds
                continue
            last, failures, at_least = self._found(found), (), 0.0
        return last

    def result(self) -> pd.DataFrame:
        """Wait for the end, keep the answers in the journal, and return them.

        Returns
        -------
        DataFrame
            Index: custom id, in the order of the results; ``response``, ``response_error``, ``response_cost``. Run the
            cell that submitted the batch to get its frame: answers that are in the journal cost nothing.
        """
        state = self.wait()
        if state.is_archived:
            raise InputError(f"the results of {self.id} are gone: they can be read for 29 days")
        access, host = self._access, self._access.environment.live.host
        is_free = is_simulating(access.settings.client)
        with access.journal() as journal:
            found = access.call(lambda api: _collect(api, state, journal, host, is_free=is_free))
        if (missing := state.requests - found.index.nunique()) > 0:
            warn(
                f"{missing:,} of {state.requests:,} rows of {self.id} are missing: call result() or run its cell again"
            )
        return found

    def partial(self) -> pd.DataFrame:
        """Return the results if the batch has ended, else an empty frame: the API tells nothing before."""
        return self.result() if self.status().has_ended else _frame([])

    def cancel(self) -> None:
        """Ask the API to cancel the batch; requests it has finished are kept and paid.

        An envelope without a batch (its sender died) is given up: its rows may be sent again.
        """
        record = self._record()
        if record is not None and record.batch_id is None:
            with self._access.journal() as journal:
                EnvelopeBook(journal).close(record.id, "cancelled")
            return
        batch_id = self._batch_id()
        self._found(self._access.call(lambda api: api.cancel(batch_id)))

    def _retrieve(self) -> BatchState | Failure:
        batch_id = self._batch_id()
        return self._access.call(lambda api: api.retrieve(batch_id))

    def _found(self, state: BatchState | Failure) -> BatchState:
        """Return a batch that the API knows; one that was deleted holds its rows no longer."""
        if not isinstance(state, Failure) or not is_unknown(state):
            return _good(state, self.id)
        with self._access.journal() as journal:
            book = EnvelopeBook(journal)
            record = book.of_batch(self._batch_id())
            if record is None or record.owner != self._access.owner:
                raise InputError(
                    f"there is no batch {self.id} for this key; claude_parallel.jobs() lists what there is"
                )
            book.close(record.id, "failed")
        raise InputError(f"{self.id} was deleted at the API; run its cell again: it asks anew what is not answered")

    def _batch_id(self) -> str:
        record = self._record()
        if record is None:
            return self.id
        if record.batch_id is None:
            raise InputError(f"no batch is known for the envelope {self.id}; run its cell again, or cancel() it")
        return record.batch_id

    def _record(self) -> EnvelopeRecord | None:
        """Return the envelope that this id names; None where it is a batch's own id."""
        if self.id.startswith("msgbatch"):
            return None
        with self._access.journal() as journal:
            return EnvelopeBook(journal).get(self.id)


def adopt(batch_id: str, options: Mapping[str, Any], *, environment: BatchEnvironment | None = None) -> AdoptedBatch:
    """Return a batch by its id; see ``Job.adopt``."""
    return AdoptedBatch(batch_id, _access(options, environment))


def list_batches(
    limit: int, options: Mapping[str, Any], *, environment: BatchEnvironment | None = None
) -> pd.DataFrame:
    """Return the batches that the journal knows and those that the API lists; see ``jobs``."""
    limit = whole_number("limit", limit)
    if limit > MOST_LISTED:
        raise InputError(f"limit must be at most {MOST_LISTED:,}, not {limit:,}: the API lists no more at once")
    access = _access(options, environment)
    with access.journal() as journal:
        known = [record for record in EnvelopeBook(journal).all() if record.host == access.environment.live.host]
    page: BatchPage = _good(access.call(lambda api: api.list(limit)), "the list of batches")
    records = {record.batch_id: record for record in known if record.batch_id}
    rows = [_row(batch, records.pop(batch.id, None)) for batch in page.batches]
    rows += [_row(None, record) for record in known if record.batch_id is None or record.batch_id in records]
    table = pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES).set_index("batch")
    return table.sort_values("created", ascending=False, kind="stable")


_TIME = "datetime64[s, UTC]"
_DTYPES: dict[str, str] = {
    "batch": "object",
    "state": "object",
    "rows": "Int64",
    **dict.fromkeys(_COUNTS, "Int64"),
    "created": _TIME,
    "ended": _TIME,
    "readable_until": _TIME,
    "run": "object",
    "envelope": "object",
}


def _row(batch: BatchState | None, record: EnvelopeRecord | None) -> dict[str, Any]:
    run, envelope = (record.run, record.id) if record else (None, None)
    if batch is None:
        assert record is not None
        state = {"batch": record.batch_id or record.id, "state": record.state, "rows": record.requests}
        return {**state, "created": _moment(record.created), "run": run, "envelope": envelope}
    return {
        "batch": batch.id,
        "state": batch.status,
        "rows": batch.requests,
        **{name: batch.counts[name] if batch.has_ended else None for name in _COUNTS},
        "created": _moment(batch.created),
        "ended": _moment(batch.ended),
        "readable_until": _moment(batch.created + RESULTS_SECONDS),
        "run": run,
        "envelope": envelope,
    }


def _moment(seconds: float | None) -> pd.Timestamp | None:
    return None if seconds is None else pd.Timestamp(int(seconds), unit="s", tz="UTC")


async def _collect(api: BatchApi, state: BatchState, journal: Journal, host: str, *, is_free: bool) -> pd.DataFrame:
    """Read all results, every group on disk before the next is read."""
    prices, envelopes = PriceList(), set[str]()
    rows: list[_ResultRow] = []
    group: list[tuple[bytes, str, Reply, float]] = []
    answered, has_damage, paid_in = set[str](), False, None if is_free else state
    async with aclosing(api.results(state)) as results:
        async for one in results:
            item = _good(one, state.id)
            rows.append((item.custom_id, *_read(item, prices)))
            has_damage = has_damage or item.is_damaged
            found = None if item.is_damaged else read_custom_id(item.custom_id)
            if found is not None:
                envelopes.add(found[0])
            if found is not None and isinstance(item.fate, Reply):
                group.append((found[1], host, item.fate, time.time()))
                answered.add(item.custom_id)
            if len(group) >= GROUP_RESULTS:
                await finish_off_loop(_keep, journal, group, paid_in, prices)
    await finish_off_loop(_keep, journal, group, paid_in, prices)
    if not has_damage and len(answered) >= state.counts["succeeded"]:  # else the cell reads the results again
        await finish_off_loop(_close, journal, envelopes, len(answered))
    return _frame(rows)


def _keep(
    journal: Journal, group: list[tuple[bytes, str, Reply, float]], paid_in: BatchState | None, prices: PriceList
) -> None:
    """Keep answers, and that they were paid in this batch; one that is there already was noted when it came."""
    if journal.path is not None:
        known = journal.recall([key for key, *_ in group])
        for position, (key, _, reply, ended) in enumerate(group if paid_in else ()):
            if paid_in is not None and not is_same_answer(known.get(key), reply):
                usage = usage_of(reply.message)
                cost = prices.cost(str(model_of(reply.message)), usage, is_batch=True)
                journal.keep_attempt(paid_in.id, position, Attempt(1, paid_in.created, ended, reply), usage, cost)
        journal.keep_answers(group)  # in one transaction with what they cost
    group.clear()


def _close(journal: Journal, envelopes: set[str], answers: int) -> None:
    """Close the envelope of a batch that is read now, where this journal knows it."""
    book = EnvelopeBook(journal)
    for envelope_id in envelopes:
        record = book.get(envelope_id)
        if record is not None and record.is_open:
            book.close_collected(envelope_id, answers)


def _read(item: BatchResult, prices: PriceList) -> tuple[str | None, str | None, float | None]:
    """Return text, error and cost of one result; typed values need the cell that asked."""
    fate = item.fate
    if isinstance(fate, Reply):
        answer = read_answer(fate.message)
        cost = prices.cost(str(fate.message.get("model")), usage_of(fate.message), is_batch=True)
        error = row_error(answer.kind, answer.what, answer.hint) if answer.kind else None
        return answer.text, error, None if cost is None else float(cost)
    if isinstance(fate, Failure):
        return None, row_error(fate.kind, fate.message), 0.0
    if fate == "expired":
        return None, row_error("expired", "the batch came to its end"), 0.0
    return None, row_error("cancelled", "the batch was cancelled before this row's turn"), 0.0


def _frame(rows: list[_ResultRow]) -> pd.DataFrame:
    texts, errors = text_array([row[1] for row in rows]), text_array([row[2] for row in rows])
    dollars = pd.array([float("nan") if row[3] is None else row[3] for row in rows], dtype="float64")
    columns = dict(zip(plan_columns("response").names, (texts, errors, dollars), strict=True))
    return pd.DataFrame(columns, index=pd.Index([row[0] for row in rows], name="custom_id", dtype="object"))


def _access(options: Mapping[str, Any], environment: BatchEnvironment | None) -> _Access:
    settings = resolve_settings(options)
    return _Access(settings, environment or batch_environment(settings))


def _good(value: T | Failure, what: str) -> T:
    """Return a value, or raise what its failure says, in the words of the row errors."""
    if isinstance(value, Failure):
        raise ClaudeParallelError(f"{what}: {row_error(value.kind, value.message)}")
    return value
