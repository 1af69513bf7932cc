"""How many tokens a workload has: input counted by the API on a sample, output from earlier answers or assumed.

Knows guesses with their bounds and sources. ``workload`` knows what is to be sent; nothing here costs money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import bridge
from ..bridge import Control
from ..engine.environment import Environment
from ..prompt.request import BYTES_PER_TOKEN, is_before_4_7
from ..records import Body, Failure, Usage
from ..text import percent
from .workload import Workload

OFFLINE_ERROR = 0.3
"""Error bound of the offline guess: tokenizers differ by about 30 % (source: token counting docs), languages too."""

COUNTED_ERROR = 0.02
"""Least error bound of a counted sample: the endpoint's answer is itself an estimate (source: token counting docs)."""

_TIMEOUT_SECONDS = 30.0
"""For one count, which takes the API a fraction of a second: an estimate must not hang."""
_CONNECTIONS = 4
"""Twenty counts one by one on few connections are done in some seconds and trouble no limit."""
_LEAST_COUNTS = 3
"""From two counts no error bound can be told that one could believe."""
_EMPTY_MESSAGE_TOKENS = 5
"""What the API counts for the one-letter message that carries the prefix; it refuses a request without one."""
_ASSUMED_OUTPUT = (20.0, 150.0, 600.0)
"""Tokens of an answer about which nothing is known: a label, a paragraph, a page."""
_SURE_ANSWERS = 5
"""Fewer answers have a standard error that is itself unsure; half to twice their mean is honest."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A guess with its bounds.

    Attributes
    ----------
    low, likely, high : float
        In that order.
    source : str
        Where it comes from, for people.
    """

    low: float
    likely: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class InputCount:
    """How the engine's own guess of input tokens is to be corrected.

    Attributes
    ----------
    ratio : float
        Real tokens per guessed token.
    error : float
        Bound of the relative error of the total.
    prefix_tokens : float
        Tokens of the shared prefix.
    source : str
        Where the figures come from, for people.
    """

    ratio: float
    error: float
    prefix_tokens: float
    source: str


def exact_input(workload: Workload) -> InputCount:
    """Return the count of a workload whose tokens are given."""
    return InputCount(1.0, 0.0, workload.prefix_load, "as given")


def count_input(workload: Workload, environment: Environment | None) -> InputCount:
    """Count the input tokens of a workload on a sample of its requests; offline where that is not possible.

    Parameters
    ----------
    workload : Workload
        What is to be sent.
    environment : Environment or None
        The way to the free counting endpoint (20 calls at most); None = no credentials.
    """
    bodies = [body for _, body in workload.sample]
    prefix = [] if workload.prefix_body is None else [workload.prefix_body]
    if not bodies:
        return InputCount(1.0, 0.0, workload.prefix_load, "nothing to send")
    counts, why = _ask(environment, [*prefix, *bodies]) if environment is not None else ([], "no credentials")
    if len(counts) < len(prefix) + min(_LEAST_COUNTS, len(bodies)):
        bytes_per_token = offline_bytes_per_token(str(workload.fields["model"]))
        ratio = BYTES_PER_TOKEN / bytes_per_token
        source = f"offline by {bytes_per_token} bytes a token, ± {percent(OFFLINE_ERROR)} ({why})"
        return InputCount(ratio, OFFLINE_ERROR, workload.prefix_load * ratio, source)
    real = counts[len(prefix) :]
    ratio, error = _ratio([load for load, _ in workload.sample[: len(real)]], real)
    prefix_tokens = float(counts[0] - _EMPTY_MESSAGE_TOKENS) if prefix else workload.prefix_load * ratio
    source = f"{len(real)} of {workload.calls:,} requests counted with the free counting endpoint, ± {percent(error)}"
    return InputCount(ratio, error, max(0.0, prefix_tokens), source)


def offline_bytes_per_token(model: str) -> float:
    """Return how many bytes of text one token has, where the API cannot be asked."""
    return _OLDER_BYTES_PER_TOKEN if is_before_4_7(model) else BYTES_PER_TOKEN


