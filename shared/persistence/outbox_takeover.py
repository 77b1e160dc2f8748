"""Takes over what a producer told from another database: its archive becomes rows of this outbox, as they were.

Same ids, versions, times and bytes, so that a consumer that has read them knows them again, and what this database
tells next has the next version of its stream. A row counts as sent unless its former relay had not marked it: then
this one's relay sends it, maybe for a second time, as after any crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from shared.kernel.errors import Rejected
from shared.persistence.arrays import (
    bytes_array,
    integer_array,
    optional_text_array,
    text_array,
    time_array,
)
from shared.persistence.outbox import shard_of
from shared.persistence.outbox_sql import WITH_DAYS

SENT_EPOCH: Final = 0
"""Of rows that an earlier database's relay sent: no lease of this one has it."""

_LAST: Final = """
SELECT key, last_version FROM outbox_streams WHERE topic = %(topic)s AND key = ANY(%(keys)s::text[])
"""
# LIMIT keeps it to a look-up per row: a join would read whole days for each batch.
_HERE: Final = f"""
{WITH_DAYS}
SELECT told.key, told.stream_version, o.event_id, o.payload_sha256
  FROM unnest(%(keys)s::text[], %(versions)s::bigint[]) AS told(key, stream_version), days,
       LATERAL (SELECT event_id, payload_sha256 FROM outbox WHERE created_on = days.day AND topic = %(topic)s
                   AND key = told.key AND stream_version = told.stream_version LIMIT 1) AS o
"""
# The identity value follows the order of the archive, which is version order within a stream.
_TAKE: Final = """
WITH told AS (
  SELECT * FROM unnest(%(shards)s::smallint[], %(keys)s::text[], %(versions)s::bigint[], %(event_ids)s::text[],
                       %(types)s::text[], %(schemas)s::text[], %(sources)s::text[], %(subjects)s::text[],
                       %(times)s::timestamptz[], %(causes)s::text[], %(traces)s::text[], %(payloads)s::bytea[],
                       %(digests)s::bytea[], %(sent)s::boolean[])
    WITH ORDINALITY AS t(shard, key, stream_version, event_id, event_type, data_schema, source, subject, event_time,
                         cause_id, traceparent, payload, payload_sha256, sent, nth)
), streams AS (
  INSERT INTO outbox_streams AS s (topic, key, last_version)
  SELECT %(topic)s, key, max(stream_version) FROM told GROUP BY key ORDER BY key
  ON CONFLICT (topic, key) DO UPDATE SET last_version = excluded.last_version
)
INSERT INTO outbox (created_on, shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject,
                    event_time, cause_id, traceparent, payload, payload_sha256, sent_at, sent_epoch)
SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date, shard, %(topic)s, key, stream_version, event_id, event_type,
       data_schema, source, subject, event_time, cause_id, traceparent, payload, payload_sha256,
       CASE WHEN sent THEN clock_timestamp() END, CASE WHEN sent THEN %(epoch)s::bigint END
  FROM told ORDER BY nth
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRow:
    """One event of the archive."""

    key: str
    stream_version: int
    event_id: str
    event_type: str
    data_schema: str
    source: str
    subject: str
    event_time: datetime
    cause_id: str
    traceparent: str | None
    payload: bytes
    payload_sha256: bytes
    sent: bool


_Place = tuple[str, int]


def take_over(
    connection: sa.Connection, topic: str, told: Sequence[ToldRow], *, shards: int = 1
) -> list[ToldRow]:
    """Write those that this outbox has not yet, in the order given; return them. By whoever owns the table.

    Raises ``Rejected`` where a stream lacks a version, and where another event stands in a place that the archive
    names: whoever read the one would never hear the other.
    """
    last = _last_versions(connection, topic, told)
    fresh: dict[_Place, ToldRow] = {}
    known: dict[_Place, ToldRow] = {}
    for row in told:
        place = (row.key, row.stream_version)
        if place in fresh:
            _check_same(row, fresh[place].event_id, fresh[place].payload_sha256)
        elif row.stream_version <= last.get(row.key, 0):
            known[place] = row
        elif row.stream_version == last.get(row.key, 0) + 1:
            fresh[place] = row
            last[row.key] = row.stream_version
        else:
            detail = f"{topic}: of {row.key} the archive lacks version {last.get(row.key, 0) + 1}"
            raise Rejected("archive_incomplete", detail, stored=False)
    _check_known(connection, topic, known)
    if fresh:
        connection.exec_driver_sql(_TAKE, _values(topic, list(fresh.values()), shards))
    return list(fresh.values())


def _last_versions(connection: sa.Connection, topic: str, told: Sequence[ToldRow]) -> dict[str, int]:
    keys = text_array(sorted({row.key for row in told}))
    rows = connection.exec_driver_sql(_LAST, {"topic": topic, "keys": keys})
    return {str(key): int(version) for key, version in rows}


def _check_known(connection: sa.Connection, topic: str, known: Mapping[_Place, ToldRow]) -> None:
    if not known:
        return
    values = {
        "topic": topic,
        "keys": text_array([key for key, _ in known]),
        "versions": integer_array([version for _, version in known]),
    }
    for key, version, event_id, digest in connection.exec_driver_sql(_HERE, values):
        _check_same(known[str(key), int(version)], str(event_id), bytes(digest))


def _check_same(row: ToldRow, event_id: str, digest: bytes) -> None:
    if (row.event_id, row.payload_sha256) != (event_id, digest):
        detail = (
            f"version {row.stream_version} of {row.key} is {event_id} here and {row.event_id} in the archive"
        )
        raise Rejected("archive_contradicts", detail, stored=False)


def _values(topic: str, rows: Sequence[ToldRow], shards: int) -> dict[str, object]:
    return {
        "topic": topic,
        "epoch": SENT_EPOCH,
        "shards": integer_array([shard_of(topic, row.key, shards) for row in rows]),
        "keys": text_array([row.key for row in rows]),
        "versions": integer_array([row.stream_version for row in rows]),
        "event_ids": text_array([row.event_id for row in rows]),
        "types": text_array([row.event_type for row in rows]),
        "schemas": text_array([row.data_schema for row in rows]),
        "sources": text_array([row.source for row in rows]),
        "subjects": text_array([row.subject for row in rows]),
        "times": time_array([row.event_time for row in rows]),
        "causes": text_array([row.cause_id for row in rows]),
        "traces": optional_text_array([row.traceparent for row in rows]),
        "payloads": bytes_array([row.payload for row in rows]),
        "digests": bytes_array([row.payload_sha256 for row in rows]),
        "sent": "{" + ",".join(["t" if row.sent else "f" for row in rows]) + "}",
    }
