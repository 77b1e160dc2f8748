"""Owns the wake-up between the request that queues a webhook and the worker's thread that sends it."""

import asyncio


class WakeUp:
    """Rings across threads; ringing twice before the sleeper wakes costs nothing."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        self._rung = False

    def ring(self) -> None:
        """Called by whoever queued something, in any thread."""
        if not self._rung and self._loop is not None and self._event is not None:
            self._rung = True
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> None:
        """Called by the one sleeper: returns when rung, or after ``seconds``."""
        if self._event is None:
            self._event = asyncio.Event()
            self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()
        self._rung = False

    def close(self) -> None:
        self._loop = self._event = None
