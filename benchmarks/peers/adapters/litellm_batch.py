"""litellm: ``batch_completion`` with max_workers 50 and num_retries 3."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched
import litellm
from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run


def ask(url, prompts, system, folder):
    litellm.suppress_debug_info = True
    mark = {"cache_control": {"type": "ephemeral"}}
    head = [{"role": "system", "content": [{"type": "text", "text": system, **mark}]}] if system else []
    found = litellm.batch_completion(
        model=f"anthropic/{MODEL}",
        messages=[[*head, {"role": "user", "content": prompt}] for prompt in prompts],
        api_base=url,
        api_key="simulator",
        max_tokens=MAX_TOKENS,
        max_workers=IN_FLIGHT,
        num_retries=3,
    )
    return [None if isinstance(one, Exception) else one.choices[0].message.content for one in found]


run(ask)
