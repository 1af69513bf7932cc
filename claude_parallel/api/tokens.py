"""Tokens that the API refuses before their time: they were revoked, or the clocks differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import anthropic

T = TypeVar("T")


class TokenRenewal:
    """Sends a call that was refused once more with a new token, where the client's sign-in has tokens.

    The SDK does the same, but only where its own retries are on.
    """

    def __init__(self) -> None:
        self._renewals = 0

    async def send(self, client: anthropic.AsyncAnthropic | Any, send: Callable[[], Awaitable[T]]) -> T:
        """Send a call of a client, and again with a new token; a second refusal is raised.

        Parameters
        ----------
        client : AsyncAnthropic or a platform's client
            Who signs in.
        send : callable
            Sends the call through it; a refused one has done nothing.
        """
        import anthropic

        renewals = self._renewals
        try:
            return await send()
        except anthropic.AuthenticationError:
            cache = getattr(client, "_token_cache", None)
            if cache is None:
                raise
            if self._renewals == renewals:  # once for all calls that were refused with the same token
                self._renewals += 1
                cache.invalidate()
        return await send()
