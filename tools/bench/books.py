"""The ledger through Kafka, and the relay behind it: events already in the topic, one real consumer, then one relay."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import psycopg
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from schemas.catalogue import encode
from schemas.generated import PaymentCapturedV1, RefundRequestedV1
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
    """Rates with three entries, spread evenly and on one hot account, and with four; CPU; the relay draining it."""
    count = 5_000 if site.quick else 20_000
    found: dict[str, list[float]] = {}
    book(site, [*captures(count, hot=False), *refunds(count)])  # opens the accounts
    drain(site)
    for _ in range(site.repetitions):
        for name, make in MADE.items():
            site.progress(f"ledger through Kafka, {name}")
            rate, spent = book(site, make(count))
            found.setdefault(f"journals, {name}", []).append(rate)
            found.setdefault(f"ledger CPU per journal, {name}", []).append(spent[0])
            found.setdefault(f"PostgreSQL CPU per journal, {name}", []).append(spent[1])
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
            section=SECTION, name=f"journals, {UNIFORM}", unit="1/s", samples=samples[f"journals, {UNIFORM}"],
            base=base, floor=RATE_FLOOR, aim=RATE_AIM,
        )
        for base in bases
    )  # fmt: skip
    hot = Figure(
        section=SECTION, name=f"journals, {HOT}", unit="1/s", samples=samples[f"journals, {HOT}"],
        base=uniform.as_base(), aim=0.9,
    )  # fmt: skip
    four = Figure(
        section=SECTION, name=f"journals, {FOUR}", unit="1/s", samples=samples[f"journals, {FOUR}"],
        base=bases[0], floor=RATE_FLOOR, aim=RATE_AIM,
    )  # fmt: skip
    rest = [
        *(
            Figure(section=SECTION, name=name, unit="ms", samples=samples[name], aim=aim, smaller_is_better=True)
            for of in (UNIFORM, FOUR)
            for name, aim in (
                (f"ledger CPU per journal, {of}", None), (f"PostgreSQL CPU per journal, {of}", CPU_AIM_MS),
            )
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
    return [uniform, *beside, hot, four, *rest]


def book(
    site: Site,
    records: list[Record],
    *,
    beside: tuple[int, ...] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[float, list[float]]:
    """Have events booked through Kafka, a journal each; the rate, and CPU ms per journal of ledger and PostgreSQL.

    And of the processes ``beside`` it; ``meanwhile`` is called at each look how far it is.
    """
    with site.admin("ledger") as books:

        def booked() -> int:
            meanwhile()
            return number(
                books, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_positions"
            )

        started = booked()
        count = len(records)
        admin = AdminClient({"bootstrap.servers": site.stack.bootstrap})
        with site.process("ledger", "consume", CONSUMERS=str(MEMBERS)) as pid:
            wait_until(
                lambda: members_at_work(site, admin, "ledger") == MEMBERS, f"{MEMBERS} members share {TOPIC}"
            )
            publish(site, records)
            return Window(count, (pid, site.postgres_pid, *beside)).run(booked, started, f"{count} journals")


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
        records.append(_record(ids, _captured(ids, number, f"mer_{merchant:026d}")))
    return records


def refunds(count: int) -> list[Record]:
    """Refunds that return a share of the fee: of what payment asks for, the journal with four entries."""
    ids, chance = UlidIds(), random.Random(count)  # noqa: S311  # spreads load, protects nothing
    return [
        _record(
            ids,
            RefundRequestedV1(
                payment_id=ids.new("pay_"), merchant_id=f"mer_{chance.randrange(MERCHANTS):026d}",
                refund_id=ids.new("re_"), operation_id=ids.new("op_"), amount_minor=1_000 + number, currency="EUR",
                fee_returned_minor=29,
            ),
        )
        for number in range(count)
    ]  # fmt: skip


def _record(ids: UlidIds, event: PaymentCapturedV1 | RefundRequestedV1) -> Record:
    encoded = encode(TOPIC, event)
    row = {
        "event_id": ids.new("evt_"), "event_type": encoded.event_type, "source": "/tieout/payment",
        "event_time": datetime.now(UTC), "data_schema": encoded.data_schema, "cause_id": event.operation_id,
        "stream_version": 1, "subject": event.payment_id, "traceparent": None,
    }  # fmt: skip
    return event.payment_id.encode(), encoded.payload, write_headers(row)


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


UNIFORM: Final = "uniform"
HOT: Final = "one hot account"
FOUR: Final = "four entries"
MADE: Final[dict[str, Callable[[int], list[Record]]]] = {
    UNIFORM: partial(captures, hot=False),
    HOT: partial(captures, hot=True),
    FOUR: refunds,
}
"""What is measured: captures have three entries."""
