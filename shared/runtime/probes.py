"""Gauges read from the mechanism's tables when they are scraped: unsent events, parked keys, keys in flight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from shared.messaging.intake import RAW_PREFIX
from shared.messaging.parked import UNREADABLE
from shared.persistence.idempotency import abandoned_count
from shared.persistence.key_inspection import oldest_in_flight_s
from shared.persistence.retention import KEEP_DAYS
from shared.runtime.metric_names import (
    IDEMPOTENCY_ABANDONED,
    IDEMPOTENCY_OLDEST_IN_FLIGHT_S,
    OUTBOX_ARCHIVE_OVERDUE_S,
    OUTBOX_OLDEST_UNSENT_S,
    OUTBOX_UNSENT,
    PARKED_KEYS,
    PARKED_OLDEST_S,
    QUARANTINED,
    Metric,
)
from shared.runtime.metrics import Samples, probe

_PARKED: Final = (
    "(SELECT consumer, reason, since FROM parked_keys UNION ALL"
    f" SELECT consumer, '{UNREADABLE}', parked_at FROM parked_records"
    f" WHERE starts_with(event_id, '{RAW_PREFIX}')) AS parked"
)
_QUERIES: Final[dict[Metric, str]] = {
    OUTBOX_OLDEST_UNSENT_S: (
        "SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - min(event_time)), 0)::float8"
        " FROM outbox WHERE sent_at IS NULL"
    ),
    OUTBOX_UNSENT: "SELECT count(*)::float8 FROM outbox WHERE sent_at IS NULL",
    PARKED_KEYS: f"SELECT consumer, reason, count(*)::float8 FROM {_PARKED} GROUP BY consumer, reason",
    PARKED_OLDEST_S: (
        "SELECT consumer, reason, EXTRACT(EPOCH FROM clock_timestamp() - min(since))::float8"
        f" FROM {_PARKED} GROUP BY consumer, reason"
    ),
    QUARANTINED: (
        "SELECT consumer, reason, count(*)::float8 FROM quarantined_records GROUP BY consumer, reason"
    ),
}


_OVERDUE: Final = r"""
SELECT greatest(0, coalesce(max(extract(epoch FROM (clock_timestamp() AT TIME ZONE 'UTC')
       - (to_date(right(c.relname, 8), 'YYYYMMDD') + {keep_days} + 1)::timestamp)), 0))::float8
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_p[0-9]{{8}}$'
"""


def watch_mechanism(engine: sa.Engine, *, keep_days: int = KEEP_DAYS) -> None:
    """Register the gauges that every service has; call once, where HTTP is served or roles run."""
    for metric, query in _QUERIES.items():
        _register(engine, metric, query)
    _register(engine, OUTBOX_ARCHIVE_OVERDUE_S, _OVERDUE.format(keep_days=keep_days))
    probe(IDEMPOTENCY_ABANDONED, lambda: _single(engine, abandoned_count))
    probe(IDEMPOTENCY_OLDEST_IN_FLIGHT_S, lambda: _single(engine, oldest_in_flight_s))


def _register(engine: sa.Engine, metric: Metric, query: str) -> None:
    def read() -> Samples:
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(query).all()
        return {tuple(str(part) for part in row[:-1]): float(row[-1]) for row in rows}

    probe(metric, read)


def _single(engine: sa.Engine, read: Callable[[sa.Connection], float]) -> Samples:
    with engine.connect() as connection:
        return {(): float(read(connection))}
