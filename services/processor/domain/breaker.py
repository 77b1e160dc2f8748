"""The circuit breaker of one processor: how many calls may be under way now. Pure; time comes in.

A full outage opens it, a probe closes it, and the limit then doubles at most once a second, however fast the answers
come: a backlog of hours drains without a stampede. A processor that asks for fewer calls halves the limit, which from
there grows by one call a round, as TCP's does after a loss. It never decides about an operation, only about when.
"""

from dataclasses import dataclass, field
from typing import Final

FAILURES_TO_OPEN: Final = 5
"""Bad answers in a row; fewer would let one unlucky card open the circuit of everybody."""
OPEN_FIRST_S: Final = 1.0
OPEN_MAX_S: Final = 60.0
DOUBLING_S: Final = 1.0
"""In this time the limit at most doubles: a second is long enough for the processor to say that it is too much."""
DECREASE: Final = 0.5
"""What a processor that asks for fewer calls leaves of the limit."""
THROTTLED_PAUSE_S: Final = 1.0
"""The least patience with a processor that asks for fewer calls and does not say for how long."""


@dataclass(slots=True)
class Breaker:
    """Mutable, used by one event loop only."""

    limit_max: int
    limit: float = field(default=0.0)
    doubles_below: float = field(default=0.0)
    """From here on the limit grows by one call a round and no longer by one an answer."""
    failures: int = 0
    openings: int = 0
    open_until_s: float = 0.0
    paused_until_s: float = 0.0
    round_until_s: float = 0.0
    round_limit: float = 0.0
    """What the limit may reach before the round ends."""

    def __post_init__(self) -> None:
        """Start trusting: a restarted worker must not drain a healthy processor at one call at a time."""
        self.limit = self.doubles_below = float(self.limit_max)

    def allowed(self, now_s: float) -> int:
        """Return how many calls may be under way now."""
        if now_s < self.open_until_s or now_s < self.paused_until_s:
            return 0
        return int(self.limit)

    def succeed(self, now_s: float) -> None:
        """Count an orderly answer, a decline included: the processor works."""
        self.failures = 0
        self.openings = 0
        if now_s >= self.round_until_s:
            self.round_until_s = now_s + DOUBLING_S
            self.round_limit = 2.0 * self.limit
        step = 1.0 if self.limit < self.doubles_below else 1.0 / self.limit
        self.limit = min(float(self.limit_max), self.round_limit, self.limit + step)

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
        self.round_until_s = 0.0

    def throttle(self, now_s: float, wait_s: float, *, jitter: float) -> None:
        """Count an answer that asks for fewer calls: wait as long as it says, and go on with half as many.

        It works, but there is nothing in it to grow on. The calls under way with the first of them say the same
        once more, and lower nothing further.
        """
        self.failures = 0
        self.openings = 0
        if now_s >= self.paused_until_s and now_s >= self.open_until_s:
            self.limit = self.doubles_below = max(1.0, self.limit * DECREASE)
            self.round_until_s = 0.0
        self.pause(now_s, max(wait_s, THROTTLED_PAUSE_S) + jitter)

    def pause(self, now_s: float, seconds: float) -> None:
        """Honour a processor that asked for patience."""
        self.paused_until_s = max(self.paused_until_s, now_s + seconds)
