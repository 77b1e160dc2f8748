"""One transaction for the requests that arrive while others are being committed: group commit, one level up.

A COMMIT, a round trip and a thread's turn cost the same for one request as for ten. Nobody waits for company: a request
that finds a lane free goes at once, alone; only what piles up while every lane is busy travels together.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from shared.kernel.errors import CommitUnknown, Rejected
from shared.persistence.commit_lookup import session_is_gone, sqlstate_of
from shared.persistence.unit_of_work import Steps, Transactions, UnitOfWork, in_steps
from shared.runtime.metric_names import GROUP_REQUESTS
from shared.runtime.metrics import histogram

LANES: Final = 2
"""One group is decided while the other waits for the disk."""
GROUP_MAX: Final = 16
"""A group is refused as a whole, so it stays small enough to be done again one by one."""
WAITING_MAX: Final = 1_000
GROUP_LOCK_TIMEOUT_MS: Final = 250
"""A request that has to wait for another one's lock must not hold up its company: it is run again, alone."""

U = TypeVar("U", bound=UnitOfWork)
T = TypeVar("T")


class Apart(Exception):  # noqa: N818 - an event, not a fault
    """The request has to run in a transaction of its own; nothing was done for it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    steps: Callable[[Any], Steps[Any]]
    context: contextvars.Context
    answer: asyncio.Future[Any]


class GroupCommit(Generic[U]):
    """The lanes of one process; ``transactions`` should be on an engine of their own, with ``GROUP_LOCK_TIMEOUT_MS``.

    All that a group did is committed, or none of it: then each of its requests is told ``Apart``.
    """

    def __init__(self, transactions: Transactions[U], *, name: str, lanes: int = LANES) -> None:
        self._transactions = transactions
        self._name = name
        self._departing = False
        self._waiting: deque[_Member] = deque()
        # A thread each: of two that wait at one queue both wake up for every group, and one finds nothing.
        self._lanes = [ThreadPoolExecutor(max_workers=1, thread_name_prefix="group") for _ in range(lanes)]
        self._free = list(self._lanes)

    async def run(self, steps: Callable[[U], Steps[T]]) -> T:
        """Return what ``steps`` returned, once its COMMIT is certain.

        ``steps`` may run several times; its exception is nobody's answer, but ``Apart`` for the whole group. Raises
        ``Apart``, ``CommitUnknown``, the database's error where no session is to be had, and ``Rejected`` (503) where
        too many wait.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise Rejected("overloaded", "Too many requests are queued; try again.", status=503, stored=False)
        loop = asyncio.get_running_loop()
        member = _Member(steps, contextvars.copy_context(), loop.create_future())
        self._waiting.append(member)
        if self._free and not self._departing:
            # Not yet: who was read from the network in this same turn of the loop goes along.
            self._departing = True
            loop.call_soon(self._depart, loop)
        return await member.answer  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of the threads; requests that still wait are never answered."""
        for lane in self._lanes:
            lane.shutdown(wait=False, cancel_futures=True)

    def _depart(self, loop: asyncio.AbstractEventLoop) -> None:
        self._departing = False
        if not (self._free and self._waiting):
            return
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_MAX))]
        lane = self._free.pop()
        work = loop.run_in_executor(lane, self._commit, group)
        work.add_done_callback(lambda done: self._arrived(loop, lane, group, done))

    def _arrived(
        self,
        loop: asyncio.AbstractEventLoop,
        lane: ThreadPoolExecutor,
        group: list[_Member],
        done: asyncio.Future[list[Any]],
    ) -> None:
        self._free.append(lane)
        if self._waiting:
            self._depart(loop)
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        for nth, member in enumerate(group):
            if member.answer.done():
                continue  # its client hung up; what it asked for is committed all the same
            if error is None:
                member.answer.set_result(done.result()[nth])
            else:
                member.answer.set_exception(_told(error))

    def _commit(self, group: list[_Member]) -> list[Any]:
        histogram(GROUP_REQUESTS, len(group))
        return self._transactions.run(
            lambda uow: in_steps(uow, [(member.context, member.steps(uow)) for member in group]),
            name=self._name,
        )


def _told(error: BaseException) -> BaseException:
    """What each member of a failed group hears: the truth where it holds for each alone, else to try by itself."""
    if isinstance(error, (CommitUnknown, sa.exc.TimeoutError, asyncio.CancelledError)):
        return error
    if isinstance(error, sa.exc.DBAPIError) and (session_is_gone(error) or sqlstate_of(error) is None):
        return error  # there is no server to be had
    return Apart()
