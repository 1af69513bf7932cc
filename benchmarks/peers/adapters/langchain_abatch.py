"""LangChain: ``ChatAnthropic.abatch`` with max_concurrency 50 and return_exceptions; max_retries as it is (2)."""

import asyncio

from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage


def ask(url, prompts, system, folder):
    model = ChatAnthropic(model=MODEL, max_tokens=MAX_TOKENS, base_url=url, api_key="simulator")
    head = [SystemMessage([{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}])] if system else []
    inputs = [[*head, HumanMessage(prompt)] for prompt in prompts]
    config = {"max_concurrency": IN_FLIGHT}
    found = asyncio.run(model.abatch(inputs, config=config, return_exceptions=True))
    return [None if isinstance(one, BaseException) else one.text for one in found]


run(ask)
