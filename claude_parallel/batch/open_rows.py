"""Rows that stand in an open batch are never asked live silently: they would be paid twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..engine.plan import Plan
from ..engine.tariff import ListedTariff
from ..errors import InputError
from ..pricing import PriceList
from ..records import ZERO, Request, Usage
from ..store.journal import Journal
from ..text import format_usd
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
        f"batch=True to collect it, wait for it with cp.Job.adopt({name!r}).result(), or give it up with "
        f"cp.Job.adopt({name!r}).cancel() and run the cell again"
    )


def _again_costs(plan: Plan, requests: list[Request]) -> str:
    """Return what asking live once more would cost: the prompts at least, every token of an answer at most."""
    tariff = ListedTariff(PriceList(), plan.ttl, is_batch=False, has_budget=True)
    model = plan.settings.model
    least = sum((tariff.cost(model, Usage(int(r.load.input_tokens))) or ZERO for r in requests), ZERO)
    most = sum((tariff.worst_cost(request) for request in requests), ZERO)
    return f"; asking them live would pay for them again, {format_usd(least)} to {format_usd(most)}" if most else ""
