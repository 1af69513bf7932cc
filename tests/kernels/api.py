"""The tests' side of the API process: starts it, and counts what it received and answered.

What runs in that process is in ``api_process``.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .world import ROOT, clean_environment

REPLY_SECONDS = 60.0
WAIT_SECONDS = 55.0
"""How long the process itself waits for calls: less, so that it is free again for the next test, and says what came."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the API received.

    Attributes
    ----------
    text : str
        The answer to it, which repeats the prompt.
    received, answered : float, float or None
        Moments on ``time.monotonic()``; None = the client went away before the answer, or it is not due yet.
    """

    text: str
    received: float
    answered: float | None


class ApiProcess:
    """A process that serves simulated accounts; see ``api_process``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.api_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=clean_environment(),
            start_new_session=True,  # an interrupt for a script or a kernel must not reach it
        )

    def serve(self, **profile: Any) -> Api:
        """Return a new account on a port of its own; `profile` as in ``claude_parallel.simulation.profile``."""
        return Api(self, self.ask({"do": "serve", "profile": profile}))

    def ask(self, order: dict[str, Any]) -> Any:
        """Send one order and return the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], REPLY_SECONDS)
        assert ready, f"the API process did not answer {order} within {REPLY_SECONDS} seconds"
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Api:
    """One simulated account, and what it saw.

    Attributes
    ----------
    url : str
        Its base URL.
    """

    def __init__(self, process: ApiProcess, url: str) -> None:
        self._process = process
        self.url = url

    def wait(self, *, received: int = 0, answered: int = 0) -> None:
        """Return as soon as so many requests have come, or answers gone out."""
        order = {"url": self.url, "received": received, "answered": answered, "seconds": WAIT_SECONDS}
        come, gone_out = self._process.ask({"do": "wait", **order})
        assert (come >= received) and (gone_out >= answered), f"{come} requests, {gone_out} answers after {order}"

    def calls(self) -> list[Call]:
        """Return every request so far, in the order of arrival."""
        return [Call(*call) for call in self._process.ask({"do": "calls", "url": self.url})]

    def received(self) -> Counter[str]:
        """Return how often each prompt came."""
        return Counter(call.text for call in self.calls())

    def answered(self) -> Counter[str]:
        """Return how often each prompt was answered."""
        return Counter(call.text for call in self.calls() if call.answered is not None)
