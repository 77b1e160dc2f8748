"""Owns the test clock: the machine's time, and how far the sandbox has been set ahead of it."""

from datetime import datetime, timedelta

from shared.kernel.clock import Clock


class SandboxClock:
    """The clock of both processors' lives: holds, settling, keys, lists. It only ever goes ahead."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead_s = 0.0

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return self._clock.now() + timedelta(seconds=self.ahead_s)

    def monotonic_s(self) -> float:
        """Return the machine's monotonic time: setting the clock ahead is no waiting."""
        return self._clock.monotonic_s()

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        self._clock.sleep(seconds)
