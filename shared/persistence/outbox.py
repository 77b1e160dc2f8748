"""The outbox: events buffered while a transaction works, written set-based just before its COMMIT.

One statement moves the version of every stream that the transaction touches, in (topic, key) order, and
inserts all rows. The streams' row locks are held until COMMIT, so within one stream versions have no
gap, and version order, position order and commit order are the same.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import sqlalchemy as sa
from opentelemetry import trace

from schemas import catalogue
from shared.kernel.errors import InvariantViolation
from shared.kernel.ids import Ids
from shared.persistence.outbox_sql import FEW_EVENTS, flush_statement
from shared.persistence.statements import execute

MAX_PAYLOAD_BYTES: Final = 262_144
MAX_KEY_CHARACTERS: Final = 255


class Encoded(Protocol):
    """What the contract check makes of an event."""

    @property
    def event_type(self) -> str: ...  # type and version: 'PaymentCaptured.v1'

    @property
    def data_schema(self) -> str: ...  # the path of the contract file

    @property
    def payload(self) -> bytes: ...  # the exact bytes to publish


Encode: TypeAlias = Callable[[str, Any], Encoded]


@dataclass(frozen=True, slots=True)
class Appended:
    """One buffered event, encoded and checked."""

    topic: str
    key: str
    event_id: str
    event_type: str
    data_schema: str
    subject: str
    cause_id: str
    traceparent: str | None
    payload: bytes
    payload_sha256: bytes


class Outbox:
    """The events of one transaction. Made by ``Transactions`` for each try; nothing outlives a rollback."""

    __slots__ = ("_connection", "_encode", "_ids", "_now", "_source", "pending", "shards")

    def __init__(
        self,
        connection: sa.Connection,
        *,
        source: str,
        now: datetime,
        ids: Ids,
        shards: int = 1,
        encode: Encode = catalogue.encode,
    ) -> None:
        self._connection = connection
        self._source = source
        self._now = now
        self._ids = ids
        self.shards = shards
        self._encode = encode
        self.pending: list[Appended] = []

    def append(
        self,
        topic: str,
        event: msgspec.Struct,
        *,
        key: str,
        cause_id: str,
        subject: str | None = None,
        event_id: str | None = None,
    ) -> str:
        """Buffer an event and return its id; a contract or size violation raises here, where it was made."""
        encoded = self._encode(topic, event)
        payload = encoded.payload
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise InvariantViolation("event_size", f"{encoded.event_type} has {len(payload)} bytes")
        if not 0 < len(key) <= MAX_KEY_CHARACTERS:
            raise InvariantViolation("event_key", f"{encoded.event_type} has a key of {len(key)} characters")
        row = Appended(
            topic=topic,
            key=key,
            event_id=event_id or self._ids.new("evt_"),
            event_type=encoded.event_type,
            data_schema=encoded.data_schema,
            subject=subject or key,
            cause_id=cause_id,
            traceparent=current_traceparent(),  # a transaction may do the work of several requests
            payload=payload,
            payload_sha256=hashlib.sha256(payload).digest(),
        )
        self.pending.append(row)
        return row.event_id

    def flush(self) -> str | None:
        """Write everything buffered and return the transaction's id; ``None`` if there was nothing."""
        rows = self.pending
        if not rows:
            return None
        statement, parameters = self._statement(rows)
        if len(rows) <= FEW_EVENTS:
            inserted, transaction_id = execute(self._connection, statement, parameters).rows[0]
        else:
            inserted, transaction_id = self._connection.exec_driver_sql(statement, parameters).one()
        if inserted is None or int(inserted) != len(rows):
            raise InvariantViolation("outbox_complete", f"{inserted} of {len(rows)} rows were written")
        self.pending = []
        return str(transaction_id)

    def _statement(self, rows: list[Appended]) -> tuple[str, tuple[Any, ...]]:
        totals: dict[tuple[str, str], int] = {}
        for row in rows:
            stream = (row.topic, row.key)
            totals[stream] = totals.get(stream, 0) + 1
        # One order for every writer: two transactions that share streams queue up instead of deadlocking.
        streams = [(topic, key, totals[topic, key]) for topic, key in sorted(totals)]
        events: list[tuple[Any, ...]] = []
        for row in rows:
            stream = (row.topic, row.key)
            totals[stream] -= 1
            events.append(
                (
                    shard_of(row.topic, row.key, self.shards),
                    row.topic,
                    row.key,
                    totals[stream],
                    row.event_id,
                    row.event_type,
                    row.data_schema,
                    row.subject,
                    row.cause_id,
                    row.traceparent or "",
                    row.payload,
                    row.payload_sha256,
                )
            )
        return flush_statement(streams, (self._source, self._now), events)


def shard_of(topic: str, key: str, shards: int) -> int:
    """Return the relay shard of a stream; the same in every process and release (``hash()`` would not be)."""
    return zlib.crc32(f"{topic}\0{key}".encode()) % shards if shards > 1 else 0


def current_traceparent() -> str | None:
    """Return the W3C trace context of whoever works now, if anybody traces."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
