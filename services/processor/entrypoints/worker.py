"""The worker's loops: a lane of calls per processor in one event loop, and the reader of event feeds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.processor.adapters.unit_of_work import AttemptUnitOfWork
from services.processor.app.call_processor import Lane, LaneLimits, Store, StoreUnavailable
from services.processor.app.claim_attempts import claim_attempts
from services.processor.app.ports import FeedPage, FeedTurn, FeedUnreachable, Policies, Processor, Room
from services.processor.app.read_feed import leave_feed, record_page, take_feed
from services.processor.app.record_outcomes import record_outcomes
from shared.kernel.clock import Clock
from shared.kernel.errors import CommitUnknown
from shared.kernel.jitter import Jitter
from shared.persistence.commit_lookup import is_away, is_transient
from shared.persistence.unit_of_work import Transactions
from shared.runtime.logs import logger
from shared.runtime.metric_names import FEED_UNREADABLE
from shared.runtime.metrics import counter

THREADS_PER_LANE: Final = 2
"""One transaction takes while another records."""
PAGES_MAX: Final = 100
FEED_TURN_S: Final = 5.0
"""Of one turn at one feed, so that the loop shows that it moves: what is left is the next turn's, at once."""

_log = logger(__name__)
T = TypeVar("T")


class Sender:
    """The role that takes, calls and records; one event loop, one lane per processor."""

    name = "work.sender"

    def __init__(
        self,
        make_processors: Callable[[], Sequence[Processor]],
        transactions: Transactions[AttemptUnitOfWork],
        *,
        is_any_due: Callable[[str], bool],
        policies: Policies,
        limits: Mapping[str, LaneLimits],
        owner: str,
        clock: Clock,
        jitter: Jitter,
    ) -> None:
        self._make_processors = make_processors
        self._transactions = transactions
        self._is_any_due = is_any_due
        self._policies = policies
        self._limits = limits
        self._owner = owner
        self._clock = clock
        self._jitter = jitter
        self._lanes: list[Lane] = []
        self._started_s = clock.monotonic_s()

    def heartbeat(self) -> float:
        """Return when the slowest lane last moved."""
        return min((lane.beat_s for lane in self._lanes), default=self._started_s)

    def run(self, stop: threading.Event) -> None:
        """Run every lane until told to stop."""
        asyncio.run(self.run_lanes(stop))

    async def run_lanes(self, stop: threading.Event) -> None:
        """The same inside an event loop that runs already."""
        processors = self._make_processors()
        with ThreadPoolExecutor(THREADS_PER_LANE * len(processors), thread_name_prefix="sender") as threads:
            self._lanes = [self._lane(processor, threads) for processor in processors]
            try:
                async with asyncio.TaskGroup() as tasks:
                    for lane in self._lanes:
                        tasks.create_task(lane.run(stop))
            finally:
                for processor in processors:
                    await processor.close()

    def _lane(self, processor: Processor, threads: ThreadPoolExecutor) -> Lane:
        found: list[object] = []

        def claim(room: Room) -> list[object]:
            # An idle lane looks many times a second: it asks before it begins a transaction to take nothing.
            if not found and not _asked(lambda: self._is_any_due(processor.name)):
                return []
            work = partial(
                claim_attempts, processor.name, owner=self._owner, room=room, policies=self._policies
            )
            found[:] = _stored(self._transactions, work, "claim_attempts")
            return list(found)

        def record(outcomes: object) -> object:
            work = partial(_recorded, outcomes, policies=self._policies)
            return _stored(self._transactions, work, "record_outcomes")

        return Lane(
            processor,
            Store(claim=claim, record=record),  # type: ignore[arg-type]
            policy=self._policies[processor.name],
            limits=self._limits[processor.name],
            clock=self._clock,
            jitter=self._jitter,
            executor=threads,
        )


def _recorded(outcomes: object, uow: AttemptUnitOfWork, *, policies: Policies) -> object:
    return record_outcomes(outcomes, uow, policies=policies)  # type: ignore[arg-type]


def _stored(
    transactions: Transactions[AttemptUnitOfWork], work: Callable[[AttemptUnitOfWork], T], name: str
) -> T:
    """Run a transaction; an unreachable database becomes ``StoreUnavailable``, anything else is a fault."""
    return _asked(lambda: transactions.run(work, name=name))


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (CommitUnknown, PoolTimeout) as error:
        raise StoreUnavailable(str(error)) from error
    except DBAPIError as error:
        if not (is_away(error) or is_transient(error)):
            raise
        raise StoreUnavailable(type(error.orig).__name__) from error


class FeedReader:
    """Reads each processor's event feed when it is due; an action of a periodic role."""

    def __init__(
        self,
        make_processors: Callable[[], Sequence[Processor]],
        transactions: Transactions[AttemptUnitOfWork],
        *,
        owner: str,
        interval_s: float,
        patience_max_s: float,
        clock: Clock,
    ) -> None:
        self._make_processors = make_processors
        self._transactions = transactions
        self._owner = owner
        self._interval_s = interval_s
        self._patience_max_s = patience_max_s
        self._clock = clock

    def __call__(self) -> bool:
        """Read what is due; true if a feed goes on at once, else the role calls again after its pause."""
        return asyncio.run(self.read_all())

    async def read_all(self) -> bool:
        """Read every feed that is due, inside an event loop that runs already."""
        goes_on = False
        for processor in self._make_processors():
            try:
                if processor.capabilities.feed:
                    goes_on |= await self._read(processor)
            except FeedUnreachable as unreachable:
                _log.warning("feed_unreachable", processor=processor.name, reason=str(unreachable))
            finally:
                await processor.close()
        return goes_on

    async def _read(self, processor: Processor) -> bool:
        take = partial(take_feed, processor.name, processor.account, owner=self._owner)
        turn = self._transactions.run(take, name="take_feed")
        if turn is None:
            return False
        cursor, until_s = turn.cursor, self._clock.monotonic_s() + FEED_TURN_S
        for _ in range(PAGES_MAX):
            try:
                page = await processor.read_feed(cursor)
            except FeedUnreachable as unreachable:
                patience_s = min(unreachable.retry_after_s or 0.0, self._patience_max_s)
                self._leave(turn, max(self._interval_s, patience_s))
                raise
            if not self._record(turn, page) or not page.has_more:
                return False
            cursor = page.next_cursor or cursor
            if self._clock.monotonic_s() >= until_s:
                break
        self._leave(turn, 0.0)
        return True

    def _leave(self, turn: FeedTurn, wait_s: float) -> None:
        self._transactions.run(partial(leave_feed, turn, wait_s=wait_s), name="leave_feed")

    def _record(self, turn: FeedTurn, page: FeedPage) -> bool:
        work = partial(_page_recorded, turn, page, interval_s=self._interval_s)
        moved, unread = self._transactions.run(work, name="record_page")
        if unread:
            _log.warning("feed_events_unreadable", processor=turn.processor, events=unread)
            counter(FEED_UNREADABLE, turn.processor, amount=unread)
        return moved


def _page_recorded(
    turn: FeedTurn, page: FeedPage, uow: AttemptUnitOfWork, *, interval_s: float
) -> tuple[bool, int]:
    unread: list[int] = []
    moved = record_page(turn, page, uow, interval_s=interval_s, count_rejects=unread.append)
    return moved, sum(unread)
