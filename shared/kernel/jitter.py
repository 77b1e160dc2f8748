"""Randomness for back-off: the one place that draws it."""

from __future__ import annotations

import random


class Jitter:
    """Full jitter, so that many waiters do not come back at the same moment."""

    __slots__ = ("_random",)

    def __init__(self, source: random.Random | None = None) -> None:
        # Spreads retries, guards nothing: a fast generator is right here.
        self._random = source or random.Random()  # noqa: S311

    def full(self, upper_s: float) -> float:
        """Return a span between nothing and ``upper_s`` seconds, each equally likely."""
        return self._random.uniform(0.0, upper_s)

    def backoff(self, attempt: int, *, base_s: float, cap_s: float) -> float:
        """Return the wait before try number ``attempt + 1``: exponential, capped, full jitter."""
        return self.full(min(cap_s, base_s * 2.0 ** min(attempt, 32)))
