"""How long a run goes on asking an API that answers nobody: through an outage, and through refusals without an end."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Failure


@dataclass(slots=True)
class Patience:
    """Knows for how long nothing but failures came.

    Attributes
    ----------
    seconds : float
        How long to wait for an answer (`RetryPolicy.outage_patience`).
    refused_since : float or None
        Seconds on the run's clock; when the first of the refusals came that nothing else has interrupted.
    """

    seconds: float
    refused_since: float | None = None

    def answered(self) -> None:
        """Take note that the API has answered."""
        self.refused_since = None

    def ends(self, failure: Failure, outage_seconds: float | None, now: float) -> bool:
        """Take note of a failure; True where it came too long after the last answer.

        Parameters
        ----------
        failure : Failure
            What came back; a 429 that says when to come back is no reason to lose patience.
        outage_seconds : float or None
            For how long the gate has known an outage, where the failure belongs to one.
        now : float
            Seconds on the run's clock.
        """
        if outage_seconds is not None:
            return outage_seconds >= self.seconds
        if failure.kind != "rate_limit":
            return False
        if failure.retry_after:
            self.refused_since = None
            return False
        self.refused_since = now if self.refused_since is None else self.refused_since
        return now - self.refused_since >= self.seconds
