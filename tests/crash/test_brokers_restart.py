"""Kafka restarts under traffic: every client that was at work is at work again, whatever the broker told it as it went.

A broker that is shutting down answers with no brokers at all; a client that believes it has nobody left to ask.
"""

import threading
from collections import Counter
from contextlib import closing, contextmanager

import pytest

from shared.messaging.broker import QueueFull
from shared.messaging.kafka import KafkaBroker
from shared.testing.waiting import eventually
from tools.local_stack import kafka
from tools.local_stack.services import SERVICES

pytestmark = pytest.mark.timeout(400)

TOPIC, PARTITIONS = "restarts", 6
MEMBERS, PRODUCERS, RESTARTS = 24, 4, 4
BACK_S = 60
ENDS_S = 1
SESSION_TIMEOUT_S = 3.0
PAUSE_S = 0.1


class Reader:
    """A group of one, which commits each batch as a consumer's loop does."""

    def __init__(self, broker, name):
        self.name = name
        self._consumer = broker.make_consumer(name)
        self._consumer.subscribe([TOPIC], on_assign=list, on_revoke=list, on_lost=list)
        self.seen = Counter()

    def work(self, stop):
        with closing(self._consumer):
            while not stop.is_set():
                records = self._consumer.poll_batch(100, PAUSE_S)
                self.seen.update(record.key for record in records)
                self._consumer.commit({record.at: record.offset + 1 for record in records})


class Writer:
    """A producer that sends the whole time, to each partition; what it sends says who sent it in which round."""

    def __init__(self, broker, name):
        self._producer = broker.make_producer()
        self._name = name
        self.mark = b""

    def begin(self, number):
        self.mark = f"{number}/{self._name}".encode()

    def work(self, stop):
        with closing(self._producer):
            while not stop.wait(PAUSE_S):
                for number in range(PARTITIONS):
                    try:
                        self._send(number)
                    except QueueFull:
                        break
                self._producer.poll(0)

    def _send(self, number):
        self._producer.produce(
            TOPIC, key=self.mark, value=b"", headers=[], on_delivery=lambda _: None, partition=number
        )


@contextmanager
def at_work(workers):
    stop = threading.Event()
    threads = [threading.Thread(target=worker.work, args=(stop,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(ENDS_S)


def missing(readers, writers):
    """Who has not heard of whom in this round."""
    return [
        (reader.name, writer.mark.decode())
        for reader in readers
        for writer in writers
        if not reader.seen[writer.mark]
    ]


def test_every_client_is_back_after_every_restart(stack):
    prefix = f"{stack.topic_prefix}crash."
    broker = KafkaBroker(stack.bootstrap, topic_prefix=prefix, session_timeout_s=SESSION_TIMEOUT_S)
    broker.ensure_topic(TOPIC, partitions=PARTITIONS, settings={})
    readers = [Reader(broker, f"restarts-{number}") for number in range(MEMBERS)]
    writers = [Writer(broker, number) for number in range(PRODUCERS)]
    with at_work([*readers, *writers]):
        for number in range(RESTARTS + 1):
            if number > 0:
                with stack.stopped("kafka"):
                    pass
                kafka.wait_until_ready(stack.bootstrap)
            for writer in writers:
                writer.begin(number)
            eventually(
                lambda: not missing(readers, writers),
                timeout_s=BACK_S,
                describe=lambda: f"nothing was heard: {missing(readers, writers)}",
            )
    stack.wait_until_back(*(service.name for service in SERVICES))
