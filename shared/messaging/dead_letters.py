"""Dead letters own the record of what a consumer can never apply, published through the consumer's own outbox.

They are written in the transaction that parks the record, so that neither can exist without the other.
"""

import base64
import hashlib
from datetime import datetime
from typing import Final

from schemas.generated import DeadLetteredV1
from shared.messaging.broker import Record
from shared.messaging.envelope import CE_TYPE
from shared.messaging.inbox import Arrival
from shared.messaging.inbox_store import headers_to_json
from shared.messaging.intake import Unreadable
from shared.persistence.outbox import Outbox

PAYLOAD_MAX_BYTES: Final = 98_304  # base64 makes 128 KiB of it
HEADERS_MAX_CHARS: Final = 16_384  # JSON makes at most 96 KiB of it, so that both together fit an outbox row
REASON_MAX_CHARS: Final = 500
TYPE_MAX_CHARS: Final = 255


class DeadLetters:
    """Appends dead letters of one consumer."""

    def __init__(self, outbox: Outbox, consumer: str, now: datetime) -> None:
        self._outbox = outbox
        self._consumer = consumer
        self._now = now

    def append(self, topic: str, arrival: Arrival, reason: str) -> None:
        """Tell of a poison record whose envelope was readable."""
        letter = self._letter(
            arrival.record, arrival.stream.topic, arrival.stream.key, arrival.event_id, reason
        )
        self._outbox.append(topic, letter, key=arrival.stream.key, cause_id=arrival.event_id)

    def append_unreadable(self, topic: str, live_topic: str, unreadable: Unreadable) -> None:
        """Tell of a record that nothing can be said about but where it stands."""
        key = _readable(unreadable.record.key)
        letter = self._letter(unreadable.record, live_topic, key, None, unreadable.reason)
        self._outbox.append(topic, letter, key=unreadable.raw_id, cause_id=unreadable.raw_id)

    def _letter(
        self, record: Record, topic: str, key: str | None, event_id: str | None, reason: str
    ) -> DeadLetteredV1:
        payload = record.value or b""
        headers = _capped(headers_to_json(record.headers))
        return DeadLetteredV1(
            consumer=self._consumer,
            topic=topic,
            partition=record.partition,
            offset=record.offset,
            key=key,
            event_id=event_id,
            event_type=headers.get(CE_TYPE, "")[:TYPE_MAX_CHARS] or None,
            reason=(reason or "poison")[:REASON_MAX_CHARS],
            headers=headers,
            payload_base64=base64.b64encode(payload[:PAYLOAD_MAX_BYTES]).decode(),
            payload_sha256=hashlib.sha256(payload).hexdigest(),
            truncated=len(payload) > PAYLOAD_MAX_BYTES,
            dead_at=self._now,
        )


def _capped(headers: dict[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    room = HEADERS_MAX_CHARS
    for name, text in headers.items():
        room -= len(name) + len(text)
        if room < 0:
            break
        kept[name] = text
    return kept


def _readable(key: bytes | None) -> str | None:
    try:
        text = (key or b"").decode()
    except UnicodeDecodeError:
        return None
    return text[:200] if text and text.isprintable() else None
