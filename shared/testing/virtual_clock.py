"""A clock that moves only when told to, or when somebody sleeps on it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.kernel.errors import InvariantViolation

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    """A ``Clock`` for tests and simulations: ``sleep`` returns at once and moves the time on."""

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise InvariantViolation("clock_aware", "a clock starts at an aware time")
        self._start = start.astimezone(UTC)
        self._elapsed = timedelta()
        self._lock = threading.Lock()
        self.slept_s: list[float] = []

    def now(self) -> datetime:
        """Return the virtual wall time."""
        with self._lock:
            return self._start + self._elapsed

    def monotonic_s(self) -> float:
        """Return the virtual seconds since the start."""
        with self._lock:
            return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move on by that span and remember that somebody slept."""
        with self._lock:
            self.slept_s.append(seconds)
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Move the time on; never back."""
        if seconds < 0:
            raise InvariantViolation("clock_forward", f"cannot move by {seconds} s")
        with self._lock:
            self._elapsed += timedelta(seconds=seconds)
