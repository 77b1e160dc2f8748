"""The memory broker owns partitions, groups and injected faults in one process, with Kafka's promises.

It is held to the same conformance suite as Kafka. Its faults (failed deliveries, redelivery, lost membership)
are what a test needs and a real broker does only on a bad day; ``weather`` brings them by chance, in a simulation.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shared.kernel.clock import Clock, SystemClock
from shared.messaging.broker import (
    ClusterDescription,
    CommitFailed,
    OnPartitions,
    Partition,
    Record,
)
from shared.messaging.memory_producer import MemoryProducer, Queued
from shared.messaging.weather import Calm, Weather

DEFAULT_PARTITIONS = 6
Fault = Callable[[str, bytes, bytes], str | None]


@dataclass(slots=True)
class _Group:
    name: str
    committed: dict[Partition, int] = field(default_factory=dict)
    members: list["MemoryConsumer"] = field(default_factory=list)
    owners: dict[Partition, "MemoryConsumer"] = field(default_factory=dict)


class MemoryBroker:
    """A log per partition behind one lock; groups are balanced cooperatively, at each member's next poll."""

    def __init__(
        self,
        *,
        default_partitions: int = DEFAULT_PARTITIONS,
        clock: Clock | None = None,
        weather: Weather | None = None,
        on_record: Callable[[Record, float], None] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self._virtual = clock is not None
        self.weather = weather or Calm()
        self._on_record = on_record
        self._seen_from_s: dict[Partition, list[float]] = {}
        self.changed = threading.Condition(threading.RLock())
        self.logs: dict[Partition, list[Record]] = {}
        self.groups: dict[str, _Group] = {}
        self.fault: Fault | None = None
        self.accepting = True
        self.makes_topics_itself = False
        self._default_partitions = default_partitions
        self._topics: dict[str, tuple[int, dict[str, str]]] = {}

    def make_producer(self) -> MemoryProducer:
        return MemoryProducer(self)

    def make_consumer(self, group: str) -> "MemoryConsumer":
        return MemoryConsumer(self, group)

    def ensure_topic(self, topic: str, *, partitions: int, settings: Mapping[str, str]) -> None:
        with self.changed:
            if topic not in self._topics:
                self._topics[topic] = (partitions, dict(settings))
                self.logs.update({Partition(topic, number): [] for number in range(partitions)})

    def describe_topic(self, topic: str) -> tuple[int, Mapping[str, str]] | None:
        with self.changed:
            return self._topics.get(topic)

    def describe(self, topics: Collection[str]) -> ClusterDescription:
        with self.changed:
            known = {topic: self._topics[topic] for topic in topics if topic in self._topics}
        return ClusterDescription(known, makes_topics_itself=self.makes_topics_itself)

    def partitions(self, topic: str) -> list[Partition]:
        self.ensure_topic(topic, partitions=self._default_partitions, settings={})
        return [Partition(topic, number) for number in range(self._topics[topic][0])]

    def offsets(self, topic: str) -> Mapping[Partition, tuple[int, int]]:
        with self.changed:
            return {at: (0, len(self.logs[at])) for at in self.partitions(topic)}

    def set_offsets(self, group: str, offsets: Mapping[Partition, int]) -> None:
        with self.changed:
            found = self.group(group)
            if found.members:
                raise CommitFailed("the group has members")
            found.committed.update(offsets)

    def append(self, item: Queued, delay_s: float) -> None:
        """Write one record; consumers see it after the delay."""
        with self.changed:
            log = self.logs[item.at]
            record = Record(item.at.topic, item.at.number, len(log), item.key, item.value, item.headers)
            log.append(record)
            self._seen_from_s.setdefault(item.at, []).append(self.clock.monotonic_s() + delay_s)
            self.changed.notify_all()
        if self._on_record is not None:
            self._on_record(record, delay_s)

    def visible_end(self, at: Partition, start: int, most: int) -> int:
        """Return the offset up to which consumers who read from ``start`` on see a partition, ``most`` records at most.

        Only these are looked at: whoever takes a million records in pieces does not look at a million for each.
        """
        now_s = self.clock.monotonic_s()
        seen_from_s = self._seen_from_s.get(at, [])
        end, last = start, min(start + most, len(seen_from_s))
        while end < last and seen_from_s[end] <= now_s:
            end += 1
        return end

    def wait(self, seconds: float) -> None:
        """Wait for a change. On a clock of our own nothing can happen meanwhile, so the time just passes."""
        if self._virtual:
            self.clock.sleep(seconds)
        else:
            self.changed.wait(seconds)

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group(name))

    def forget_offsets(self, group: str) -> None:
        """Delete a group's offsets, as an expiry would: every record is delivered again."""
        with self.changed:
            self.group(group).committed.clear()

    def move_offset(self, group: str, at: Partition, offset: int) -> None:
        """Set where a group goes on, as somebody does by hand; the member that reads there has to join anew."""
        with self.changed:
            of_group = self.group(group)
            if at in of_group.owners:
                of_group.owners[at].evict()
            of_group.committed[at] = offset

    def records(self, topic: str) -> list[Record]:
        """Return everything in a topic, partition by partition."""
        with self.changed:
            return [record for at in self.partitions(topic) for record in self.logs[at]]


