"""An event loop without a machine under it: its time is the virtual clock, its threads are a delay and a call.

Nothing here waits for anything real, so everything that runs on it happens in one order, which the seed decides.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from shared.testing.virtual_clock import VirtualClock

TICK_S = 2e-6
"""The clock keeps microseconds: what is due within two of them is due now."""


class DeadlockError(Exception):
    """Everybody waits and nothing will ever happen."""


class _Leap:
    """The selector: instead of waiting for the time of the next timer, the time becomes that."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def select(self, timeout_s: float | None) -> list[Any]:
        if timeout_s is None:
            raise DeadlockError("nothing is scheduled")
        if timeout_s > 0:
            self._clock.advance(max(timeout_s, TICK_S))
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """``latency_s`` says how long a thread takes to come to its work; it is asked in the caller's context."""

    def __init__(self, clock: VirtualClock, latency_s: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._latency_s = latency_s
        self._selector = _Leap(clock)
        self._clock_resolution = TICK_S

    def time(self) -> float:
        return self._clock.monotonic_s()

    def call_soon_threadsafe(self, callback, *args, context=None):
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, _executor, func, *args):
        """Threads do not exist: the work is done in the loop, after a while, whole."""
        future = self.create_future()
        self.call_later(self._latency_s(), self._perform, future, func, args)
        return future

    @staticmethod
    def _perform(future: "asyncio.Future[Any]", func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future.cancelled():
            return
        try:
            result = func(*args)
        except BaseException as error:  # noqa: BLE001 - a thread's end of any kind is its future's
            if not future.done():  # its process may have died of the work
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
