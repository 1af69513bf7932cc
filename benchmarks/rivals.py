"""What people do without this package, as fairly as it can be written down."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import anthropic

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 8_192
SEMAPHORE = 50
TRIES = 5

Rival = Callable[[str, Sequence[str]], list[str | None]]


def call(url: str, prompts: Sequence[str]) -> list[str | None]:
    """The usual call: gather, a semaphore of 50, five tries with exponential backoff on 429."""

    async def ask(client: anthropic.AsyncAnthropic, semaphore: asyncio.Semaphore, prompt: str) -> str | None:
        async with semaphore:
            for attempt in range(TRIES):
                try:
                    return await _call(client, prompt)
                except anthropic.RateLimitError:
                    await asyncio.sleep(2**attempt * random.uniform(0.5, 1.0))
        return None

    return asyncio.run(
        _gather(anthropic.AsyncAnthropic(base_url=url, api_key="simulator", max_retries=0), prompts, ask)
    )


def plain_sdk(url: str, prompts: Sequence[str]) -> list[str | None]:
    """Gather over the SDK with its own retries (two, at the API's wait or 0.5 to 8 s), a semaphore of 50."""
    return asyncio.run(_gather(anthropic.AsyncAnthropic(base_url=url, api_key="simulator"), prompts, _patient))


def aiohttp_sdk(url: str, prompts: Sequence[str]) -> list[str | None]:
    """The same over the SDK's aiohttp client: as fast as the SDK gets."""

    async def main() -> list[str | None]:
        http = anthropic.DefaultAioHttpClient()
        return await _gather(
            anthropic.AsyncAnthropic(base_url=url, api_key="simulator", http_client=http), prompts, _patient
        )

    return asyncio.run(main())


def bare_aiohttp(url: str, prompts: Sequence[str]) -> list[str | None]:
    """Nothing but aiohttp: prepared bodies, ``json.loads``, no error handled: the limit of a Python client."""
    import aiohttp

    headers = {
        "authorization": "Bearer simulator",
        "anthropic-version": "2026-10-21",
        "content-type": "application/json",
    }
    bodies = [
        json.dumps(
            {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": prompt}]}
        ).encode()
        for prompt in prompts
    ]

    async def main() -> list[str | None]:
        semaphore = asyncio.Semaphore(SEMAPHORE)
        connector = aiohttp.TCPConnector(limit=SEMAPHORE)

        async def ask(session: aiohttp.ClientSession, body: bytes) -> str | None:
            async with semaphore, session.post(f"{url}/v1/messages", data=body) as response:
                message = json.loads(await response.read())
            return "".join(block["text"] for block in message["content"] if block["type"] == "text")

        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            return list(await asyncio.gather(*(ask(session, body) for body in bodies)))

    return asyncio.run(main())


async def _patient(client: anthropic.AsyncAnthropic, semaphore: asyncio.Semaphore, prompt: str) -> str | None:
    async with semaphore:
        try:
            return await _call(client, prompt)
        except anthropic.APIError:
            return None


async def _call(client: anthropic.AsyncAnthropic, prompt: str) -> str:
    message = await client.messages.create(
        model=MODEL, max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": prompt}]
    )
    return "".join(block.text for block in message.content if block.type == "text")


async def _gather(client: anthropic.AsyncAnthropic, prompts: Sequence[str], ask: Any) -> list[str | None]:
    semaphore = asyncio.Semaphore(SEMAPHORE)
    async with client:
        return list(await asyncio.gather(*(ask(client, semaphore, prompt) for prompt in prompts)))
