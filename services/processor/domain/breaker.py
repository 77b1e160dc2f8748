"""The circuit breaker of one processor: how many calls may be under way now. Pure; time comes in.

A full outage opens it, a probe closes it, and the limit then doubles with each round of good answers, as TCP's slow
start does: a backlog of hours drains without a stampede. It never decides about an operation, only about when.
"""

from dataclasses import dataclass, field
from typing import Final

FAILURES_TO_OPEN: Final = 5
"""Bad answers in a row; fewer would let one unlucky card open the circuit of everybody."""
OPEN_FIRST_S: Final = 1.0
OPEN_MAX_S: Final = 60.0


@dataclass(slots=True)
class Breaker:
    """Mutable, used by one event loop only."""

    limit_max: int
    limit: float = field(default=0.0)
    failures: int = 0
    openings: int = 0
    open_until_s: float = 0.0
    paused_until_s: float = 0.0

    def __post_init__(self) -> None:
        """Start trusting: a restarted worker must not drain a healthy processor at one call at a time."""
        self.limit = float(self.limit_max)

    def allowed(self, now_s: float) -> int:
        """Return how many calls may be under way now."""
        if now_s < self.open_until_s or now_s < self.paused_until_s:
            return 0
        return int(self.limit)

    def succeed(self) -> None:
        """Count an orderly answer, a decline included: the processor works."""
        self.failures = 0
        self.openings = 0
        self.limit = min(float(self.limit_max), self.limit + 1.0)

    def fail(self, now_s: float, *, jitter: float) -> None:
        """Count a disorderly answer; ``jitter`` in [0, 1) spreads the probes of several workers."""
        if now_s < self.open_until_s:
            return  # a call from before the opening: it tells nothing new
        self.failures += 1
        probing = self.openings > 0 and self.limit <= 1.0
        if self.failures < FAILURES_TO_OPEN and not probing:
            return
        span_s = min(OPEN_MAX_S, OPEN_FIRST_S * 2.0 ** min(self.openings, 16))
        self.open_until_s = now_s + span_s * (0.5 + jitter / 2)
        self.openings += 1
        self.failures = 0
        self.limit = 1.0

    def pause(self, now_s: float, seconds: float) -> None:
        """Honour a processor that asked for patience."""
        self.paused_until_s = max(self.paused_until_s, now_s + seconds)
