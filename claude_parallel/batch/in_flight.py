"""The batches of one run that are under way, and the requests in them: their one owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..engine.pending import Pending
from ..errors import Kind
from ..progress.waits import WaitReason
from ..records import Failure, Reply
from ..text import short_id
from .envelope import Envelope
from .policy import is_unknown
from .records import EnvelopeRecord
from .responses import BatchState


@dataclass(slots=True)
class InFlightBatch:
    """An envelope under way.

    Attributes
    ----------
    record : EnvelopeRecord
        As it stands in the journal.
    items : dict of bytes to Pending
        This run's requests in it that have no result yet, by fingerprint.
    state : BatchState or None
        The batch as the API showed it last; None while it is not known whether there is one.
    due : float
        When to look again, on the run's clock.
    failures : tuple of str
        Kinds of failure since the last good answer.
    answered : set of bytes
        Fingerprints whose answer was read already (a broken stream begins from the start).
    readings : int
        How often the results were read to their end.
    damaged : dict of bytes to Reply
        What stands for the requests whose line could not be read, by fingerprint.
    again : list of Pending
        What the batch did not answer; goes into the next envelope once this one is closed.
    strangers : set of str
        Ids of batches that are known not to be this one.
    create_failure : Failure or None
        What came instead of the answer to `create`, where that leaves open whether there is a batch.
    is_cancelling : bool
        True once the API was asked to cancel it.
    unknown : int
        How often the API has said that it knows no such batch.
    """

    record: EnvelopeRecord
    items: dict[bytes, Pending] = field(default_factory=dict)
    state: BatchState | None = None
    due: float = 0.0
    failures: tuple[Kind, ...] = ()
    answered: set[bytes] = field(default_factory=set)
    readings: int = 0
    damaged: dict[bytes, Reply] = field(default_factory=dict)
    again: list[Pending] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    create_failure: Failure | None = None
    is_cancelling: bool = False
    unknown: int = 0

    @property
    def name(self) -> str:
        """What to call it in front of people."""
        return f"batch {self.record.batch_id or self.record.id}"

    @property
    def results_key(self) -> bytes:
        """Key under which one run at a time claims the reading of its results."""
        return f"envelope {self.record.id}".encode()

    def why_not_found(self, failure: Failure, owner: str) -> tuple[str, str] | None:
        """Return what happened and what to do where a batch that was not found may still be there.

        Parameters
        ----------
        failure : Failure
            What came back.
        owner : str
            Whose key asks.

        Returns
        -------
        (str, str) or None
            None where nobody but the API itself, which should know, says that there is no such batch.
        """
        if self.record.batch_id is None:
            return failure.message, "then run the cell again"
        if not is_unknown(failure):
            return failure.message, f"{self.name} goes on at the API; run the cell again to collect it"
        if self.record.owner != owner:
            return (
                f"{self.name} was submitted with another API key, and this key cannot see it",
                "run the cell with that key",
            )
        return None


@dataclass(slots=True)
class PackedBatch:
    """A packed envelope on record, ready to be sent.

    Attributes
    ----------
    envelope : Envelope
        The encoded requests.
    batch : InFlightBatch
        Its requests and its record.
    failures : tuple of str
        Kinds of the refusals so far.
    unreachable_since : float or None
        When the API was first found out of reach, on the run's clock; None where it was not, the last time.
    """

    envelope: Envelope
    batch: InFlightBatch
    failures: tuple[Kind, ...] = ()
    unreachable_since: float | None = None

    @property
    def reason(self) -> WaitReason:
        """Why it waits, once it was refused."""
        return WaitReason.BATCH_QUEUE if self.unreachable_since is None else WaitReason.UNREACHABLE

    @property
    def words(self) -> str:
        """What it waits for, in front of people."""
        what = "room in the batch queue" if self.unreachable_since is None else "the network"
        return f"{len(self.envelope):,} rows wait for {what}"


class InFlight:
    """All batches of a run that are under way, and what their batches left to be sent again."""

    def __init__(self) -> None:
        self._batches: dict[str, InFlightBatch] = {}
        self._again: list[Pending] = []

    def __repr__(self) -> str:
        return f"<InFlight: {len(self)} batches, {len(self._again)} requests to send again>"

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[InFlightBatch]:
        return iter(tuple(self._batches.values()))

    def __contains__(self, batch: InFlightBatch) -> bool:
        return batch.record.id in self._batches

    @property
    def states(self) -> tuple[BatchState, ...]:
        """The batches as the API showed them last."""
        return tuple(batch.state for batch in self if batch.state is not None)

    def get(self, envelope_id: str) -> InFlightBatch | None:
        """Return a batch by the id of its envelope."""
        return self._batches.get(envelope_id)

    def add(self, batch: InFlightBatch) -> None:
        """Look after a batch from now on."""
        self._batches[batch.record.id] = batch

    def let_go(self, batch: InFlightBatch) -> None:
        """Look after a batch no more; what it did not answer may now go into the next envelope."""
        del self._batches[batch.record.id]
        self.send_again(batch.again)
        batch.again.clear()

    def due(self, now: float) -> list[InFlightBatch]:
        """Return the batches that it is time to look at."""
        return [batch for batch in self if batch.due <= now]

    def next_due(self) -> float | None:
        """Return when to look at the next batch; None without any."""
        return min((batch.due for batch in self), default=None)

    def send_again(self, items: list[Pending]) -> None:
        """Let requests go into the next envelope."""
        self._again.extend(items)

    def take_again(self) -> list[Pending]:
        """Take out the requests that go into the next envelope."""
        again, self._again = self._again, []
        return again


def describe(in_flight: InFlight, local_time: Callable[[float], str]) -> str:
    """Return what the API can say about batches under way; it counts nothing before a batch has ended."""
    sent = [(f"batch {short_id(batch.state.id)}", batch.state) for batch in in_flight if batch.state is not None]
    looking = len(in_flight) - len(sent)
    words = []
    if sent:
        states = [state for _name, state in sent]
        rows = sum(state.requests for state in states)
        since = local_time(min(state.created for state in states))
        name = sent[0][0] if len(sent) == 1 else f"{len(sent)} batches"
        doing = "cancelling" if all(state.status == "canceling" for state in states) else f"processing since {since}"
        words.append(f"{name}: {rows:,} rows submitted, {doing}")
    if looking:
        words.append(f"looking for {looking} batch" + ("es" if looking > 1 else "") + " of an interrupted run")
    return "; ".join(words)
