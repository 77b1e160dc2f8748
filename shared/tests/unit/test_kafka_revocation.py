"""What the Kafka consumer does with a partition that was taken away while its records were in hand, and with answers
to commits, for which it never waits."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, TopicPartition

from shared.messaging import kafka
from shared.messaging.broker import BrokerError, Partition

KEPT, TAKEN = Partition("facts", 0), Partition("facts", 1)


def message(at, offset):
    told = {
        "topic": f"t.{at.topic}",
        "partition": at.number,
        "offset": offset,
        "key": b"k",
        "value": b"v",
        "headers": [],
        "error": None,
    }
    return SimpleNamespace(**{name: lambda value=value: value for name, value in told.items()})


class Client:
    """librdkafka's consumer, in whose ``consume`` a rebalance takes one partition away."""

    def __init__(self, settings):
        self.committed = []
        self.answer = settings["on_commit"]

    def subscribe(self, _topics, *, on_assign, on_revoke, **_others):
        self.on_assign, self.on_revoke = on_assign, on_revoke

    def poll(self, _timeout_s):
        self.on_assign(self, [TopicPartition("t.facts", at.number) for at in (KEPT, TAKEN)])
        return message(TAKEN, 5)

    def consume(self, _count, _timeout_s):
        self.on_revoke(self, [TopicPartition("t.facts", TAKEN.number)])
        return [message(KEPT, 7)]

    def commit(self, *, offsets, asynchronous):
        assert asynchronous, "waits for the broker, and while that restarts perhaps for good"
        self.committed += [(place.partition, place.offset) for place in offsets]


@pytest.fixture
def consumer(monkeypatch):
    monkeypatch.setattr(kafka, "Consumer", Client)
    made = kafka.KafkaConsumer({}, "t.")
    made.subscribe(["facts"], on_assign=list, on_revoke=list, on_lost=list)
    return made


def test_a_record_whose_partition_was_taken_within_the_same_poll_is_left_to_the_new_owner(consumer):
    taken = [(record.partition, record.offset) for record in consumer.poll_batch(10, 0)]
    assert taken == [(KEPT.number, 7)]
    assert consumer.assignment() == {KEPT}


def test_no_offset_is_committed_for_a_partition_that_was_taken(consumer):
    consumer.poll_batch(10, 0)
    consumer.commit({TAKEN: 6, KEPT: 8})
    assert consumer._consumer.committed == [(KEPT.number, 8)]


def refused_place(code):
    return SimpleNamespace(error=KafkaError(code))


@pytest.mark.parametrize("code", [KafkaError.ILLEGAL_GENERATION, KafkaError.COORDINATOR_LOAD_IN_PROGRESS])
def test_a_commit_that_missed_is_told_once_and_the_records_come_again(consumer, code):
    consumer._consumer.answer(None, [refused_place(code), refused_place(code)])
    assert consumer.commit_failures() == [str(KafkaError(code))]
    assert consumer.commit_failures() == []
    consumer.poll_batch(10, 0)


def test_a_commit_that_never_can_succeed_ends_the_member_at_its_next_poll(consumer):
    missed, never = KafkaError.ILLEGAL_GENERATION, KafkaError.GROUP_AUTHORIZATION_FAILED
    consumer._consumer.answer(None, [refused_place(missed), refused_place(never)])
    with pytest.raises(BrokerError, match="offsets are refused"):
        consumer.poll_batch(10, 0)


def test_a_commit_that_succeeded_is_not_told(consumer):
    consumer._consumer.answer(None, [SimpleNamespace(error=None)])
    assert consumer.commit_failures() == []
