"""Repository of attempts: stored once each, counted in exact sliding windows, a batch at a time.

There are no counters that could drift: a count is a count of rows between two times, by an index that holds them in
that order. Rows older than the longest window are dropped by the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.risk.adapters import tables
from services.risk.app.ports import CountKey
from services.risk.domain.attempts import Attempt, Subject
from services.risk.domain.rules import Counted, Velocity
from shared.persistence.arrays import text_array
from shared.persistence.statements import execute

NOT_STORED: Final = 2**63 - 1
"""Stands behind everything that came: of an attempt that is only tried."""
SUM_MAX: Final = 2**63 - 1
"""A sum above it is told as this: a thousand attempts can come to more than a bigint holds, and no limit is as high."""
_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended(key, 1))
  FROM (SELECT DISTINCT key FROM unnest(%(keys)s::text[]) AS key ORDER BY key) AS ordered
"""
_TAKE_IN: Final = f"""
INSERT INTO attempts ({", ".join(tables.ATTEMPT)})
SELECT {", ".join("r." + column for column in tables.ATTEMPT)}
  FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS came(row, nth)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::attempts, came.row) AS r ORDER BY came.nth
ON CONFLICT (operation_id) DO NOTHING
"""
# A window is (end - length, end]: an attempt exactly one length before its end has left it. Asked about are the window
# that ends at the attempt, and those that end at younger ones which came before it: whatever the order of arrival, no
# window ever holds more than was let through. Only what came earlier is seen, so batches make no difference.
_SEEN: Final = """a.{column} = q.key AND a.nth <= q.nth
           AND (q.currency IS NULL OR a.currency = q.currency)
           AND (q.merchants IS NULL OR a.merchant_id = ANY(q.merchants))
           AND (q.operations IS NULL OR a.operation_type = ANY(q.operations))"""
_COUNT: Final = f"""
WITH q AS MATERIALIZED (
    SELECT j.*, make_interval(secs => j.length_s) AS length, coalesce(own.nth, {NOT_STORED}) AS nth
      FROM jsonb_to_recordset(%(questions)s::jsonb)
           AS j(operation_id text, rule text, key text, at timestamptz, length_s bigint, currency text,
                merchants text[], operations text[], stop_after bigint)
      LEFT JOIN attempts AS own USING (operation_id))
SELECT q.operation_id, q.rule, greatest(c.attempts, late.attempts),
       least(greatest(c.amount_minor, late.amount_minor), {SUM_MAX})::bigint
  FROM q
 CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, coalesce(sum(w.amount_minor), 0) AS amount_minor FROM (
        SELECT a.amount_minor FROM attempts AS a
         WHERE {_SEEN} AND a.at > q.at - q.length AND a.at <= q.at
         LIMIT q.stop_after) AS w) AS c
 CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM attempts AS a WHERE {_SEEN} AND a.at > q.at AND a.at < q.at + q.length) AS is_late
    ) AS came
 CROSS JOIN LATERAL (
    SELECT max(w.attempts) AS attempts, max(w.amount_minor) AS amount_minor FROM (
        SELECT a.at, count(*) OVER sliding AS attempts, sum(a.amount_minor) OVER sliding AS amount_minor
          FROM attempts AS a
         WHERE came.is_late AND {_SEEN} AND a.at > q.at - q.length AND a.at < q.at + q.length
        WINDOW sliding AS (ORDER BY a.at RANGE BETWEEN (q.length - interval '1 microsecond') PRECEDING AND CURRENT ROW)
        ) AS w
     WHERE w.at > q.at) AS late
"""
_COLUMNS: Final = {
    Subject.CUSTOMER: "customer_key",
    Subject.PAYMENT_METHOD: "payment_method",
    Subject.MERCHANT: "merchant_id",
}
_COUNTS: Final = {subject: _COUNT.format(column=column) for subject, column in _COLUMNS.items()}


class StoredAttempts:
    """Attempts of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, keys: Sequence[str]) -> None:
        """Decisions about one subject take turns; locked in order, so that two batches cannot wait for each other."""
        execute(self._connection, _LOCK, {"keys": text_array(sorted(set(keys)))})

    def take_in(self, attempts: Sequence[Attempt]) -> None:
        """Store them; those that are known stay as they are."""
        rows = [_attempt_row(attempt) for attempt in attempts]
        execute(self._connection, _TAKE_IN, {"rows": orjson.dumps(rows).decode()})

    def count(self, asked: Sequence[tuple[Attempt, Velocity]]) -> dict[CountKey, Counted]:
        """The most that any of each rule's windows around an attempt held, of what came before it and itself."""
        counts: dict[CountKey, Counted] = {}
        for subject, statement in _COUNTS.items():
            questions = [_question(attempt, rule) for attempt, rule in asked if rule.subject is subject]
            if not questions:
                continue
            values = {"questions": orjson.dumps(questions).decode()}
            for operation_id, rule, attempts, amount_minor in execute(
                self._connection, statement, values
            ).rows:
                counts[str(operation_id), str(rule)] = Counted(int(attempts or 0), int(amount_minor or 0))
        return counts


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {column: getattr(attempt, column) for column in tables.ATTEMPT}


def _question(attempt: Attempt, rule: Velocity) -> dict[str, Any]:
    scope = rule.scope
    return {
        "operation_id": attempt.operation_id,
        "rule": rule.name,
        "key": attempt.key_of(rule.subject),
        "at": attempt.at,
        "length_s": int(rule.window.total_seconds()),
        "currency": scope.currency,
        "merchants": sorted(scope.merchants) or None,
        "operations": sorted(scope.operations) or None,
        # A sum of money needs every row; a number of attempts is enough once it is above its limit.
        "stop_after": None if rule.max_minor is not None or rule.max_count is None else rule.max_count + 1,
    }
