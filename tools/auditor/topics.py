"""The topics as anybody could read them: from the first offset to the end, with a plain consumer in no group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.catalogue import TOPICS
from shared.messaging.kafka_settings import NO_TELEMETRY
from tools.auditor.addresses import AUDITED_SERVICES, Addresses
from tools.auditor.model import AuditImpossible
from tools.auditor.scratch import Scratch

TIMEOUT_S: Final = 15.0
BATCH: Final = 10_000
MICROSECONDS: Final = 1_000_000


def copy_contract(scratch: Scratch) -> None:
    """What the topic files declare, as far as the audited services go."""
    scratch.fill(
        "topics",
        [(topic.name, int(topic.versioned), topic.producers[0]) for topic in TOPICS.values()],
    )
    scratch.fill(
        "subscriptions",
        [
            (topic.name, consumer, event_type, handling)
            for topic in TOPICS.values()
            for consumer, told in topic.consumers.items()
            if consumer in AUDITED_SERVICES
            for handling, types in (("handled", told.handled), ("ignored", told.ignored))
            for event_type in sorted(types)
        ],
    )


def copy_committed(addresses: Addresses, scratch: Scratch) -> None:
    """What each consumer group has committed; read before everything else."""
    consumers = {consumer for topic in TOPICS.values() for consumer in topic.consumers} & set(
        AUDITED_SERVICES
    )
    for consumer in sorted(consumers):
        client = _client(addresses, addresses.topic_prefix + consumer)
        try:
            places = [
                place
                for topic in TOPICS.values()
                if consumer in topic.consumers
                for place in _partitions(client, addresses.topic_prefix + topic.name)
            ]
            scratch.fill(
                "committed",
                [
                    (
                        consumer,
                        place.topic.removeprefix(addresses.topic_prefix),
                        place.partition,
                        place.offset,
                    )
                    for place in client.committed(places, timeout=TIMEOUT_S)
                    if place.offset >= 0
                ],
            )
        except KafkaException as problem:
            raise AuditImpossible(f"cannot read the offsets of {consumer}: {problem}") from problem
        finally:
            client.close()


def copy_topics(addresses: Addresses, scratch: Scratch) -> None:
    """Every record of every topic, up to the end offsets of this moment."""
    client = _client(addresses, f"{addresses.topic_prefix}auditor")
    try:
        spans: dict[tuple[str, int], tuple[int, int]] = {}
        for name in TOPICS:
            for place in _partitions(client, addresses.topic_prefix + name):
                low, high = client.get_watermark_offsets(place, timeout=TIMEOUT_S)
                scratch.fill("topic_starts", [(name, place.partition, low)])
                if high > low:
                    spans[place.topic, place.partition] = (low, high)
        scratch.fill("records", _records(client, spans, addresses.topic_prefix))
    except KafkaException as problem:
        raise AuditImpossible(f"cannot read the topics: {problem}") from problem
    finally:
        client.close()


def _client(addresses: Addresses, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": addresses.kafka_bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            **NO_TELEMETRY,
            "log_level": 3,
        }
    )


def _partitions(client: Consumer, topic: str) -> list[TopicPartition]:
    metadata = client.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise AuditImpossible(f"topic {topic}: {metadata.error}")
    return [TopicPartition(topic, number) for number in sorted(metadata.partitions)]


def _records(
    client: Consumer, spans: Mapping[tuple[str, int], tuple[int, int]], prefix: str
) -> Iterator[tuple[object, ...]]:
    """A partition is done when its end is reached, or when the broker says that nothing follows."""
    open_ends = {at: high for at, (_, high) in spans.items()}
    client.assign([TopicPartition(topic, number, low) for (topic, number), (low, _) in spans.items()])
    while open_ends:
        # One by waiting, then whatever is there: consume() by itself would wait until the batch is full.
        first = client.poll(TIMEOUT_S)
        if first is None:
            raise AuditImpossible(f"no record for {TIMEOUT_S:g} s, still to read: {sorted(open_ends)}")
        for message in (first, *client.consume(BATCH, 0)):
            at = (str(message.topic()), int(message.partition() or 0))
            problem = message.error()
            if problem is not None:
                if problem.name() != "_PARTITION_EOF":
                    raise AuditImpossible(f"cannot read {at}: {problem}")
                open_ends.pop(at, None)
                continue
            offset = int(message.offset() or 0)
            if at in open_ends and offset < spans[at][1]:
                yield record_row(
                    topic=at[0].removeprefix(prefix),
                    partition=at[1],
                    offset=offset,
                    key=message.key(),
                    headers=dict(message.headers() or []),
                    value=message.value(),
                )
            if offset + 1 >= spans[at][1]:
                open_ends.pop(at, None)


def record_row(
    *,
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: Mapping[str, object],
    value: bytes | None,
) -> tuple[object, ...]:
    """A record as the copy keeps it."""
    texts = _texts(headers)
    version = texts.get("ce_streamversion", "")
    return (
        topic,
        partition,
        offset,
        key.decode("utf-8", "backslashreplace") if key is not None else None,
        texts.get("ce_id") or f"raw:{topic}:{partition}:{offset}",
        texts.get("ce_type"),
        int(version) if version.isascii() and version.isdigit() else None,
        hashlib.sha256(value or b"").hexdigest(),
        _microseconds(texts.get("ce_time")),
    )


def _texts(headers: Mapping[str, object]) -> dict[str, str]:
    return {
        name: value.decode("utf-8", "backslashreplace")
        for name, value in headers.items()
        if isinstance(value, bytes)
    }


def _microseconds(time: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(time or "")
    except ValueError:
        return None
    return round(moment.timestamp() * MICROSECONDS) if moment.tzinfo is not None else None


def subscribed() -> tuple[list[tuple[str, str]], list[str]]:
    """Every (consumer, topic) among the audited services, and the names of the versioned topics."""
    pairs = [
        (consumer, topic.name)
        for topic in TOPICS.values()
        for consumer in topic.consumers
        if consumer in AUDITED_SERVICES
    ]
    return pairs, [topic.name for topic in TOPICS.values() if topic.versioned]
