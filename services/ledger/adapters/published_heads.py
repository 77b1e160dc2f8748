"""The signed heads and closes as the topic has them: what an outsider can read and keep, without asking the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from services.ledger.adapters.topic_records import records_of
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head

if TYPE_CHECKING:
    from shared.messaging.broker import Broker

TOPIC: Final = "ledger.events"


def published_heads(broker: Broker) -> Iterator[Head]:
    """Every head that the topic still holds, up to its present end; raises ``BrokerError`` where it falls silent."""
    return (Head.read(fields) for fields in _published(broker, "LedgerHeadSigned.v1"))


def published_closes(broker: Broker) -> Iterator[SignedClose]:
    """The same of signed closes."""
    return (SignedClose.read(fields) for fields in _published(broker, "LedgerPeriodClosed.v1"))


def _published(broker: Broker, event_type: str) -> Iterator[dict[str, Any]]:
    return (json.loads(record.value or b"") for record in records_of(broker, TOPIC, [event_type]))
