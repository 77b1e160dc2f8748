"""The parts that every service on Kafka has, wired once: engine, transactions, relay, consumer, checks, operations.

A service's ``bootstrap.py`` adds what is its own. Nothing connects before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from shared.kernel.ids import Ids, UlidIds
from shared.kernel.operators import OperatorAct
from shared.messaging.broker import Broker
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import Event
from shared.messaging.observer import ConsumerObserver
from shared.messaging.operator_acts import announce
from shared.messaging.relay import MARK_EVERY_S, Relay
from shared.messaging.routes import Routes
from shared.persistence.idempotency import prune_keys
from shared.persistence.notifier import OUTBOX_CHANNEL
from shared.persistence.outbox import Outbox
from shared.persistence.partitions import create_ahead
from shared.persistence.schema_version import require_head
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.runtime.archiving import archive_checks, archive_roles
from shared.runtime.group_commit import GROUP_LOCK_TIMEOUT_MS, LANES, GroupCommit
from shared.runtime.loop_metrics import ConsumerMetrics, RelayMetrics
from shared.runtime.operations import Act, Operations
from shared.runtime.operator_tokens import TokenVerifier
from shared.runtime.probes import watch_mechanism
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.repeat_tally import RepeatTally
from shared.runtime.roles import PeriodicRole
from shared.runtime.settings import ServiceSettings, required
from shared.runtime.startup import StartupCheck, check
from shared.runtime.surroundings import Surroundings
from shared.runtime.topic_check import topic_check

RELAY_POOL_SIZE: Final = 2
PARTITIONS_EVERY_S: Final = 3_600.0
"""Partitions are made a week ahead, so an hour is often enough even after days without a relay."""
PRUNE_EVERY_S: Final = 60.0
PRUNE_BATCH: Final = 500
"""One transaction's worth: rows of a few hundred bytes, locked for milliseconds and skipped by nobody who waits."""

U = TypeVar("U", bound=UnitOfWork)


