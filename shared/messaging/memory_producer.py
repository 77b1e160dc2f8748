"""The memory broker's producer: gapless, acknowledging at ``poll``, and never past its first failure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.messaging.broker import DeliveryFailed, DeliveryFailure, Headers, OnDelivery, Partition, QueueFull
from shared.messaging.partitioner import partition_of

if TYPE_CHECKING:
    from shared.messaging.memory import MemoryBroker

QUEUE_MAX: Final = 100_000
"""As many records as librdkafka queues by default."""


@dataclass(frozen=True, slots=True)
class Queued:
    at: Partition
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    on_delivery: OnDelivery


class MemoryProducer:
    """Acknowledges at ``poll``; after one failed delivery nothing later gets through (gapless)."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._queue: deque[Queued] = deque()
        self._failed: str | None = None

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
        if len(self._queue) >= QUEUE_MAX:
            raise QueueFull("the local queue is full")
        with self._broker.changed:
            count = len(self._broker.partitions(topic))
        number = partition_of(key, count) if partition is None else partition
        self._queue.append(Queued(Partition(topic, number), key, value, tuple(headers), on_delivery))

    def poll(self, timeout_s: float) -> int:  # noqa: ARG002 - delivery is instant here
        if not self._queue or not self._broker.accepting or self._broker.weather.reports_wait():
            return 0
        served = 0
        while self._queue and self._failed is None:
            self._deliver(self._queue.popleft())
            served += 1
        if self._failed is not None:
            self.purge()
            raise DeliveryFailed(self._failed)
        return served

    def _deliver(self, item: Queued) -> None:
        fault = self._broker.fault(item.at.topic, item.key, item.value) if self._broker.fault else None
        if fault is not None:
            self._failed = fault
            item.on_delivery(DeliveryFailure(fault))
            return
        fate = self._broker.weather.fate(item.at.topic, item.key)
        if fate.refused is None:
            for _ in range(fate.copies):
                self._broker.append(item, fate.delay_s)
        self._failed = fate.refused or fate.unacknowledged
        item.on_delivery(None if self._failed is None else DeliveryFailure(self._failed))

    def flush(self, timeout_s: float) -> int:  # noqa: ARG002 - delivery is instant here
        self.poll(0)
        return len(self._queue)

    def purge(self) -> None:
        while self._queue:
            self._queue.popleft().on_delivery(DeliveryFailure("purged", purged=True))

    def close(self) -> None:
        self._queue.clear()
