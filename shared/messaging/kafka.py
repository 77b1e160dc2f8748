"""The Kafka adapter owns the use of librdkafka behind the broker protocol; its options are in ``kafka_settings``.

It uses the classic ``Producer`` and ``Consumer``: no Kafka transactions, no automatic commit or offset store.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import (
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from shared.messaging.broker import (
    BrokerError,
    ClusterDescription,
    DeliveryFailed,
    DeliveryFailure,
    Headers,
    OnDelivery,
    OnPartitions,
    Partition,
    QueueFull,
    Record,
)
from shared.messaging.kafka_admin import KafkaAdmin
from shared.messaging.kafka_offsets import watermarks
from shared.messaging.kafka_settings import (
    CONSUMER_SETTINGS,
    NO_TELEMETRY,
    PRODUCER_SETTINGS,
    SESSION_TIMEOUT_S,
    group_settings,
)

COMMIT_MISSES: Final = frozenset(  # a rebalance or a coordinator on the move: the records come again
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._STATE,  # noqa: SLF001 - librdkafka's own codes have no other name
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001 - we were away too long; the next poll joins again
        KafkaError._NO_OFFSET,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001


class KafkaBroker:
    """Kafka behind the broker protocol."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic_prefix: str = "",
        client_id: str = "tieout",
        session_timeout_s: float = SESSION_TIMEOUT_S,
        overrides: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        self._common: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": client_id,
            **NO_TELEMETRY,
        }
        self._common.update(overrides or {})
        self._prefix = topic_prefix
        self._group_settings = group_settings(session_timeout_s)
        self._admin = KafkaAdmin(self._common, topic_prefix)

    def make_producer(self) -> "KafkaProducer":
        return KafkaProducer({**PRODUCER_SETTINGS, **self._common}, self._prefix)

    def make_consumer(self, group: str) -> "KafkaConsumer":
        return KafkaConsumer(
            {
                **CONSUMER_SETTINGS,
                **self._group_settings,
                **self._common,
                "group.id": self._prefix + group,
            },
            self._prefix,
        )

    def offsets(self, topic: str) -> Mapping[Partition, tuple[int, int]]:
        described = self.describe_topic(topic)
        if described is None:
            raise BrokerError(f"there is no topic {self._prefix}{topic}")
        client = Consumer({**self._common, "group.id": f"{self._prefix}offsets", "enable.auto.commit": False})
        places = [TopicPartition(self._prefix + topic, number) for number in range(described[0])]
        try:
            return {Partition(topic, number): span for number, span in watermarks(client, places).items()}
        finally:
            client.close()

    def ensure_topic(self, topic: str, *, partitions: int, settings: Mapping[str, str]) -> None:
        self._admin.ensure_topic(topic, partitions=partitions, settings=settings)

    def set_offsets(self, group: str, offsets: Mapping[Partition, int]) -> None:
        self._admin.set_offsets(group, offsets)

    def describe_topic(self, topic: str) -> tuple[int, Mapping[str, str]] | None:
        return self._admin.describe([topic]).topics.get(topic)

    def describe(self, topics: Collection[str]) -> ClusterDescription:
        return self._admin.describe(topics)


class KafkaProducer:
    """The idempotent producer. Any delivery failure but a purge of our own is permanent."""

    def __init__(self, settings: Mapping[str, Any], prefix: str) -> None:
        self._prefix = prefix
        self._fatal: str | None = None
        self._producer = Producer({**settings, "error_cb": self._on_error})

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = str(error)

    def produce(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes,
        headers: Headers,
        on_delivery: OnDelivery,
        partition: int | None = None,
    ) -> None:
        chosen: dict[str, Any] = {} if partition is None else {"partition": partition}
        try:
            self._producer.produce(
                self._prefix + topic,
                key=key,
                value=value,
                headers=list(headers),
                on_delivery=partial(_report, on_delivery),
                **chosen,
            )
        except BufferError as error:
            raise QueueFull(str(error)) from error
        except KafkaException as error:
            raise DeliveryFailed(f"{topic}: {error}") from error

    def poll(self, timeout_s: float) -> int:
        try:
            served: int = self._producer.poll(timeout_s)
        except KafkaException as error:  # a fatal error is raised from here, too, once the callback was told
            raise DeliveryFailed(str(error)) from error
        if self._fatal is not None:
            raise DeliveryFailed(self._fatal)
        return served

    def flush(self, timeout_s: float) -> int:
        outstanding: int = self._producer.flush(timeout_s)
        return outstanding

    def purge(self) -> None:
        # What is on the wire cannot be recalled. Purging it as well would only forget its report, and under the
        # gapless guarantee that is a fatal error.
        self._producer.purge(in_queue=True, in_flight=False, blocking=True)
        self._producer.poll(0)

    def close(self) -> None:
        # Purge, then destroy: the client's threads have ended when this returns, so nothing is retried any more.
        self._producer.purge(in_queue=True, in_flight=False, blocking=True)
        del self._producer


def _report(on_delivery: OnDelivery, error: KafkaError | None, _message: object) -> None:
    if error is None:
        on_delivery(None)
    else:
        on_delivery(DeliveryFailure(str(error), purged=error.code() in PURGED))


