"""Redrive owns what operators do to parked keys: ask for another try, or skip a version with four eyes.

Callers run these inside a transaction of their own and append ``OperatorActed`` to their topic in the same one.
The work itself is done by the consumer, through the same path as any record.
"""

from typing import Any, Final

import sqlalchemy as sa

from shared.kernel.errors import Rejected
from shared.messaging.broker import Record
from shared.messaging.inbox import Stream
from shared.messaging.inbox_store import stored_record

REDRIVES_PER_TURN: Final = 10
_DUE: Final = (
    "SELECT topic, key FROM parked_keys WHERE consumer = %(consumer)s AND redrive_requested_at IS NOT NULL"
    " ORDER BY redrive_requested_at, topic, key LIMIT %(limit)s"
)
_REQUEST = sa.text(
    "UPDATE parked_keys SET redrive_requested_at = now()"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key RETURNING 1"
)
_SERVED = sa.text(
    "UPDATE parked_keys SET redrive_requested_at = NULL"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key"
)
_LOCK_VERSION = sa.text(
    "SELECT last_version FROM inbox_versions WHERE consumer = :consumer AND topic = :topic AND key = :key FOR UPDATE"
)
_LOCK_PARKED = sa.text(
    "SELECT reason, next_version FROM parked_keys"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key FOR UPDATE"
)
_PROPOSE = sa.text(
    "INSERT INTO skipped_versions (consumer, topic, key, stream_version, reason, proposed_by)"
    " VALUES (:consumer, :topic, :key, :version, :reason, :proposed_by)"
    " ON CONFLICT (consumer, topic, key, stream_version) DO NOTHING RETURNING 1"
)
_PROPOSER = sa.text(
    "SELECT proposed_by, applied_at FROM skipped_versions"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key AND stream_version = :version FOR UPDATE"
)
_APPROVE = sa.text(
    "UPDATE skipped_versions SET approved_by = :approved_by, approved_at = now(), applied_at = now(), event_id ="
    " (SELECT min(event_id) FROM parked_records r WHERE r.consumer = :consumer AND r.topic = :topic"
    " AND r.key = :key AND r.stream_version = :version)"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key AND stream_version = :version"
)
_CLAIM_SKIPPED = sa.text(
    "INSERT INTO inbox (consumer, event_id, payload_sha256, topic, key, stream_version, event_time, outcome)"
    " SELECT consumer, event_id, payload_sha256, topic, key, stream_version,"
    " coalesce(CAST(headers->>'ce_time' AS timestamptz), now()), 'skipped' FROM parked_records"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key AND stream_version = :version"
    " ON CONFLICT (consumer, event_id) DO NOTHING"
)
_DROP_SKIPPED = sa.text(
    "DELETE FROM parked_records"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key AND stream_version = :version"
    ' RETURNING topic, key, partition, "offset", headers, payload'
)
_ADVANCE = sa.text(
    "UPDATE inbox_versions SET last_version = :version"
    " WHERE consumer = :consumer AND topic = :topic AND key = :key AND last_version = :version - 1"
)


def request_redrive(connection: sa.Connection, consumer: str, stream: Stream) -> bool:
    """Ask the consumer to try a key again. A key that is not parked is left alone: asking twice is harmless."""
    return connection.execute(_REQUEST, _names(consumer, stream)).first() is not None


def redrive_served(connection: sa.Connection, consumer: str, stream: Stream) -> None:
    """Note that the try was made, in its own transaction."""
    connection.execute(_SERVED, _names(consumer, stream))


def due_redrives(engine: sa.Engine, consumer: str) -> list[Stream]:
    """Return keys that an operator asked to try again."""
    with engine.connect() as connection:
        # Every consumer asks this every few seconds for ever, and hardly ever finds anything.
        found = connection.exec_driver_sql(_DUE, {"consumer": consumer, "limit": REDRIVES_PER_TURN})
        return [Stream(topic, key) for topic, key in found]


def propose_skip(
    connection: sa.Connection, consumer: str, stream: Stream, *, version: int, reason: str, proposed_by: str
) -> None:
    """Propose to count the next version of a parked key as applied without its effect; another person decides."""
    _require_next(connection, consumer, stream, version)
    values = {**_names(consumer, stream), "version": version, "reason": reason, "proposed_by": proposed_by}
    if connection.execute(_PROPOSE, values).first() is None:
        raise Rejected("already_proposed", f"a skip of version {version} is proposed already")


def approve_skip(
    connection: sa.Connection, consumer: str, stream: Stream, *, version: int, approved_by: str
) -> list[Record]:
    """Skip the version and let the key go on; what was let go of. Once done, a second approval changes nothing."""
    values: dict[str, Any] = {**_names(consumer, stream), "version": version, "approved_by": approved_by}
    proposal = connection.execute(_PROPOSER, values).first()
    if proposal is None:
        raise Rejected("not_proposed", f"no skip of version {version} is proposed", status=404)
    if proposal.proposed_by == approved_by:
        raise Rejected(
            "same_person", "the one who approves a skip is not the one who proposed it", status=403
        )
    if proposal.applied_at is not None:
        return []
    _require_next(connection, consumer, stream, version)
    for statement in (_APPROVE, _CLAIM_SKIPPED):
        connection.execute(statement, values)
    dropped = [stored_record(row) for row in connection.execute(_DROP_SKIPPED, values)]
    for statement in (_ADVANCE, _REQUEST):
        connection.execute(statement, values)  # the last one: what waits behind it goes through the consumer
    return dropped


def _require_next(connection: sa.Connection, consumer: str, stream: Stream, version: int) -> None:
    names = _names(consumer, stream)
    last = connection.execute(_LOCK_VERSION, names).scalar()
    parked = connection.execute(_LOCK_PARKED, names).first()
    if last is None or parked is None:
        raise Rejected("not_parked", f"{stream.topic} {stream.key} is not parked for {consumer}", status=404)
    if version != last + 1:
        raise Rejected("not_next", f"version {last + 1} is the next one, not {version}")


def _names(consumer: str, stream: Stream) -> dict[str, Any]:
    return {"consumer": consumer, "topic": stream.topic, "key": stream.key}
