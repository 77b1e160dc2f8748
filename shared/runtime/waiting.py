"""Waiting for decisions without holding a thread, a connection or a transaction: one poller asks for
everybody at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from shared.runtime.logs import logger
from shared.runtime.metric_names import WAITERS, WAITERS_REFUSED
from shared.runtime.metrics import counter, gauge
from shared.runtime.strict_json import malformed

DEFAULT_WAIT_S: Final = 10.0
WAIT_S_MAX: Final = 30.0
WAITING_MAX: Final = 2_000
"""Waits of one process at a time; beyond it the reply comes at once, with the doubt that it then has."""
POLL_FRESH_S: Final = 0.015
"""Most decisions fall within a second: whoever waits for less than FRESH_FOR_S is looked up this often."""
FRESH_FOR_S: Final = 2.0
POLL_STALE_S: Final = 0.2
"""A hung processor fills the list with old waits: they are looked up less often, so that they cost
nothing.
"""
POLL_FAILED_S: Final = 0.5
IDS_PER_POLL_MAX: Final = 2_000
_PREFER_WAIT: Final = re.compile(r"^wait\s*=\s*(?:\"([0-9]{1,6})\"|([0-9]{1,6}))$", re.IGNORECASE)
_log = logger(__name__)


def wait_seconds(prefer: str | None, default_s: float = DEFAULT_WAIT_S) -> float:
    """Read ``Prefer: wait=N``: absent means the default, more than the most means the most, nonsense is
    refused.
    """
    for preference in (prefer or "").split(","):
        name = preference.partition(";")[0].strip()
        if name.partition("=")[0].strip().lower() != "wait":
            continue  # preferences that we do not know are ignored, as RFC 7240 asks
        match = _PREFER_WAIT.match(name)
        if match is None:
            raise malformed("prefer_malformed", "Prefer: wait takes whole seconds, 0 to 30.", "Prefer")
        return min(float(match[1] or match[2]), WAIT_S_MAX)
    return default_s


@dataclass(slots=True, eq=False)
class _Waiter:
    wait_id: str
    decided: asyncio.Future[bool]
    since_s: float
    due_s: float


class Waiters:
    """The waits of one process. ``find_decided`` gets ids and returns those that are decided; it runs in
    one thread of
    our own, so that neither the event loop nor the request threads ever stand behind it.
    """

    def __init__(
        self, find_decided: Callable[[Sequence[str]], Collection[str]], *, waiting_max: int = WAITING_MAX
    ) -> None:
        self._find_decided = find_decided
        self._waiting_max = waiting_max
        self._waiters: dict[str, set[_Waiter]] = {}
        self._reserved = 0
        self._released = False
        self._poller: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="waiters")

    def try_reserve(self) -> bool:
        """Take a place before the work begins; False means answer at once. Pair with ``give_back``."""
        if self._released or self._reserved >= self._waiting_max:
            counter(WAITERS_REFUSED)
            return False
        self._reserved += 1
        return True

    def give_back(self) -> None:
        self._reserved -= 1

    async def wait(self, wait_id: str, timeout_s: float) -> bool:
        """True once ``wait_id`` is decided, False when the time is over or the process drains."""
        if self._released or timeout_s <= 0:
            return False
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        waiter = _Waiter(wait_id, loop.create_future(), now_s, now_s + POLL_FRESH_S)
        self._waiters.setdefault(wait_id, set()).add(waiter)
        gauge(WAITERS, len(self._waiters))
        self._ensure_poller(loop)
        timer = loop.call_later(timeout_s, _settle, waiter, False)
        try:
            return await waiter.decided
        finally:
            timer.cancel()
            self._forget(waiter)

    def wake(self, wait_id: str) -> None:
        """A hint, from any thread, that ``wait_id`` may be decided: it is looked up at once instead of
        soon.
        """
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._make_due, wait_id)

    def release(self) -> None:
        """The process drains: everybody is answered with what is known now. Call it in the event loop."""
        self._released = True
        for waiters in list(self._waiters.values()):
            for waiter in list(waiters):
                _settle(waiter, False)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def waiting(self) -> int:
        return sum(len(waiters) for waiters in self._waiters.values())

    def _make_due(self, wait_id: str) -> None:
        for waiter in self._waiters.get(wait_id, ()):
            waiter.due_s = 0.0
        if self._wake is not None:
            self._wake.set()

    def _forget(self, waiter: _Waiter) -> None:
        waiters = self._waiters.get(waiter.wait_id)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[waiter.wait_id]
        gauge(WAITERS, len(self._waiters))

    def _ensure_poller(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._poller is None or self._poller.done() or self._loop is not loop:
            self._loop = loop
            self._wake = asyncio.Event()
            self._poller = loop.create_task(self._poll(loop, self._wake))

    async def _poll(self, loop: asyncio.AbstractEventLoop, wake: asyncio.Event) -> None:
        """Runs only while somebody waits; an error that is not the database's ends every wait at once,
        visibly.
        """
        try:
            while self._waiters:
                pause_s = await self._poll_once(loop)
                wake.clear()
                try:
                    async with asyncio.timeout(pause_s):
                        await wake.wait()
                except TimeoutError:
                    continue
        except Exception:
            _log.exception("waiters_poll_failed")
            for waiters in list(self._waiters.values()):
                for waiter in list(waiters):
                    _settle(waiter, False)
            raise

    async def _poll_once(self, loop: asyncio.AbstractEventLoop) -> float:
        """Ask for everybody who is due; returns the seconds until the next look."""
        now_s = loop.time()
        due = [
            wait_id for wait_id, waiters in self._waiters.items() if any(w.due_s <= now_s for w in waiters)
        ][:IDS_PER_POLL_MAX]
        if not due:
            return POLL_FRESH_S
        try:
            decided = await loop.run_in_executor(self._thread, self._find_decided, due)
        except SQLAlchemyError as error:
            # No news is not bad news: the waits end by their own time-outs, with what the database says then.
            _log.warning("waiters_database_unavailable", error=type(error).__name__)
            return POLL_FAILED_S
        asked_s = loop.time()
        for wait_id in due:
            for waiter in list(self._waiters.get(wait_id, ())):
                waiter.due_s = asked_s + (
                    POLL_FRESH_S if asked_s - waiter.since_s < FRESH_FOR_S else POLL_STALE_S
                )
        for wait_id in decided:
            for waiter in list(self._waiters.get(wait_id, ())):
                _settle(waiter, True)
        # Never busier than half the time, however slow the database has become.
        return max(POLL_FRESH_S, asked_s - now_s)


def _settle(waiter: _Waiter, decided: bool) -> None:
    if not waiter.decided.done():
        waiter.decided.set_result(decided)
