"""Rebalances in the middle of a poll: what another member owns now is dropped, what came back to us is never skipped."""

import pytest
from confluent_kafka import TopicPartition

from shared.messaging.broker import Partition
from shared.messaging.kafka import KafkaConsumer

TOPIC = "things.facts"


class Message:
    def __init__(self, partition, offset):
        self._at = (partition, offset)

    def error(self):
        return None

    def topic(self):
        return TOPIC

    def partition(self):
        return self._at[0]

    def offset(self):
        return self._at[1]

    def key(self):
        return b"k"

    def value(self):
        return b"v"

    def headers(self):
        return []


class Client:
    """Stands in for librdkafka: each poll is a list of rebalances and records, in the order in which they happen."""

    def __init__(self):
        self.poll_brings = []
        self.consume_brings = []
        self.sought = []

    def subscribe(self, _topics, *, on_assign, on_revoke, on_lost):
        self.callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}

    def poll(self, _timeout_s):
        found = self._play(self.poll_brings)
        return found[0] if found else None

    def consume(self, _count, _timeout_s):
        return self._play(self.consume_brings)

    def seek(self, partition):
        self.sought.append((partition.partition, partition.offset))

    def close(self):
        pass

    def _play(self, steps):
        found = []
        for what, number, *offset in steps:
            if what == "record":
                found.append(Message(number, *offset))
            else:
                self.callbacks[what](None, [TopicPartition(TOPIC, number)])
        steps.clear()
        return found


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def consumer(client, monkeypatch):
    monkeypatch.setattr("shared.messaging.kafka.Consumer", lambda _settings: client)
    made = KafkaConsumer({}, "")
    made.subscribe([TOPIC], on_assign=lambda _: None, on_revoke=lambda _: None, on_lost=lambda _: None)
    client.poll_brings = [("assign", 0), ("assign", 1), ("record", 0, 10)]
    assert offsets(made) == [(0, 10)]
    return made


def offsets(consumer):
    return [(record.at.number, record.offset) for record in consumer.poll_batch(100, 0)]


@pytest.mark.parametrize("taken", ["lost", "revoke"])
def test_a_partition_lost_and_given_back_in_one_poll_skips_nothing(client, consumer, taken):
    client.poll_brings = [(taken, 0), ("assign", 0), ("record", 0, 11)]
    client.consume_brings = [("record", 0, 12)]
    assert offsets(consumer) == [(0, 11), (0, 12)]


def test_a_record_in_hand_of_a_partition_that_is_taken_is_dropped(client, consumer):
    client.poll_brings = [("record", 0, 11)]
    client.consume_brings = [("record", 1, 5), ("revoke", 0)]
    assert offsets(consumer) == [(1, 5)]
    assert client.sought == []
    assert consumer.assignment() == {Partition(TOPIC, 1)}


def test_a_partition_taken_and_given_back_while_records_are_in_hand_is_read_again(client, consumer):
    client.poll_brings = [("record", 0, 11)]
    client.consume_brings = [("record", 0, 12), ("lost", 0), ("assign", 0), ("record", 0, 13)]
    assert offsets(consumer) == []
    assert client.sought[-1] == (0, 11)
