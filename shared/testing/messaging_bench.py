"""The messaging bench owns a small service that is none: one database, two topics, one consumer that counts effects.

``things.facts`` is versioned, ``things.notes`` has no order. Every effect is a row, and nothing but the inbox keeps
an effect from happening twice: a test reads the rows and sees what was applied, in which order.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from schemas.catalogue import ContractViolation, Encoded, UnknownEvent
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Poison
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.broker import Broker, DeliveryFailure, Record
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import Event, write_headers
from shared.messaging.observer import ConsumerObserver
from shared.messaging.relay import Relay
from shared.messaging.routes import BatchLimits, Routes, Subscription
from shared.persistence.engine import make_engine
from shared.persistence.mechanism import create_v1
from shared.persistence.provision import ServiceUrls, provision
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.testing.passwords import TEST_PASSWORD

SERVICE: Final = "bench"
CONSUMER: Final = "shelf"
FACTS: Final = "things.facts"
NOTES: Final = "things.notes"
DEAD_FACTS: Final = "things.facts.dlq.shelf"
DEAD_NOTES: Final = "things.notes.dlq.shelf"
TOPICS: Final = (FACTS, NOTES, DEAD_FACTS, DEAD_NOTES)

SUBSCRIPTION: Final = Subscription(
    consumer=CONSUMER,
    versioned={FACTS: True, NOTES: False},
    handled=frozenset({(FACTS, "Moved", 1), (NOTES, "Noted", 1)}),
    ignored=frozenset({(FACTS, "Dusted", 1)}),
    dead_letter_topics={FACTS: DEAD_FACTS, NOTES: DEAD_NOTES},
)


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """The bench's only payload.

    ``poison`` makes the handler refuse it for ever, ``poison_at_flush`` the repository; with ``untold`` and
    ``untold_at_flush`` they announce what no contract allows.
    """

    number: int
    poison: bool = False
    poison_at_flush: bool = False
    untold: bool = False
    untold_at_flush: bool = False


FLAGS: Final = frozenset(Moved.__struct_fields__) - {"number"}
#: As the outbox raises it where an event is announced.
UNTOLD: Final = ContractViolation(FACTS, "Moved.v1", "number", "a number that things may have")


def encode(topic: str, event: Any) -> Encoded:
    """Stand in for the catalogue: the topic says the type."""
    names = {FACTS: "Moved.v1", NOTES: "Noted.v1"}
    event_type = names.get(topic, "DeadLettered.v1")
    return Encoded(event_type, f"/schemas/events/{topic}/{event_type}.json", msgspec.json.encode(event))


def decode(topic: str, event_type: str, payload: bytes) -> Any:
    """Stand in for the catalogue's tolerant reader."""
    if event_type not in {"Moved.v1", "Noted.v1", "Dusted.v1"}:
        raise UnknownEvent(event_type)
    try:
        return msgspec.json.decode(payload, type=Moved)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractViolation(topic, event_type, "payload", "a Moved") from error


