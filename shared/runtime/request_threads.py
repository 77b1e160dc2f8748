"""The threads in which request handlers talk to the database: a fixed few, fed from the event loop, never
by waiting.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from shared.kernel.errors import Rejected

THREADS: Final = 8
"""Fewer than the connection pool has: the pollers and consumers of the process keep their share."""
QUEUED_MAX: Final = 1_000
"""At a thousand requests per second this is one second of work; more would only be answered after its
caller left.
"""

P = ParamSpec("P")
T = TypeVar("T")


class RequestThreads:
    """Runs blocking work of requests, with the request's context (trace, log ids) carried over."""

    def __init__(self, threads: int = THREADS, queued_max: int = QUEUED_MAX) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="request")
        self._queued_max = queued_max
        self._queued = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._queued >= self._queued_max:
            raise Rejected("overloaded", "Too many requests are queued; try again.", status=503, stored=False)
        self._queued += 1
        try:
            context = contextvars.copy_context()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, partial(context.run, work, *args, **kwargs))
        finally:
            self._queued -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
