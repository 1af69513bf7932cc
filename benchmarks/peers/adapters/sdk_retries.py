"""Gather over the SDK with its own retries (two by default) and a semaphore of 50."""

import asyncio

from _common import run
from sdk_recipe import gather


def ask(url, prompts, system, folder):
    return asyncio.run(gather(url, prompts, system, max_retries=2, tries=1))


run(ask)
