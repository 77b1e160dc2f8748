"""The inbox store owns the SQL of inbox, versions, parked keys and records, and quarantine.

Lock order, kept by consumer, redrive and skip alike: inbox_versions rows, then parked_keys rows, each by (topic, key).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from shared.kernel.errors import InvariantViolation
from shared.messaging.broker import Record
from shared.messaging.inbox import Arrival, InboxState, Parked, Step, Stream
from shared.messaging.intake import Unreadable
from shared.persistence.arrays import binary_bytes_array, binary_time_array, integer_array, text_array
from shared.persistence.statements import execute
from shared.persistence.wire_statements import Answer, bytes_of

Claim = tuple[Arrival, str]  # a record, and what became of it: applied or ignored

_BASE64: Final = "base64:"  # marks a header value that JSON or PostgreSQL could not hold as text

# A new stream's row comes back; one that exists is locked by the conflict and read by the next statement, whose
# snapshot is taken under these locks. A new row says at once what it will have to say if nothing is in the way: to
# write it twice in one transaction would cost more than all else that the inbox does for an event.
_LOCK_STREAMS: Final = """
INSERT INTO inbox_versions AS v (consumer, topic, key, last_version)
SELECT %(consumer)s::text, k.topic, k.key, k.version
  FROM unnest(%(topics)s::text[], %(keys)s::text[], %(versions)s::bigint[]) AS k(topic, key, version)
 ORDER BY k.topic, k.key
ON CONFLICT (consumer, topic, key) DO UPDATE SET last_version = v.last_version WHERE false
RETURNING v.topic, v.key
"""
# Everything that a batch is judged by, in one round trip; the first column says what a row is.
_STATE: Final = """
WITH parked AS (
  SELECT p.topic, p.key, p.next_version, p.reason, p.detail FROM parked_keys p
    JOIN unnest(%(topics)s::text[], %(keys)s::text[]) AS k(topic, key) ON p.topic = k.topic AND p.key = k.key
   WHERE p.consumer = %(consumer)s ORDER BY p.topic, p.key FOR UPDATE OF p
)
SELECT 'parked', topic, key, next_version, reason, detail, NULL::bytea, NULL::timestamptz FROM parked
UNION ALL
SELECT 'version', v.topic, v.key, v.last_version, NULL, NULL, NULL, NULL FROM inbox_versions v
  JOIN unnest(%(old_topics)s::text[], %(old_keys)s::text[]) AS k(topic, key) ON v.topic = k.topic AND v.key = k.key
 WHERE v.consumer = %(consumer)s
UNION ALL
SELECT 'known', event_id, NULL, NULL, NULL, NULL, payload_sha256, NULL FROM inbox
 WHERE consumer = %(consumer)s AND event_id = ANY(%(ids)s::text[])
UNION ALL
SELECT 'queued', event_id, NULL, NULL, NULL, NULL, payload_sha256, NULL FROM parked_records
 WHERE consumer = %(consumer)s AND event_id = ANY(%(ids)s::text[])
UNION ALL
SELECT 'horizon', NULL, NULL, NULL, NULL, NULL, NULL, horizon FROM inbox_horizons WHERE consumer = %(consumer)s
"""
_WRITE: Final = """
INSERT INTO inbox (consumer, event_id, payload_sha256, topic, key, stream_version, event_time, outcome)
SELECT %(consumer)s::text, r.*
  FROM unnest(%(ids)s::text[], %(hashes)s::bytea[], %(topics)s::text[], %(keys)s::text[], %(versions)s::bigint[],
              %(times)s::timestamptz[], %(outcomes)s::text[])
    AS r(event_id, payload_sha256, topic, key, stream_version, event_time, outcome)
 ORDER BY r.event_id
"""
_CLAIM: Final = _WRITE + "ON CONFLICT (consumer, event_id) DO NOTHING RETURNING event_id"
_MOVE: Final = """
UPDATE inbox_versions v SET last_version = k.version
  FROM unnest(%(topics)s::text[], %(keys)s::text[], %(known)s::bigint[], %(versions)s::bigint[])
    AS k(topic, key, known, version)
 WHERE v.consumer = %(consumer)s AND v.topic = k.topic AND v.key = k.key AND v.last_version = k.known
