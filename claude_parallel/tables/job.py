"""What makes a job the very same one: its input, what it asks, and how its output is cut."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..engine.plan import Plan
from ..prompt.template import Prompt
from .function_identity import FunctionIdentity


def identify(plan: Plan, prompt: Prompt, function: FunctionIdentity, *parts: Any) -> str:
    """Return the identity of a job.

    Parameters
    ----------
    plan : Plan
        The host, and what all requests share: model, system, schema, examples and so on.
    prompt : Prompt
        What each row asks, and whether rows with missing cells do.
    function : FunctionIdentity
        What tells the prompt's function from others, where it has one.
    *parts
        Everything else that decides what is written, as JSON values: the input, columns, cuts.
    """
    settings = plan.settings
    asked = [list(prompt.pieces), list(prompt.columns), function.text or None, prompt.skips_missing]
    attached = [list(settings.images), list(settings.documents), settings.max_pixels]
    text = json.dumps([plan.shared.seed.copy().digest().hex(), settings.sample, asked, attached, *parts], default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
