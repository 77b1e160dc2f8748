"""Owns what the use cases need from the store: load, write whole, and the queue's claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.sandbox.domain.faults import Imitation
from services.sandbox.domain.idempotency import StoredReply
from services.sandbox.domain.objects import Effect, ProcessorObject, TimerAction
from services.sandbox.domain.scripts import Rule


class KeyTakenError(Exception):
    """The idempotency key has been used; the stored reply tells by what."""


class OutdatedError(Exception):
    """Another writer used the same room first; read again and decide again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event as it is stored, fed and sent: the exact text of its body."""

    id: str
    type: str
    object_id: str
    created_at: datetime
    body: str
    deliveries: tuple[datetime, ...]
    in_feed: bool = True
    #: What a stranger sends first, once: it signed with a secret of its own, or repeats what it heard long ago.
    imitation: Imitation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTimer:
    """A change that falls due by itself."""

    action: TimerAction
    object_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedReply:
    """The reply that a key will be answered with from now on."""

    key: str
    reply: StoredReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Effect, book, events, webhooks, timers and reply: one statement, one transaction."""

    effect: Effect
    events: tuple[NewEvent, ...]
    timers: tuple[NewTimer, ...]
    keyed: KeyedReply | None
    now: datetime
    finished_timer: int | None = None
    #: Until then look-ups deny the objects that are made.
    hidden_until: datetime | None = None
    #: Until then look-ups show the objects that are changed as they were before.
    before_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """How much came that had been kept back."""

    webhooks: int
    objects: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTimer:
    """A timer that has fallen due, with the object it is for."""

    id: int
    action: TimerAction
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueWebhook:
    """One delivery of one event, leased to this sender."""

    id: int
    event_id: str
    body: bytes
    attempts: int
    imitation: Imitation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Events in feed order; ``next_cursor`` goes on after the last of them."""

    bodies: tuple[bytes, ...]
    next_cursor: str | None
    has_more: bool


class ObjectStore(Protocol):
    """The processor's objects. Every call is one transaction of its own."""

    async def load(
        self, object_id: str, key: str | None = None
    ) -> tuple[ProcessorObject | None, StoredReply | None]:
        """Return the object and the reply stored under ``key``, in one round trip."""
        ...

    async def seen(self, object_id: str, *, now: datetime) -> ProcessorObject | None:
        """Return the object as look-ups show it now, which may be as it was before the last call."""
        ...

    async def stored_reply(self, key: str) -> StoredReply | None: ...

    async def strike(self, key: str, now: datetime) -> bool:
        """Record that the fault of ``key`` strikes; false if it has struck before."""
        ...

    async def write(self, change: Change) -> None:
        """Write all of it or nothing; raises ``KeyTakenError`` or ``OutdatedError``."""
        ...

    async def forget_key(self, key: str, now: datetime) -> None:
        """Free a key whose life is over."""
        ...

    async def due_timers(self, now: datetime, limit: int) -> Sequence[DueTimer]: ...

    async def show_event(self, event_id: str, timer_id: int, now: datetime) -> None:
        """Let an event that was kept back take its place in the feed; the timer is done with it."""
        ...

    async def release(self, payment: str, now: datetime, *, sends_webhooks: bool) -> Released:
        """Let come what was kept back about a payment."""
        ...

    async def drop_timer(self, timer_id: int) -> None: ...

    async def prune(self, now: datetime) -> None:
        """Remove keys and strikes whose life is over."""
        ...


class WebhookQueue(Protocol):
    """The durable queue of deliveries."""

    async def claim_due(self, now: datetime, leased_until: datetime, limit: int) -> Sequence[DueWebhook]: ...

    async def claim_events(
        self, event_ids: Sequence[str], leased_until: datetime
    ) -> Sequence[DueWebhook]: ...

    async def record(
        self,
        *,
        sent: Sequence[int],
        retry: Sequence[tuple[int, datetime]],
        given_up: Sequence[int],
        now: datetime,
    ) -> None: ...


class WebhookTransport(Protocol):
    """Posts one signed body; true means the receiver answered 2xx."""

    async def post(self, body: bytes) -> bool: ...

    async def imitate(self, body: bytes, how: Imitation) -> bool:
        """Post it as a stranger does; true means that it was taken, which it never should be."""
        ...


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule of a script as it was sent, with what it has done."""

    id: int
    processor: str
    document: dict[str, Any]
    calls: int | None
    struck: int


class FaultStore(Protocol):
    """Scripts: rules and the test clock. Every call is one transaction."""

    async def add(self, processor: str, document: dict[str, Any], rule: Rule) -> int: ...

    async def rules(self, processor: str) -> Sequence[Rule]:
        """The rules that may still strike, oldest first."""
        ...

    async def all_rules(self) -> Sequence[StoredRule]: ...

    async def count_strike(self, rule_id: int) -> bool:
        """Count one call; false if the rule has had all of its calls, or is gone."""
        ...

    async def remove(self, rule_id: int | None) -> int:
        """Remove one rule, or all; returns how many."""
        ...

    async def clock_ahead_s(self) -> float: ...

    async def advance_clock(self, seconds: int) -> float: ...
