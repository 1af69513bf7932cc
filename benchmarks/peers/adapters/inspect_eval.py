"""inspect_ai: ``eval`` of a task of one generate() per sample, max_connections 50, failing samples tolerated."""

import sys

import anthropic  # noqa: F401  (its import is not what is compared)
from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.solver import generate, system_message


def ask(url, prompts, system, folder):
    config = GenerateConfig(max_tokens=MAX_TOKENS, max_connections=IN_FLIGHT)
    model = get_model(f"anthropic/{MODEL}", base_url=url, api_key="simulator", config=config)
    dataset = MemoryDataset([Sample(input=prompt, id=at) for at, prompt in enumerate(prompts)])
    solver = [system_message(system), generate()] if system else [generate()]
    log = eval(
        Task(dataset=dataset, solver=solver),
        model=model,
        log_dir=folder,
        display="none",
        fail_on_error=False,
        max_samples=IN_FLIGHT,
    )[0]
    answers = [None] * len(prompts)
    for sample in log.samples or []:
        if not sample.error and sample.output and sample.output.choices:
            answers[sample.id] = sample.output.completion
    return answers


sys.setrecursionlimit(10_000)
run(ask)
