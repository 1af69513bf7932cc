"""The usual recipe: gather, a semaphore of 50, five tries with exponential backoff on 429; the SDK's retries off."""

import asyncio
import random

import anthropic
from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run

MAX_RETRIES = 0
TRIES = 5


def system_blocks(system):
    return [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}] if system else anthropic.NOT_GIVEN


async def gather(url, prompts, system, max_retries, tries):
    semaphore = asyncio.Semaphore(IN_FLIGHT)
    async with anthropic.AsyncAnthropic(base_url=url, api_key="simulator", max_retries=max_retries) as client:

        async def one(prompt):
            async with semaphore:
                for attempt in range(tries):
                    try:
                        message = await client.messages.create(
                            model=MODEL,
                            max_tokens=MAX_TOKENS,
                            system=system_blocks(system),
                            messages=[{"role": "user", "content": prompt}],
                        )
                        return message.content[0].text
                    except anthropic.RateLimitError:
                        await asyncio.sleep(2**attempt * random.uniform(0.5, 1.0))
                    except Exception:
                        return None
            return None

        return list(await asyncio.gather(*map(one, prompts)))


def ask(url, prompts, system, folder):
    return asyncio.run(gather(url, prompts, system, MAX_RETRIES, TRIES))


if __name__ == "__main__":
    run(ask)
