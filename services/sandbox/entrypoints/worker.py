"""Owns the worker's loop: sends due webhooks, runs due timers, closes days, forgets keys whose life is over."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

import uvloop

from services.sandbox.app.send_webhooks import BATCH
from services.sandbox.app.wake_up import WakeUp
from services.sandbox.bootstrap import Parts
from shared.kernel.clock import Clock

IDLE_S: Final = 0.25  # How late a webhook may be when the wake-up came from another process.
GATHER_S: Final = 0.01  # Lets effects gather into one batch.
TIMERS_EVERY_S: Final = 0.5
PRUNE_EVERY_S: Final = 3600.0
SETTLE_EVERY_S: Final = 2.0


class SandboxWorker:
    """The role ``work``."""

    name = "work"

    def __init__(self, make_parts: Callable[[], Parts], wake_up: WakeUp, clock: Clock) -> None:
        self._make_parts = make_parts
        self._wake_up = wake_up
        self._clock = clock
        self._beat_s = clock.monotonic_s()

    def heartbeat(self) -> float:
        return self._beat_s

    def run(self, stop: threading.Event) -> None:
        """Loop until told to stop; what was claimed and not sent is sent again after its lease."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._loop(stop))

    async def _loop(self, stop: threading.Event) -> None:
        parts = self._make_parts()
        timers_due_s = prune_due_s = settle_due_s = self._clock.monotonic_s()
        settling: asyncio.Task[int] | None = None
        try:
            while not stop.is_set():
                self._beat_s = self._clock.monotonic_s()
                # Side by side: a receiver that hangs for one processor must not hold up the other's.
                sent = max(await asyncio.gather(*(own.sender.send_due() for own in parts.own_work)))
                if self._beat_s >= timers_due_s:
                    await parts.alpha.processor.script.keep_fresh()  # The test clock with it.
                    for own in parts.own_work:
                        await own.timers.run_due()
                    timers_due_s = self._beat_s + TIMERS_EVERY_S
                if self._beat_s >= prune_due_s:
                    for own in parts.own_work:
                        await own.store.prune(self._clock.now())
                    prune_due_s = self._beat_s + PRUNE_EVERY_S
                if self._beat_s >= settle_due_s and (settling is None or settling.done()):
                    if settling is not None:
                        settling.result()  # What stopped it stops the role.
                    # Beside the rest: a clock that was set ahead has many days to close, and webhooks go on.
                    settling = asyncio.create_task(parts.settling.close_days())
                    settle_due_s = self._beat_s + SETTLE_EVERY_S
                if sent < BATCH:
                    await self._wake_up.wait(IDLE_S)
                    await asyncio.sleep(GATHER_S)
        finally:
            if settling is not None:
                settling.cancel()
                await asyncio.gather(settling, return_exceptions=True)
            self._wake_up.close()
            await parts.close()
