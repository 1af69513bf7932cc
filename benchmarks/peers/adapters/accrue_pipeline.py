"""Accrue: a ``Pipeline`` with one ``LLMStep`` of one field, max_workers 50, its cache on; retries as they are (3)."""

import os

import anthropic  # noqa: F401  (its import is not what is compared)
import pandas as pd
from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run
from accrue import EnrichmentConfig, LLMStep, Pipeline
from accrue.providers import AnthropicClient


def ask(url, prompts, system, folder):
    os.environ["ANTHROPIC_BASE_URL"] = url  # the only way to name another host
    step = LLMStep(
        "answer",
        fields={"answer": "Answer the question in the column `question`."},
        model=MODEL,
        client=AnthropicClient(api_key="simulator"),
        system_prompt=system or None,
    )
    config = EnrichmentConfig(
        max_tokens=MAX_TOKENS,
        max_workers=IN_FLIGHT,
        temperature=1.0,  # what the model takes anyway
        cache_dir=f"{folder}/accrue",
        enable_progress_bar=False,
    )
    result = Pipeline([step]).run(pd.DataFrame({"question": prompts}), config=config)
    return [answer if isinstance(answer, str) else None for answer in result.data["answer"]]


run(ask)
