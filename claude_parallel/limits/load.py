"""What requests of one run really weigh, learnt from its answers.

An estimate by characters is biased (language, tokenizer, cached prefix), and output is unknown before the first
answer. Both are corrected here by moving averages; the gate charges what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Load, Usage

_MEMORY = 50
"""Answers after which an old one has faded; short enough to follow a frame that changes along the way."""


@dataclass(slots=True)
class LoadEstimator:
    """Moving averages over the answers of one run.

    Attributes
    ----------
    answers : int
        Answers seen.
    input_ratio : float
        Real tokens that count against the input limit, per estimated token.
    mean_output : float
        Output tokens per answer.
    """

    answers: int = 0
    input_ratio: float = 1.0
    mean_output: float = 0.0

    def weigh(self, estimate: Load) -> Load:
        """Return the load to charge for a request whose first estimate is `estimate`."""
        return Load(
            estimate.input_tokens * self.input_ratio,
            max(estimate.output_tokens, self.mean_output),
            estimate.max_output_tokens,
        )

    def learn(self, estimate: Load, usage: Usage) -> Load:
        """Take note of an answer, and return what it really weighed.

        Cache reads do not count against the input limit, cache writes do (source: rate limits, "cache-aware ITPM").
        An answer that does not say what it weighed teaches nothing, and counts as what was expected of it.
        """
        if not usage.is_known:
            return self.weigh(estimate)
        real = Load(float(usage.input_tokens + usage.cache_write_tokens), float(usage.output_tokens))
        self.answers += 1
        weight = 1.0 / min(self.answers, _MEMORY)
        if estimate.input_tokens > 0:
            self.input_ratio += weight * (real.input_tokens / estimate.input_tokens - self.input_ratio)
        self.mean_output += weight * (real.output_tokens - self.mean_output)
        return real
