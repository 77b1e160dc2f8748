"""A relay as a process of its own, whose broker fails a delivery where a test orders it: it is lost, or its report is."""

import random
import signal
import sys
import threading
from pathlib import Path

from shared.kernel.clock import SystemClock
from shared.kernel.jitter import Jitter
from shared.messaging.broker import DeliveryFailure
from shared.messaging.kafka import KafkaBroker
from shared.messaging.relay import Relay
from shared.persistence.engine import make_engine

LEASE_S = 1.0
FAILS_ONE_IN = 20
"""While there is an order: somewhere in a batch, and each order once, since only a whole batch without a failure is marked."""
LOST, REPORT_LOST = "lost", "report_lost"


class FailingProducer:
    """Like librdkafka's idempotent producer: once a delivery has failed, nothing later passes."""

    def __init__(self, producer, chance, order):
        self._producer = producer
        self._chance = chance
        self._order = order
        self._failed = None

    def produce(self, topic, *, on_delivery, **record):
        if self._failed is not None:
            return
        fault = None if self._chance.randrange(FAILS_ONE_IN) else self._taken_order()
        if fault is None:
            self._producer.produce(topic, on_delivery=on_delivery, **record)
            return
        self._failed = on_delivery
        if fault == REPORT_LOST:  # it arrives all the same
            self._producer.produce(topic, on_delivery=lambda _failure: None, **record)

    def _taken_order(self):
        try:
            fault = self._order.read_text()
            self._order.unlink()  # of two processes one takes it
        except FileNotFoundError:
            return None
        return fault

    def poll(self, timeout_s):
        served = self._producer.poll(timeout_s)
        if self._failed is not None:
            self._failed(DeliveryFailure("made to fail", purged=False))
        return served

    def flush(self, timeout_s):
        return self._producer.flush(timeout_s)

    def purge(self):
        self._producer.purge()

    def close(self):
        self._producer.flush(5.0)  # what was sent before the failure may arrive or not; here it does
        self._producer.close()


class FailingBroker:
    """A broker as far as a relay knows one."""

    def __init__(self, broker, chance, order):
        self._broker = broker
        self._chance = chance
        self._order = order

    def make_producer(self):
        return FailingProducer(self._broker.make_producer(), self._chance, self._order)


def main(relay_url, bootstrap, prefix, order, owner_id, seed):
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = SystemClock()
    chance = random.Random(int(seed))  # noqa: S311 - a failure that can be repeated
    broker = FailingBroker(KafkaBroker(bootstrap, topic_prefix=prefix), chance, Path(order))
    engine = make_engine(relay_url, application_name="relay-process", pool_size=2)
    Relay(engine, broker, owner_id=owner_id, clock=clock, jitter=Jitter(), lease_ttl_s=LEASE_S).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
