"""The history of one seed: every step in order, with its virtual time; two runs of a seed write it alike to the letter."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from shared.testing.virtual_clock import VirtualClock


@dataclass(slots=True)
class History:
    """Lines for people, counts for the assertion that something happened at all."""

    clock: VirtualClock
    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def tell(self, who: str, what: str, **details: object) -> None:
        """Write a line; ``what`` is also counted."""
        text = " ".join(f"{name}={value}" for name, value in details.items())
        self.lines.append(f"{self.clock.monotonic_s():10.6f} {who:<18} {what} {text}".rstrip())
        self.counts[what] += 1

    def count(self, what: str, number: int = 1) -> None:
        """Count without a line."""
        self.counts[what] += number

    @property
    def digest(self) -> str:
        """Equal for equal histories."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
