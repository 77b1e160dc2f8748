"""The memory broker under weather, on a clock of its own."""

import pytest

from shared.kernel.crash_points import arm, crash_point
from shared.messaging.broker import DeliveryFailed, Partition
from shared.messaging.memory import MemoryBroker
from shared.messaging.weather import Calm, Fate
from shared.testing.virtual_clock import VirtualClock

TOPIC = "payment.events"


WRITTEN = Fate()


class Storm(Calm):
    def __init__(self, fate=WRITTEN, *, waits=False, loses=False):
        self._fate, self._waits, self._loses = fate, waits, loses

    def fate(self, topic, key):  # noqa: ARG002
        return self._fate

    def reports_wait(self):
        return self._waits

    def commit_lost(self, group):  # noqa: ARG002
        return self._loses


def broker_in(weather):
    broker = MemoryBroker(default_partitions=1, clock=VirtualClock(), weather=weather)
    producer, reports = broker.make_producer(), []
    producer.produce(TOPIC, key=b"pay_1", value=b"{}", headers=(), on_delivery=reports.append)
    consumer = broker.make_consumer("ledger")
    consumer.subscribe([TOPIC], on_assign=len, on_revoke=len, on_lost=len)
    return broker, producer, consumer, reports


def test_a_record_may_be_written_twice_and_seen_late():
    broker, producer, consumer, reports = broker_in(Storm(Fate(copies=2, delay_s=3.0)))
    producer.poll(0)
    assert reports == [None]
    assert consumer.poll_batch(10, 0) == []
    assert [record.offset for record in consumer.poll_batch(10, 3.0)] == [0, 1]
    assert broker.clock.monotonic_s() == 3.0


def test_a_written_record_may_be_reported_as_lost():
    broker, producer, _, reports = broker_in(Storm(Fate(unacknowledged="timed out")))
    with pytest.raises(DeliveryFailed):
        producer.poll(0)
    assert reports[0].reason == "timed out"
    assert len(broker.records(TOPIC)) == 1


def test_reports_may_wait_and_commits_get_lost():
    _, producer, consumer, reports = broker_in(Storm(waits=True, loses=True))
    producer.poll(0)
    assert reports == []
    consumer.commit({Partition(TOPIC, 0): 1})
    assert consumer.commit_failures() == ["the coordinator moved"]


def test_a_member_that_vanished_leaves_its_partitions_to_others_uncommitted():
    broker, producer, consumer, _ = broker_in(Calm())
    producer.poll(0)
    assert len(consumer.poll_batch(10, 0)) == 1
    consumer.vanish()
    other = broker.make_consumer("ledger")
    other.subscribe([TOPIC], on_assign=len, on_revoke=len, on_lost=len)
    assert len(other.poll_batch(10, 0)) == 1
    assert consumer.poll_batch(10, 0) == []


def test_a_simulation_decides_what_happens_at_a_crash_point():
    class Recorder:
        def __init__(self):
            self.hits = []

        def hit(self, name):
            self.hits.append(name)

    recorder = Recorder()
    arm(recorder)
    try:
        crash_point("relay.after_claim")
    finally:
        arm(None)
    crash_point("relay.after_mark")
    assert recorder.hits == ["relay.after_claim"]


def test_a_group_whose_offset_is_moved_goes_on_there_and_nobody_loses_what_another_took_over():
    broker, producer, consumer, _ = broker_in(Calm())
    other = broker.make_consumer("ledger")
    producer.poll(0)
    assert len(consumer.poll_batch(10, 0)) == 1
    broker.move_offset("ledger", Partition(TOPIC, 0), 1)
    broker.move_offset("ledger", Partition(TOPIC, 0), 0)  # it is out already
    consumer.evict()
    other.subscribe([TOPIC], on_assign=len, on_revoke=len, on_lost=len)
    assert [record.offset for record in other.poll_batch(10, 0)] == [0]
    consumer.vanish()
    third = broker.make_consumer("ledger")
    third.subscribe([TOPIC], on_assign=len, on_revoke=len, on_lost=len)
    assert third.poll_batch(10, 0) == []
    assert other.assignment() == {Partition(TOPIC, 0)}
