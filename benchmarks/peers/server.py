"""The simulator for the peers, in a process of its own: it repeats what it was asked, can be down, keeps books.

An answer names the ticket that its prompt asks about, so that a wrong one is seen. One line in is a question, one line
out the books.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.servers import _price
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.profile import Limits, Profile
from claude_parallel.simulation.question import read_question
from claude_parallel.simulation.server import serving

_TICKET = re.compile(r"Ticket number \d{6}")


class BrokenBrain(Brain):
    """A simulated account that is overloaded for some seconds, once it has given so many answers."""

    def __init__(self, profile: Profile, outage: tuple[int, float] | None) -> None:
        super().__init__(profile, epoch=time.time())
        self._healthy = profile
        self._down = replace(profile, faults={"overloaded": 1.0})
        self._outage = outage
        self._began: float | None = None

    def open(self, method: str, path: str, headers: Any, body: Any, now: float, **more: Any) -> Any:
        """As a :class:`Brain`; while it is down, each Messages call is refused with 529."""
        if self._outage is not None:
            answers, seconds = self._outage
            if self._began is None and self.ledger.answered >= answers:
                self._began = now
            is_down = self._began is not None and now - self._began < seconds
            self.profile = self._down if is_down else self._healthy
        return super().open(method, path, headers, body, now, **more)


def expected(prompt: str) -> str:
    """Return the one right answer to a prompt, however a tool wraps it."""
    found = _TICKET.search(prompt)
    return f"Simulated: {found[0] if found else prompt[-40:]}"


def answer(body: Mapping[str, Any]) -> str:
    """Return the right answer to a Messages body; where a schema asks for JSON, in each of its fields."""
    text = expected(read_question(body).prompt)
    wanted = (body.get("output_config") or {}).get("format")
    return json.dumps(dict.fromkeys(wanted["schema"]["properties"], text)) if wanted else text


def books(brain: Brain) -> dict[str, Any]:
    """Return what the account has seen so far."""
    ledger = brain.ledger
    return {
        "calls": ledger.requests,
        "answered": ledger.answered,
        "refused_429": ledger.statuses[429],
        "refused_529": ledger.statuses[529],
        "paid": len(ledger.paid),
        "paid_twice": sum(count - 1 for count in ledger.answered_bodies.values()),
        "usd": float(_price(ledger.paid)),
    }


async def main() -> None:
    """Serve the profile in the first argument until the caller hangs up."""
    settings = json.loads(sys.argv[1])
    limits, outage = settings.pop("limits", None), settings.pop("outage", None)
    profile = Profile(
        **settings,
        limits=Limits(*limits) if limits else Limits(),
        answer=answer,
    )
    brain = BrokenBrain(profile, tuple(outage) if outage else None)
    loop, hung_up = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for _question in sys.stdin:
            print(json.dumps(books(brain)), flush=True)
        loop.call_soon_threadsafe(hung_up.set)

    async with serving(brain) as url:
        print(url, flush=True)
        threading.Thread(target=listen, daemon=True).start()
        await hung_up.wait()


if __name__ == "__main__":
    asyncio.run(main())
