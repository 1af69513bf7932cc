"""lotus: ``df.sem_map`` over its LM (litellm below), max_batch_size 50, as in its quick start."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched
import lotus
import pandas as pd
from _common import IN_FLIGHT, MAX_TOKENS, MODEL, run


def ask(url, prompts, system, folder):
    lm = lotus.models.LM(
        model=f"anthropic/{MODEL}", api_base=url, api_key="simulator", max_tokens=MAX_TOKENS, max_batch_size=IN_FLIGHT
    )
    lotus.settings.configure(lm=lm)
    frame = pd.DataFrame({"prompt": prompts})
    return frame.sem_map("{prompt}", system_prompt=system or None, suffix="answer")["answer"].tolist()


run(ask)
