"""The signed heads and closes as the topic has them: what an outsider can read and keep, without asking the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from shared.messaging.broker import BrokerError
from shared.messaging.envelope import CE_TYPE

if TYPE_CHECKING:
    from shared.messaging.broker import Broker

TOPIC: Final = "ledger.events"
HEAD_SIGNED: Final = b"LedgerHeadSigned.v1"
PERIOD_CLOSED: Final = b"LedgerPeriodClosed.v1"
BATCH: Final = 5_000
POLL_S: Final = 0.5
SILENT_LIMIT_S: Final = 60.0
"""A broker that gives nothing for so long, though there is more, is taken for unreachable."""


def published_heads(broker: Broker) -> Iterator[Head]:
    """Every head that the topic still holds, up to its present end; raises ``BrokerError`` where it falls silent."""
    return (Head.read(fields) for fields in _published(broker, HEAD_SIGNED))


def published_closes(broker: Broker) -> Iterator[SignedClose]:
    """The same of signed closes."""
    return (SignedClose.read(fields) for fields in _published(broker, PERIOD_CLOSED))


def _published(broker: Broker, event_type: bytes) -> Iterator[dict[str, Any]]:
    ends = {at: (first, end) for at, (first, end) in broker.offsets(TOPIC).items() if end > first}
    if not ends:
        return
    consumer = broker.make_consumer("ledger-heads-reader")  # commits nothing: the group stands for nothing
    consumer.assign({at: first for at, (first, _) in ends.items()})
    left, heard_at = {at: end for at, (_, end) in ends.items()}, time.monotonic()
    try:
        while left:
            for record in consumer.poll_batch(BATCH, POLL_S):
                heard_at = time.monotonic()
                if record.at in left and record.offset + 1 >= left[record.at]:
                    del left[record.at]
                if (CE_TYPE, event_type) in record.headers and record.value is not None:
                    yield json.loads(record.value)
            if time.monotonic() - heard_at > SILENT_LIMIT_S:
                raise BrokerError(f"{TOPIC}: nothing came for {SILENT_LIMIT_S:g} s before its end")
    finally:
        consumer.close()
