"""A new consumer, and a topic that no longer has its beginning: history comes by refill, every event once."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from shared.messaging.kafka import KafkaBroker
from shared.messaging.refill import RefillLoop, RefillWriter
from shared.testing.messaging_bench import CONSUMER, FACTS, messaging_bench
from shared.testing.waiting import eventually

KEYS = [f"key-{number}" for number in range(7)]


@pytest.fixture
def bench(postgres_admin_url, kafka_bootstrap, topic_prefix):
    broker = KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix)
    with messaging_bench(postgres_admin_url, broker) as made:
        yield made


def all_sent(bench):
    return bench.rows("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL")[0]["n"] == 0


def forget_the_beginning(bench, bootstrap, prefix):
    """What a retention does: the records are gone, the offsets go on."""
    ends = {at.number: end for at, (_start, end) in bench.broker.offsets(FACTS).items()}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    gone = admin.delete_records([TopicPartition(prefix + FACTS, number, end) for number, end in ends.items()])
    for answer in gone.values():
        answer.result(30)


def test_a_new_consumer_gets_its_history_by_refill_and_then_follows(
    bench, kafka_bootstrap, topic_prefix, tmp_path
):
    with bench.running(bench.relay("one")):
        for key in KEYS:
            bench.append(key, range(1, 11))
        eventually(lambda: all_sent(bench), timeout_s=60)
        forget_the_beginning(bench, kafka_bootstrap, topic_prefix)
        for key in KEYS:
            bench.append(key, range(11, 16))
        eventually(lambda: all_sent(bench), timeout_s=60)
        assert RefillWriter(bench.owner_engine, bench.broker, tmp_path).write(FACTS, CONSUMER) == 15 * len(
            KEYS
        )
        for key in KEYS:
            bench.append(key, [16])
        with bench.running(RefillLoop(bench.broker, bench.loop(), FACTS)):
            eventually(lambda: len(bench.effects()) >= 16 * len(KEYS), timeout_s=60)
            for key in KEYS:
                bench.append(key, [17])
            eventually(lambda: len(bench.effects()) >= 17 * len(KEYS), timeout_s=60)
    for key in KEYS:
        assert bench.effects(key) == list(range(1, 18))
    assert bench.rows("SELECT 1 FROM parked_keys") == []


def test_without_the_refill_the_missing_beginning_is_noticed_not_skipped(
    bench, kafka_bootstrap, topic_prefix
):
    with bench.running(bench.relay("one"), bench.loop()):
        bench.append("key-0", range(1, 4))
        eventually(lambda: len(bench.effects()) == 3, timeout_s=60)
    with bench.running(bench.relay("two")):
        bench.append("key-1", range(1, 4))
        eventually(lambda: all_sent(bench), timeout_s=60)
        forget_the_beginning(bench, kafka_bootstrap, topic_prefix)
        bench.append("key-1", range(4, 6))
        with bench.running(bench.loop()):
            eventually(lambda: bench.rows("SELECT 1 FROM parked_keys"), timeout_s=60)
    assert bench.effects("key-1") == []
    assert [row["reason"] for row in bench.rows("SELECT reason FROM parked_keys")] == ["gap"]