class BenchUnit(UnitOfWork):
    """Effects are held back until the flush, as real repositories do."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.effects: list[Event] = []

    def flush(self) -> None:
        for event in self.effects:
            if event.data.poison_at_flush:
                raise Poison("the thing cannot be stored")
            if event.data.untold_at_flush:
                raise UNTOLD
        if self.effects:
            rows = [
                {"topic": e.topic, "key": e.key, "version": e.stream_version, "event_id": e.event_id,
                 "number": e.data.number} for e in self.effects
            ]  # fmt: skip
            self.connection.execute(
                sa.text(
                    "INSERT INTO effects (topic, key, version, event_id, number)"
                    " VALUES (:topic, :key, :version, :event_id, :number)"
                ),
                rows,
            )


@dataclass(slots=True)
class Told(ConsumerObserver):
    """Remembers what the consumer told."""

    lines: list[tuple[Any, ...]] = field(default_factory=list)

    def applied(self, topic: str, event_type: str, *, ignored: bool, delay_s: float) -> None:  # noqa: ARG002
        self.lines.append(("ignored" if ignored else "applied", topic, event_type))

    def duplicate(self, topic: str) -> None:
        self.lines.append(("duplicate", topic))

    def quarantined(self, topic: str, key: str, event_id: str, reason: str) -> None:
        self.lines.append(("quarantined", topic, key, event_id, reason))

    def parked(self, topic: str, key: str, event_id: str, reason: str, detail: str) -> None:
        self.lines.append(("parked", topic, key, event_id, reason, detail))

    def unparked(self, topic: str, key: str) -> None:
        self.lines.append(("unparked", topic, key))

    def batch(self, records: int, duration_s: float) -> None:  # noqa: ARG002
        self.lines.append(("batch", records))

    def disturbed(self, reason: str) -> None:
        self.lines.append(("disturbed", reason))

    def lag(self, topic: str, records: int) -> None:
        self.lines.append(("lag", topic, records))

    def count(self, what: str) -> int:
        return sum(1 for line in self.lines if line[0] == what)


class MessagingBench:
    """One database and one broker, with short ways to write, send and look."""

    def __init__(self, urls: ServiceUrls, broker: Broker, *, lock_timeout_ms: int) -> None:
        self.urls = urls
        self.broker = broker
        self.clock = SystemClock()
        self.engine = make_engine(urls.app, application_name="bench", lock_timeout_ms=lock_timeout_ms)
        self.relay_engine = make_engine(urls.relay, application_name="bench-relay", pool_size=4)
        self.owner_engine = make_engine(urls.owner, application_name="bench-owner", pool_size=2)
        self.told = Told()
        self._relays: list[Relay] = []
        self.refuse: Callable[[Event], None] = lambda _event: None
        self.transactions = Transactions(
            self.engine, BenchUnit, source="/tieout/bench", clock=self.clock, ids=UlidIds(), encode=encode
        )
        for topic in TOPICS:
            broker.ensure_topic(topic, partitions=6, settings={})

    def close(self) -> None:
        for relay in self._relays:
            relay.abandon()
        for engine in (self.engine, self.relay_engine, self.owner_engine):
            engine.dispose()

    def append(self, key: str, numbers: Sequence[int], *, topic: str = FACTS, poison: bool = False) -> None:
        """Write events through the outbox, all in one transaction."""

        def work(uow: BenchUnit) -> None:
            for number in numbers:
                uow.outbox.append(topic, Moved(number=number, poison=poison), key=key, cause_id="test")

        self.transactions.run(work, name="append")

    def relay(self, owner_id: str, **options: Any) -> Relay:
        made = Relay(
            self.relay_engine, self.broker, owner_id=owner_id, clock=self.clock, jitter=Jitter(), **options
        )
        self._relays.append(made)
        return made

    def release_leases(self) -> None:
        """End every lease at the database, as time would."""
        with self.relay_engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE relay_leases SET expires_at = clock_timestamp() - interval '1 s'"
            )

    def loop(self, *, max_records: int = 500) -> ConsumerLoop[BenchUnit]:
        def handle(event: Event, uow: BenchUnit) -> None:
            self.refuse(event)
            if event.data.poison:
                raise Poison("the thing is poison")
            if event.data.untold:
                raise UNTOLD
            uow.effects.append(event)

        routes: Routes[BenchUnit] = Routes(
            consumer=CONSUMER,
            handlers=dict.fromkeys(SUBSCRIPTION.handled, handle),
            limits=BatchLimits(max_records=max_records),
        )
        return ConsumerLoop(
            self.broker,
            self.transactions,
            routes,
            clock=self.clock,
            jitter=Jitter(),
            subscription=SUBSCRIPTION,
            decode=decode,
            observer=self.told,
        )

    def send(self, key: str, version: int, **changes: Any) -> str:
        """Produce a record straight to the broker; ``changes`` replace what the envelope says."""
        topic = changes.pop("topic", FACTS)
        event_id: str = changes.pop("event_id", f"evt_{key}_{version}")
        flags = {name: changes.pop(name) for name in FLAGS if name in changes}
        body = Moved(number=changes.pop("number", version), **flags)
        payload = changes.pop("payload", None)
        row: dict[str, Any] = {
            "event_id": event_id, "event_type": "Moved.v1" if topic == FACTS else "Noted.v1",
            "source": "/tieout/bench", "event_time": datetime.now(UTC), "data_schema": "/schemas/x",
            "cause_id": "test", "stream_version": version, "subject": key, "traceparent": None, **changes,
        }  # fmt: skip
        self.send_raw(topic, key.encode(), payload or msgspec.json.encode(body), write_headers(row))
        return event_id

    def send_raw(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        failures: list[DeliveryFailure] = []
        producer = self.broker.make_producer()
        producer.produce(
            topic, key=key, value=value, headers=headers,
            on_delivery=lambda failure: failures.append(failure) if failure else None,
        )  # fmt: skip
        if producer.flush(30.0) or failures:
            raise AssertionError(f"not delivered: {failures}")
        producer.close()

    def effects(self, key: str | None = None, topic: str = FACTS) -> list[int]:
        """Return the numbers applied, in the order of their effects."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT number FROM effects WHERE topic = :topic AND (:key IS NULL OR key = :key) ORDER BY nth"
                ).bindparams(sa.bindparam("key", type_=sa.Text)),
                {"topic": topic, "key": key},
            )
            return [row.number for row in rows]

    def rows(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        with self.owner_engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(query), values).mappings()]

    @contextmanager
    def running(self, *roles: Any) -> Iterator[threading.Event]:
        """Run roles in threads; what ends one with an error ends the test."""
        stop, errors = threading.Event(), []

        def guard(role: Any) -> None:
            try:
                role.run(stop)
            except BaseException as error:  # noqa: BLE001 - carried over to the test's own thread
                errors.append(error)

        threads = [threading.Thread(target=guard, args=(role,)) for role in roles]
        for thread in threads:
            thread.start()
        try:
            yield stop
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        if errors:
            raise errors[0]