def expect_output(
    known: Sequence[Usage], given: float | None, output_format: Mapping[str, Any] | None, max_tokens: int
) -> Interval:
    """Return the expected output tokens of one answer.

    Parameters
    ----------
    known : sequence of Usage
        Of answers of the same frame in the journal.
    given : float, optional
        The user's own expectation; goes before everything else.
    output_format : mapping, optional
        ``output_config.format``, for a guess by the schema's size.
    max_tokens : int
        The most that one answer can have.
    """
    if given is not None:
        return _bounded((given / 2, given, given * 2), max_tokens, "likely_output_tokens=, from half to twice as many")
    if known:
        return _measured([float(usage.output_tokens) for usage in known], max_tokens)
    if output_format is not None:
        guess = schema_tokens(output_format.get("schema", {}))
        return _bounded(guess, max_tokens, "assumed from the schema's size; likely_output_tokens= sets it")
    return _bounded(_ASSUMED_OUTPUT, max_tokens, "assumed, nothing is known yet; likely_output_tokens= sets it")


def schema_tokens(schema: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return how many tokens a JSON value of this schema has, low, likely and high, by rough figures per type."""
    if "enum" in schema or "const" in schema:
        labels = schema.get("enum", [schema.get("const")])
        longest = max((len(str(label)) for label in labels), default=1)
        return 1.0, 1 + longest / 8, 2 + longest / 4
    for name in ("anyOf", "oneOf"):
        if name in schema:
            options = [schema_tokens(option) for option in schema[name]] or [(1.0, 1.0, 1.0)]
            lows, likelies, highs = zip(*options, strict=True)
            return min(lows), max(likelies), max(highs)
    kind = schema.get("type")
    if kind == "object":
        return _object_tokens(schema.get("properties", {}))
    if kind == "array":
        low, likely, high = schema_tokens(schema.get("items", {}))
        return 2 + low, 2 + 3 * likely, 2 + 10 * high
    return {
        "boolean": (1.0, 1.0, 2.0),
        "integer": (1.0, 2.0, 4.0),
        "number": (1.0, 3.0, 6.0),
        "null": (1.0, 1.0, 1.0),
    }.get(str(kind), (3.0, 15.0, 60.0))


def _object_tokens(properties: Mapping[str, Any]) -> tuple[float, float, float]:
    total = [4.0, 6.0, 12.0]
    for name, part in properties.items():
        label = 2 + len(name) / 4
        for index, tokens in enumerate(schema_tokens(part)):
            total[index] += label + tokens
    return total[0], total[1], total[2]


def _measured(tokens: list[float], max_tokens: int) -> Interval:
    """Return the mean of earlier answers with twice its standard error; few answers say little."""
    values = np.asarray(tokens)
    mean = float(values.mean())
    source = f"the mean of {len(tokens):,} earlier answers to this very prompt in the journal"
    if len(tokens) < _SURE_ANSWERS:
        return _bounded((mean / 2, mean, mean * 2), max_tokens, source)
    margin = 2 * float(values.std(ddof=1)) / math.sqrt(len(tokens))
    return _bounded((mean - margin, mean, mean + margin), max_tokens, source)


def _bounded(guess: tuple[float, float, float], max_tokens: int, source: str) -> Interval:
    low, likely, high = (min(max(1.0, tokens), float(max_tokens)) for tokens in guess)
    return Interval(low, likely, high, source)


_OLDER_BYTES_PER_TOKEN = 4.2
"""Models before Claude 4.7 make fewer tokens of the same text: 4 letters to one in English, a third fewer from 4.7 on
(source: token counting page, August 2026); other letters have more bytes."""


def _ratio(loads: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Return real tokens per guessed token, and twice the relative standard error (ratio estimator)."""
    guessed, real = np.asarray(loads), np.asarray(counts, dtype=np.float64)
    ratio = float(real.sum() / guessed.sum())
    if len(real) < 2:
        return ratio, OFFLINE_ERROR
    residual = float(np.sqrt(((real - ratio * guessed) ** 2).sum() / (len(real) - 1)))
    return ratio, max(COUNTED_ERROR, 2 * residual / math.sqrt(len(real)) / float(real.mean()))


def _ask(environment: Environment, bodies: Sequence[Body]) -> tuple[list[int], str]:
    """Return the counts of the bodies up to the first failure, and what failed."""
    control = Control()

    async def work() -> tuple[list[int], str]:
        transport = environment.open_transport(_CONNECTIONS, _TIMEOUT_SECONDS)
        counts: list[int] = []
        try:
            for body in bodies:
                if control.is_stopping:
                    return counts, "stopped"
                found = await transport.count_tokens(body)
                if isinstance(found, Failure):
                    return counts, f"counting failed: {found.kind}"
                counts.append(found)
        finally:
            await transport.aclose()
        return counts, ""

    found = bridge.run_blocking(work, control, lambda: None)
    if control.interrupts:
        raise KeyboardInterrupt
    return found
