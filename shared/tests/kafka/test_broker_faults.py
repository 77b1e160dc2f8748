"""Relays on a broker and a machine that misbehave: refused deliveries, a relay frozen past its lease."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from shared.messaging.broker import DeliveryFailed, DeliveryFailure
from shared.testing.messaging_bench import FACTS, first_versions
from shared.testing.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
KEYS = ["a", "b", "c", "d"]


class RefusingBroker:
    """Kafka whose producers refuse their ``nth`` record, and as gapless ones let nothing pass after it."""

    def __init__(self, broker, nth):
        self._broker = broker
        self._nth = nth

    def make_producer(self):
        return RefusingProducer(self._broker.make_producer(), self._nth)

    def __getattr__(self, name):
        return getattr(self._broker, name)


class RefusingProducer:
    def __init__(self, producer, nth):
        self._producer = producer
        self._left = nth
        self._refused = []

    def produce(self, topic, *, on_delivery, **record):
        self._left -= 1
        if self._left > 0:
            self._producer.produce(topic, on_delivery=on_delivery, **record)
        else:
            self._refused.append(on_delivery)

    def poll(self, timeout_s):
        served = self._producer.poll(timeout_s)
        if self._refused:
            self._producer.flush(30.0)  # what came before it was taken
            self._refused.pop(0)(DeliveryFailure("the broker refused"))
        return served

    def __getattr__(self, name):
        return getattr(self._producer, name)


def ids(records):
    return {dict(record.headers)["ce_id"].decode() for record in records}


def test_refused_deliveries_are_never_marked_and_never_lost(bench, read_all, all_sent):
    for _ in range(10):
        for key in KEYS:
            bench.append(key, range(5))
    real, deaths = bench.broker, 0
    while not all_sent():
        bench.broker = RefusingBroker(real, nth=37 * (deaths + 1))
        relay = bench.relay(f"life-{deaths}", lease_ttl_s=1.0)
        relay._read_rows = 20  # the first turn is small, so that some rows can be marked before the refusal
        try:
            while not all_sent():
                relay.turn(0.05)
        except DeliveryFailed:  # the supervisor starts a new process
            deaths += 1
            relay.abandon()
            marked = {
                row["event_id"] for row in bench.rows("SELECT event_id FROM outbox WHERE sent_at IS NOT NULL")
            }
            assert marked <= ids(read_all())
            bench.release_leases()
    bench.broker = real
    assert deaths >= 3
    assert first_versions(read_all()) == {key: list(range(1, 51)) for key in KEYS}


@contextmanager
def relay_process(bench, bootstrap, prefix, owner_id):
    command = [
        sys.executable,
        str(Path(__file__).with_name("relay_process.py")),
        bench.urls.relay,
        bootstrap,
        prefix,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, owner_id, "2.0"], env=environment, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def holder(bench):
    return [
        row["owner"]
        for row in bench.rows("SELECT owner FROM relay_leases WHERE expires_at > clock_timestamp()")
    ]


def test_a_relay_frozen_past_its_lease_can_only_duplicate(
    bench, kafka_bootstrap, topic_prefix, read_all, all_sent
):
    wrote = []
    taken_over = threading.Event()

    def write():
        after = 0  # the second relay must find something to publish, however fast the first one was
        while after < 5:
            for key in KEYS:
                bench.append(key, [len(wrote), len(wrote)])
            wrote.append(len(wrote))
            after += taken_over.is_set()

    writer = threading.Thread(target=write)
    with relay_process(bench, kafka_bootstrap, topic_prefix, "first") as first:
        eventually(lambda: holder(bench) == ["first"], timeout_s=60)
        with relay_process(bench, kafka_bootstrap, topic_prefix, "second"):
            writer.start()
            eventually(lambda: len(wrote) >= 5, timeout_s=60)
            eventually(lambda: bench.rows("SELECT 1 FROM outbox WHERE sent_epoch = 1"), timeout_s=60)
            first.send_signal(signal.SIGSTOP)
            eventually(lambda: holder(bench) == ["second"], timeout_s=60)
            taken_over.set()
            first.send_signal(signal.SIGCONT)
            writer.join()
            eventually(all_sent, timeout_s=60)
            assert first.poll() is None  # awake, and waiting for its turn
    assert first_versions(read_all()) == {key: list(range(1, 2 * len(wrote) + 1)) for key in KEYS}
    assert bench.rows("SELECT count(DISTINCT sent_epoch) AS epochs FROM outbox") == [{"epochs": 2}]
    assert {record.topic for record in read_all()} == {FACTS}
