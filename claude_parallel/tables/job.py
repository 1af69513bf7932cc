"""What makes a job the very same one: its input, what it asks, and how its output is cut."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..engine.plan import Plan
from ..prompt.template import Prompt
from .function_identity import identity_of


def identify(plan: Plan, prompt: Prompt, *parts: Any) -> str:
    """Return the identity of a job.

    Parameters
    ----------
    plan : Plan
        The host, and what all requests share: model, system, schema, examples and so on.
    prompt : Prompt
        What each row asks, and whether rows with missing cells do.
    *parts
        Everything else that decides what is written, as JSON values: the input, columns, cuts.
    """
    settings = plan.settings
    function = None if prompt.function is None else identity_of(prompt.function)
    asked = [list(prompt.pieces), list(prompt.columns), function, prompt.skips_missing]
    attached = [list(settings.images), list(settings.documents), settings.max_pixels]
    text = json.dumps([plan.shared.seed.copy().digest().hex(), settings.sample, asked, attached, *parts], default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
