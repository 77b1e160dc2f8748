"""The queries behind the operator API and the gauges; they change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.processor.adapters.tables import ATTEMPT_LOG, ATTEMPTS, FEEDS, OPEN, TO_LOOK_UP, TO_SEND
from shared.persistence.statements import execute_alone

_ANY_DUE: Final = f"""
SELECT 1 FROM attempts WHERE processor = %(processor)s AND next_at <= %(now)s AND {TO_SEND}
UNION ALL
SELECT 1 FROM attempts WHERE processor = %(processor)s AND next_at <= %(now)s AND {TO_LOOK_UP} LIMIT 1
"""

OLDEST_WAITING: Final = f"""
SELECT processor, extract(epoch FROM now() - min(opened_at)) FROM attempts
 WHERE {OPEN} AND phase IN ('due', 'sending') AND NOT doubtful GROUP BY processor
"""
OPEN_DOUBTS: Final = f"SELECT count(*) FROM attempts WHERE {OPEN} AND doubtful"


def any_due(engine: sa.Engine, processor: str, now: datetime) -> bool:
    """Whether a processor's lane would find work; ``engine`` is an autocommit one: a round trip and no transaction."""
    return bool(execute_alone(engine, _ANY_DUE, {"processor": processor, "now": now}).rows)


def attempt_with_log(connection: sa.Connection, operation_id: str) -> dict[str, Any] | None:
    """Return one attempt and its whole log."""
    row = connection.execute(
        sa.select(ATTEMPTS).where(ATTEMPTS.c.operation_id == operation_id)
    ).mappings().one_or_none()  # fmt: skip
    if row is None:
        return None
    lines = connection.execute(
        sa.select(ATTEMPT_LOG)
        .where(ATTEMPT_LOG.c.operation_id == operation_id)
        .order_by(ATTEMPT_LOG.c.position)
    ).mappings()
    return {**_plain(row), "log": [_plain(line) for line in lines]}


def list_attempts(
    connection: sa.Connection,
    *,
    state: str | None,
    payment_id: str | None,
    exhausted: bool | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return attempts, those due soonest first."""
    query = sa.select(ATTEMPTS).order_by(ATTEMPTS.c.next_at, ATTEMPTS.c.operation_id).limit(limit)
    if state is not None:
        query = query.where(sa.text(OPEN) if state == "open" else ATTEMPTS.c.state == state)
    if payment_id is not None:
        query = query.where(ATTEMPTS.c.payment_id == payment_id)
    if exhausted is not None:
        query = query.where(
            ATTEMPTS.c.exhausted_at.is_not(None) if exhausted else ATTEMPTS.c.exhausted_at.is_(None)
        )
    return [_plain(row) for row in connection.execute(query).mappings()]


def open_doubts(connection: sa.Connection) -> Mapping[tuple[str, ...], float]:
    """Return how many open attempts are in doubt, for the gauge."""
    return {(): float(connection.exec_driver_sql(OPEN_DOUBTS).scalar_one())}


def waiting_ages(connection: sa.Connection) -> Mapping[tuple[str, ...], float]:
    """Return the age of the oldest attempt per processor of which nothing was sent yet, for the gauge."""
    rows = connection.exec_driver_sql(OLDEST_WAITING)
    return {(processor,): float(age_s) for processor, age_s in rows}


def feed_ages(connection: sa.Connection, now: datetime) -> Mapping[tuple[str, ...], float]:
    """Return the seconds since each feed was read to its end, for the gauge."""
    rows = connection.execute(sa.select(FEEDS.c.processor, FEEDS.c.read_to_end_at))
    return {
        (processor,): (now - read_at).total_seconds() for processor, read_at in rows if read_at is not None
    }


def _plain(row: sa.RowMapping) -> dict[str, Any]:
    """Return the row under plain names: the library's own kind of text is no JSON key."""
    return {str(name): value for name, value in row.items()}
