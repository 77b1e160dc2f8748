"""The ledger through Kafka, and the relay behind it: events already in the topic, one real consumer, then one relay."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from schemas.catalogue import encode
from schemas.generated import PaymentCapturedV1
from shared.kernel.ids import UlidIds
from shared.messaging.broker import DeliveryFailure
from shared.messaging.envelope import write_headers
from tools.bench import own_journals
from tools.bench.cpu import cpu_s, resident_mb
from tools.bench.figures import Base, Figure
from tools.bench.site import Site, wait_until
from tools.local_stack.layout import StackError

SECTION: Final = "ledger and relay"
TOPIC: Final = "payment.events"
Record = tuple[bytes, bytes, list[tuple[str, bytes]]]
"""Key, value and headers."""

GROUP_DEADLINE_S: Final = 10.0
MERCHANTS: Final = 10_000
SAMPLE_EVERY_S: Final = 0.02
FROM_SHARE: Final = 0.1
"""The first tenth warms up: connections, prepared statements and the last records on their way into the topic."""

MEMBERS: Final = 2
"""One waits for PostgreSQL while the other works in Python."""

RATE_FLOOR: Final = 0.7
RATE_AIM: Final = 1.7
CPU_AIM_MS: Final = 0.1
DRAIN_AIM: Final = 17_500.0
"""What a tuned Debezium drained on this kind of machine."""


class Window:
    """What happened between the first tenth of a job and its end."""

    def __init__(self, count: int, cpu_pids: tuple[int, ...]) -> None:
        self._count = count
        self._pids = cpu_pids
        self._from: tuple[float, int, list[float]] | None = None

    def run(self, done: Callable[[], int], started: int, what: str) -> tuple[float, list[float]]:
        """Poll until all is done since ``started``; return the rate and each process's CPU ms per item."""
        end = started + self._count

        def finished() -> bool:
            now = done()
            if self._from is None and now - started >= self._count * FROM_SHARE:
                self._from = (time.perf_counter(), now, self._cpu())
            return now >= end

        wait_until(finished, what, poll_s=SAMPLE_EVERY_S)
        if self._from is None:
            raise StackError(f"{what}: too few to measure")
        since, at, before = self._from
        items = end - at
        spent = [(after - first) * 1000 / items for after, first in zip(self._cpu(), before, strict=True)]
        return items / (time.perf_counter() - since), spent

    def _cpu(self) -> list[float]:
        return [cpu_s(pid) for pid in self._pids]


def measure(site: Site, base: Base, relay: Base) -> list[Figure]:
    """Rates for accounts spread evenly and for one hot account, CPU, and the relay draining what was announced."""
    count = 5_000 if site.quick else 20_000
    found: dict[str, list[float]] = {}
    book(site, count, hot=False)  # opens the accounts
    drain(site)
    for _ in range(site.repetitions):
        for name, hot in (("uniform", False), ("one hot account", True)):
            site.progress(f"ledger through Kafka, {name}")
            rate, spent = book(site, count, hot=hot)
            found.setdefault(f"journals, {name}", []).append(rate)
            if not hot:
                found.setdefault("ledger CPU per journal", []).append(spent[0])
                found.setdefault("PostgreSQL CPU per journal", []).append(spent[1])
            site.progress("relay drains what the ledger announced")
            rows_per_s, relay_ms, resident = drain(site)
            found.setdefault("relay drain", []).append(rows_per_s)
            found.setdefault("relay CPU per row", []).append(relay_ms)
            found.setdefault("relay resident memory", []).append(resident)
    own = own_journals.measure(site, SECTION)  # last: what it announces nobody sends
    return [own, *_figures(found, (base, own.as_base()), relay)]


def _figures(found: dict[str, list[float]], bases: tuple[Base, ...], relay: Base) -> list[Figure]:
    """The rate to each base: a lesser schema of fewer rows, and the same rows in transactions of their own."""
    samples = {name: tuple(values) for name, values in found.items()}
    uniform, *beside = (
        Figure(
            section=SECTION, name="journals, uniform", unit="1/s", samples=samples["journals, uniform"],
            base=base, floor=RATE_FLOOR, aim=RATE_AIM,
        )
        for base in bases
    )  # fmt: skip
    hot = Figure(
        section=SECTION, name="journals, one hot account", unit="1/s", samples=samples["journals, one hot account"],
        base=uniform.as_base(), aim=0.9,
    )  # fmt: skip
    rest = [
        Figure(section=SECTION, name="ledger CPU per journal", unit="ms", samples=samples["ledger CPU per journal"]),
        Figure(
            section=SECTION, name="PostgreSQL CPU per journal", unit="ms",
            samples=samples["PostgreSQL CPU per journal"], aim=CPU_AIM_MS, smaller_is_better=True,
        ),
        Figure(
            section=SECTION, name="relay drain", unit="rows/s", samples=samples["relay drain"],
            floor=DRAIN_AIM / 2, aim=DRAIN_AIM,
        ),
        Figure(
            section=SECTION, name="relay drain, to a bare one", unit="rows/s", samples=samples["relay drain"],
            base=relay,
        ),
        Figure(section=SECTION, name="relay CPU per row", unit="ms", samples=samples["relay CPU per row"]),
        Figure(
            section=SECTION, name="relay resident memory", unit="MB", samples=samples["relay resident memory"],
            aim=150, smaller_is_better=True,
        ),
    ]  # fmt: skip
    return [uniform, *beside, hot, *rest]


