"""Consumers on real Kafka when offsets vanish, members come and go, records lie, and history has to be read again."""

import threading
from datetime import UTC, datetime, timedelta

from confluent_kafka.admin import AdminClient

from shared.kernel.clock import SystemClock
from shared.kernel.errors import Poison
from shared.messaging.inbox import Stream
from shared.messaging.kafka import KafkaBroker
from shared.messaging.redrive import request_redrive
from shared.messaging.refill import RefillLoop, RefillWriter
from shared.persistence.partitions import archive_due
from shared.testing.messaging_bench import CONSUMER, FACTS
from shared.testing.waiting import eventually

KEYS = [f"key-{n}" for n in range(6)]


def test_deleted_group_offsets_replay_everything_without_a_new_effect(bench, kafka_bootstrap, topic_prefix):
    with bench.running(bench.relay("one"), bench.loop()):
        for key in KEYS:
            bench.append(key, range(1, 11))
        eventually(lambda: len(bench.effects()) == 60, timeout_s=60)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for future in admin.delete_consumer_groups([topic_prefix + CONSUMER]).values():
        future.result(30)
    before = bench.told.count("duplicate")
    with bench.running(bench.loop()):
        eventually(lambda: bench.told.count("duplicate") >= before + 60, timeout_s=60)
    assert {key: bench.effects(key) for key in KEYS} == {key: list(range(1, 11)) for key in KEYS}
    assert len(bench.rows("SELECT 1 FROM inbox")) == 60


def test_a_lying_record_is_quarantined_and_its_key_flows_on(bench):
    bench.send("a", 1)
    bench.send("a", 1, number=99)
    bench.send("a", 2)
    bench.send("a", 2, event_id="evt_other")
    bench.send("a", 3)
    with bench.running(bench.loop()):
        eventually(lambda: bench.effects("a") == [1, 2, 3], timeout_s=60)
    reasons = bench.rows("SELECT event_id, reason FROM quarantined_records ORDER BY event_id")
    assert [(row["event_id"], row["reason"]) for row in reasons] == [
        ("evt_a_1", "payload_mismatch"),
        ("evt_other", "version_conflict"),
    ]


def test_poison_parks_its_key_and_a_redrive_asked_for_twice_works_among_new_arrivals(bench):
    broken = {"still": True}

    def refuse(event):
        if broken["still"] and event.key == "key-0" and event.data.number == 3:
            raise Poison("not yet understood")

    def redrive():
        stream = Stream(FACTS, "key-0")
        return bench.transactions.run(
            lambda uow: request_redrive(uow.connection, CONSUMER, stream), name="redrive"
        )

    bench.refuse = refuse
    with bench.running(bench.relay("one"), bench.loop(max_records=4), bench.loop(max_records=4)):
        for key in KEYS[:3]:
            bench.append(key, range(1, 21))
        eventually(lambda: len(bench.effects()) == 42, timeout_s=60)  # the others flow
        assert bench.effects("key-0") == [1, 2]
        broken["still"] = False
        assert redrive()
        redrive()
        for number in range(21, 41):
            bench.append("key-0", [number])
        eventually(lambda: len(bench.effects("key-0")) == 40, timeout_s=60)
        assert not redrive()
    assert bench.effects("key-0") == list(range(1, 41))
    assert bench.rows("SELECT 1 FROM parked_keys") == bench.rows("SELECT 1 FROM parked_records") == []


def test_a_new_consumer_reads_archive_and_outbox_and_joins_the_live_topic(bench, all_sent, tmp_path):
    with bench.running(bench.relay("one")):
        bench.append("a", [1, 2, 3])
        eventually(all_sent, timeout_s=60)
        archive_due(
            bench.owner_engine, tmp_path, today=datetime.now(UTC).date() + timedelta(days=2), keep_days=0
        )
        assert bench.rows("SELECT 1 FROM outbox") == []
        bench.append("a", [4, 5])
        bench.append("b", [1])
        eventually(all_sent, timeout_s=60)
        assert RefillWriter(bench.owner_engine, bench.broker, tmp_path).write(FACTS, CONSUMER) == 6
        bench.append("a", [6])
        with bench.running(RefillLoop(bench.broker, bench.loop(), FACTS)):
            eventually(lambda: len(bench.effects()) == 7, timeout_s=60)
            bench.append("b", [2])
            eventually(lambda: len(bench.effects()) == 8, timeout_s=60)
            eventually(
                lambda: bench.told.count("duplicate") >= 6, timeout_s=60
            )  # what the live topic still had
    assert bench.effects("a") == [1, 2, 3, 4, 5, 6]
    assert bench.effects("b") == [1, 2]


def test_a_storm_of_members_and_one_evicted_while_it_works(
    bench, kafka_bootstrap, topic_prefix, record_property
):
    clock, stalled, wrote = SystemClock(), threading.Event(), dict.fromkeys(KEYS, 0)
    storm_s, stall_s = 15.0, 9.0
    bench.broker = KafkaBroker(
        kafka_bootstrap,
        topic_prefix=topic_prefix,
        session_timeout_s=6.0,
        overrides={"max.poll.interval.ms": 6_000},
    )

    def stall(event):
        if not stalled.is_set():
            stalled.set()
            clock.sleep(stall_s)  # past the poll interval: the group takes this member for dead

    def write(end_s):
        while clock.monotonic_s() < end_s:
            for key in KEYS:
                wrote[key] += 1
                bench.append(key, [wrote[key]])
            clock.sleep(0.05)

    bench.refuse, joins = stall, 0
    end_s = clock.monotonic_s() + storm_s
    writer = threading.Thread(target=write, args=(end_s,))
    with bench.running(bench.relay("one"), bench.loop(max_records=20)):
        writer.start()
        eventually(stalled.is_set, timeout_s=30)
        while clock.monotonic_s() < end_s:
            with bench.running(bench.loop(max_records=20)):
                clock.sleep(1.0)
            joins += 1
        writer.join()
        eventually(lambda: len(bench.effects()) >= sum(wrote.values()), timeout_s=60)
    record_property("joins", joins)
    assert joins >= 3
    assert {key: bench.effects(key) for key in KEYS} == {
        key: list(range(1, count + 1)) for key, count in wrote.items()
    }
    assert bench.rows("SELECT 1 FROM parked_records") == bench.rows("SELECT 1 FROM quarantined_records") == []
