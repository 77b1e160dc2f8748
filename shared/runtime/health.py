"""Health of one process: live while every role's loop moves, ready while it serves; never "are my peers
well".
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.kernel.clock import Clock


@dataclass(slots=True)
class Health:
    """Shared by the role threads (which beat) and the HTTP face (which reports)."""

    clock: Clock
    heartbeat_limit_s: float
    _beats: dict[str, tuple[Callable[[], float], float]] = field(default_factory=dict)
    _serving: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, name: str, heartbeat: Callable[[], float]) -> None:
        """Watch a loop from now on: before its first beat it has the whole limit to start."""
        with self._lock:
            self._beats[name] = (heartbeat, self.clock.monotonic_s())

    def serving(self, value: bool) -> None:
        self._serving = value

    def stalled(self) -> dict[str, float]:
        """Roles whose loop has not moved within the limit, with the seconds since it did."""
        now = self.clock.monotonic_s()
        with self._lock:
            beats = dict(self._beats)
        idle = {name: now - max(heartbeat(), started) for name, (heartbeat, started) in beats.items()}
        return {name: round(seconds, 1) for name, seconds in idle.items() if seconds > self.heartbeat_limit_s}

    @property
    def is_live(self) -> bool:
        return not self.stalled()

    @property
    def is_ready(self) -> bool:
        return self._serving
