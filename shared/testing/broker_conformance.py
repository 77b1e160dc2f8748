"""The broker conformance suite owns what relay and consumer rely on; memory and Kafka both have to pass it.

A test class inherits it and gives a ``broker`` fixture whose topics are its own.
"""

import secrets
from collections.abc import Collection
from typing import Final

import pytest

from shared.messaging.broker import Broker, CommitFailed, Consumer, DeliveryFailure, Partition, Record
from shared.messaging.partitioner import partition_of
from shared.testing.waiting import eventually

PARTITIONS: Final = 6
WAIT_S: Final = 30.0


class Member:
    """A consumer that remembers what its callbacks were told."""

    def __init__(self, broker: Broker, group: str, topic: str) -> None:
        self.consumer: Consumer = broker.make_consumer(group)
        self.records: list[Record] = []
        self.revoked: list[Partition] = []
        self.consumer.subscribe(
            [topic], on_assign=_ignore, on_revoke=self.revoked.extend, on_lost=self.revoked.extend
        )

    def poll(self, max_records: int = 500) -> int:
        taken = self.consumer.poll_batch(max_records, 0.1)
        self.records += taken
        return len(taken)

    def poll_until(self, count: int) -> list[Record]:
        eventually(
            lambda: (self.poll(), len(self.records) >= count)[1],
            timeout_s=WAIT_S,
            describe=lambda: f"{count} records ({len(self.records)} came)",
        )
        return self.records

    def commit_all(self) -> None:
        offsets: dict[Partition, int] = {}
        for record in self.records:
            offsets[record.at] = record.offset + 1
        self.consumer.commit(offsets)


def _ignore(_partitions: Collection[Partition]) -> None:
    """Assignments are read from the consumer itself."""


def new_topic(broker: Broker) -> str:
    """Make a topic that no other test knows."""
    topic = f"conformance.{secrets.token_hex(4)}"
    broker.ensure_topic(topic, partitions=PARTITIONS, settings={})
    return topic


def send(broker: Broker, topic: str, pairs: Collection[tuple[str, str]]) -> None:
    """Send (key, value) pairs and wait for every delivery report."""
    reports: list[DeliveryFailure | None] = []
    producer = broker.make_producer()
    for key, value in pairs:
        producer.produce(
            topic, key=key.encode(), value=value.encode(), headers=[("n", value.encode())],
            on_delivery=reports.append,
        )  # fmt: skip
    assert producer.flush(WAIT_S) == 0
    assert reports == [None] * len(pairs)
    producer.close()


