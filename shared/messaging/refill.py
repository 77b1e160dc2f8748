"""Refill owns the second way into a consumer: an owner's archive, published for one consumer, then the live topic.

Every refill record names the live topic and is claimed and versioned under it, so whatever the live topic still has
is a duplicate afterwards. A marker ends each partition; only after all markers the consumer joins the live topic.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic

import sqlalchemy as sa

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.crash_points import crash_point
from shared.messaging.broker import (
    Broker,
    Consumer,
    DeliveryFailed,
    DeliveryFailure,
    Partition,
    Producer,
    QueueFull,
    Record,
)
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import (
    LIVE_TOPIC,
    REFILL_MARKER,
    REFILL_UNSENT,
    is_refill_marker,
    write_headers,
)
from shared.messaging.routes import U
from shared.messaging.topics import create_refill_topic, refill_topic
from shared.persistence.archive_files import read_archive
from shared.persistence.partitions import list_archives

FLUSH_TIMEOUT_S: Final = 60.0
REPORT_WAIT_S: Final = 0.01
ROWS_PER_READ: Final = 1_000
WAITS_LONG_S: Final = 20.0
"""A producer at work writes without pause: one that has been silent so long may have died before its markers."""

_DAYS_PRESENT: Final = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = 'outbox'::regclass"
)
_ROWS: Final = (
    "SELECT topic, key, stream_version, event_id, event_type, data_schema, source, subject, event_time, cause_id,"
    " traceparent, payload, sent_at FROM outbox WHERE topic = %(topic)s ORDER BY position"
)


class RefillWriter:
    """The owner's side: reads archive files and outbox rows of one topic, and publishes them for one consumer."""

    def __init__(self, owner: sa.Engine, broker: Broker, archive_folder: Path) -> None:
        self._owner = owner
        self._broker = broker
        self._folder = archive_folder

    def write(self, topic: str, consumer: str) -> int:
        """Publish everything ever written to ``topic``, then the markers; return how many records that was."""
        partitions = len(self._broker.offsets(topic))
        target = create_refill_topic(self._broker, topic, consumer, partitions)
        crash_point("refill.after_topic")
        failures: list[str] = []
        written = 0
        with closing(self._broker.make_producer()) as producer:
            sender = _Sender(producer, target, failures)
            for row in self._rows(topic):
                headers = [*write_headers(row), (LIVE_TOPIC, topic.encode())]
                if row["sent_at"] is None:
                    headers.append((REFILL_UNSENT, b"1"))
                sender.send(row["key"].encode(), bytes(row["payload"]), headers)
                written += 1
            sender.settle()  # a marker must not overtake what it vouches for
            crash_point("refill.before_markers")
            for number in range(partitions):
                sender.send(b"marker", b"", [(REFILL_MARKER, topic.encode())], partition=number)
            sender.settle()
        crash_point("refill.after_markers")
        return written

    def _rows(self, topic: str) -> Iterator[Mapping[str, Any]]:
        with self._owner.connect() as connection:
            present = set(connection.exec_driver_sql(_DAYS_PRESENT).scalars())
            archives = list_archives(connection)
        for archive in archives:
            if archive.partition_name in present:
                continue  # archived, not dropped yet: its rows are read from the table below
            for row in read_archive(self._folder / archive.file_name, sha256=archive.sha256):
                if row["topic"] == topic:
                    yield row
        with self._owner.connect() as connection:
            streaming = connection.execution_options(yield_per=ROWS_PER_READ)
            for stored in streaming.exec_driver_sql(_ROWS, {"topic": topic}).mappings():
                yield dict(stored)