def _ignore(_partitions: Collection[Partition]) -> None:
    """Manual assignment has no balancing to tell about."""


class MemoryConsumer:
    """A member of a memory group."""

    def __init__(self, broker: MemoryBroker, group: str) -> None:
        self._broker = broker
        self._group = broker.group(group)
        self._topics: tuple[str, ...] = ()
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._manual = False
        self._on_assign: OnPartitions = _ignore
        self._on_revoke: OnPartitions = _ignore
        self._on_lost: OnPartitions = _ignore
        self._evicted = False
        self._commit_failures: list[str] = []

    def subscribe(
        self,
        topics: Sequence[str],
        *,
        on_assign: OnPartitions,
        on_revoke: OnPartitions,
        on_lost: OnPartitions,
    ) -> None:
        with self._broker.changed:
            self._topics = tuple(topics)
            self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
            self._group.members.append(self)
            self._broker.changed.notify_all()

    def assign(self, starts: Mapping[Partition, int | None]) -> None:
        with self._broker.changed:
            self._manual = True
            self._positions = {
                at: self._group.committed.get(at, 0) if start is None else start
                for at, start in starts.items()
            }

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._positions)

    def evict(self) -> None:
        """Throw this member out of its group, as a session that expired: it learns at its next poll."""
        with self._broker.changed:
            if self._evicted:
                return
            self._evicted = True
            self._give_up()
            self._group.members.remove(self)
            self._broker.changed.notify_all()

    def vanish(self) -> None:
        """Be gone as a killed process is: nothing is called back, nothing is committed, others take over."""
        with self._broker.changed:
            if self in self._group.members:
                self._group.members.remove(self)
            self._give_up()
            self._positions.clear()
            self._topics = ()

    def _give_up(self) -> None:
        """Own nothing any more; what another member was given meanwhile stays its own."""
        for at in self._positions:
            if self._group.owners.get(at) is self:
                del self._group.owners[at]

    def _target(self) -> set[Partition]:
        members = [member for member in self._group.members if not member._manual]  # noqa: SLF001
        wanted: set[Partition] = set()
        for topic in self._topics:
            sharing = [member for member in members if topic in member._topics]  # noqa: SLF001
            mine = sharing.index(self)
            wanted |= {at for at in self._broker.partitions(topic) if at.number % len(sharing) == mine}
        return wanted

    def _balance(self) -> None:
        if self._manual:
            return
        if self._evicted:
            lost = frozenset(self._positions)
            self._positions.clear()
            self._paused.clear()
            self._evicted = False
            self._group.members.append(self)
            self._on_lost(lost)
            return
        target = self._target()
        leaving = frozenset(self._positions) - target
        if leaving:
            self._on_revoke(leaving)
            for at in leaving:
                self._positions.pop(at)
                self._group.owners.pop(at, None)
            self._paused -= leaving
            self._broker.changed.notify_all()
        arriving = {at for at in target - frozenset(self._positions) if at not in self._group.owners}
        if arriving:
            for at in arriving:
                self._group.owners[at] = self
                self._positions[at] = self._group.committed.get(at, 0)
            self._on_assign(frozenset(arriving))

    def poll_batch(self, max_records: int, timeout_s: float) -> list[Record]:
        deadline = self._broker.clock.monotonic_s() + timeout_s
        with self._broker.changed:
            while True:
                self._balance()
                found = self._take(max_records)
                remaining = deadline - self._broker.clock.monotonic_s()
                if found or remaining <= 0:
                    return found
                self._broker.wait(remaining)

    def _take(self, max_records: int) -> list[Record]:
        found: list[Record] = []
        for at in sorted(frozenset(self._positions) - self._paused):
            start = self._positions[at]
            end = self._broker.visible_end(at, start, max_records - len(found))
            taken = self._broker.logs[at][start:end]
            self._positions[at] = start + len(taken)
            found += taken
        return found

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        with self._broker.changed:
            if self._evicted:
                self._commit_failures.append("the member was evicted")
            elif self._broker.weather.commit_lost(self._group.name):
                self._commit_failures.append("the coordinator moved")
            else:
                held = {at: offset for at, offset in offsets.items() if at in self._positions}
                self._group.committed.update(held)

    def commit_failures(self) -> list[str]:
        told, self._commit_failures = self._commit_failures, []
        return told

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused |= set(partitions) & set(self._positions)

    def resume(self, partitions: Collection[Partition]) -> None:
        with self._broker.changed:
            self._paused -= set(partitions)
            self._broker.changed.notify_all()

    def seek(self, partition: Partition, offset: int) -> None:
        with self._broker.changed:
            if partition in self._positions:
                self._positions[partition] = offset

    def lag(self) -> Mapping[Partition, int]:
        with self._broker.changed:
            return {at: len(self._broker.logs[at]) - start for at, start in self._positions.items()}

    def close(self) -> None:
        with self._broker.changed:
            if self in self._group.members:
                if self._positions:
                    self._on_revoke(frozenset(self._positions))
                self._group.members.remove(self)
            self._give_up()
            self._positions.clear()
            self._broker.changed.notify_all()
