"""Reads a topic from its first record to its present end, outside any group: what it holds now, and then the end."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from shared.messaging.broker import BrokerError
from shared.messaging.envelope import CE_TYPE, is_refill_marker

if TYPE_CHECKING:
    from shared.messaging.broker import Broker, Partition, Record

BATCH: Final = 5_000
POLL_S: Final = 0.5
SILENT_LIMIT_S: Final = 60.0
"""A broker that gives nothing for so long, though there is more, is taken for unreachable."""


def records_of(broker: Broker, topic: str, types: Collection[str] = ()) -> Iterator[Record]:
    """Events of these types (``Name.v1``), or of all, in order per partition.

    Raises ``BrokerError`` where the broker falls silent.
    """
    wanted = {(CE_TYPE, name.encode()) for name in types}
    for record in _read(broker, topic, broker.offsets(topic)):
        is_event = record.value is not None and not is_refill_marker(record)
        if is_event and not (wanted and wanted.isdisjoint(record.headers)):
            yield record


def check_finished(broker: Broker, refill: str) -> None:
    """Every partition of a refill topic ends with the marker of one that is whole; else ``BrokerError``."""
    spans = broker.offsets(refill)
    lasts = {at: (end - 1, end) for at, (first, end) in spans.items() if end > first}
    whole = lasts.keys() == spans.keys() and all(map(is_refill_marker, _read(broker, refill, lasts)))
    if not (whole and spans):
        raise BrokerError(f"{refill}: the refill is not finished, its owner has to start it anew")


def _read(broker: Broker, topic: str, spans: Mapping[Partition, tuple[int, int]]) -> Iterator[Record]:
    filled = {at: span for at, span in spans.items() if span[1] > span[0]}
    if not filled:
        return
    consumer = broker.make_consumer("ledger-topic-reader")  # commits nothing: the group stands for nothing
    consumer.assign({at: first for at, (first, _) in filled.items()})
    left, heard_at = {at: end for at, (_, end) in filled.items()}, time.monotonic()
    try:
        while left:
            for record in consumer.poll_batch(BATCH, POLL_S):
                heard_at = time.monotonic()
                if record.at in left and record.offset + 1 >= left[record.at]:
                    del left[record.at]
                yield record
            if time.monotonic() - heard_at > SILENT_LIMIT_S:
                raise BrokerError(f"{topic}: nothing came for {SILENT_LIMIT_S:g} s before its end")
    finally:
        consumer.close()