class ServiceParts(Generic[U]):
    """The common parts of one process. ``own_topic`` is where operators' actions are announced."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        build: Callable[[sa.Connection, Outbox, datetime, Ids], U],
        *,
        own_topic: str,
        consumer: str | None = None,
        let_go: Callable[[U, Event, Act], None] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.surroundings = around = surroundings or Surroundings()
        self.clock, self.jitter = around.clock, around.jitter
        self.ids = UlidIds(self.clock, around.entropy)
        self.owner_id = self.ids.new("own_")
        self._own_topic = own_topic
        self._consumer = consumer
        self._let_go = let_go
        self._closing: list[Callable[[], None]] = []
        self.engine = around.make_engine(
            settings.database_url, application_name=name, pool_size=settings.database_pool_size
        )
        self.notifier = around.make_notifier(self.engine, self.clock)
        self._build = build
        self.transactions = self._transactions(self.engine)
        self.repeats = RepeatTally(self.transactions)

    def reading_engine(self, *, pool_size: int) -> sa.Engine:
        """An autocommit engine, for single queries that need no transaction around them."""
        engine = self.surroundings.make_engine(
            self.settings.database_url,
            application_name=f"{self.name}-reads",
            pool_size=pool_size,
            autocommit=True,
        )
        self._closing.append(engine.dispose)
        return engine

    def groups(self) -> GroupCommit[U]:
        """The lanes of an API whose busy requests share transactions, on sessions that do not wait long for locks."""
        engine = self.surroundings.make_engine(
            self.settings.database_url,
            application_name=f"{self.name}-groups",
            pool_size=LANES,
            lock_timeout_ms=GROUP_LOCK_TIMEOUT_MS,
            by_index=True,  # their statements are few, the same for weeks, and all by key
        )
        made = GroupCommit(self._transactions(engine), name=f"{self.name} requests together")
        self._closing += [made.close, engine.dispose]
        return made

    def _transactions(self, engine: sa.Engine) -> Transactions[U]:
        return Transactions(
            engine,
            self._build,
            source=f"/tieout/{self.name}",
            clock=self.clock,
            ids=self.ids,
            jitter=self.jitter,
            on_commit=self.notifier,
        )

    def broker(self) -> Broker:
        """The cluster, seen through this service's prefix."""
        return self.surroundings.make_broker(self.name, self.settings)

    def relay(self) -> Role:
        """Outbox to topic, under the relay's own database role."""
        return Relay(
            self._relay_engine,
            self.broker(),
            owner_id=self.owner_id,
            clock=self.clock,
            jitter=self.jitter,
            lease_ttl_s=self.settings.relay_lease_s,
            listen_channel=OUTBOX_CHANNEL if self.surroundings.relay_listens else None,
            mark_every_s=MARK_EVERY_S if self.surroundings.relay_listens else 0.0,
            observer=RelayMetrics(self.name),
        )

    def partitions(self) -> Role:
        """Keeps the outbox's daily partitions ahead of time; runs beside the relay."""

        def make() -> None:
            create_ahead(self._relay_engine, today=self.clock.now().date())

        return PeriodicRole("relay.partitions", PARTITIONS_EVERY_S, make, self.clock)

    def consume(
        self,
        routes: Routes[U],
        observer: ConsumerObserver | None = None,
        topics: Sequence[str] | None = None,
    ) -> Role:
        """Topics to effects; all that the consumer reads, or only these."""
        return ConsumerLoop(
            self.broker(),
            self.transactions,
            routes,
            clock=self.clock,
            jitter=self.jitter,
            topics=topics,
            observer=observer or ConsumerMetrics(routes.consumer),
        )

    def relay_roles(self) -> dict[str, Callable[[], Role]]:
        """The loops behind the role ``relay``."""
        return {"relay": self.relay, "relay.partitions": self.partitions}

    def key_roles(self) -> dict[str, Callable[[], Role]]:
        """The loops of services with POSTs: one takes the replies out of expired idempotency keys, where work is
        done; one writes what was counted of keys that came again, where HTTP is served.
        """

        def prune() -> bool:
            pruned = self.transactions.run(
                lambda uow: prune_keys(uow.connection, PRUNE_BATCH), name="prune keys"
            )
            return pruned == PRUNE_BATCH

        return {
            "work.keys": lambda: PeriodicRole("work.keys", PRUNE_EVERY_S, prune, self.clock),
            "serve.key-repeats": lambda: self.repeats.role(self.clock),
        }

    def checks(self) -> tuple[StartupCheck, ...]:
        """What must hold before a process of this service starts."""
        schema = check("schema", lambda: require_head(self.engine, self.name.replace("-", "_")))
        return (schema, topic_check(self.broker))

    def runtime(
        self,
        app: Any,
        roles: Mapping[str, Callable[[], Role]],
        *,
        own_checks: Sequence[StartupCheck] = (),
        on_drain: Sequence[Callable[[], None]] = (),
        close: Callable[[], None] | None = None,
    ) -> ServiceRuntime:
        """The service, not yet running: its roles, behind every service's checks and its own.

        ``close`` is what the service has to let go of before the common parts.
        """

        def close_all() -> None:
            if close is not None:
                close()
            self.close()

        return ServiceRuntime(
            name=self.name.replace("_", "-"),
            settings=self.settings,
            app=app,
            roles={**roles, **archive_roles(self.settings, self.clock)},
            checks=(*self.checks(), *archive_checks(self.settings), *own_checks),
            transactions=self.transactions,
            engines={"app": self.engine},
            operations=self.operations(roles),
            on_drain=on_drain,
            close=close_all,
            clock=self.clock,
        )

    def operations(self, roles: Mapping[str, Callable[[], Role]] | None = None) -> Operations[U]:
        """What operators do to this service's inbox and outbox; its consumers are found among ``roles``."""

        def loops() -> Iterator[ConsumerLoop[U]]:
            for name, make in (roles or {}).items():
                if name.partition(".")[0] == "consume" and isinstance(loop := make(), ConsumerLoop):
                    yield loop

        return Operations(
            self.settings,
            self.transactions,
            consumer=self._consumer,
            record=self._announce,
            make_broker=self.broker,
            loops=loops,
            let_go=self._let_go,
            clock=self.clock,
        )

    def add_mechanism_routes(self, app: Any) -> Any:
        """Let operators release parked keys and inspect idempotency keys; for services with no POST that waits.

        Returns the idempotency layer, for further POSTs that keep their reply in the transaction of their effect.
        """
        from shared.runtime.http import take_in
        from shared.runtime.idempotent_http import IdempotentHttp
        from shared.runtime.mechanism_routes import mechanism_routes

        http: IdempotentHttp[U] = IdempotentHttp(self.transactions, ids=self.ids, tally=self.repeats)
        self._closing.append(http.close)
        take_in(app, mechanism_routes(http, self.operations(), self.operator_tokens()))
        app.bodies = http.bodies
        return http

    def watch(self) -> None:
        """Register the gauges of outbox, inbox and idempotency keys."""
        watch_mechanism(self.engine, keep_days=self.settings.archive_keep_days)

    def operator_tokens(self) -> TokenVerifier | None:
        """The verifier of operators' tokens; without a key no operator is let in."""
        key = self.settings.operator_public_key
        return TokenVerifier(key, clock=self.clock) if key else None

    def close(self) -> None:
        """Write what is only counted so far; give threads and connections back."""
        self.repeats.close()
        for close in self._closing:
            close()
        self.notifier.close()
        self.engine.dispose()
        if "_relay_engine" in self.__dict__:  # made only where a relay runs
            self._relay_engine.dispose()

    @cached_property
    def _relay_engine(self) -> sa.Engine:
        url = required(self.settings, "relay_database_url")
        make = self.surroundings.make_engine
        return make(url, application_name=f"{self.name}-relay", pool_size=RELAY_POOL_SIZE)

    def _announce(self, uow: U, act: OperatorAct) -> None:
        announce(uow.outbox, self._own_topic, act, uow.now)
