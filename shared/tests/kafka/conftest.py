"""A bench on real PostgreSQL and Kafka, and a reader of whole topics."""

import pytest
import sqlalchemy as sa

from shared.messaging.kafka import KafkaBroker
from shared.testing.messaging_bench import FACTS, messaging_bench
from shared.testing.waiting import eventually


@pytest.fixture
def bench(postgres_admin_url, kafka_bootstrap, topic_prefix):
    broker = KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix, session_timeout_s=6.0)
    with messaging_bench(postgres_admin_url, broker) as made:
        yield made


@pytest.fixture
def read_all(bench):
    """A function that reads a topic to its present end, outside any group's balancing."""

    def read(topic=FACTS):
        ends = bench.broker.offsets(topic)
        total = sum(end for _start, end in ends.values())
        consumer = bench.broker.make_consumer("reader")
        consumer.assign(dict.fromkeys(ends, 0))
        records = []

        def reached():
            records.extend(consumer.poll_batch(500, 0.1))
            return len(records) >= total

        eventually(reached, timeout_s=60)
        consumer.close()
        return records

    return read


@pytest.fixture
def all_sent(bench):
    """Whether the outbox has rows and all of them are marked."""

    def sent():
        with bench.owner_engine.connect() as connection:
            found = connection.execute(sa.text("SELECT count(*), count(sent_at) FROM outbox")).one()
        return found[0] == found[1] > 0

    return sent
