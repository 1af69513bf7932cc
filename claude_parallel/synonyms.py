"""What users write when they mean something else, and what to write instead.

Words of other libraries, short names of models and tools. Facts of the API as of November 2026 (version 2026-10-21).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import nearest

_OPTIONS = {
    "max_concurrency": "concurrency concurrent max_concurrent max_workers workers num_workers n_workers n_jobs threads "
    "num_threads parallel parallelism max_parallel pool_size semaphore",
    "out": "output output_column out_column column_name result_column name",
    "schema": "output_schema response_format response_model output_format output_type dtype pydantic_model json_schema",
    "examples": "few_shot fewshot shots",
    "system": "system_prompt instructions system_message",
    "max_tokens": "max_output_tokens max_completion_tokens max_new_tokens",
    "stop_sequences": "stop stops stop_words",
    "retries": "max_retries num_retries n_retries retry tries attempts",
    "timeout": "request_timeout timeout_seconds",
    "progress": "verbose show_progress progress_bar progressbar use_tqdm tqdm disable_tqdm",
    "journal": "cache cache_dir cache_path use_cache checkpoint resume",
    "prompt_cache": "cache_prompt prompt_caching cache_control caching",
    "budget": "max_cost max_budget max_usd cost_limit max_spend",
    "limits": "rate_limit rate_limits rpm tpm requests_per_minute tokens_per_minute tier",
    "sample": "n samples n_samples num_samples draws",
    "effort": "reasoning_effort reasoning",
    "thinking": "budget_tokens thinking_budget",
    "images": "image photo photos picture pictures",
    "documents": "document pdf pdfs file files attachments",
    "on_error": "errors raise_on_error ignore_errors",
    "request": "extra_body model_kwargs kwargs",
    "skip_missing": "skipna dropna skip_na",
}
_SYNONYMS = {word: option for option, words in _OPTIONS.items() for word in words.split()}

_SAMPLING_IS_GONE = (
    "it is gone: since October 2026 the API refuses temperature, top_p and top_k, even at their default values. "
    "For other answers to the same prompt use sample=; for steadier ones say so in system=, or use schema="
)
_GONE = {
    **dict.fromkeys(("temperature", "top_p", "top_k"), _SAMPLING_IS_GONE),
    "seed": "the API has none; the journal gives the same answer again, and sample= several answers",
    "batch_size": "rows need no batches of your own: one call per row, as many at once as max_concurrency= allows; "
    "batch=True sends them through Message Batches at half price",
    "api_key": "set ANTHROPIC_API_KEY, or give it once to claude_parallel.configure(api_key=...)",
    "base_url": "give it once to claude_parallel.configure(base_url=...), or pass client=",
    **dict.fromkeys(
        ("rows", "n_rows", "nrows", "limit", "head", "max_rows"),
        "map asks every row of the frame: write df.head(10).claude.map(...), or "
        "df.claude.preview(..., rows=10) for a random sample and what all rows cost",
    ),
    **dict.fromkeys(
        ("on", "column", "columns", "col", "text", "text_column", "input", "input_column", "by"),
        "the prompt names its columns: 'Summarise {text}'",
    ),
    "out": "it names the columns of one map: give it to that map itself",
    "labels": "classify() takes them: df.claude.classify(prompt, labels=[...])",
    "base_delay": "give retries=claude_parallel.RetryPolicy(...)",
}

_MODELS = {
    "haiku": "claude-haiku-5-5",
    "sonnet": "claude-sonnet-5-5",
    "opus": "claude-opus-5-5",
    "fable": "claude-fable-5-2",
    "mythos": "claude-mythos-5-2",
}
"""Family -> its newest model."""

_TOOLS = {
    "web_search": "web_search_20260318",
    "web_fetch": "web_fetch_20260318",
    "code_execution": "code_execution_20260521",
}
"""Server tool -> its newest type."""


def instead_of_option(name: str, known: Iterable[str]) -> str:
    """Return a clause that says what to write instead of an option that does not exist."""
    if name in _GONE:
        return _GONE[name]
    return f"did you mean {_SYNONYMS[name]!r}?" if name in _SYNONYMS else nearest(name, known)


def instead_of_model(model: str) -> str | None:
    """Return a sentence that says what to write instead of a model's short name; None for what may be an id."""
    words = re.split("[^a-z]+", model.lower())
    family = next((word for word in words if word in _MODELS), None)
    names_version = re.search(r"\d", model) or "preview" in words  # such as claude-mythos-preview
    if family is None or ("claude" in words and names_version and not re.search(r"\s", model)):
        return None
    others = ", ".join(_MODELS.values())
    return f"{model!r} is not a model's full id; did you mean {_MODELS[family]!r}? Models of today: {others}"


def instead_of_tool(tool: str) -> str:
    """Return a clause that shows how to write a tool that was given by its name."""
    name = re.sub(r"_\d+$", "", tool)
    if name in _TOOLS:
        return f"write tools=[{{'type': {_TOOLS[name]!r}, 'name': {name!r}}}]"
    return f"describe {tool!r} as a mapping; of the API's own tools there is {', '.join(map(repr, _TOOLS))}"
