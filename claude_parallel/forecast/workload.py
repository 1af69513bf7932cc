"""What a map would send: counted and weighed row by row, by the run's own code, without sending anything.

Knows requests, duplicates, what the journal answers, and the engine's own guess of each request's input tokens.
``token_counts`` asks what the tokens really are; ``strategies`` computes what they cost.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engine.pending import Pending
from ..engine.plan import Plan
from ..engine.tariff import FreeTariff
from ..progress.stats import RunStats
from ..prompt.cache_breakpoints import minimum_tokens
from ..records import Body, Outcome, Usage
from ..store.journal import Journal
from .walk import walk

FloatArray = npt.NDArray[np.float64]

SAMPLE_REQUESTS = 19
"""Requests to count with the API, spread over the frame; the shared prefix makes it twenty."""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """What a map would send.

    Attributes
    ----------
    rows : int
        Rows of the frame.
    unique : int
        Distinct requests.
    in_journal : int
        Those of them that the journal answers for nothing.
    skipped : int
        Rows that are not sent, since a cell is missing or empty.
    invalid : int
        Rows that cannot be sent as they are.
    loads : array
        Guessed input tokens of each request to be sent, in order.
    prefix_load : float
        Guessed tokens of the prefix that all rows share.
    fields : mapping
        The wire body that all requests share, without messages.
    sample : tuple of (float, mapping)
        Guessed tokens and body of some requests, spread evenly.
    prefix_body : mapping or None
        A request of the shared prefix alone, where it may be long enough to be cached.
    known : tuple of Usage
        What answers of this very frame in the journal used.
    samples : int
        Answers that are wanted for each row.
    """

    rows: int
    unique: int
    in_journal: int
    skipped: int
    invalid: int
    loads: FloatArray
    prefix_load: float
    fields: Body
    sample: tuple[tuple[float, Body], ...] = ()
    prefix_body: Body | None = None
    known: tuple[Usage, ...] = ()
    samples: int = 1

    @property
    def asking(self) -> int:
        """Answers that are wanted: of rows that are neither skipped nor invalid, times the samples of each."""
        return (self.rows - self.skipped - self.invalid) * self.samples

    @property
    def calls(self) -> int:
        """Requests that would be sent."""
        return len(self.loads)


def survey(plan: Plan, journal: Journal) -> Workload:
    """Walk through all rows of a plan as its run would, and return what it would send.

    Twelve bytes a row are kept, so that a table may be larger than memory.

    Parameters
    ----------
    plan : Plan
        The map.
    journal : Journal
        Asked for answers; nothing is written to it, and nothing is sent.
    """
    samples = plan.settings.sample
    found = _Census(samples)
    tariff = FreeTariff()
    picked = _Sample(SAMPLE_REQUESTS)

    def unsent(pending: Pending) -> None:
        picked.offer(pending)
        found.unsent(pending)

    walk(plan, journal, found, tariff=tariff, unsent=unsent, window=found)
    unique, in_journal, loads = found.totals()
    return Workload(
        rows=found.positions // samples,
        unique=unique,
        in_journal=in_journal,
        skipped=found.stats.kinds["skipped"],
        invalid=found.stats.kinds["invalid"],
        loads=loads,
        prefix_load=plan.shared.prefix_tokens,
        fields=plan.shared.fields,
        sample=tuple((item.asked.load.input_tokens, item.asked.body) for item in picked.chosen()),
        prefix_body=_prefix_body(plan, found.positions),
        known=tuple(tariff.usages),
        samples=samples,
    )


class _Census:
    """Counts positions and distinct requests without keeping them: takes the place of a run's results and window.

    A request is known by the first eight bytes of its SHA-256: among ten million, the chance that any two are taken for
    one is one in 400,000.
    """

    def __init__(self, samples: int) -> None:
        self.stats = RunStats(samples=samples)
        self.positions = 0
        self._asked: dict[int, int] = {}
        self._answered = array("Q")
        self._unsent = array("Q")
        self._loads = array("f")

    def reach(self, stop: int) -> None:
        """Count positions, and forget what the ones before have asked."""
        self.positions = stop
        self._asked.clear()

    def is_first_to_ask(self, position: int, fingerprint: bytes) -> bool:
        """Return True: which requests are the same is found out at the end."""
        self._asked[position] = _hash(fingerprint)
        return True

    def deliver(self, position: int, outcome: Outcome) -> None:
        """Count a row that needs no call."""
        self.stats.add_draw(position, outcome)
        if outcome.source == "journal":
            self._answered.append(self._asked[position])

    def unsent(self, pending: Pending) -> None:
        """Count a request that would be sent."""
        self._unsent.append(_hash(pending.fingerprint))
        self._loads.append(pending.asked.load.input_tokens)

    def is_full(self, start: int) -> bool:
        """Return False: there is always room."""
        return False

    async def has_room(self, start: int) -> bool:
        """Return True: there is always room."""
        return True

    def totals(self) -> tuple[int, int, FloatArray]:
        """Return the distinct requests, those that the journal answers, and the loads of the others in order."""
        answered = np.unique(np.frombuffer(self._answered, dtype=np.uint64)) if self._answered else np.empty(0)
        if not self._unsent:
            return len(answered), len(answered), np.empty(0)
        _, first = np.unique(np.frombuffer(self._unsent, dtype=np.uint64), return_index=True)
        loads = np.frombuffer(self._loads, dtype=np.float32)[np.sort(first)].astype(np.float64)
        return len(answered) + len(first), len(answered), loads


def _hash(fingerprint: bytes) -> int:
    return int.from_bytes(fingerprint[:8], "little")


def plain_workload(rows: int, input_tokens: float, cached_tokens: float, fields: Body) -> Workload:
    """Return the workload of `rows` different requests of the same size."""
    loads = np.full(rows, float(input_tokens))
    return Workload(rows, rows, 0, 0, 0, loads, cached_tokens, fields)


def _prefix_body(plan: Plan, rows: int) -> Body | None:
    shared = plan.shared
    if not rows or shared.prefix_tokens < minimum_tokens(plan.settings.model) / 2:
        return None
    question = {"role": "user", "content": shared.static_text if shared.static_text.strip() else "."}
    return {**shared.fields, "messages": [*shared.examples, question]}


class _Sample:
    """Requests spread evenly over a table of any length, without keeping the others."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._items: list[Pending] = []
        self._step = 1
        self._seen = 0

    def offer(self, pending: Pending) -> None:
        """Keep the request if its turn has come; where too many are kept, let every other one go."""
        if self._seen % self._step == 0:
            self._items.append(pending)
            if len(self._items) == 4 * self._wanted:
                self._items = self._items[::2]
                self._step *= 2
        self._seen += 1

    def chosen(self) -> list[Pending]:
        """Return as many as are wanted, each question once."""
        items = list({item.fingerprint: item for item in reversed(self._items)}.values())[::-1]
        wanted = min(self._wanted, len(items))
        return [items[number * len(items) // wanted] for number in range(wanted)]
