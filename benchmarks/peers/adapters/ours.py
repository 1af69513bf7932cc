"""Our own: defaults, a journal in the task's folder."""

import anthropic  # noqa: F401  (the others import it up here, too: its import is not what is compared)
from _common import MAX_TOKENS, MODEL, run

import claude_parallel as cp


def ask(url, prompts, system, folder):
    cp.configure(base_url=url, api_key="simulator", journal=f"{folder}/journal.sqlite3")
    out = cp.map(prompts, model=MODEL, max_tokens=MAX_TOKENS, system=system or None, progress=False)
    return [
        None if missing else text for text, missing in zip(out["response"], out["response_error"].notna(), strict=True)
    ]


run(ask)
