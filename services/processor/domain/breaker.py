"""The circuit breaker of one processor: how many calls may be under way now. Pure; time comes in.

A full outage opens it, an answered probe closes it, and the limit then doubles at most once a second, however fast the
answers come: a backlog of hours drains without a stampede. Each answer that asks for fewer calls is waited out, as long
as it asks for, and takes half a call from the limit: a round of them halves it, a stray one hardly lowers it (DCTCP's
rule, RFC 8257 3.3). From there it grows by one call a round. It never decides about an operation, only about when.
"""

from dataclasses import dataclass, field
from typing import Final

FAILURES_TO_OPEN: Final = 10
"""Bad answers in a row. Where two calls in five go wrong, so many in a row are one in ten thousand; in an outage they
are a moment."""
PROBES: Final = 3
"""So many calls ask whether it is back, and one good answer is enough: one unlucky card must not keep it shut."""
OPEN_FIRST_S: Final = 1.0
OPEN_MAX_S: Final = 60.0
DOUBLING_S: Final = 1.0
"""In this time the limit at most doubles: a second is long enough for the processor to say that it is too much."""
DECREASE: Final = 0.5
"""What one answer that asks for fewer calls takes from the limit, in calls."""
THROTTLED_PAUSE_S: Final = 1.0
"""The least patience with a processor that asks for fewer calls and does not say for how long."""
PAUSE_JITTER: Final = 0.25
"""By so much of itself at most a pause is longer, so that several workers do not come back together."""


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
        if self.failures < (PROBES if self.openings else FAILURES_TO_OPEN):
            return
        span_s = min(OPEN_MAX_S, OPEN_FIRST_S * 2.0 ** min(self.openings, 16))
        self.open_until_s = now_s + span_s * (0.5 + jitter / 2)
        self.openings += 1
        self.failures = 0
        self.limit = min(float(PROBES), float(self.limit_max))
        self.round_until_s = 0.0

    def throttle(self, now_s: float, wait_s: float, *, jitter: float) -> None:
        """Count an answer that asks for fewer calls: wait as long as it says, and go on with fewer.

        It works, but there is nothing in it to grow on.
        """
        self.failures = 0
        self.openings = 0
        self.limit = self.doubles_below = max(1.0, self.limit - DECREASE)
        self.round_until_s = 0.0
        self.pause(now_s, max(wait_s, THROTTLED_PAUSE_S) * (1.0 + PAUSE_JITTER * jitter))

    def pause(self, now_s: float, seconds: float) -> None:
        """Honour a processor that asked for patience."""
        self.paused_until_s = max(self.paused_until_s, now_s + seconds)
