"""A cap on how many refused deliveries are kept: a flood is counted whole and stored in part."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RateCap:
    """A token bucket; time comes in. One per process, used under its owner's lock."""

    per_minute: int
    tokens: float = field(default=-1.0)
    at_s: float = 0.0

    def take(self, now_s: float) -> bool:
        """Say whether one more may be kept now."""
        if self.tokens < 0:
            self.tokens, self.at_s = float(self.per_minute), now_s
        grown = self.tokens + (now_s - self.at_s) * self.per_minute / 60.0
        self.tokens, self.at_s = min(float(self.per_minute), grown), now_s
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True