class BrokerConformance:
    """Inherit, and give a ``broker`` fixture."""

    def test_records_of_one_key_keep_their_order_headers_and_partition(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", str(n)) for n in range(50)])
        member = Member(broker, "order", topic)
        records = member.poll_until(50)
        member.consumer.close()
        assert [record.value for record in records] == [str(n).encode() for n in range(50)]
        assert {record.partition for record in records} == {partition_of(b"a", PARTITIONS)}
        assert [record.offset for record in records] == list(range(50))
        assert all(dict(record.headers)["n"] == record.value for record in records)
        assert {record.topic for record in records} == {topic}

    def test_every_producer_places_a_key_where_murmur2_says(self, broker: Broker) -> None:
        topic = new_topic(broker)
        keys = [f"key-{n}" for n in range(100)]
        send(broker, topic, [(key, key) for key in keys])
        member = Member(broker, "placement", topic)
        records = member.poll_until(100)
        member.consumer.close()
        assert {record.key for record in records} == {key.encode() for key in keys}
        astray = [r.key for r in records if r.partition != partition_of(r.key or b"", PARTITIONS)]
        assert not astray, f"{len(astray)} of {len(records)} keys lie on another partition"

    def test_a_chosen_partition_is_used(self, broker: Broker) -> None:
        topic = new_topic(broker)
        producer = broker.make_producer()
        for number in range(PARTITIONS):
            producer.produce(
                topic, key=b"x", value=b"v", headers=[], on_delivery=lambda _: None, partition=number
            )
        assert producer.flush(WAIT_S) == 0
        producer.close()
        assert broker.offsets(topic) == {Partition(topic, n): (0, 1) for n in range(PARTITIONS)}

    def test_what_was_not_committed_comes_again_and_what_was_does_not(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", "1"), ("a", "2")])
        first = Member(broker, "restart", topic)
        first.poll_until(2)
        at = first.records[0].at
        first.consumer.commit({at: 1})
        first.consumer.close()
        second = Member(broker, "restart", topic)
        assert [record.value for record in second.poll_until(1)] == [b"2"]
        second.consumer.close()

    def test_a_paused_partition_is_silent_and_goes_on_where_it_stopped(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", "1")])
        member = Member(broker, "pause", topic)
        member.poll_until(1)
        member.consumer.pause(member.consumer.assignment())
        send(broker, topic, [("a", "2")])
        for _ in range(5):
            assert member.poll() == 0
        member.consumer.resume(member.consumer.assignment())
        assert [record.value for record in member.poll_until(2)] == [b"1", b"2"]
        member.consumer.close()

    def test_seek_brings_records_back(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", str(n)) for n in range(5)])
        member = Member(broker, "seek", topic)
        member.poll_until(5)
        member.consumer.seek(member.records[0].at, 3)
        assert [record.value for record in member.poll_until(7)[5:]] == [b"3", b"4"]
        member.consumer.close()

    def test_a_batch_is_no_larger_than_asked_for(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", str(n)) for n in range(20)])
        member = Member(broker, "limit", topic)
        asked, sizes = 7, [0]

        def taken() -> bool:
            sizes.append(member.poll(asked))
            return sum(sizes) == len(member.records) and len(member.records) >= len(range(20))

        eventually(taken, timeout_s=WAIT_S)
        assert max(sizes) <= asked
        member.consumer.close()

    def test_a_new_member_takes_over_partitions_and_nothing_is_missed(self, broker: Broker) -> None:
        topic = new_topic(broker)
        old, new = Member(broker, "rebalance", topic), Member(broker, "rebalance", topic)
        every = {Partition(topic, number) for number in range(PARTITIONS)}

        def settled() -> bool:
            old.poll()
            new.poll()
            old_held, new_held = old.consumer.assignment(), new.consumer.assignment()
            return bool(old_held and new_held) and (old_held | new_held) == every and not old_held & new_held

        eventually(settled, timeout_s=WAIT_S, describe="two members share the topic")
        keys = [f"key-{n}" for n in range(60)]
        send(broker, topic, [(key, key) for key in keys])
        eventually(
            lambda: (old.poll(), new.poll(), len(old.records) + len(new.records) >= len(keys))[2],
            timeout_s=WAIT_S,
        )
        assert sorted((r.key or b"").decode() for r in old.records + new.records) == sorted(keys)
        old.commit_all()
        old.consumer.close()
        eventually(
            lambda: (new.poll(), new.consumer.assignment() == every)[1],
            timeout_s=WAIT_S,
            describe="take-over",
        )
        new.consumer.close()

    def test_offsets_of_a_lost_partition_are_not_committed(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", "1")])
        member = Member(broker, "lost", topic)
        member.poll_until(1)
        elsewhere = Partition(topic, (member.records[0].partition + 1) % PARTITIONS)
        member.consumer.close()
        late = broker.make_consumer("lost")
        late.assign({elsewhere: None})
        late.commit({member.records[0].at: 1})
        late.close()
        again = Member(broker, "lost", topic)
        assert [record.value for record in again.poll_until(1)] == [b"1"]
        again.consumer.close()

    def test_offsets_of_a_group_at_work_are_not_set_from_outside(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", "1")])
        at = Partition(topic, partition_of(b"a", PARTITIONS))
        member = Member(broker, "at-work", topic)
        member.poll_until(1)
        with pytest.raises(CommitFailed):
            broker.set_offsets("at-work", {at: 0})
        member.commit_all()
        member.consumer.close()
        broker.set_offsets("at-work", {at: 0})
        again = Member(broker, "at-work", topic)
        assert [record.value for record in again.poll_until(1)] == [b"1"]
        again.consumer.close()

    def test_an_assigned_partition_is_read_from_where_it_was_told(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", str(n)) for n in range(5)])
        at = Partition(topic, partition_of(b"a", PARTITIONS))
        consumer = broker.make_consumer("manual")
        consumer.assign({at: 2})
        records: list[Record] = []
        expected = [b"2", b"3", b"4"]

        def read() -> bool:
            records.extend(consumer.poll_batch(10, 0.1))
            return len(records) >= len(expected)

        eventually(read, timeout_s=WAIT_S)
        assert [record.value for record in records] == expected
        consumer.close()

    def test_purge_reports_what_it_threw_away(self, broker: Broker) -> None:
        topic = new_topic(broker)
        reports: list[DeliveryFailure | None] = []
        producer = broker.make_producer()
        producer.produce(topic, key=b"a", value=b"1", headers=[], on_delivery=reports.append)
        producer.purge()
        assert producer.flush(WAIT_S) == 0
        producer.close()
        assert all(report is None or report.purged for report in reports)
        assert len(reports) == 1

    def test_several_topics_are_described_at_once_and_missing_ones_left_out(self, broker: Broker) -> None:
        topics = [new_topic(broker), new_topic(broker)]
        cluster = broker.describe([*topics, "conformance.none"])
        assert sorted(cluster.topics) == sorted(topics)
        assert {partitions for partitions, _settings in cluster.topics.values()} == {PARTITIONS}
        assert not cluster.makes_topics_itself

    def test_lag_counts_what_was_not_polled(self, broker: Broker) -> None:
        topic = new_topic(broker)
        send(broker, topic, [("a", str(n)) for n in range(5)])
        member = Member(broker, "lag", topic)
        eventually(lambda: member.poll(2), timeout_s=WAIT_S)
        assert sum(member.consumer.lag().values()) == len(range(5)) - len(member.records)
        member.poll_until(5)
        assert sum(member.consumer.lag().values()) == 0
        member.consumer.close()

    def test_a_missing_topic_is_said_and_an_existing_one_described(self, broker: Broker) -> None:
        topic = new_topic(broker)
        described = broker.describe_topic(topic)
        assert described is not None
        assert described[0] == PARTITIONS
        assert broker.describe_topic("conformance.none") is None
