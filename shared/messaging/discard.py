"""Discard owns how operators let go of one parked record that has no version: unreadable, or of an unordered topic.

Two people, a reason, and the inbox remembers the record as skipped, so that a replay does not bring it back. The
proposal stands in ``skipped_versions`` under the record's id and version 0, which no stream has.
"""

from typing import Any, Final

import sqlalchemy as sa

from shared.kernel.errors import Rejected
from shared.messaging.broker import Record
from shared.messaging.inbox_store import stored_record

NO_VERSION: Final = 0

_FIND = sa.text("SELECT topic, key FROM parked_records WHERE consumer = :consumer AND event_id = :event_id")
_LOCK_RECORD = sa.text(
    "SELECT r.topic, r.key FROM parked_records r WHERE r.consumer = :consumer AND r.event_id = :event_id"
    " AND NOT EXISTS (SELECT 1 FROM inbox_versions v WHERE v.consumer = r.consumer AND v.topic = r.topic"
    " AND v.key = r.key) FOR UPDATE OF r"
)
_LOCK_KEY = sa.text(
    "SELECT 1 FROM parked_keys WHERE consumer = :consumer AND topic = :topic AND key = :key FOR UPDATE"
)
_PROPOSE = sa.text(
    "INSERT INTO skipped_versions (consumer, topic, key, stream_version, event_id, reason, proposed_by)"
    f" VALUES (:consumer, :topic, :event_id, {NO_VERSION}, :event_id, :reason, :proposed_by)"
    " ON CONFLICT (consumer, topic, key, stream_version) DO NOTHING RETURNING 1"
)
_PROPOSAL = sa.text(
    "SELECT topic, proposed_by, applied_at FROM skipped_versions WHERE consumer = :consumer"
    f" AND key = :event_id AND event_id = :event_id AND stream_version = {NO_VERSION} FOR UPDATE"
)
_APPROVE = sa.text(
    "UPDATE skipped_versions SET approved_by = :approved_by, approved_at = now(), applied_at = now()"
    f" WHERE consumer = :consumer AND topic = :topic AND key = :event_id AND stream_version = {NO_VERSION}"
)
_CLAIM = sa.text(
    "INSERT INTO inbox (consumer, event_id, payload_sha256, topic, key, stream_version, event_time, outcome)"
    " SELECT consumer, event_id, payload_sha256, topic, key, stream_version, now(), 'skipped' FROM parked_records"
    " WHERE consumer = :consumer AND event_id = :event_id ON CONFLICT (consumer, event_id) DO NOTHING"
)
_DROP = sa.text(
    "DELETE FROM parked_records WHERE consumer = :consumer AND event_id = :event_id"
    ' RETURNING topic, key, partition, "offset", headers, payload'
)
_UNPARK_EMPTY = sa.text(
    "DELETE FROM parked_keys p WHERE p.consumer = :consumer AND p.topic = :topic AND p.key = :key"
    " AND NOT EXISTS (SELECT 1 FROM parked_records r WHERE r.consumer = p.consumer AND r.topic = p.topic"
    " AND r.key = p.key)"
)


def propose_discard(
    connection: sa.Connection, consumer: str, event_id: str, *, reason: str, proposed_by: str
) -> None:
    """Propose to drop one parked record without its effect; another person decides."""
    values = {"consumer": consumer, "event_id": event_id, "reason": reason, "proposed_by": proposed_by}
    record = _record(connection, values)
    if connection.execute(_PROPOSE, {**values, "topic": record.topic}).first() is None:
        raise Rejected("already_proposed", f"a discard of {event_id} is proposed already")


def approve_discard(
    connection: sa.Connection, consumer: str, event_id: str, *, approved_by: str
) -> list[Record]:
    """Drop the record and remember it as skipped; what was let go of. Once done, a second approval changes nothing."""
    values: dict[str, Any] = {"consumer": consumer, "event_id": event_id, "approved_by": approved_by}
    proposal = connection.execute(_PROPOSAL, values).first()
    if proposal is None:
        raise Rejected("not_proposed", f"no discard of {event_id} is proposed", status=404)
    if proposal.proposed_by == approved_by:
        raise Rejected("same_person", "the one who approves is not the one who proposed", status=403)
    if proposal.applied_at is not None:
        return []
    record = _record(connection, values)
    values |= {"topic": record.topic, "key": record.key}
    for statement in (_APPROVE, _CLAIM):
        connection.execute(statement, values)
    dropped = [stored_record(row) for row in connection.execute(_DROP, values)]
    connection.execute(_UNPARK_EMPTY, values)
    return dropped


def _record(connection: sa.Connection, values: dict[str, Any]) -> sa.Row[Any]:
    found = connection.execute(_FIND, values).first()
    if found is not None:
        # The key's row first, as the consumer and a redrive lock it; only then is the record still what it was.
        connection.execute(_LOCK_KEY, {**values, "topic": found.topic, "key": found.key})
        found = connection.execute(_LOCK_RECORD, values).first()
    if found is None:
        raise Rejected(
            "not_parked", f"{values['event_id']} is not a parked record without a version", status=404
        )
    return found
