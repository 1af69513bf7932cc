"""The API simulator: the Messages API on this machine, for tests, demos and rehearsals, without a key.

It says in its answers that it is one, and shares no code with the limiter that it judges. The brain is pure; it speaks
over loopback HTTP (``server``) or in memory on virtual time (``transport``, ``clock``).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

from ..api.account import SIMULATOR_KEY
from ..config import override
from ..errors import InputError, nearest

if TYPE_CHECKING:
    from .ledger import Ledger
    from .own_answers import OwnAnswers
    from .server import SimulatorServer

DEFAULT_LATENCY_SECONDS = 0.3
"""Long enough to see the bar move, short enough for a demo."""


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

    def __init__(self, server: SimulatorServer, answers: OwnAnswers | None = None, port: int = 0) -> None:
        self._server = server
        self._answers = answers
        self._port = port
        self._running = ExitStack()

    def __repr__(self) -> str:
        seen = self.ledger
        return (
            f"<simulated Claude API at {self.url or 'no address: not started'}; "
            f"{seen.requests:,} requests, {seen.answered:,} answered>"
        )

    @property
    def url(self) -> str:
        """The address."""
        return self._server.url

    @property
    def ledger(self) -> Ledger:
        """What was seen, answered and billed."""
        return self._server.ledger

    def start(self) -> Self:
        """Serve, and send all runs of this process here until :meth:`stop`.

        One that this process has started at the same port stops first: a cell may be run again.
        """
        if self._port and (earlier := _at_ports.pop(self._port, None)) is not None:
            earlier._running.close()
        self._running.enter_context(self._server)
        if self._port:
            _at_ports[self._port] = self
        self._running.enter_context(override(base_url=self.url, api_key=SIMULATOR_KEY))
        return self

    def stop(self) -> None:
        """Stop serving; runs go to the real API again.

        Raises
        ------
        Exception
            The first one, if any, that the function given as ``answer=`` raised.
        """
        self._running.close()
        if _at_ports.get(self._port) is self:
            del _at_ports[self._port]
        if self._answers is not None and self._answers.error is not None:
            error, self._answers.error = self._answers.error, None
            raise error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()


_at_ports: dict[int, Simulator] = {}
"""Those that run at a port that somebody has named."""


def simulator(
    tier: str | None = "start", *, answer: Any = None, seed: int = 0, port: int = 0, **profile: Any
) -> Simulator:
    """Return the simulated API; it serves inside a ``with`` block, or between ``start()`` and ``stop()``.

    Parameters
    ----------
    tier : str or None, default "start"
        Limits: ``"start"``, ``"build"``, ``"scale"``, ``"tier-1"`` to ``"tier-4"``; None = unlimited.
    answer : str, bool, number, dict, pydantic object, list or callable, optional
        What to say, to test your own code: a text or value as it is; a dict as the fields of a typed answer; of a list,
        the member that fits the prompt best; a function gets the prompt's text and returns one of these. What it raises
        is raised at the end of the ``with`` block. Default: demo tickets (``cp.demo_tickets()``) are answered as models
        of different strength would, other prompts by the words of their text, marked as simulated.
    seed : int
        Fixes answers, faults and latencies.
    port : int
        TCP port on 127.0.0.1; 0 = any free one. The journal tells simulators apart by it: with a port of its own, what
        it has answered is found again after a restart of the kernel, as it is live.
    **profile
        Any other setting of ``claude_parallel.simulation.profile.Profile``, such as ``latency_seconds=1.0``,
        ``burst_seconds=0.2`` or ``faults={"overloaded": 0.05}``.

    Returns
    -------
    Simulator
        With ``.url`` and ``.ledger`` (what was seen and billed).

    Raises
    ------
    InputError
        For a tier, an option or a fault that there is not.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> with cp.simulator(tier="build") as sim:
    ...     frame = cp.map(["Hello"], progress=False)
    >>> frame["response"].iloc[0]
    'Simulated: Hello'

    As a model that says what a test needs:

    >>> with cp.simulator(answer=lambda prompt: "late" if "Friday" in prompt else "on time"):
    ...     cp.map(["It came on Friday.", "It came."], progress=False)["response"].tolist()
    ['late', 'on time']
    >>> with cp.simulator(answer={"tone": "good", "score": 0.9}):
    ...     out = cp.map(["Lovely!"], schema={"tone": str, "score": float}, progress=False)
    >>> out["score"].tolist()
    [0.9]
    """
    from .own_answers import OwnAnswers
    from .profile import Profile, tier_limits
    from .server import SimulatorServer

    answers = None if answer is None else OwnAnswers(answer)
    known = [field.name for field in fields(Profile) if field.name != "answer"]
    for name in profile:
        if name not in known:
            raise InputError(f"the simulator has no option {name!r}; {nearest(name, known)}")
    settings = {"latency_seconds": DEFAULT_LATENCY_SECONDS, "jitter_sigma": 0.2, "limits": tier_limits(tier), **profile}
    server = SimulatorServer(Profile(**settings, answer=answers), seed=seed, port=port)
    return Simulator(server, answers, port)