class _Sender:
    """Sends and waits; the first failed delivery ends the refill, which is then started anew."""

    def __init__(self, producer: Producer, target: str, failures: list[str]) -> None:
        self._producer = producer
        self._target = target
        self._failures = failures

    def send(
        self, key: bytes, value: bytes, headers: list[tuple[str, bytes]], *, partition: int | None = None
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    self._target,
                    key=key,
                    value=value,
                    headers=headers,
                    on_delivery=self._reported,
                    partition=partition,
                )
            except QueueFull:
                self._producer.poll(REPORT_WAIT_S)
            else:
                self._producer.poll(0)
                self._check()
                return

    def settle(self) -> None:
        left = self._producer.flush(FLUSH_TIMEOUT_S)
        self._check()
        if left:
            raise DeliveryFailed(f"{left} refill records were not acknowledged in {FLUSH_TIMEOUT_S} s")

    def _reported(self, failure: DeliveryFailure | None) -> None:
        if failure is not None:
            self._failures.append(failure.reason)

    def _check(self) -> None:
        if self._failures:
            raise DeliveryFailed(f"refill of {self._target}: {self._failures[0]}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A refill that does not go on: its topic, whose partitions lack their marker, and how long nothing came."""

    topic: str
    consumer: str
    source: str
    partitions: list[int]
    silent_s: float


def _nobody(_waiting: Waiting) -> None:
    """Nobody wants to know."""


class RefillLoop(Generic[U]):
    """The consumer's side; one process of a consumer whose other members are stopped.

    ``waits_long`` is told, once per silence, that records or markers stopped coming before the last marker.
    """

    name = "refill"

    def __init__(
        self,
        broker: Broker,
        loop: ConsumerLoop[U],
        topic: str,
        *,
        clock: Clock | None = None,
        waits_long: Callable[[Waiting], None] = _nobody,
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._topic = topic
        self._consumer_name = loop.subscription.consumer
        self._clock = clock or SystemClock()
        self._waits_long = waits_long

    def heartbeat(self) -> float:
        """Return when the loop last moved, on the monotonic clock."""
        return self._loop.heartbeat()

    def run(self, stop: threading.Event) -> None:
        """Read the refill topic to all its markers, set the group back to the earliest live offsets, then join."""
        if self.read_to_markers(stop):
            self.rewind_live_group()
            self._loop.run(stop)

    def read_to_markers(self, stop: threading.Event) -> bool:
        """Apply refill records until every partition showed the marker at its end; return whether that was reached."""
        name = refill_topic(self._topic, self._consumer_name)
        ends = {at: end for at, (_start, end) in self._broker.offsets(name).items()}
        waiting = set(ends)
        with closing(self._broker.make_consumer(f"{self._consumer_name}.refill")) as consumer:
            # From the start each time: what was applied before a restart is a duplicate.
            consumer.assign(dict.fromkeys(waiting, 0))
            filtered = _MarkerFilter(consumer, waiting, ends)
            moved_s: float | None = self._clock.monotonic_s()
            while waiting and not stop.is_set():
                left = len(waiting)
                if self._loop.turn(filtered) or len(waiting) < left:
                    moved_s = self._clock.monotonic_s()
                elif moved_s is not None and self._clock.monotonic_s() - moved_s >= WAITS_LONG_S:
                    self._tell(name, waiting, self._clock.monotonic_s() - moved_s)
                    moved_s = None  # said once; whatever comes breaks the silence
        return not waiting

    def _tell(self, source: str, waiting: Collection[Partition], silent_s: float) -> None:
        numbers = sorted(at.number for at in waiting)
        self._waits_long(Waiting(self._topic, self._consumer_name, source, numbers, silent_s))

    def rewind_live_group(self) -> None:
        """Set the group to the earliest live offsets; the broker refuses this while members are in the group."""
        starts = {at: start for at, (start, _end) in self._broker.offsets(self._topic).items()}
        self._broker.set_offsets(self._consumer_name, starts)


class _MarkerFilter:
    """Takes the markers out of what a consumer brings, and ticks off those at ends.

    A topic that was refilled before holds the markers of then, with more behind them.
    """

    def __init__(self, consumer: Consumer, waiting: set[Partition], ends: Mapping[Partition, int]) -> None:
        self._consumer = consumer
        self._waiting = waiting
        self._ends = ends
        self.subscribe = consumer.subscribe
        self.assign = consumer.assign
        self.assignment = consumer.assignment
        self.commit = consumer.commit
        self.commit_failures = consumer.commit_failures
        self.pause = consumer.pause
        self.resume = consumer.resume
        self.lag = consumer.lag
        self.close = consumer.close
        self._held_back: list[Partition] = []

    def seek(self, partition: Partition, offset: int) -> None:
        # What stood before its marker comes again, and so will the marker.
        self._held_back = [at for at in self._held_back if at != partition]
        self._consumer.seek(partition, offset)

    def poll_batch(self, max_records: int, timeout_s: float) -> list[Record]:
        # Markers of the last batch count now: the loop has committed everything that stood before them.
        self._waiting.difference_update(self._held_back)
        self._held_back = []
        records = self._consumer.poll_batch(max_records, timeout_s)
        self._held_back = [record.at for record in records if self._ends_refill(record)]
        return [record for record in records if not is_refill_marker(record)]

    def _ends_refill(self, record: Record) -> bool:
        return is_refill_marker(record) and record.offset + 1 >= self._ends[record.at]
