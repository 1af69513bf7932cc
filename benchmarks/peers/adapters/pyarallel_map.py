"""pyarallel: ``async_parallel_map`` over the SDK, concurrency 50, its Retry, and a checkpoint file."""

import asyncio

import anthropic
from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run
from pyarallel import Retry, async_parallel_map
from sdk_recipe import system_blocks


def ask(url, prompts, system, folder):
    async def main():
        async with anthropic.AsyncAnthropic(base_url=url, api_key="simulator", max_retries=0) as client:

            async def one(prompt):
                message = await client.messages.create(
                    model=MODEL,
                    max_tokens=MAX_TOKENS,
                    system=system_blocks(system),
                    messages=[{"role": "user", "content": prompt}],
                )
                return message.content[0].text

            found = await async_parallel_map(
                one,
                prompts,
                concurrency=IN_FLIGHT,
                retry=Retry(attempts=4, backoff=1.0),
                checkpoint=f"{folder}/pyarallel.sqlite3",
            )
            answers = [None] * len(prompts)
            for index, value in found.successes():
                answers[index] = value
            return answers

    return asyncio.run(main())


run(ask)
