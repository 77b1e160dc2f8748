"""The base of commit-to-effect: what a message takes through Kafka alone, by the clients and settings that we use."""

import threading
import time
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from shared.messaging.kafka_settings import CONSUMER_SETTINGS, PRODUCER_SETTINGS
from tools.bench.figures import Figure, percentile
from tools.bench.site import Site, wait_until
from tools.local_stack.layout import StackError

TOPIC: Final = "bench.raw_latency"
WARM_UP: Final = 100
MESSAGE_BYTES: Final = 500
RECEIVE_DEADLINE_S: Final = 30.0
NAMES: Final = (("raw Kafka client, p50", 0.5), ("raw Kafka client, p99", 0.99))


def measure(site: Site, *, section: str, rate_per_s: int, count: int) -> tuple[Figure, Figure]:
    """From produce to received at a steady rate, in ms: no database, no relay, one thread each."""
    site.progress(f"raw Kafka client, {rate_per_s} messages per second")
    site.broker.ensure_topic(TOPIC, partitions=1, settings={})
    runs = [_once(site, rate_per_s, WARM_UP + count) for _ in range(site.repetitions)]
    p50, p99 = (
        Figure(
            section=section, name=name, unit="ms", smaller_is_better=True,
            samples=tuple(percentile(delays_ms[WARM_UP:], share) for delays_ms in runs),
        )
        for name, share in NAMES
    )  # fmt: skip
    return p50, p99


def _once(site: Site, rate_per_s: int, count: int) -> list[float]:
    topic = site.stack.topic_prefix + TOPIC
    bootstrap: dict[str, Any] = {"bootstrap.servers": site.stack.bootstrap, "log_level": 0}
    consumer = Consumer({**CONSUMER_SETTINGS, **bootstrap, "group.id": "bench-raw-latency"})
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    producer = Producer({**PRODUCER_SETTINGS, **bootstrap})
    try:
        wait_until(lambda: _is_reading(consumer, producer, topic), "the raw consumer reads")
        received: list[float] = []
        reader = threading.Thread(target=_read, args=(consumer, count, received))
        sent: list[float] = []
        reader.start()
        started = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, started + number / rate_per_s - time.monotonic()))
            sent.append(time.perf_counter())
            producer.produce(topic, b"x" * MESSAGE_BYTES)
        producer.flush(RECEIVE_DEADLINE_S)
        reader.join(RECEIVE_DEADLINE_S)
    finally:
        consumer.close()
    if len(received) < count:
        raise StackError(f"{len(received)} of {count} raw messages came back")
    return [(at - since) * 1000 for since, at in zip(sent, received, strict=True)]


def _is_reading(consumer: Consumer, producer: Producer, topic: str) -> bool:
    """Whether what is sent now is received; nothing of it is left on its way."""
    producer.produce(topic, b"?")
    producer.flush(RECEIVE_DEADLINE_S)
    seen = False
    while (message := consumer.poll(0.5)) is not None:
        seen = seen or message.error() is None
    return seen


def _read(consumer: Consumer, count: int, received: list[float]) -> None:
    deadline = time.monotonic() + RECEIVE_DEADLINE_S + count
    while len(received) < count and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            received.append(time.perf_counter())
