"""The one statement that writes a transaction's events, in a form for few events and one for batches.

Both do the same. Arrays cost PostgreSQL and the driver a fixed price that a request with two events would feel
(a third of the statement); plain values need a statement per shape, so only a few small shapes use them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from shared.persistence.arrays import integer_array, text_array

# Shapes of up to this many events have a statement of their own, prepared once per session that meets them.
FEW_EVENTS: Final = 16

# The identity value is drawn above the join, hence after the row locks of `streams`: it follows the version.
_SKELETON: Final = """
WITH streams AS (
  INSERT INTO outbox_streams AS s (topic, key, last_version)
  {streams}
  ON CONFLICT (topic, key) DO UPDATE SET last_version = s.last_version + excluded.last_version
  RETURNING s.topic, s.key, s.last_version
), appended AS (
  INSERT INTO outbox (created_on, shard, topic, key, stream_version, event_id, event_type, data_schema,
                      source, subject, event_time, cause_id, traceparent, payload, payload_sha256)
  SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date, e.shard, e.topic, e.key,
         streams.last_version - e.behind, e.event_id, e.event_type, e.data_schema,
         %s::text, e.subject, %s::timestamptz, e.cause_id, NULLIF(e.traceparent, ''), e.payload, e.payload_sha256
    FROM {events} AS e(shard, topic, key, behind, event_id, event_type, data_schema, subject, cause_id,
                       traceparent, payload, payload_sha256, nth)
    JOIN streams ON streams.topic = e.topic AND streams.key = e.key
   ORDER BY e.nth
  RETURNING 1
)
SELECT count(*), pg_current_xact_id()::text FROM appended
"""
# The days that hold rows, for a look-up of what may have been told on any of them: every index begins with the day,
# and without it each is read from end to end. In front of a statement that joins ``days``.
WITH_DAYS: Final = """
WITH RECURSIVE days AS (
  SELECT min(created_on) AS day FROM outbox
  UNION ALL
  SELECT (SELECT min(o.created_on) FROM outbox o WHERE o.created_on > days.day) FROM days WHERE days.day IS NOT NULL
)
"""
_STREAM_TYPES: Final = ("text", "text", "bigint")
_EVENT_TYPES: Final = (
    "smallint",
    "text",
    "text",
    "bigint",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "bytea",
    "bytea",
)


def flush_statement(
    streams: list[tuple[Any, ...]], common: tuple[Any, ...], events: list[tuple[Any, ...]]
) -> tuple[str, tuple[Any, ...]]:
    """Return the statement for these rows and its parameters, in the order of the placeholders.

    ``streams`` are (topic, key, number of events), sorted; ``common`` is (source, event time);
    ``events`` hold shard, topic, key, how many events of the stream follow, and the rest of the row,
    with an empty trace where nobody traces.
    """
    if len(events) <= FEW_EVENTS:
        flat = [value for row in streams for value in row]
        tail = [value for row in events for value in row]
        return _few(len(streams), len(events)), (*flat, *common, *tail)
    stream_arrays = _arrays(_STREAM_TYPES, streams)
    return _MANY, (*stream_arrays, *common, *_arrays(_EVENT_TYPES, events))


@cache
def _few(streams: int, events: int) -> str:
    stream = f"({_casts(_STREAM_TYPES)})"
    rows = ", ".join(f"({_casts(_EVENT_TYPES)}, {nth})" for nth in range(events))
    return _SKELETON.format(streams="VALUES " + ", ".join([stream] * streams), events=f"(VALUES {rows})")


def _arrays(types: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[Any]:
    columns = zip(*rows, strict=True)
    return [_array(name, column) for name, column in zip(types, columns, strict=True)]


def _array(name: str, column: tuple[Any, ...]) -> Any:
    if name == "bytea":
        return list(column)
    return text_array(column) if name == "text" else integer_array(column)


def _casts(types: tuple[str, ...], suffix: str = "") -> str:
    # Bytes in binary arrays (%b): the text form would double and escape them.
    return ", ".join(f"{'%b' if suffix and name == 'bytea' else '%s'}::{name}{suffix}" for name in types)


_MANY: Final = _SKELETON.format(
    streams=f"SELECT w.topic, w.key, w.events FROM unnest({_casts(_STREAM_TYPES, '[]')})"
    " WITH ORDINALITY AS w(topic, key, events, nth) ORDER BY w.nth",
    events=f"unnest({_casts(_EVENT_TYPES, '[]')}) WITH ORDINALITY",
)
