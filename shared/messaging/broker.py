"""The broker protocol owns the few calls that relay and consumer need, so that Kafka and memory are alike.

Topic names here are logical: an implementation adds its ``topic_prefix`` on the way out and removes it on the
way in, so that tests and environments can share one cluster.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

Headers = Sequence[tuple[str, bytes]]


class Partition(NamedTuple):
    """One partition of one logical topic."""

    topic: str
    number: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as the broker holds it; nothing in it has been believed yet."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def at(self) -> Partition:
        return Partition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why a record was not acknowledged; ``purged`` means that we threw it away ourselves."""

    reason: str
    purged: bool = False


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """What a start-up check needs: (partitions, settings) by topic, and whether topics appear by being named."""

    topics: Mapping[str, tuple[int, Mapping[str, str]]]
    makes_topics_itself: bool


class BrokerError(RuntimeError):
    """The broker refused in a way that a retry of the same call will not mend."""


class QueueFull(BrokerError):  # noqa: N818 - says what happened
    """The local send queue is full; serve delivery reports, then try again."""


class DeliveryFailed(BrokerError):  # noqa: N818 - says what happened
    """A record can never be delivered by this producer; the process ends and starts anew."""


class CommitFailed(BrokerError):  # noqa: N818 - says what happened
    """Offsets were not committed (a rebalance, as a rule): the records will be redelivered."""


OnDelivery = Callable[[DeliveryFailure | None], None]
OnPartitions = Callable[[Collection[Partition]], None]


class Producer(Protocol):
    """Sends in the order of the calls per partition, without loss or reordering inside itself."""

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
        """Queue a record. ``on_delivery`` is called from ``poll``, ``flush`` or ``purge`` only."""

    def poll(self, timeout_s: float) -> int:
        """Serve delivery reports; return how many calls were made. Raises ``DeliveryFailed`` on a fatal error."""

    def flush(self, timeout_s: float) -> int:
        """Serve reports until nothing is outstanding; return how many still are."""

    def purge(self) -> None:
        """Throw away all that is queued, each reported as purged; what is on the wire cannot be recalled."""

    def close(self) -> None:
        """Throw away what is queued and give up the connection; nothing is sent or reported afterwards."""


class Consumer(Protocol):
    """One member of a group. Callbacks run inside ``poll_batch`` and ``close`` only, on the caller's thread."""

    def subscribe(
        self,
        topics: Sequence[str],
        *,
        on_assign: OnPartitions,
        on_revoke: OnPartitions,
        on_lost: OnPartitions,
    ) -> None: ...

    def assign(self, starts: Mapping[Partition, int | None]) -> None:
        """Read these partitions outside the group's balancing; None starts at the committed offset or earliest."""

    def assignment(self) -> frozenset[Partition]: ...

    def poll_batch(self, max_records: int, timeout_s: float) -> list[Record]:
        """Wait for a first record, then take what is there. Records of partitions lost meanwhile are dropped."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Hand next offsets over, those of partitions still held only, in the order of the calls; never waits.

        The broker has them before it gives a partition to another member and before ``close`` returns, unless
        ``commit_failures`` tells otherwise: then records come again.
        """

    def commit_failures(self) -> list[str]:
        """Tell, each once, why commits failed, as far as polls have heard of it."""

    def pause(self, partitions: Collection[Partition]) -> None: ...

    def resume(self, partitions: Collection[Partition]) -> None: ...

    def seek(self, partition: Partition, offset: int) -> None: ...

    def lag(self) -> Mapping[Partition, int]:
        """Return the records that wait, per held partition, as far as the client knows."""

    def close(self) -> None: ...


class Broker(Protocol):
    """Makes producers and consumers, and answers what a log holds."""

    def make_producer(self) -> Producer: ...

    def make_consumer(self, group: str) -> Consumer: ...

    def offsets(self, topic: str) -> Mapping[Partition, tuple[int, int]]:
        """Return (earliest, end) per partition of a topic."""

    def set_offsets(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Set where a group without members goes on. Raises ``CommitFailed`` while it has any."""

    def ensure_topic(self, topic: str, *, partitions: int, settings: Mapping[str, str]) -> None:
        """Create the topic if it is missing; an existing one is left alone."""

    def describe_topic(self, topic: str) -> tuple[int, Mapping[str, str]] | None:
        """Return (partitions, settings), or None where there is no such topic."""

    def describe(self, topics: Collection[str]) -> "ClusterDescription":
        """Describe the cluster and those of the topics that exist, in as few requests as the broker allows."""