class KafkaConsumer:
    """One member of a consumer group, for one thread."""

    def __init__(self, settings: Mapping[str, Any], prefix: str) -> None:
        self._prefix = prefix
        self._consumer = Consumer({**settings, "on_commit": self._answered})
        self._held: set[Partition] = set()
        self._gone: set[Partition] = set()
        self._commit_failures: list[str] = []
        self._refused: str | None = None

    def subscribe(
        self,
        topics: Sequence[str],
        *,
        on_assign: OnPartitions,
        on_revoke: OnPartitions,
        on_lost: OnPartitions,
    ) -> None:
        self._consumer.subscribe(
            [self._prefix + topic for topic in topics],
            on_assign=partial(self._assigned, on_assign),
            on_revoke=partial(self._removed, on_revoke),
            on_lost=partial(self._removed, on_lost),
        )

    def _assigned(self, tell: OnPartitions, _consumer: object, native: list[TopicPartition]) -> None:
        arrived = self._logical(native)
        self._held |= arrived
        tell(arrived)

    def _removed(self, tell: OnPartitions, _consumer: object, native: list[TopicPartition]) -> None:
        leaving = self._logical(native)
        tell(leaving)
        self._held -= leaving
        self._gone |= leaving

    def assign(self, starts: Mapping[Partition, int | None]) -> None:
        self._held = set(starts)
        self._consumer.assign(
            [self._native(at, OFFSET_STORED if start is None else start) for at, start in starts.items()]
        )

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._held)

    def poll_batch(self, max_records: int, timeout_s: float) -> list[Record]:
        first = self._consumer.poll(timeout_s)
        # Rebalances inside this poll came before its record: a partition that was lost and given back in it, as to a
        # process that slept, brings that record under its new assignment. To drop it would be to skip it for ever.
        self._gone.clear()
        if self._refused is not None:
            raise BrokerError(f"offsets are refused: {self._refused}")
        if first is None:
            return []
        messages = [first]
        if max_records > 1:
            messages += self._consumer.consume(max_records - 1, 0)
        records = [self._record(message) for message in messages if _usable(message)]
        if not self._gone and self._held.issuperset({record.at for record in records}):
            return records
        # A rebalance inside consume() may have taken a partition whose record is already in hand.
        doubtful = [record for record in records if record.at in self._gone]
        for record in reversed(doubtful):  # and may have given it back: then nothing of it is passed over
            self.seek(record.at, record.offset)
        return [record for record in records if record.at not in self._gone and record.at in self._held]

    def _record(self, message: "Message[Any, Any]") -> Record:
        headers: Any = message.headers() or ()
        return Record(
            str(message.topic()).removeprefix(self._prefix),
            _number(message.partition()),
            _number(message.offset()),
            message.key(),
            message.value(),
            tuple([pair if type(pair[1]) is bytes else _in_bytes(*pair) for pair in headers]),
        )

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        native = [self._native(at, offset) for at, offset in offsets.items() if at in self._held]
        if not native:
            return
        try:
            self._consumer.commit(offsets=native, asynchronous=True)
        except KafkaException as error:
            self._answered(error.args[0], [])

    def _answered(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Runs inside a poll, some time after the commit."""
        failures = [failure for failure in (error, *(place.error for place in places)) if failure is not None]
        self._commit_failures += [str(failure) for failure in failures[:1]]
        for failure in failures:
            if failure.code() not in COMMIT_MISSES and not failure.retriable():
                self._refused = str(failure)

    def commit_failures(self) -> list[str]:
        told, self._commit_failures = self._commit_failures, []
        return told

    def pause(self, partitions: Collection[Partition]) -> None:
        self._consumer.pause([self._native(at) for at in partitions if at in self._held])

    def resume(self, partitions: Collection[Partition]) -> None:
        self._consumer.resume([self._native(at) for at in partitions if at in self._held])

    def seek(self, partition: Partition, offset: int) -> None:
        if partition not in self._held:
            return
        try:
            self._consumer.seek(self._native(partition, offset))
        except KafkaException as error:
            raise BrokerError(f"cannot seek {partition} to {offset}: {error}") from error

    def lag(self) -> Mapping[Partition, int]:
        waiting: dict[Partition, int] = {}
        for place in self._consumer.position([self._native(at) for at in self._held]):
            _low, high = self._consumer.get_watermark_offsets(place, cached=True)
            if place.offset >= 0 and high >= 0:
                waiting[Partition(place.topic.removeprefix(self._prefix), place.partition)] = (
                    high - place.offset
                )
        return waiting

    def close(self) -> None:
        self._consumer.close()
        self._held.clear()

    def _native(self, at: Partition, offset: int | None = None) -> TopicPartition:
        name = self._prefix + at.topic
        return TopicPartition(name, at.number) if offset is None else TopicPartition(name, at.number, offset)

    def _logical(self, native: list[TopicPartition]) -> set[Partition]:
        return {Partition(item.topic.removeprefix(self._prefix), item.partition) for item in native}


def _usable(message: "Message[Any, Any]") -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal() or (not error.retriable() and error.code() not in COMMIT_MISSES):
        raise BrokerError(str(error))
    return False


def _number(value: int | None) -> int:
    if value is None:
        raise BrokerError("a record without partition or offset")
    return value


def _in_bytes(name: str, value: str | bytes | None) -> tuple[str, bytes]:
    return name, value if isinstance(value, bytes) else (value or "").encode()
