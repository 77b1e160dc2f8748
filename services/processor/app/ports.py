"""What the use cases need from outside: attempts, evidence to publish, feeds, and processors to call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.processor.domain.attempt import Attempt, Move
from services.processor.domain.fact import Fact
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Answer, Doubt, LookUp
from services.processor.domain.policy import LookUpBy, Policy
from shared.kernel.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a processor can do, as its adapter declares it.

    ``keys_live_s`` decides what may be sent again, ``look_up_by`` from when on a look-up searches, ``feed`` whether
    one is read; where there is neither that nor ``webhooks``, what was accepted is looked at more often. A contract
    test holds payment's copy of ``partial_captures`` and ``multiple_captures`` to these, and ``webhook_ingest`` to
    ``webhooks``.
    """

    keys_live_s: float
    look_up_by: LookUpBy
    partial_captures: bool
    multiple_captures: bool
    webhooks: bool
    feed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReject:
    """An event of a feed that is no fact to us: why, and what little could be read of it."""

    event_id: str
    """The processor's own, or a digest of the event where it has none that we can keep."""
    reason: str
    digest: str
    own_id: str | None = None
    """The processor's own, where it is one that an event of ours may bear."""
    event_type: str | None = None
    object_id: str | None = None
    reference: str | None = None
    payment_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """One page of a processor's event feed: readable facts, and what could not be read."""

    facts: tuple[Fact, ...]
    rejects: tuple[FeedReject, ...]
    next_cursor: str | None
    has_more: bool


class FeedUnreachable(Exception):  # noqa: N818 - a state of the outside
    """The feed did not answer in order, and what that says of the processor; the next round tries again."""

    def __init__(
        self,
        reason: str,
        *,
        healthy: bool = False,
        throttled: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.healthy = healthy
        self.throttled = throttled
        self.retry_after_s = retry_after_s


InTime = Callable[[], bool]
"""Says whether a request may still be written: whoever slept past its lease must not send."""


class Processor(Protocol):
    """One external processor at one account. Calls never raise for what the processor does: they classify."""

    name: str
    account: str
    capabilities: Capabilities

    async def send(self, operation: Operation, *, in_time: InTime) -> Answer:
        """Ask for the operation, under its own idempotency key, if it is in time right before that is written."""
        ...

    async def look_up(self, operation: Operation, *, since: datetime | None = None) -> LookUp:
        """Ask what became of the operation, by what is declared: ``since`` is given where a list has to be searched.

        What changes an object without making one is asked of that object.
        """
        ...

    async def read_feed(self, cursor: str | None) -> FeedPage:
        """Return the page after the cursor, or raise ``FeedUnreachable``."""
        ...

    async def close(self) -> None:
        """Close its connections, in the loop that used them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many attempts a lane can take on now, and how many of them may be looked up."""

    calls: int
    look_ups: int


class Attempts(Protocol):
    """The attempts of one transaction; changes are written set-based at its end."""

    def lock(self, operation_ids: Iterable[str]) -> None:
        """Lock and load these rows, in id order."""
        ...

    def get(self, operation_id: str) -> Attempt | None: ...

    def add(self, attempt: Attempt) -> None: ...

    def put(self, attempt: Attempt) -> None: ...

    def due(self, processor: str, *, room: Room) -> list[Attempt]:
        """Lock open attempts whose time has come and that nobody else is taking now, for as many as there is room."""
        ...

    def late(self, *, limit: int) -> list[Attempt]:
        """Lock up to ``limit`` open attempts whose time to be sent has passed."""
        ...

    def currency_of(self, payment_id: str) -> str | None:
        """The currency of a payment, for what moves no money and names none; ``None`` if no attempt names it."""
        ...

    def note(self, attempt: Attempt, what: str, **detail: str | int | None) -> None:
        """Add a line to the append-only log of the attempt."""
        ...


class Evidence(Protocol):
    """Publishes what happened, in the same transaction."""

    def sent(self, attempt: Attempt) -> None: ...

    def answered(self, attempt: Attempt, answer: Answer, move: Move) -> None: ...

    def doubted(self, attempt: Attempt, doubt: Doubt) -> None: ...

    def looked_up(self, attempt: Attempt, rung: int, seen: LookUp, move: Move) -> None: ...

    def exhausted(self, attempt: Attempt, currency: str) -> None: ...

    def closed(self, attempt: Attempt, *, cause_id: str) -> None: ...

    def observed(self, fact: Fact, cursor: str) -> None: ...

    def unrecognised(self, turn: FeedTurn, reject: FeedReject, cursor: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTurn:
    """The right to read one feed now."""

    processor: str
    account: str
    epoch: int
    cursor: str | None


class Feeds(Protocol):
    """Durable cursors of event feeds, and the facts already published from them."""

    def take(
        self, processor: str, account: str, *, owner: str, lease_s: float, overlap_s: float
    ) -> FeedTurn | None:
        """Take the feed if it is due and free; start at the newest cursor that is older than the overlap."""
        ...

    def advance(
        self, turn: FeedTurn, cursor: str | None, *, next_at: datetime | None, lease_s: float
    ) -> bool:
        """Store the cursor and go on, or release until ``next_at``; false if somebody else has the feed."""
        ...

    def leave(self, turn: FeedTurn, *, next_at: datetime) -> bool:
        """Release a round that is not at its end until ``next_at``; false if somebody else has the feed."""
        ...

    def first_seen(self, facts: Sequence[Fact]) -> list[Fact]:
        """Claim the facts' keys; return those that had not been published yet."""
        ...

    def reject(self, turn: FeedTurn, rejects: Sequence[FeedReject]) -> list[FeedReject]:
        """Keep what could not be read, once per event; return those that were new, in the feed's order."""
        ...


class ProcessorUnitOfWork(Protocol):
    """One transaction of this service."""

    @property
    def now(self) -> datetime: ...

    @property
    def ids(self) -> Ids: ...

    @property
    def attempts(self) -> Attempts: ...

    @property
    def evidence(self) -> Evidence: ...

    @property
    def feeds(self) -> Feeds: ...


Policies = Mapping[str, Policy]
"""How each processor is retried, by its name."""
