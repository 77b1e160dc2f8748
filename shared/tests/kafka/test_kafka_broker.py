"""Kafka against the conformance suite, and what only a real broker can refuse."""

import secrets

import pytest

from shared.messaging.broker import DeliveryFailed
from shared.messaging.kafka import KafkaBroker
from shared.testing.broker_conformance import BrokerConformance
from shared.testing.waiting import eventually


class TestKafkaBroker(BrokerConformance):
    @pytest.fixture
    def broker(self, kafka_bootstrap, topic_prefix):
        return KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix)

    def test_after_a_refused_record_no_later_one_of_the_producer_passes(self, broker):
        topic = f"refusing.{secrets.token_hex(4)}"
        broker.ensure_topic(topic, partitions=1, settings={"max.message.bytes": "2000"})
        producer = broker.make_producer()
        send(producer, topic, b"first")
        with pytest.raises(DeliveryFailed, match="size too large"):
            send(producer, topic, secrets.token_bytes(5_000))
        with pytest.raises(DeliveryFailed):
            send(producer, topic, b"later")
        producer.close()
        assert sum(end for _start, end in broker.offsets(topic).values()) == 1


def send(producer, topic, value):
    """Produce one record and wait for its delivery report."""
    reports = []
    producer.produce(topic, key=b"a", value=value, headers=[], on_delivery=reports.append)
    eventually(lambda: (producer.poll(0.05), reports)[1], timeout_s=30)
