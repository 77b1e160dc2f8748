"""Maps deliveries to the events of `webhook.events`: the only place that knows both sides."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from schemas.generated import FactV1, WebhookFactReceivedV1, WebhookUnrecognisedV1
from services.webhook_ingest.app.ports import Delivery
from services.webhook_ingest.domain.fact import Fact
from services.webhook_ingest.domain.reading import NAMELESS
from shared.kernel.errors import InvariantViolation
from shared.persistence.outbox import Outbox

TOPIC: Final = "webhook.events"


class OutboxAnnouncements:
    """The ``Announcements`` of one transaction."""

    def __init__(self, outbox: Outbox, now: datetime) -> None:
        self._outbox = outbox
        self._now = now

    def fact_received(self, delivery: Delivery, delivery_id: str) -> None:
        """Announce the fact that the delivery states."""
        fact = delivery.reading.fact
        if fact is None:
            raise InvariantViolation("accepted_has_fact", delivery_id)
        event = WebhookFactReceivedV1(
            delivery_id=delivery_id,
            processor=delivery.source.processor,
            account=delivery.source.account,
            processor_event_id=delivery.reading.event_id,
            fact=fact_event(fact),
            received_at=self._now,
        )
        self._append(event, fact.payment_id or fact.object_id, delivery_id)

    def unrecognised(self, delivery: Delivery, delivery_id: str) -> None:
        """Announce that something authentic came that we do not act on; ids only, so that it is looked up."""
        reading = delivery.reading
        event_id = None if reading.event_id.startswith(NAMELESS) else reading.event_id
        event = WebhookUnrecognisedV1(
            delivery_id=delivery_id,
            processor=delivery.source.processor,
            account=delivery.source.account,
            processor_event_id=event_id,
            processor_event_type=reading.event_type[:128] if reading.event_type else None,
            object_id=reading.object_id,
            reference=reading.reference,
            payment_id=reading.payment_id,
            received_at=self._now,
            digest=delivery.body_sha256.hex(),
        )
        self._append(event, reading.payment_id or reading.object_id or reading.event_id, delivery_id)

    def _append(self, event: Any, key: str, delivery_id: str) -> None:
        self._outbox.append(TOPIC, event, key=key, cause_id=delivery_id, subject=delivery_id)


def fact_event(fact: Fact) -> FactV1:
    """Return the fact as the contract states it."""
    shape: Any = {name: getattr(fact, name) for name in Fact.__dataclass_fields__}
    return FactV1(**shape)