"""
_HASHES = sa.text(
    "SELECT event_id, payload_sha256 FROM inbox WHERE consumer = :consumer AND event_id = ANY(:ids)"
)
_MET = sa.text(
    "SELECT 1 FROM parked_records WHERE consumer = :consumer AND event_id = :event_id"
    " UNION ALL SELECT 1 FROM inbox WHERE consumer = :consumer AND event_id = :event_id"
)
_QUEUE = sa.text(
    'SELECT event_id, topic, key, stream_version, partition, "offset", headers, payload FROM parked_records'
    " WHERE consumer = :consumer AND topic = :topic AND key = :key"
    " ORDER BY stream_version NULLS LAST, parked_at, event_id"
)
_PARK = sa.text(
    "INSERT INTO parked_keys (consumer, topic, key, reason, since, next_version, detail)"
    " VALUES (:consumer, :topic, :key, :reason, now(), :next_version, :detail)"
    " ON CONFLICT (consumer, topic, key) DO UPDATE SET reason = excluded.reason,"
    " next_version = excluded.next_version, detail = excluded.detail"
)
_UNPARK = sa.text("DELETE FROM parked_keys WHERE consumer = :consumer AND topic = :topic AND key = :key")
_HOLD = sa.text(
    'INSERT INTO parked_records (consumer, event_id, topic, key, stream_version, partition, "offset", headers,'
    " payload, payload_sha256, parked_at) VALUES (:consumer, :event_id, :topic, :key, :stream_version, :partition,"
    " :offset, CAST(:headers AS jsonb), :payload, :sha256, now()) ON CONFLICT (consumer, event_id) DO NOTHING"
)
_RELEASE = sa.text("DELETE FROM parked_records WHERE consumer = :consumer AND event_id = ANY(:ids)")
_QUARANTINE = sa.text(
    "INSERT INTO quarantined_records (consumer, topic, key, event_id, reason, headers, payload, payload_sha256,"
    " seen_at) VALUES (:consumer, :topic, :key, :event_id, :reason, CAST(:headers AS jsonb), :payload, :sha256, now())"
    " ON CONFLICT (consumer, event_id, payload_sha256) DO NOTHING"
)


class InboxStore:
    """One consumer's inbox tables within one transaction."""

    def __init__(self, connection: sa.Connection, consumer: str) -> None:
        self._connection = connection
        self._consumer = consumer

    def load(
        self, hoped: Mapping[Stream, int], streams: Iterable[Stream], event_ids: Sequence[str]
    ) -> InboxState:
        """Lock the streams of a batch in (topic, key) order and read all that its records are judged by.

        ``hoped`` has each versioned stream, and its last version after the batch if it is a new one and all goes well.
        """
        state = InboxState()
        mine, everything = sorted(hoped), sorted(set(streams))
        if not everything:
            return state
        if mine:
            versions = integer_array([hoped[stream] for stream in mine])
            for row in self._drive(_LOCK_STREAMS, {**_columns(mine), "versions": versions}):
                stream = Stream(*row)
                state.versions[stream] = 0
                state.written[stream] = hoped[stream]
        old = _columns([stream for stream in mine if stream not in state.versions])
        values = {
            **_columns(everything),
            "old_topics": old["topics"],
            "old_keys": old["keys"],
            "ids": text_array(event_ids),
        }
        for kind, first, key, version, reason, detail, digest, horizon in self._drive(_STATE, values):
            if kind == "version":
                state.versions[Stream(first, key)] = int(version)
            elif kind == "parked":
                state.parked[Stream(first, key)] = Parked(
                    reason, None if version is None else int(version), detail
                )
            elif kind == "known":
                state.hashes[first] = bytes_of(digest)
            elif kind == "queued":
                state.queued_hashes[first] = bytes_of(digest)
            else:
                state.horizon = datetime.fromisoformat(horizon)
        return state

    def hashes(self, event_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the payload hashes of those ids that are in the inbox."""
        rows = self._run(_HASHES, {"ids": list(event_ids)})
        return {row.event_id: bytes(row.payload_sha256) for row in rows}

    def queue(self, stream: Stream) -> list[Record]:
        """Return the records parked under a key, in version order, as they came from the broker."""
        return [stored_record(row) for row in self._run(_QUEUE, stream._asdict())]

    def claim(self, claimed: Sequence[Claim]) -> set[str]:
        """Write inbox rows; return the event ids that were really new."""
        if not claimed:
            return set()
        return {event_id for (event_id,) in self._drive(_CLAIM, _claim_columns(claimed))}

    def settle(self, claimed: Sequence[Claim], versions: Mapping[Stream, int], state: InboxState) -> None:
        """Write inbox rows and the last versions of streams, all of which this transaction holds locked.

        ``state`` is what was loaded; of its new streams those that did not come to what was hoped are set right.
        """
        if claimed:
            try:
                self._drive(_WRITE, _claim_columns(claimed))
            except sa.exc.IntegrityError as error:
                raise _claimed_elsewhere() from error
        known = {**state.versions, **state.written}
        final = {**dict.fromkeys(state.written, 0), **versions}
        moved = sorted(stream for stream, version in final.items() if known[stream] != version)
        if not moved:
            return
        values = {
            **_columns(moved),
            "known": integer_array([known[stream] for stream in moved]),
            "versions": integer_array([final[stream] for stream in moved]),
        }
        if self._execute(_MOVE, values).affected != len(moved):
            raise _claimed_elsewhere()

    def park(self, parked: Mapping[Stream, Parked]) -> None:
        for stream, why in sorted(parked.items()):
            self._run(
                _PARK,
                {
                    **stream._asdict(),
                    "reason": why.reason,
                    "next_version": why.next_version,
                    "detail": why.detail.replace("\x00", "")[:2_000],
                },
            )

    def unpark(self, streams: Iterable[Stream]) -> None:
        for stream in sorted(streams):
            self._run(_UNPARK, stream._asdict())

    def hold(self, arrivals: Iterable[Arrival]) -> None:
        """Keep records behind their parked key."""
        for arrival in arrivals:
            self._hold(arrival.record, arrival.event_id, arrival.stream, arrival.stream_version)

    def hold_unreadable(self, unreadable: Unreadable) -> None:
        """Keep a record that nothing can be said about, under its place in the log."""
        stream = Stream(unreadable.record.topic, unreadable.raw_id)
        self._hold(unreadable.record, unreadable.raw_id, stream, None)

    def is_met(self, event_id: str) -> bool:
        """Whether a record is parked now, or was and an operator discarded it."""
        return self._run(_MET, {"event_id": event_id}).first() is not None

    def _hold(self, record: Record, event_id: str, stream: Stream, version: int | None) -> None:
        self._run(
            _HOLD,
            {
                **stream._asdict(),
                "event_id": event_id,
                "stream_version": version,
                "partition": record.partition,
                "offset": record.offset,
                **_content(record),
            },
        )

    def release(self, event_ids: Sequence[str]) -> None:
        if event_ids:
            self._run(_RELEASE, {"ids": list(event_ids)})

    def quarantine(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._run(
                _QUARANTINE,
                {
                    **step.arrival.stream._asdict(),
                    "event_id": step.arrival.event_id,
                    "reason": step.verdict.value,
                    **_content(step.arrival.record),
                },
            )

    def _run(self, statement: sa.TextClause, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        return self._connection.execute(statement, {"consumer": self._consumer, **values})

    def _drive(self, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
        """Run a statement of the hot path; its rows are text."""
        return self._execute(statement, values).rows

    def _execute(self, statement: str, values: Mapping[str, Any]) -> Answer:
        return execute(self._connection, statement, {"consumer": self._consumer, **values})


def _claimed_elsewhere() -> InvariantViolation:
    return InvariantViolation("inbox_claim", "an event was claimed by somebody else under our stream lock")


def stored_record(row: sa.Row[Any]) -> Record:
    """A parked record as it came from the broker."""
    return Record(
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        key=row.key.encode(),
        value=None if row.payload is None else bytes(row.payload),
        headers=headers_from_json(row.headers),
    )


def _columns(streams: Sequence[Stream]) -> dict[str, str]:
    return {
        "topics": text_array([stream.topic for stream in streams]),
        "keys": text_array([stream.key for stream in streams]),
    }


def _claim_columns(claimed: Sequence[Claim]) -> dict[str, Any]:
    arrivals = [arrival for arrival, _outcome in claimed]
    return {
        **_columns([arrival.stream for arrival in arrivals]),
        "ids": text_array([arrival.event_id for arrival in arrivals]),
        "hashes": binary_bytes_array([arrival.payload_sha256 for arrival in arrivals]),
        "versions": integer_array([arrival.stream_version for arrival in arrivals]),
        "times": binary_time_array([arrival.time for arrival in arrivals]),
        "outcomes": text_array([outcome for _arrival, outcome in claimed]),
    }


def _content(record: Record) -> dict[str, Any]:
    payload = record.value or b""
    return {
        "headers": json.dumps(headers_to_json(record.headers)),
        "payload": payload,
        "sha256": hashlib.sha256(payload).digest(),
    }


def headers_to_json(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Return headers as JSON can hold them; what is not plain text is marked base64, a repeated name numbered."""
    texts: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.replace("\x00", "?").encode("utf-8", "replace").decode()
        unique = name if name not in texts else f"{name}#{len(texts)}"
        texts[unique] = _text(value)
    return texts


def headers_from_json(texts: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    """Return the headers that were kept."""
    return tuple((name, _unmark(text)) for name, text in texts.items())


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _BASE64 + base64.b64encode(value).decode()
    if "\x00" in text or text.startswith(_BASE64):
        return _BASE64 + base64.b64encode(value).decode()
    return text


def _unmark(text: str) -> bytes:
    if not text.startswith(_BASE64):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_BASE64), validate=True)
    except binascii.Error:
        return text.encode()
