"""Weather: what a real cluster does by itself, which the memory broker does when it is told to."""

from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one record that is sent."""

    copies: int = 1
    """As a producer's own retry would write it again."""
    delay_s: float = 0.0
    """Until consumers see it, and with it everything later in its partition."""
    refused: str | None = None
    """Why it is not written at all; the producer can never deliver it."""
    unacknowledged: str | None = None
    """Why the producer believes that it was not written, although it was."""


class Weather(Protocol):
    """What a real cluster does by itself; drawn from a seed in simulations."""

    def fate(self, topic: str, key: bytes) -> Fate: ...

    def reports_wait(self) -> bool:
        """Whether a producer's delivery reports are still on their way at this poll."""

    def commit_lost(self, group: str) -> bool:
        """Whether a commit of offsets fails, as in a rebalance."""


class Calm:
    """A cluster on a good day."""

    def fate(self, topic: str, key: bytes) -> Fate:  # noqa: ARG002 - all alike
        return _WRITTEN

    def reports_wait(self) -> bool:
        return False

    def commit_lost(self, group: str) -> bool:  # noqa: ARG002 - all alike
        return False


_WRITTEN: Final = Fate()