def book(site: Site, count: int, *, hot: bool) -> tuple[float, list[float]]:
    """Have so many captures booked through Kafka; the rate, and CPU ms per journal of ledger and PostgreSQL."""
    with site.admin("ledger") as books:

        def booked() -> int:
            return number(
                books, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_positions"
            )

        started = booked()
        records = captures(count, hot=hot)
        admin = AdminClient({"bootstrap.servers": site.stack.bootstrap})
        with site.process("ledger", "consume", CONSUMERS=str(MEMBERS)) as pid:
            wait_until(
                lambda: members_at_work(site, admin, "ledger") == MEMBERS, f"{MEMBERS} members share {TOPIC}"
            )
            publish(site, records)
            return Window(count, (pid, site.postgres_pid)).run(booked, started, f"{count} journals")


def drain(site: Site) -> tuple[float, float, float]:
    """Have the relay publish what waits; rows per second, CPU ms per row, resident MB."""
    with site.admin("ledger") as books:

        def sent() -> int:
            return -number(books, "SELECT count(*) FROM outbox WHERE sent_at IS NULL")

        waiting = -sent()
        with site.process("ledger", "relay") as pid:
            rate, spent = Window(waiting, (pid,)).run(sent, -waiting, f"{waiting} rows sent")
            return rate, spent[0], resident_mb(pid)


def number(session: psycopg.Connection[tuple[int]], query: str) -> int:
    """The one number that a query answers."""
    row = session.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def members_at_work(site: Site, admin: AdminClient, service: str) -> int:
    """How many members of a service's group hold partitions of payments, once the group stopped handing them around."""
    group = site.stack.topic_prefix + service
    found = admin.describe_consumer_groups([group])[group].result(GROUP_DEADLINE_S)
    if found.state is not ConsumerGroupState.STABLE:
        return 0
    topic = site.stack.topic_prefix + TOPIC
    return sum(any(p.topic == topic for p in m.assignment.topic_partitions) for m in found.members)


def captures(count: int, *, hot: bool) -> list[Record]:
    """Captures as payment's relay would send them: one per payment, its first version."""
    ids, chance = UlidIds(), random.Random(count)  # noqa: S311  # spreads load, protects nothing
    records: list[Record] = []
    for number in range(count):
        merchant = 0 if hot else chance.randrange(MERCHANTS)
        event = _captured(ids, number, f"mer_{merchant:026d}")
        encoded = encode(TOPIC, event)
        row = {
            "event_id": ids.new("evt_"), "event_type": encoded.event_type, "source": "/tieout/payment",
            "event_time": datetime.now(UTC), "data_schema": encoded.data_schema, "cause_id": event.operation_id,
            "stream_version": 1, "subject": event.payment_id, "traceparent": None,
        }  # fmt: skip
        records.append((event.payment_id.encode(), encoded.payload, write_headers(row)))
    return records


def publish(site: Site, records: list[Record]) -> None:
    producer = site.broker.make_producer()
    failures: list[DeliveryFailure] = []
    for number, (key, value, headers) in enumerate(records):
        producer.produce(
            TOPIC, key=key, value=value, headers=headers,
            on_delivery=lambda failure: failures.append(failure) if failure else None,
        )  # fmt: skip
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60) or failures:
        raise StackError(f"events were not delivered: {failures[:1]}")
    producer.close()


def _captured(ids: UlidIds, number: int, merchant_id: str) -> PaymentCapturedV1:
    object_id = ids.new("cap_")
    return PaymentCapturedV1(
        payment_id=ids.new("pay_"), merchant_id=merchant_id, operation_id=ids.new("op_"), processor="alpha",
        account="acct_alpha", object_id=object_id, fact_key=f"alpha:acct_alpha:{object_id}:succeeded:1",
        amount_minor=1_000 + number, currency="EUR", fee_minor=59, amount_captured_minor=1_000 + number,
        capture_number=1, implied=False, effective_at=datetime.now(UTC),
    )  # fmt: skip
