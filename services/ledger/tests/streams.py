"""The ledger's topics, in memory unless there is a broker, with its real consumer behind them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.catalogue import TOPICS, encode
from services.ledger.entrypoints.consumer import ROUTES, RULES_OF_TOPICS
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import write_headers
from shared.messaging.memory import MemoryBroker

TOPICS_READ = tuple(RULES_OF_TOPICS)


@dataclass(frozen=True)
class Keyed:
    """An event with the key that it is published under, and its id where others speak of it."""

    data: object
    key: str
    event_id: str | None = None


def topic_of(data):
    name = type(data).__name__.removesuffix("V1")
    return next(topic for topic in TOPICS_READ if f"{name}.v1" in TOPICS[topic].types)


class Stream:
    """Publishes events as their services' relays would, and lets the ledger consume them."""

    def __init__(self, ledger, broker=None):
        """A ``broker`` has the topics already."""
        self.broker = broker or MemoryBroker()
        for topic in TOPICS.values() if broker is None else ():
            self.broker.ensure_topic(topic.name, partitions=topic.partitions, settings={})
        self.ids = UlidIds()
        self.versions = {}
        self.sent = []
        self.follow(ledger)

    def follow(self, ledger):
        """Let these books consume from where the group stands."""
        self.loop = ConsumerLoop(
            self.broker, ledger.transactions, ROUTES, clock=SystemClock(), jitter=Jitter()
        )
        self.consumer = self.broker.make_consumer("ledger")
        self.consumer.subscribe(
            list(TOPICS_READ), on_assign=lambda _: None, on_revoke=lambda _: None, on_lost=lambda _: None
        )

    def publish(self, *payloads):
        """Each on the topic of its type; ``Keyed`` says another key than the payment's."""
        for told in payloads:
            keyed = told if isinstance(told, Keyed) else Keyed(told, told.payment_id)
            topic = topic_of(keyed.data)
            self.publish_bytes(topic, keyed.key, encode(topic, keyed.data), keyed.event_id)

    def publish_bytes(self, topic, key, encoded, event_id=None):
        """The next record of this key, whatever its bytes say."""
        version = self.versions[topic, key] = self.versions.get((topic, key), 0) + 1
        self.sent.append(
            {
                "event_id": event_id or self.ids.new("evt_"),
                "event_type": encoded.event_type,
                "topic": topic,
                "source": f"/tieout/{TOPICS[topic].producers[0]}",
                "event_time": datetime.now(UTC),
                "data_schema": encoded.data_schema,
                "cause_id": "cause",
                "stream_version": version,
                "subject": None,
                "traceparent": None,
                "key": key,
                "payload": encoded.payload,
                "sha256": hashlib.sha256(encoded.payload).digest(),
            }
        )
        self.send(self.sent[-1])

    def send(self, row):
        producer = self.broker.make_producer()
        producer.produce(
            row["topic"],
            key=row["key"].encode(),
            value=row["payload"],
            headers=write_headers(row),
            on_delivery=lambda _: None,
        )
        assert producer.flush(30) == 0
        producer.close()

    def drain(self):
        while self.loop.turn(self.consumer, 0.05) or self.loop.turn(self.consumer, 0.05):
            pass
