"""Owns the script in force: read now and then, asked at every call, counted where it strikes.

A call that no rule is meant for costs nothing: no statement, no wait. Each event loop has a copy of its own, at most
``FRESH_S`` old; whoever writes the script sees it at once in the loop that took it.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from services.sandbox.app.ports import FaultStore
from services.sandbox.app.sandbox_clock import SandboxClock
from services.sandbox.domain.faults import Fault, Operation, Reading
from services.sandbox.domain.scripts import Asked, Rule, concerns, fitting

FRESH_S: Final = 0.5


class FaultScript:
    """One processor's rules in one event loop."""

    def __init__(self, store: FaultStore, processor: str, clock: SandboxClock) -> None:
        self._store = store
        self._processor = processor
        self._clock = clock
        self._rules: tuple[Rule, ...] = ()
        self._stale_s = 0.0

    async def refresh(self) -> None:
        """Read the rules and the clock again."""
        self._stale_s = self._clock.monotonic_s() + FRESH_S
        self._rules = tuple(await self._store.rules(self._processor))
        self._clock.ahead_s = await self._store.clock_ahead_s()

    async def keep_fresh(self) -> None:
        """Read them again if that was long ago."""
        if self._clock.monotonic_s() >= self._stale_s:
            await self.refresh()

    async def strike(
        self, operation: Operation | Reading, describe: Callable[[], Awaitable[Asked]]
    ) -> Fault | None:
        """The scripted fault of this call, counted; none if no rule is meant for it or all have had their calls."""
        await self.keep_fresh()
        if not concerns(self._rules, operation):
            return None
        asked = await describe()
        for rule in fitting(self._rules, asked):
            fault = rule.fault_for(asked)
            if not fault.is_none and await self._store.count_strike(rule.id):
                return fault
        return None
