"""What answers and failures cost a run, and what becomes of them.

One accounting serves live calls, batches and the journal. It prices an answer, settles its reservation, keeps its
record, counts it and reads it; then it delivers the outcome, or says what to ask instead. How requests travel is
decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..api.reading import Reading, is_paused, model_of, read_message, text_of, whole_message
from ..bridge import Control
from ..errors import Kind, row_error
from ..progress.stats import RunStats
from ..records import ZERO, Answer, Attempt, Failure, Outcome, Reply, Request, Source, Usage
from ..store.journal import Journal
from ..text import format_usd
from .budget import Budget
from .pending import FollowUp, Pending
from .tariff import Tariff


@dataclass(frozen=True, slots=True)
class Billed:
    """An answer that has just come, and what it cost.

    Attributes
    ----------
    reply : Reply
        The answer.
    reading : Reading
        Its text and usage.
    cost : Decimal or None
        US dollars; None where no price is known.
    """

    reply: Reply
    reading: Reading
    cost: Decimal | None


Recollection = tuple[Decimal | None, Outcome | FollowUp]
"""What an answer in the journal comes to: US dollars that it would cost now, None where no price is known; and what the
row gets, or what it asks next."""


@dataclass(frozen=True, slots=True)
class Accounting:
    """The accounts of one run.

    Attributes
    ----------
    run_id : str
        Name of the run in the journal.
    model : str
        The model that was asked for; its price counts where an answer names none.
    source : str
        Where answers come from: ``"api"`` or ``"batch"``.
    tariff : Tariff
        What calls cost.
    budget : Budget
        What may be spent.
    journal : Journal
        Keeps attempts.
    stats : RunStats
        Counts dollars and what the cache did.
    read : callable
        (Message, its Reading) -> Answer: text, typed values, kind of error.
    repair : callable
        (Pending, Answer) -> the request that asks for an answer that fits the schema, or None.
    go_on : callable
        (Pending, paused Message) -> the request that lets Claude finish it, or None where that has gone on too long.
    deliver : callable
        (position, Outcome): gets every outcome.
    control : Control
        Told to send nothing more at the first error, with `stops_at_error`.
    stops_at_error : bool
        True for ``on_error="raise"``.
    prefix_bytes : int
        Size of the text that all requests share, in bytes of UTF-8.
    settled : callable
        Told the key of a request that this run has nothing on its way for any more, answered or not.
    """

    run_id: str
    model: str
    source: Source
    tariff: Tariff
    budget: Budget
    journal: Journal
    stats: RunStats
    read: Callable[[Mapping[str, Any], Reading], Answer]
    repair: Callable[[Pending, Answer], Request | None]
    deliver: Callable[[int, Outcome], None]
    control: Control
    stops_at_error: bool = False
    prefix_bytes: int = 0
    go_on: Callable[[Pending, Mapping[str, Any]], Request | None] = lambda _pending, _message: None
    settled: Callable[[bytes], None] = lambda _fingerprint: None

    # -- money set aside ---------------------------------------------------------------------------------------------

    def weigh(self, pending: Pending) -> None:
        """Find out what a call can cost at most."""
        pending.worst = self.tariff.worst_cost(pending.asked)

    def reserve(self, pending: Pending, share: Decimal = Decimal(1)) -> bool:
        """Set the worst case of a call aside, or a share of it; False when the budget has no room for it."""
        self.weigh(pending)
        reserved = min(self._worst(pending), pending.worst * share)
        if not self.budget.reserve(reserved):
            return False
        pending.reserved = reserved
        return True

    def too_dear(self, pending: Pending) -> str:
        """Say why the budget has no room for a call."""
        return f"the next call could cost {format_usd(self._worst(pending))}, and {self.budget.left}"

    def _worst(self, pending: Pending) -> Decimal:
        """Return what a call can cost at most, by all that is known now."""
        bounded = self._bounded(pending.asked)
        return pending.worst if bounded is pending.request else self.tariff.worst_cost(bounded)

    def _bounded(self, request: Request) -> Request:
        """Return a request whose bound counts the shared prefix as what it is, once that is known.

        Before, each of its bytes counts as a token: some three and a half times too much.
        """
        known = self.budget.prefix_tokens
        if known is None or request.prefix is None or known >= self.prefix_bytes:
            return request
        return request._replace(max_input_tokens=request.max_input_tokens - self.prefix_bytes + known)

    def overrated(self, pending: Pending) -> Decimal:
        """Return by how many US dollars its worst case is too high, now that the shared prefix has been counted."""
        return self.tariff.worst_cost(pending.asked) - self.tariff.worst_cost(self._bounded(pending.asked))

    def release(self, pending: Pending, *, perhaps_billed: bool = False) -> None:
        """Give a reservation back, unless the call may have been billed all the same."""
        self.budget.release(pending.reserved, perhaps_billed=perhaps_billed)
        pending.reserved = ZERO

    # -- what came back ----------------------------------------------------------------------------------------------

    def record(self, position: int, attempt: Attempt, reply: Reply, *, run_id: str | None = None) -> Billed:
        """Keep what an answer used and cost, to be written together with the answer itself.

        In a later transaction, a kill between the two would leave an answer whose dollars stand nowhere.

        Parameters
        ----------
        position : int
            Which answer of the run it is.
        attempt : Attempt
            The try that brought it.
        reply : Reply
            The answer.
        run_id : str, optional
            Another name than this run's, for an answer to what it does not ask.
        """
        reading = read_message(reply.message)
        cost = self.tariff.cost(self._model_of(reply), reading.usage)
        self.journal.keep_attempt(run_id or self.run_id, position, attempt, reading.usage, cost)
        return Billed(reply, reading, cost)

    def answered(self, pending: Pending, billed: Billed) -> FollowUp | None:
        """Charge an answer that is on disk for what it used, and deliver what it says.

        Returns
        -------
        FollowUp or None
            What to ask next, where the answer is to be continued, or does not fit and may be mended; then nothing was
            delivered.
        """
        self._charge(pending, self._model_of(billed.reply), billed.reading.usage, billed.cost)
        return self._conclude(pending, self._judge(pending, billed.reply, billed.reading, self.source))

    def recollect(self, pending: Pending, reply: Reply) -> Recollection:
        """Return what an answer in the journal comes to; nobody is told, so it may be done beside the event loop."""
        reading = read_message(reply.message)
        price = self.tariff.cost(self._model_of(reply), reading.usage)
        return price, self._judge(pending, reply, reading, "journal")

    def recalled(self, pending: Pending, found: Recollection) -> FollowUp | None:
        """Deliver what an answer in the journal says; returns as :meth:`answered` does."""
        price, fate = found
        self.stats.saved += price or ZERO
        if price is not None and pending.request is not None:
            self.budget.learn(self.tariff.worst_cost(pending.request), price)
        return self._conclude(pending, fate)

    def failed(self, pending: Pending, attempt: Attempt, failure: Failure, *, is_counted: bool = True) -> None:
        """Keep the record of a call that brought no answer, and give its reservation back.

        One that fell into an outage is not counted against the row.
        """
        self.release(pending, perhaps_billed=failure.perhaps_billed)
        self.journal.keep_attempt(self.run_id, pending.position, attempt)
        if is_counted:
            pending.failures = (*pending.failures, failure.kind)

    def give_up(
        self,
        pending: Pending,
        kind: Kind,
        message: str,
        hint: str | None = None,
        request_id: str | None = None,
        *,
        perhaps_billed: bool = False,
    ) -> None:
        """Deliver a row's final error, with what its paid answers said; `hint` replaces what the kind advises."""
        self.release(pending, perhaps_billed=perhaps_billed)
        error = row_error(kind, message, hint)
        self.finish(
            pending, Outcome(pending.text, None, kind, error, pending.cost, "none", pending.attempts, request_id)
        )

    def finish(self, pending: Pending, outcome: Outcome) -> None:
        """Deliver what became of a row, and give its claim up."""
        self.settled(pending.claim)
        self.deliver(pending.position, outcome)
        if self.stops_at_error and outcome.kind is not None and outcome.source != "journal":
            self.control.stop_sending()

    # -- one answer --------------------------------------------------------------------------------------------------

    def _model_of(self, reply: Reply) -> str:
        return model_of(reply.message) or self.model

    def _charge(self, pending: Pending, model: str, usage: Usage, cost: Decimal | None) -> None:
        # Without a known price the worst case stands.
        self.budget.settle(pending.reserved, pending.reserved if cost is None else cost)
        pending.reserved = ZERO
        self.budget.learn(pending.worst, pending.worst if cost is None else cost)
        pending.cost = None if cost is None or pending.cost is None else pending.cost + cost
        self.stats.cost += cost or ZERO
        self.stats.unpriced += cost is None
        saved = self.tariff.cache_savings(model, usage)
        cached_tokens = usage.cache_write_tokens + usage.cache_read_tokens
        if saved is not None and (pending.is_marked or cached_tokens):
            self.stats.note_cache(usage, saved)
            self.budget.prefix_tokens = max(cached_tokens, self.budget.prefix_tokens or 0) or None

    def _judge(self, pending: Pending, reply: Reply, reading: Reading, source: Source) -> Outcome | FollowUp:
        """Return what an answer comes to, or what to ask next; whatever that raises is this one row's error."""
        message = reply.message
        try:
            going_on = self.go_on(pending, message) if is_paused(message) else None
            whole = whole_message((*pending.turns, message)) if pending.turns else message
            if going_on is not None:
                return FollowUp(going_on, text_of(whole), message)
            answer = self.read(whole, reading if whole is message else read_message(whole))
            instead = self.repair(pending, answer) if answer.kind == "schema" else None
            if instead is not None:
                return FollowUp(instead, answer.text)
        except Exception as error:
            what = f"the answer could not be judged ({type(error).__name__})"
            answer = Answer(reading.text, kind="unknown", what=what)
        text, values, kind, what, hint = answer
        error_text = None if kind is None else row_error(kind, what, hint)
        return Outcome(text, values, kind, error_text, pending.cost, source, pending.attempts, reply.request_id)

    def _conclude(self, pending: Pending, fate: Outcome | FollowUp) -> FollowUp | None:
        if isinstance(fate, FollowUp):
            key = fate.request.fingerprint
            self.journal.keep_follow_up(self.run_id, pending.claim, pending.follow_ups + 2, key)
            return fate
        self.finish(pending, fate)
        return None