@contextmanager
def messaging_bench(
    admin_url: str, broker: Broker, *, password: str = TEST_PASSWORD, lock_timeout_ms: int = 5_000
) -> Iterator[MessagingBench]:
    """Give a bench on a database of its own; the roles need a password where the server asks for one."""
    database = f"bench_{secrets.token_hex(6)}"
    urls = provision(admin_url, SERVICE, database, password=password)
    owner = make_engine(urls.owner, application_name="bench-create", pool_size=1)
    with owner.connect() as connection:
        create_v1(_Executes(connection), service=SERVICE)
        connection.exec_driver_sql("SELECT outbox_create_partitions(current_date, 2)")
        connection.exec_driver_sql(
            "CREATE TABLE effects (nth bigint GENERATED ALWAYS AS IDENTITY, topic text, key text, version bigint,"
            " event_id text, number bigint)"
        )
        connection.exec_driver_sql("COMMIT")
    owner.dispose()
    bench = MessagingBench(urls, broker, lock_timeout_ms=lock_timeout_ms)
    try:
        yield bench
    finally:
        bench.close()
        admin = make_engine(admin_url, application_name="bench-drop", pool_size=1)
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"DROP DATABASE {database} WITH (FORCE)")
        admin.dispose()


class _Executes:
    """What the mechanism's DDL is run with, outside a migration."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement.replace("%", "%%"))


def first_versions(records: Sequence[Record]) -> dict[str, list[int]]:
    """Return, per key, the stream versions in the order of their first appearance in the log."""
    found: dict[str, list[int]] = {}
    for record in records:
        version = int(dict(record.headers)["ce_streamversion"])
        versions = found.setdefault((record.key or b"").decode(), [])
        if version not in versions:
            versions.append(version)
    return found


def digest(payload: bytes) -> bytes:
    """Return the hash that the inbox keeps."""
    return hashlib.sha256(payload).digest()
