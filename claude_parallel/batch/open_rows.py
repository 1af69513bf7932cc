"""Rows that stand in an open batch are never asked live silently: they would be paid twice.

Before the first call the whole map is refused. A batch that begins after that has claimed its rows until it is on
record, so a live run finds it where it is granted what it waited for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..engine.context import RunContext
from ..engine.intake import Intake
from ..engine.pending import Pending
from ..engine.plan import Plan
from ..engine.tariff import ListedTariff
from ..errors import InputError
from ..pricing import PriceList
from ..progress.waits import WaitReason
from ..records import ZERO, Request, Usage
from ..store.journal import Journal
from ..text import format_usd
from ..worker_threads import off_loop
from .records import EnvelopeBook


def check_open_batches(plan: Plan, journal: Journal) -> None:
    """Refuse a live map of rows that an open batch is about to answer.

    Looks at the rows only where the journal knows an open batch at this host at all.

    Raises
    ------
    InputError
        With their number, what asking them again would cost, and the ways out.
    """
    book = EnvelopeBook(journal)
    if not book.has_open(plan.host):
        return
    waiting: dict[bytes, str] = {}
    asked: dict[bytes, Request] = {}
    for requests in _requests(plan):
        held = book.holding(list(requests), plan.host)
        answered = journal.recall(list(held))
        here = {key: envelope for key, envelope in held.items() if key not in answered}
        waiting |= here
        asked |= {key: requests[key] for key in here}
    if waiting:
        raise InputError(_refusal(plan, book, waiting, list(asked.values())))


class NotInBatches:
    """The requests of an intake that stand in no open batch; the rows of the others say where their answer will be.

    Parameters
    ----------
    context : RunContext
        Gets the outcomes of those that are not sent.
    intake : Intake
        Claims what it gives, so no batch takes it from now on.
    """

    def __init__(self, context: RunContext, intake: Intake) -> None:
        self._context = context
        self._intake = intake
        self._book = EnvelopeBook(context.journal)

    @property
    def waiting_for(self) -> WaitReason:
        """What the next chunk takes its time for."""
        return self._intake.waiting_for

    def takes_back(self, item: Pending) -> bool:
        """Take back a request that another run has claimed by now."""
        return self._intake.takes_back(item)

    async def next_chunk(self) -> list[Pending] | None:
        """Return the next requests, perhaps none; None when there are no more."""
        chunk = await self._intake.next_chunk()
        if not chunk:
            return chunk
        held, rest = await standing(self._book, self._intake, chunk)
        batches = await off_loop(lambda: {envelope: self._book.get(envelope) for envelope in set(held.values())})
        free: list[Pending] = []
        for item in rest:
            envelope = held.get(item.fingerprint)
            if envelope is None or item.claim in self._intake.plan.bypass_cache:
                free.append(item)
                continue
            record = batches[envelope]
            name = (record.batch_id if record else None) or envelope
            self._context.accounting.give_up(
                item,
                "cancelled",
                f"not sent: it stands in the open batch {name}, which another run has begun meanwhile",
                hint="run the cell with batch=True to collect it",
            )
        return free


async def standing(book: EnvelopeBook, intake: Intake, items: list[Pending]) -> tuple[dict[bytes, str], list[Pending]]:
    """Return which requests stand in open envelopes, and all of them less those that the journal answers.

    The journal is asked last: a batch is closed after its answers are kept, so what stands in no open envelope is
    either answered by then or was never sent.

    Parameters
    ----------
    book : EnvelopeBook
        The record of envelopes.
    intake : Intake
        Has claimed the requests.
    items : list of Pending
        The requests.
    """
    host, keys = intake.plan.host, [item.fingerprint for item in items]
    held = await off_loop(lambda: book.holding(keys, host) if book.has_any(host) else None)
    if held is None:
        return {}, items
    return held, await intake.unanswered(items)


def _requests(plan: Plan) -> Iterator[dict[bytes, Request]]:
    """Yield the requests of all rows by fingerprint, some rows at a time."""
    rows, start = plan.rows, 0
    while (stop := min(start + rows.rows_at_once, rows.reach(start))) > start:
        found = (
            plan.request(content, sample)
            for content in rows.contents(start, stop)
            for sample in range(plan.settings.sample)
        )
        yield {
            request.fingerprint: request
            for request in found
            if request is not None and request.fingerprint not in plan.bypass_cache
        }
        start = stop


def _refusal(plan: Plan, book: EnvelopeBook, waiting: dict[bytes, str], requests: list[Request]) -> str:
    envelope_id, _count = Counter(waiting.values()).most_common(1)[0]
    record = book.get(envelope_id)
    name = (record.batch_id if record else None) or envelope_id
    others = len(set(waiting.values())) - 1
    batches = f"the open batch {name}" + (f" and {others} more" if others else "")
    return (
        f"{len(requests):,} of these rows stand in {batches}{_again_costs(plan, requests)}. Run the cell with "
        f"batch=True to collect it, or wait for it with cp.Job.adopt({name!r}).result() and run the cell again; "
        f"cp.Job.adopt({name!r}).cancel() before that gives up what it has not answered"
    )


def _again_costs(plan: Plan, requests: list[Request]) -> str:
    """Return what asking live once more would cost: the prompts at least, every token of an answer at most."""
    tariff = ListedTariff(PriceList(), plan.ttl, is_batch=False, has_budget=True)
    model = plan.settings.model
    least = sum((tariff.cost(model, Usage(int(r.load.input_tokens))) or ZERO for r in requests), ZERO)
    most = sum((tariff.worst_cost(request) for request in requests), ZERO)
    return f"; asking them live would pay for them again, {format_usd(least)} to {format_usd(most)}" if most else ""
