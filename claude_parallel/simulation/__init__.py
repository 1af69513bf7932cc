"""The API simulator: the Messages API on this machine, for tests, demos and rehearsals, without a key.

It says in its answers that it is one, and shares no code with the limiter that it judges. The brain is pure; it speaks
over loopback HTTP (``server``) or in memory on virtual time (``transport``, ``clock``).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from ..config import override

if TYPE_CHECKING:
    from .ledger import Ledger
    from .server import SimulatorServer

DEFAULT_LATENCY_SECONDS = 0.3


class Simulator:
    """The simulated API on loopback; while it runs, all runs of this process go there.

    Made by :func:`simulator`. Use it in a ``with`` block, or with :meth:`start` and :meth:`stop` across notebook cells.

    Attributes
    ----------
    url : str
        Its address, such as ``http://127.0.0.1:40123``; for other processes: ``ANTHROPIC_BASE_URL``.
    ledger : Ledger
        What was seen, answered and billed.
    """

    def __init__(self, server: SimulatorServer) -> None:
        self._server = server
        self._running = ExitStack()

    def __repr__(self) -> str:
        return f"<simulated Claude API {self._server!r}>"

    @property
    def url(self) -> str:
        """The address."""
        return self._server.url

    @property
    def ledger(self) -> Ledger:
        """What was seen, answered and billed."""
        return self._server.ledger

    def start(self) -> Self:
        """Serve, and send all runs of this process here until :meth:`stop`."""
        self._running.enter_context(self._server)
        self._running.enter_context(override(base_url=self.url, api_key="simulator"))
        return self

    def stop(self) -> None:
        """Stop serving; runs go to the real API again."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()


def simulator(tier: str | None = "start", *, seed: int = 0, port: int = 0, **profile: Any) -> Simulator:
    """Return the simulated API; it serves inside a ``with`` block, or between ``start()`` and ``stop()``.

    Parameters
    ----------
    tier : str or None, default "start"
        Limits: ``"start"``, ``"build"``, ``"scale"``, ``"tier-1"`` to ``"tier-4"``; None = unlimited.
    seed : int
        Fixes answers, faults and latencies.
    port : int
        TCP port on 127.0.0.1; 0 = any free one. The journal keeps the answers of each port apart.
    **profile
        Anything else of ``simulator.profile.Profile``, such as ``latency_seconds=1.0``, ``burst_seconds=0.2`` or
        ``faults={"overloaded": 0.05}``.

    Returns
    -------
    Simulator
        With ``.url`` and ``.ledger`` (what was seen and billed).

    Examples
    --------
    >>> import claude_parallel as cp
    >>> with cp.simulator(tier="build") as sim:
    ...     frame = cp.map(["Hello"], progress=False)
    >>> frame["response"].str.startswith("Simulated").all()
    np.True_
    """
    from .profile import Profile, tier_limits
    from .server import SimulatorServer

    settings = {"latency_seconds": DEFAULT_LATENCY_SECONDS, "jitter_sigma": 0.2, "limits": tier_limits(tier), **profile}
    return Simulator(SimulatorServer(Profile(**settings), seed=seed, port=port))
