"""Our side as reconciliation hears it: captures through Kafka, the real consumer, beside a raw Kafka client."""

from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalogue import TOPICS
from tools.bench import books
from tools.bench.baseline import consume_raw
from tools.bench.figures import Base, Figure
from tools.bench.site import Progress, Site, benchmark_site, wait_until
from tools.local_stack.layout import StackError

SECTION: Final = "projection"
MEMBERS: Final = 2
"""One decodes while the other waits for PostgreSQL."""
RAN: Final = f"PostgreSQL, Kafka, `reconciliation consume` with {MEMBERS} group members"
RATE_AIM: Final = 10_000.0
COUNT: Final = 60_000
QUICK_COUNT: Final = 10_000
GROUP_DEADLINE_S: Final = 10.0
_HEARD: Final = "SELECT count(*) FROM told_facts"


def measure(progress: Progress, *, quick: bool) -> list[Figure]:
    """Events per second, CPU per event, and what a client of Kafka's own takes that only counts them."""
    with benchmark_site(progress, quick=quick) as site:
        count = QUICK_COUNT if quick else COUNT
        rates, consumer_ms, postgres_ms, raw = [], [], [], []
        for done in range(site.repetitions):
            progress(f"{count:,} events heard")
            rate, spent = _hear(site, count, done * count)
            rates.append(rate)
            consumer_ms.append(spent[0])
            postgres_ms.append(spent[1])
            raw.append(consume_raw(site, books.TOPIC, count))
    base = Figure(section=SECTION, name="raw Kafka client, the same events", unit="1/s", samples=tuple(raw))
    return [
        base,
        _heard(tuple(rates), base.as_base()),
        Figure(section=SECTION, name="events heard", unit="1/s", samples=tuple(rates), aim=RATE_AIM),
        Figure(section=SECTION, name="consumer's CPU per event", unit="ms", samples=tuple(consumer_ms)),
        Figure(section=SECTION, name="PostgreSQL CPU per event", unit="ms", samples=tuple(postgres_ms)),
    ]


def _heard(rates: tuple[float, ...], base: Base) -> Figure:
    return Figure(
        section=SECTION, name="events heard, to the raw client", unit="1/s", samples=rates, base=base
    )


def _hear(site: Site, count: int, before: int) -> tuple[float, list[float]]:
    records = books.captures(count, hot=False)
    admin = AdminClient({"bootstrap.servers": site.stack.bootstrap})
    with site.process("reconciliation", "consume", CONSUMERS=str(MEMBERS)) as pid:
        wait_until(
            lambda: books.members_at_work(site, admin, "reconciliation") == MEMBERS,
            f"{MEMBERS} members share {books.TOPIC}",
        )
        books.publish(site, records)
        window = books.Window(count, (pid, site.postgres_pid))
        found = window.run(lambda: _committed(site, admin), before, f"{count} events heard")
    with site.admin("reconciliation") as ours:
        if (heard := books.number(ours, _HEARD)) != before + count:
            raise StackError(f"{heard} facts were heard, not {before + count}")
    return found


def _committed(site: Site, admin: AdminClient) -> int:
    """How far the group is, by its committed offsets: to count rows would cost PostgreSQL what is measured."""
    group, topic = site.stack.topic_prefix + "reconciliation", site.stack.topic_prefix + books.TOPIC
    places = [TopicPartition(topic, number) for number in range(TOPICS[books.TOPIC].partitions)]
    asked = ConsumerGroupTopicPartitions(group, places)
    known = admin.list_consumer_group_offsets([asked])[group].result(GROUP_DEADLINE_S)
    return sum(max(place.offset, 0) for place in known.topic_partitions or ())
