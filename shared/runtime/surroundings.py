"""What a process takes from the machine that it runs on: time, chance, sessions, brokers, sockets.

Composition roots take everything of the kind from here, so that a simulation can hand in its own and own every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.entropy import entropy as os_entropy
from shared.kernel.jitter import Jitter
from shared.messaging.broker import Broker
from shared.messaging.kafka import KafkaBroker
from shared.persistence.engine import make_engine
from shared.persistence.notifier import OutboxNotifier
from shared.runtime.settings import ServiceSettings


class MakeEngine(Protocol):
    """As ``shared.persistence.engine.make_engine``."""

    def __call__(
        self,
        url: str,
        *,
        application_name: str,
        pool_size: int = 10,
        lock_timeout_ms: int = 5_000,
        autocommit: bool = False,
        by_index: bool = False,
    ) -> sa.Engine: ...


class Notifier(Protocol):
    """Wakes the relay after a commit; a wake-up that is lost costs waiting and nothing else."""

    def __call__(self) -> None: ...

    def close(self) -> None: ...


def kafka_broker(name: str, settings: ServiceSettings) -> Broker:
    """The cluster of the settings, seen through their prefix."""
    return KafkaBroker(
        settings.kafka_bootstrap_servers,
        topic_prefix=settings.kafka_topic_prefix,
        client_id=name,
        session_timeout_s=settings.kafka_session_timeout_s,
    )


def outbox_notifier(engine: sa.Engine, clock: Clock) -> Notifier:
    """NOTIFY on a session of its own."""
    return OutboxNotifier(engine, clock=clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The machine itself, unless a simulation says otherwise."""

    clock: Clock = field(default_factory=SystemClock)
    jitter: Jitter = field(default_factory=Jitter)
    entropy: Callable[[int], bytes] = os_entropy
    make_engine: MakeEngine = make_engine
    make_broker: Callable[[str, ServiceSettings], Broker] = kafka_broker
    make_notifier: Callable[[sa.Engine, Clock], Notifier] = outbox_notifier
    relay_listens: bool = True
    """Whether relays wait for the notifier in PostgreSQL."""
    http_transport: Any = None
    """How HTTP clients reach the outside (an ``httpx2`` transport); None means sockets."""
