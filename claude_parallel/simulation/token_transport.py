"""The simulator's third transport, for rehearsals: calls that are bare token counts, without any text.

Limits, headers, refusals and the prompt cache's rule that an entry must have begun are the simulator's own; texts,
odd answers and faults are left to :mod:`brain`. It plays 100,000 calls in seconds, on the running loop's own time.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from ..api.responses import read_response
from ..records import Body, Failure, Reply
from .limiter import Account, retry_after_header
from .profile import Profile
from .wire import EPOCH, REFUSAL_SECONDS, Problem, error_body


class TokenTransport:
    """A :class:`~claude_parallel.records.Transport` that answers token counts with token counts.

    The body of a call is a mapping: ``input`` (all input tokens), ``cached`` (those of the shared prefix, 0 = not
    marked), ``output`` (tokens to answer with) and ``model``.

    Parameters
    ----------
    profile : Profile
        Limits and latencies; everything else of it is left aside.
    rng : random.Random
        Source of the jitter.

    Attributes
    ----------
    refused : int
        Calls that were answered with a 429.
    """

    def __init__(self, profile: Profile, rng: random.Random) -> None:
        self.refused = 0
        self._profile = profile
        self._rng = rng
        self._account: Account | None = None
        self._has_begun = False

    def __repr__(self) -> str:
        return f"<TokenTransport {self.refused} refused>"

    async def send(self, body: Body) -> Reply | Failure:
        """Play one call."""
        return await self.send_and_tell(body, lambda: None)

    async def send_and_tell(self, body: Body, on_begin: Callable[[], object]) -> Reply | Failure:
        """Play one call, and say when its answer begins."""
        now = self._now()
        if self._account is None:
            self._account = Account(self._profile, EPOCH, now)
        account, is_read = self._account, bool(body["cached"]) and self._has_begun
        problem = account.admit(body["input"] - (body["cached"] if is_read else 0), now)
        headers = account.headers(now)
        if problem is not None:
            return await self._refuse(problem, headers)
        await self._generate(body, is_read, on_begin)
        account.generated(body["output"], self._now())
        return read_response(200, headers, _message(body, is_read))

    async def count_tokens(self, body: Body) -> int | Failure:
        """Return the input tokens of a body."""
        return int(body["input"])

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    async def _generate(self, body: Body, is_read: bool, on_begin: Callable[[], object]) -> None:
        """Take the time that the answer takes; what it writes to the cache can be read once it has begun."""
        profile, pace = self._profile, 1.0
        if profile.jitter_sigma:
            pace = math.exp(self._rng.gauss(0.0, profile.jitter_sigma))
        begin_seconds = pace * profile.latency_seconds
        rest_seconds = pace * profile.seconds_per_output_token * body["output"]
        if not body["cached"] or is_read:
            await asyncio.sleep(begin_seconds + rest_seconds)
            return
        await asyncio.sleep(begin_seconds)
        self._has_begun = True
        on_begin()
        await asyncio.sleep(rest_seconds)

    async def _refuse(self, problem: Problem, headers: dict[str, str]) -> Reply | Failure:
        self.refused += 1
        await asyncio.sleep(min(REFUSAL_SECONDS, self._profile.latency_seconds))
        if problem.retry_after is not None:
            headers["retry-after"] = retry_after_header(problem.retry_after)
        return read_response(problem.status, headers, error_body(problem, "rehearsal"))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _message(body: Body, is_read: bool) -> Mapping[str, Any]:
    cached = body["cached"]
    return {
        "type": "message",
        "model": body["model"],
        "content": [{"type": "text", "text": "rehearsal"}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": body["input"] - cached,
            "cache_read_input_tokens": cached if is_read else 0,
            "cache_creation_input_tokens": 0 if is_read else cached,
            "output_tokens": body["output"],
        },
    }
