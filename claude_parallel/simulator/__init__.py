"""The API simulator: the Messages API on this machine, for tests, demos and rehearsals, without a key.

It says in its answers that it is one, and shares no code with the limiter that it judges. The brain is pure; it speaks
over loopback HTTP (``server``) or in memory on virtual time (``transport``, ``clock``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..client import override

if TYPE_CHECKING:
    from .server import SimulatorServer

DEFAULT_LATENCY_SECONDS = 0.3


@contextmanager
def simulator(tier: str | None = "start", *, seed: int = 0, port: int = 0, **profile: Any) -> Iterator[SimulatorServer]:
    """Serve the simulated API on loopback, and send all runs of this process there for the length of a block.

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

    Yields
    ------
    SimulatorServer
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

    settings = {
        "latency_seconds": DEFAULT_LATENCY_SECONDS,
        "jitter_sigma": 0.2,
        "limits": tier_limits(tier),
        **profile,
    }
    server = SimulatorServer(Profile(**settings), seed=seed, port=port)
    with server, override(base_url=server.url, api_key="simulator"):
        yield server
