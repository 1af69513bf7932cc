"""A simulated model that classifies by a word in the text, and is wrong about some texts on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from claude_parallel.simulation import Simulator
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import SimulatorServer

LABELS = ["good", "bad"]


def reviews(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return reviews with their truth; one in ten is hard."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(LABELS, rows, p=[0.7, 0.3])
    hard = rng.random(rows) < 0.1
    text = [f"review {n}: {t}{' hard' if h else ''}" for n, (t, h) in enumerate(zip(truth, hard, strict=True))]
    return pd.DataFrame({"text": text, "truth": truth})


def answer(body: Mapping[str, Any]) -> str:
    """Answer with the label in the text; Haiku is wrong about hard ones."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    label = "good" if ": good" in text else "bad"
    if "hard" in text and "haiku" in body["model"]:
        label = "bad"
    return json.dumps({"value": label})


def serve(speak: Callable[[Mapping[str, Any]], str] | None = answer, **profile: Any) -> Simulator:
    """Return an account without limits that answers at once: what `speak` makes of the wire body, or by itself."""
    return Simulator(SimulatorServer(Profile(latency_seconds=0.002, answer=speak, **profile)))
