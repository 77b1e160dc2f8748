"""Deliveries in PostgreSQL: two round trips for new ones, one for copies, together with those beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.webhook_ingest.app.ports import Claim, Delivery, Verdict
from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import execute, execute_later
from shared.persistence.wire_statements import Answer, bytes_of
from shared.runtime.card_numbers import mask_card_numbers

REFUSED_BYTES_KEPT: Final = 1_024
_LONGEST_CARD: Final = 32
"""Bytes of a card number as it is printed, with room: one that lies over the cut is looked at whole."""

# Two copies at once: the second waits for the first's commit here, and then is a copy.
_CLAIM: Final = """
INSERT INTO delivery_claims AS c (processor, account, processor_event_id, body_sha256, times_seen, last_seen_at)
VALUES (%(processor)s, %(account)s, %(event_id)s, %(digest)s, 1, %(now)s)
ON CONFLICT (processor, account, processor_event_id)
DO UPDATE SET times_seen = c.times_seen + 1, last_seen_at = excluded.last_seen_at
RETURNING times_seen, body_sha256
"""
_SEEN: Final = """
SELECT EXISTS (SELECT 1 FROM deliveries
                WHERE processor = %(processor)s AND account = %(account)s
                  AND processor_event_id = %(event_id)s AND body_sha256 = %(digest)s)
"""
_KEEP: Final = """
WITH body AS (
  INSERT INTO delivery_bodies (delivery_id, body, received_at) VALUES (%(delivery_id)s, %(body)s, %(now)s)
)
INSERT INTO deliveries (delivery_id, processor, account, processor_event_id, processor_event_type, verdict, reason,
                        fact_key, object_id, payment_id, signature, secret_fingerprint, body_sha256, occurred_at,
                        received_at)
VALUES (%(delivery_id)s, %(processor)s, %(account)s, %(event_id)s, %(event_type)s, %(verdict)s, %(reason)s,
        %(fact_key)s, %(object_id)s, %(payment_id)s, %(signature)s, %(fingerprint)s, %(digest)s, %(occurred_at)s,
        %(now)s)
"""
_REFUSE: Final = """
INSERT INTO refused_deliveries (source, reason, body_sha256, body_bytes, first_bytes, received_at)
VALUES (%(source)s, %(reason)s, %(digest)s, %(bytes)s, %(first)s, %(now)s)
"""


class PostgresDeliveries:
    """The ``Deliveries`` of one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def claim(self, delivery: Delivery) -> Callable[[], Claim]:
        """Queue the claim of the event id; a copy is only counted."""
        names = self._names(delivery)
        answers: list[Answer] = []
        execute_later(self._connection, _CLAIM, names, answers.append)

        def claimed() -> Claim:
            ((times, digest),) = answers[0].rows
            same = digest is not None and bytes_of(digest) == delivery.body_sha256
            conflict = not same and execute(self._connection, _SEEN, names).rows != [("t",)]
            return Claim(is_first=times == "1", same_bytes=same, is_new_conflict=conflict)

        return claimed

    def keep(self, delivery: Delivery, delivery_id: str, verdict: Verdict) -> None:
        """Store the delivery and, apart so that they can be erased, its bytes."""
        reading = delivery.reading
        fact = reading.fact
        execute_later(
            self._connection,
            _KEEP,
            self._names(delivery)
            | {
                "delivery_id": delivery_id,
                "body": delivery.body,
                "event_type": reading.event_type,
                "verdict": verdict.value,
                "reason": "payload_mismatch" if verdict is Verdict.QUARANTINED else reading.reason,
                "fact_key": fact.fact_key if fact else None,
                "object_id": reading.object_id,
                "payment_id": reading.payment_id,
                "signature": delivery.signature,
                "fingerprint": delivery.secret_fingerprint,
                "occurred_at": fact.occurred_at if fact else None,
            },
            check=_kept,
        )

    def refuse(self, source: str, body: bytes, reason: str) -> None:
        """Store the digest and the first KiB with card numbers masked, under no name that the sender chose."""
        self._connection.exec_driver_sql(
            _REFUSE,
            {
                "source": source,
                "reason": reason,
                "digest": hashlib.sha256(body).digest(),
                "bytes": len(body),
                "first": _first_bytes(body),
                "now": self._now,
            },
        )

    def _names(self, delivery: Delivery) -> dict[str, object]:
        return {
            "processor": delivery.source.processor,
            "account": delivery.source.account,
            "event_id": delivery.reading.event_id,
            "digest": delivery.body_sha256,
            "now": self._now,
        }


def _kept(answer: Answer) -> None:
    if answer.affected != 1:
        raise InvariantViolation("delivery_kept", f"{answer.affected} deliveries were written instead of one")


def _first_bytes(body: bytes) -> bytes:
    # Each byte is a character there and back, whatever the bytes are; a mask is never longer than what it masks.
    beginning = body[: REFUSED_BYTES_KEPT + _LONGEST_CARD].decode("latin-1")
    return mask_card_numbers(beginning).encode("latin-1")[:REFUSED_BYTES_KEPT]
